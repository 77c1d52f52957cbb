"""The first page of any filter of the log soon, however many entries there are.

Newest first is the order of entry numbers. A search therefore walks down those numbers in windows, each by the index of
numbers, and looks no longer than some time: what matches nothing, or little, would else read the whole log. A search
that stops early says down to where it has looked, and goes on from there when it is asked again. What is asked of the
review and not of the entry itself (its number, its actor, its policy) is looked up among the reviews first, and
narrows the months that are walked through.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from limits.store.db import Connection
from limits.store.log import LogEntry, LogFilter, conditions, page
from limits.store.past import looking
from limits.store.queries import query

#: Seconds that a search looks for, about.
SECONDS = 0.12
#: Numbers in the first window, how much larger each may be than the one before, and what one window should take.
FIRST_WINDOW, GROWTH, WINDOW_SECONDS = 2_000, 8, 0.04
#: Reviews of one user each that are looked up one by one, at most.
FEW_REVIEWS = 2_000


@dataclass(frozen=True)
class Found:
    """Matching entries, newest first. ``after``: the number to go on from; None: there is nothing older that matches.

    ``back_to``: set where the search stopped for its time, before it had as many entries as were wanted: the moment
    of the oldest decision that it has looked at.
    """

    entries: list[LogEntry]
    after: int | None = None
    back_to: dt.datetime | None = None


def search(
    conn: Connection, wanted: LogFilter, *, limit: int, after: int | None = None, seconds: float = SECONDS
) -> Found:
    """Up to ``limit`` matching entries before the entry ``after``, or as many as are found in the time."""
    until = time.monotonic() + seconds
    with looking(conn):
        narrowed = _narrowed(conn, wanted)
        if narrowed is None:
            return Found([])
        if narrowed.user_id is not None:  # few, and found by a key
            return _page(page(conn, narrowed, limit=limit + 1, after=after), limit)
        span = _span(conn, narrowed, after)
        if span is None:
            return Found([])
        numbers: list[int] = []
        for low, high in _windows(*span, until):
            numbers += _window(conn, narrowed, low, high, limit + 1 - len(numbers))
            if len(numbers) > limit:
                break
        entries = _entries(conn, narrowed, numbers)
        if len(entries) > limit or low <= span[0]:
            return _page(entries, limit)
        return Found(entries, low, _moment(conn, narrowed, low))


def _page(entries: list[LogEntry], limit: int) -> Found:
    shown = entries[:limit]
    return Found(shown, shown[-1].entry_id if len(entries) > limit else None)


def _narrowed(conn: Connection, wanted: LogFilter) -> LogFilter | None:
    """The filter with the dates of the reviews that can be meant; None where there is none."""
    if wanted.review_id is None and wanted.actor is None and wanted.policies is None:
        return wanted
    row = conn.execute(query("log_reviews_span"), wanted.parameters(), prepare=False).fetchone()
    first, last = row or (None, None)
    if first is None:
        return None
    return dataclasses.replace(wanted, as_of_from=first, as_of_to=last)


def _span(conn: Connection, wanted: LogFilter, after: int | None) -> tuple[int, int] | None:
    """The lowest number that can match, and the one above the highest; None where the dates have no entry."""
    names = wanted.parameters() | {"after": after}
    lowest, highest = conn.execute(query("log_span"), names, prepare=False).fetchone() or (None, None)
    return None if lowest is None or highest is None else (lowest, highest + 1)


def _windows(lowest: int, above: int, until: float) -> Iterator[tuple[int, int]]:
    """Windows of numbers, from the highest down: first number and the one above the last. At least one."""
    high, size = above, FIRST_WINDOW
    while high > lowest:
        low = max(lowest, high - size)
        began = time.monotonic()
        yield low, high
        ended = time.monotonic()
        if ended >= until:
            return
        high = low
        rate = size / max(ended - began, 1e-4)
        size = int(min(size * GROWTH, rate * min(WINDOW_SECONDS, until - ended))) + 1


def _window(conn: Connection, wanted: LogFilter, low: int, high: int, limit: int) -> list[int]:
    statement = sql.SQL(query("log_window")).format(conditions=conditions())
    names: dict[str, Any] = wanted.parameters() | {"low": low, "high": high, "limit": limit}
    return [number for (number,) in conn.execute(statement, names, prepare=False)]


def _entries(conn: Connection, wanted: LogFilter, numbers: list[int]) -> list[LogEntry]:
    """The entries of those numbers, in their order."""
    if not numbers:
        return []
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(
            query("log_entries_of"), wanted.parameters() | {"numbers": numbers}, prepare=False
        ).fetchall()


def _moment(conn: Connection, wanted: LogFilter, low: int) -> dt.datetime | None:
    row = conn.execute(query("log_moment"), wanted.parameters() | {"low": low}, prepare=False).fetchone()
    return row[0] if row else None
