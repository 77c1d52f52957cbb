"""What takes longer than a page: connections of the auditor's role that are no page's, few at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from limits.console.context import Context
from limits.console.problems import Problem
from limits.store.db import Connection

#: Exports, and readings of the whole log, at a time; whoever comes then is asked to come again.
EXPORTS, READINGS = 8, 2

exports = threading.BoundedSemaphore(EXPORTS)
readings = threading.BoundedSemaphore(READINGS)


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
