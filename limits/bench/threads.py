"""One thread for every library that brings its own. Imports no NumPy: that reads these variables when it is loaded."""

from __future__ import annotations

import os

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def one_thread() -> None:
    """Let processor time be that of one thread: idle threads of BLAS would be counted as work."""
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
