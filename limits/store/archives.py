"""The months of the adjustment log that are archived: which there are, and what a reader says who looks for one.

An archived month has no entries in the database. They stand in a file of the format of limits.store.proof_file, which
whoever archived it keeps; its name and sha256 are in the table limits.archived_months. The oldest months go first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from limits.errors import InArchive, NotFound
from limits.store.queries import query

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Month:
    """A row of limits.archived_months; ``delta_minor``: what its entries changed limits by in all, minor units."""

    month: dt.date
    entries: int
    batches: int
    changes: int
    delta_minor: int
    notices: int
    waiting: int
    first_entry: int
    last_entry: int
    file_name: str
    sha256: bytes
    actor: str
    session_role: str
    archived_at: dt.datetime

    @property
    def name(self) -> str:
        """The month as 2021-05."""
        return name_of(self.month)

    @property
    def last_day(self) -> dt.date:
        """The last day of the month."""
        return last_day(self.month)


@dataclass(frozen=True)
class Line:
    """What the log of a user goes on from: the newest archived change, the limit after it in minor units."""

    month: dt.date
    limit_after_minor: int
    version_after: int
    since: dt.date


def name_of(month: dt.date) -> str:
    """A month as 2021-05."""
    return f"{month:%Y-%m}"


def last_day(month: dt.date) -> dt.date:
    """The last day of the month of a date."""
    return (month.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def months(conn: Connection) -> list[Month]:
    """All archived months, oldest first."""
    with conn.cursor(row_factory=class_row(Month)) as cursor:
        return cursor.execute(query("archive_months")).fetchall()


def line(conn: Connection, user_id: int) -> Line | None:
    """What the log of a user goes on from; None: no archive has changed the user's limit."""
    with conn.cursor(row_factory=class_row(Line)) as cursor:
        return cursor.execute(query("archive_line"), {"user_id": user_id}).fetchone()


def of_days(conn: Connection, since: dt.date | None, until: dt.date | None) -> list[Month]:
    """The archived months with a day between two, both included; None: without a bound."""
    return [
        one
        for one in months(conn)
        if (until is None or one.month <= until) and (since is None or since <= one.last_day)
    ]


def of_day(conn: Connection, day: dt.date) -> Month | None:
    """The archived month of a day."""
    return next(iter(of_days(conn, day, day)), None)


def in_words(some: Sequence[Month]) -> str:
    """Where the entries of some months lie: each with its file, of many the first and the last."""
    if len(some) == 1:
        return f"the entries of {some[0].name} lie in the archive {some[0].file_name}"
    names = (
        ", ".join(one.file_name for one in some) if len(some) < 4 else f"{some[0].file_name} to {some[-1].file_name}"
    )
    return f"the entries of {some[0].name} to {some[-1].name} lie in the archives {names}"


def require_here(conn: Connection, day: dt.date) -> None:
    """InArchive where the log no longer has what was decided as of a day."""
    found = months(conn)
    if found and day <= found[-1].last_day:
        near = of_day(conn, day)
        raise InArchive(
            f"the log as of {day} is not in the database: {in_words([near] if near else found)}; "
            "limits log verify --export checks one"
        )


def missing_entry(conn: Connection, entry_id: int, otherwise: str) -> NotFound:
    """What to raise about an entry that the database does not have: in which archive it may lie, ``otherwise`` that."""
    some = [one for one in months(conn) if one.first_entry <= entry_id <= one.last_entry]
    if not some:
        return NotFound(otherwise)
    where = " or ".join(
        f"{one.file_name} ({one.name}, entries from {one.first_entry} to {one.last_entry})" for one in some
    )
    return InArchive(f"log entry {entry_id} is not in the database: it lies in the archive {where}")
