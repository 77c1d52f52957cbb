"""How the loops over users and months are compiled.

The compiled code is kept on disk: in NUMBA_CACHE_DIR when that is set, else beside the
source, else in the user's cache folder. What is kept is good for the text of its own file
only, so that a kernel may call kernels of its own file and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

#: Division as in NumPy, no reordering of sums: the same bits on every run.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def kernel(function: Function) -> Function:
    """The function compiled at its first call; where nothing can be kept on disk, by each process anew."""
    try:
        compiled: Function = njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:
        if "no locator" not in str(error):  # numba's words for: no folder to keep it in can be written to
            raise
        compiled = njit(**_OPTIONS)(function)
    return compiled


def compiled_anew(function: Any) -> bool:
    """Whether a kernel that has been called had to be compiled by this process."""
    return bool(function.stats.cache_misses) or function.stats.cache_path is None
