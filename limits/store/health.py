"""What `limits doctor` reads from the database. Nothing here writes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row

from limits.store.db import Connection
from limits.store.queries import query

#: The oldest server that the schema works on.
OLDEST_VERSION = 150000


@dataclass(frozen=True)
class Server:
    """The server's version: 150003 and '15.3'."""

    number: int
    version: str


@dataclass(frozen=True)
class RoleRow:
    """A role of ours: whether it is there, and whether this login may act as it."""

    name: str
    there: bool
    may: bool


@dataclass(frozen=True)
class Trouble:
    """A review that is not finished, or failed in the last week."""

    review_id: int
    schedule: str
    business_date: dt.date
    state: str
    error: str | None
    shard_error: str | None
    age_seconds: float


@dataclass(frozen=True)
class Stuck:
    """A lease that ran out more than a minute ago and that nobody took over."""

    review_id: int
    shard: int
    leased_by: str | None
    overdue_seconds: float


@dataclass(frozen=True)
class Guard:
    """A trigger that does not guard as it should: ``wrong`` is gone, another, disabled or not always."""

    relation: str
    name: str
    wrong: str


def server(conn: Connection) -> Server:
    """The server's version."""
    with conn.cursor(row_factory=class_row(Server)) as cursor:
        found = cursor.execute(query("server_version")).fetchone()
    assert found is not None, "a SELECT without FROM gives a row"
    return found


def roles(conn: Connection) -> list[RoleRow]:
    """The roles of ours."""
    with conn.cursor(row_factory=class_row(RoleRow)) as cursor:
        return cursor.execute(query("role_there")).fetchall()


def troubles(conn: Connection) -> list[Trouble]:
    """Reviews that somebody should look at."""
    with conn.cursor(row_factory=class_row(Trouble)) as cursor:
        return cursor.execute(query("review_troubles")).fetchall()


def stuck(conn: Connection) -> list[Stuck]:
    """Leases that nobody took over."""
    with conn.cursor(row_factory=class_row(Stuck)) as cursor:
        return cursor.execute(query("shard_stuck")).fetchall()


def guards_wrong(conn: Connection) -> list[Guard]:
    """Triggers that do not guard as they should, those of the log first."""
    with conn.cursor(row_factory=class_row(Guard)) as cursor:
        return cursor.execute(query("guards_wrong")).fetchall()
