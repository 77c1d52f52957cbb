"""What takes longer than a page: connections of the auditor's role that are no page's, few at a time."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from limits.console.context import Context
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.store.db import Connection

#: Exports, and readings of the whole log, at a time; whoever comes then is asked to come again.
EXPORTS, READINGS = 8, 2
#: Exports of one person or machine at a time: whoever loads slowly keeps the other places free.
EXPORTS_EACH = 2

exports = threading.BoundedSemaphore(EXPORTS)
readings = threading.BoundedSemaphore(READINGS)
_lock = threading.Lock()
_exports_of: Counter[str] = Counter()


@contextlib.contextmanager
def export_of(who: Principal) -> Iterator[None]:
    """One of the exports that ``who`` may load at once, until it is left. Problem 429 where all of those are taken."""
    with _lock:
        if _exports_of[who.name] >= EXPORTS_EACH:
            raise Problem(
                429, "too-many-requests",
                f"{EXPORTS_EACH} exports of yours are under way; load one to its end, or try again in a minute",
                headers={"retry-after": "60"},
            )  # fmt: skip
        _exports_of[who.name] += 1
    try:
        yield
    finally:
        with _lock:
            _exports_of[who.name] -= 1
            if not _exports_of[who.name]:
                del _exports_of[who.name]  # names that load nothing are not kept


@contextlib.contextmanager
def reading(context: Context, turns: threading.BoundedSemaphore, what: str) -> Iterator[Connection]:
    """A connection of its own, read-only for as long as it lives. Problem 503 where too many read at once."""
    if not turns.acquire(blocking=False):
        raise Problem(
            503, "busy", f"others are reading so much at the moment that {what} has to wait; try again in a minute",
            headers={"retry-after": "60"},
        )  # fmt: skip
    try:
        with context.database("auditor").connect("auditor", f"limits web {what}") as conn:
            yield conn
    finally:
        turns.release()
