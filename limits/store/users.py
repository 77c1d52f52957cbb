"""One user as rows: the credit line, what was decided, statements, consents, and reviews that have not come to it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg.rows import class_row

from limits.errors import NotFound
from limits.store import past
from limits.store.db import Connection
from limits.store.log import LogEntry
from limits.store.queries import query

#: The last place of a list that begins with the newest entry.
NEWEST = (dt.date.max, 2**63 - 1)


@dataclass(frozen=True)
class UserState:
    """A user's credit line now. Without a line currency, exponent and amounts are None."""

    user_id: int
    opened_on: dt.date
    currency: str | None
    exponent: int | None
    limit_minor: int | None
    opening_limit_minor: int | None
    line_opened_on: dt.date | None
    last_raise_on: dt.date | None
    last_cut_on: dt.date | None
    erased_on: dt.date | None


@dataclass(frozen=True)
class Statement:
    """One statement; ``days_past_due`` as the lender's system reported it, None where it did not."""

    statement_on: dt.date
    due_on: dt.date
    balance_minor: int
    minimum_due_minor: int
    days_past_due: int | None


@dataclass(frozen=True)
class ConsentRow:
    """What a user said last of being raised ("raises") or of being decided by a machine ("automation")."""

    subject: str
    state: str
    effective_on: dt.date
    actor: str
    reason: str


@dataclass(frozen=True)
class HoldingReview:
    """A review that has not decided and applied a user yet. ``shard`` None: it is owed and has no list of users yet.

    what, at, actor, reason: the newest event of its gate, None without one.
    """

    review_id: int
    schedule: str
    business_date: dt.date
    state: str
    stage: str
    error: str | None
    since: dt.datetime
    shard: int | None
    shard_stage: str | None
    shard_state: str | None
    released: bool | None
    what: str | None
    at: dt.datetime | None
    actor: str | None
    reason: str | None


@dataclass(frozen=True)
class LeftOut:
    """That the newest finished review did not decide a user."""

    review_id: int
    schedule: str
    business_date: dt.date
    outcome: str
    reason: str
    detail: str


@contextlib.contextmanager
def looking(conn: Connection) -> Iterator[None]:
    """One snapshot for reading about one user, in which nothing can be written."""
    with past.looking(conn):
        yield


@contextlib.contextmanager
def planned_once(conn: Connection) -> Iterator[None]:
    """Inside a snapshot: queries that go by an index whoever the user is are planned once for all users."""
    conn.execute(query("plan_once"), {"once": True})
    yield
    conn.execute(query("plan_once"), {"once": False})


def state(conn: Connection, user_id: int) -> UserState:
    """The user of that number; NotFound names it."""
    with conn.cursor(row_factory=class_row(UserState)) as cursor:
        found = cursor.execute(query("user_state"), {"user_id": user_id}).fetchone()
    if found is None:
        raise NotFound(f"there is no user {user_id}")
    return found


def changes(conn: Connection, user_id: int, *, limit: int) -> list[LogEntry]:
    """What changed the limit, or was offered or announced, the newest first."""
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query("user_changes"), {"user_id": user_id, "limit": limit}).fetchall()


def history(conn: Connection, user_id: int, *, limit: int, after: tuple[dt.date, int] | None = None) -> list[LogEntry]:
    """The decisions about a user, the newest first; ``after``: date and number of the entry that a page ended with."""
    as_of, entry_id = after or NEWEST
    parameters = {"user_id": user_id, "after_as_of": as_of, "after_entry": entry_id, "limit": limit}
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query("user_history"), parameters).fetchall()


def recent(conn: Connection, *, limit: int) -> list[LogEntry]:
    """The newest decisions about single users, which people asked for."""
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query("user_recent"), {"limit": limit}).fetchall()


def statements(conn: Connection, user_id: int, *, limit: int) -> list[Statement]:
    """The newest statements, the newest first."""
    with conn.cursor(row_factory=class_row(Statement)) as cursor:
        return cursor.execute(query("user_statements"), {"user_id": user_id, "limit": limit}).fetchall()


def consents(conn: Connection, user_id: int, as_of: dt.date) -> list[ConsentRow]:
    """What the user agreed to or took back, the newest of each subject."""
    with conn.cursor(row_factory=class_row(ConsentRow)) as cursor:
        return cursor.execute(query("user_consents"), {"user_id": user_id, "as_of": as_of}).fetchall()


def held_by(conn: Connection, user_id: int) -> list[HoldingReview]:
    """The reviews that have not decided and applied the user yet, the oldest date first."""
    with conn.cursor(row_factory=class_row(HoldingReview)) as cursor:
        return cursor.execute(query("user_reviews"), {"user_id": user_id}).fetchall()


def left_out(conn: Connection, user_id: int) -> LeftOut | None:
    """Why the newest finished review did not decide the user; None where it did."""
    with conn.cursor(row_factory=class_row(LeftOut)) as cursor:
        return cursor.execute(query("user_exception"), {"user_id": user_id}).fetchone()
