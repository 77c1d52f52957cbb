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

from limits.store import archives
from limits.store.db import Connection
from limits.store.log import LogEntry, LogFilter, conditions, page
from limits.store.past import looking
from limits.store.queries import query

#: Seconds that a search looks for, about.
SECONDS = 0.08
#: Numbers in the first window, how much larger each may be than the one before, and what one window should take.
FIRST_WINDOW, GROWTH, WINDOW_SECONDS = 2_000, 8, 0.03
#: Reviews of one user each that are looked up one by one, at most.
FEW_REVIEWS = 1_000


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
        if wanted.user_id is not None:  # few, and found by a key
            return _page(page(conn, wanted, limit=limit + 1, after=after), limit)
        reviews = _reviews(conn, wanted)
        if reviews is None:
            return Found([])
        dated = dataclasses.replace(wanted, as_of_from=reviews.first_day, as_of_to=reviews.last_day)
        if reviews.single is not None:
            numbers = _of_reviews(conn, dated, reviews.single, limit + 1, after)
            return _page(_entries(conn, dated, numbers), limit)
        span = _span(conn, dated, reviews, after)
        if span is None:
            return Found([])
        numbers, low = [], span[0]
        for low, high in _windows(*span, until):
            numbers += _window(conn, dated, low, high, limit + 1 - len(numbers))
            if len(numbers) > limit:
                break
        entries = _entries(conn, dated, numbers)
        if len(entries) > limit or low <= span[0]:
            return _page(entries, limit)
        if len(entries) == limit:  # as many as were wanted; whether there are more, the next page says
            return Found(entries, entries[-1].entry_id)
        return Found(entries, low, _moment(conn, dated, low))


def _page(entries: list[LogEntry], limit: int) -> Found:
    shown = entries[:limit]
    return Found(shown, shown[-1].entry_id if len(entries) > limit else None)


# What is asked of the review ----------------------------------------------------------------


@dataclass(frozen=True)
class _Reviews:
    """The reviews that can be meant: their dates, when the first was asked for, when the last was over (None: not yet).

    ``single``: review, date and user of each, where all of them are few and of one user each.
    """

    first_day: dt.date | None = None
    last_day: dt.date | None = None
    asked_at: dt.datetime | None = None
    over_at: dt.datetime | None = None
    single: list[tuple[int, dt.date, int]] | None = None


def _reviews(conn: Connection, wanted: LogFilter) -> _Reviews | None:
    """The reviews that a filter can mean; None where there is none. Where it asks nothing of them, nothing is known."""
    names, meant = wanted.parameters(), sql.SQL(query("log_reviews_meant"))
    asks = wanted.review_id is not None or wanted.actor is not None or wanted.policies is not None
    if not asks and wanted.as_of_from is None and wanted.as_of_to is None:
        return _Reviews()
    statement = sql.SQL(query("log_reviews_span")).format(reviews=meant)
    row = conn.execute(statement, names, prepare=False).fetchone()
    if row is None or row[0] is None:
        return None
    found = _Reviews(*row)
    if not asks:
        return found
    statement = sql.SQL(query("log_reviews_single")).format(reviews=meant)
    rows = conn.execute(statement, names | {"many": FEW_REVIEWS + 1}, prepare=False).fetchall()
    if len(rows) > FEW_REVIEWS or any(user is None for *_, user in rows):
        return found
    return dataclasses.replace(found, single=rows)


def _of_reviews(
    conn: Connection, wanted: LogFilter, single: list[tuple[int, dt.date, int]], limit: int, after: int | None
) -> list[int]:
    statement = sql.SQL(query("log_of_reviews")).format(conditions=conditions())
    reviews, days, users = (list(column) for column in zip(*single, strict=True))
    names = wanted.parameters() | {
        "reviews": reviews, "days": days, "users": users, "limit": limit, "after": after,
    }  # fmt: skip
    return [number for (number,) in conn.execute(statement, names, prepare=False)]


# Walking down the numbers -------------------------------------------------------------------


def _span(conn: Connection, wanted: LogFilter, reviews: _Reviews, after: int | None) -> tuple[int, int] | None:
    """The lowest number that can match, and the one above the highest; None where the dates have no entry."""
    names = wanted.parameters() | {"after": after}
    lowest, highest = conn.execute(query("log_span"), names, prepare=False).fetchone() or (None, None)
    if lowest is None or highest is None:
        return None
    if reviews.first_day is None or reviews.last_day is None:
        return lowest, highest + 1
    between = {
        "low": lowest, "high": highest + 1, "over_at": reviews.over_at, "asked_at": reviews.asked_at,
        "first_day": reviews.first_day.replace(day=1), "last_day": archives.last_day(reviews.last_day),
    }  # fmt: skip
    row = conn.execute(query("log_halved"), between, prepare=False).fetchone()
    return row or (lowest, highest + 1)


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
