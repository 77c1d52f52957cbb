"""How the loops over users and months are compiled.

The compiled code is kept on disk: in NUMBA_CACHE_DIR when that is set, else beside the
source, else in the user's cache folder. What is kept is good for the text of its own file
only, so that a kernel may call kernels of its own file and no others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from numba import njit
from numba.core import event

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


@contextlib.contextmanager
def when_compiling(tell: Callable[[], object]) -> Iterator[None]:
    """Calls ``tell`` once, just before a kernel that is not kept on disk is compiled while this lasts."""
    with event.install_listener("numba:compile", _Teller(tell)):
        yield


class _Teller(event.Listener):
    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell
        self._told = False

    def on_start(self, event: object) -> None:
        """A kernel is about to be compiled."""
        if not self._told:
            self._told = True
            self._tell()

    def on_end(self, event: object) -> None:
        """It has been."""
