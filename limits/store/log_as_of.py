"""What the limit of a user was on a date, by the adjustment log, and which decision made it so.

The date is the business date of the decisions (as_of). A decision made later may be as of an earlier date: what
stood there until then is told apart. Nothing here writes; the connection should be of the role ``auditor``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from limits.errors import InputError, NotFound, NotOpenYet
from limits.store import archives
from limits.store.archives import Line
from limits.store.db import Connection
from limits.store.log import LogEntry, newest
from limits.store.past import looking
from limits.store.pending import Change
from limits.store.persons import Erasure, erasure
from limits.store.queries import query


@dataclass(frozen=True)
class Opening:
    """What a credit line opened with, minor units."""

    currency: str
    exponent: int
    opening_limit_minor: int
    opened_on: dt.date


@dataclass(frozen=True)
class Standing:
    """A user's limit at the end of a date.

    ``change``: the decision that made it what it was; None: none has changed it. ``newest``: the last decision
    about the user, a hold perhaps; None: none yet. ``known``: as ``change``, of what was decided by the end of that
    day. ``waiting``: changes that were offered or announced and open. ``erased``: set where the user was, whenever.
    ``archived``: what the log of the user goes on from, where an archived month has changed the limit; ``archive``: the
    file of that month, or of the last one.
    """

    user_id: int
    as_of: dt.date
    opening: Opening
    change: LogEntry | None
    newest: LogEntry | None
    known: LogEntry | None
    waiting: list[Change]
    erased: Erasure | None
    archived: Line | None = None
    archive: str | None = None

    @property
    def limit_minor(self) -> int:
        """The limit on that date."""
        return self._limit(self.change)

    @property
    def since(self) -> dt.date:
        """From which business date on."""
        if self.change is not None:
            return self.change.as_of
        return self.archived.since if self.archived else self.opening.opened_on

    @property
    def known_minor(self) -> int | None:
        """The limit as it stood when that day ended; None where no later decision is as of the date or before."""
        return None if self.change == self.known else self._limit(self.known)

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "user_id": self.user_id,
            "date": self.as_of.isoformat(),
            "currency": self.opening.currency,
            "exponent": self.opening.exponent,
            "limit_minor": self.limit_minor,
            "since": self.since.isoformat(),
            "opened_on": self.opening.opened_on.isoformat(),
            "opening_limit_minor": self.opening.opening_limit_minor,
            "archive": self.archive,
            "decision": self.change.as_dict() if self.change else None,
            "last_decision": self.newest.as_dict() if self.newest else None,
            "decided_later": self.known_minor is not None,
            "limit_known_minor": self.limit_minor if self.known_minor is None else self.known_minor,
            "waiting": [_change_dict(change) for change in self.waiting],
            "erased_on": self.erased.erased_on.isoformat() if self.erased else None,
        }

    def _limit(self, change: LogEntry | None) -> int:
        if change is not None:
            return change.limit_after_minor
        return self.archived.limit_after_minor if self.archived else self.opening.opening_limit_minor


def _change_dict(change: Change) -> dict[str, Any]:
    return {
        "change_id": change.change_id,
        "entry_id": change.entry_id,
        "kind": change.kind,
        "as_of": change.as_of.isoformat(),
        "limit_minor": change.limit_minor,
        "proposed_minor": change.proposed_minor,
        "effective_on": change.effective_on.isoformat(),
    }


def standing(conn: Connection, user_id: int, as_of: dt.date, *, now: dt.datetime | None = None) -> Standing:
    """The user's limit on a date that has come, somewhere on earth: schedules go by the date of their place.

    ``now``: InputError where that date has not come; None: nobody asks. NotFound where the user has no credit line,
    NotOpenYet before it was opened, InArchive where the log as of the date is archived.
    """
    if now is not None and as_of > (now + dt.timedelta(hours=14)).date():
        raise InputError(f"{as_of} lies in the future: the log says what was, up to today")
    key = {"user_id": user_id, "as_of": as_of}
    with looking(conn):
        with conn.cursor(row_factory=class_row(Opening)) as cursor:
            opening = cursor.execute(query("log_opening"), key).fetchone()
        if opening is None:
            raise NotFound(f"there is no user {user_id} with a credit line")
        if as_of < opening.opened_on:
            raise NotOpenYet(f"user {user_id} had no limit on {as_of}: the account was opened on {opening.opened_on}")
        archives.require_here(conn, as_of)
        archived, months = archives.line(conn, user_id), archives.months(conn)
        month = archived.month if archived else months[-1].month if months else None
        archive = next((one.file_name for one in months if one.month == month), None)
        change = _in_force(conn, user_id, as_of, None)
        over = dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time(), dt.UTC)
        known = change if change is None or change.decided_at < over else _in_force(conn, user_id, as_of, over)
        with conn.cursor(row_factory=class_row(Change)) as cursor:
            waiting = cursor.execute(query("log_waiting"), key).fetchall()
        last, gone = newest(conn, user_id, as_of), erasure(conn, user_id)
        return Standing(user_id, as_of, opening, change, last, known, waiting, gone, archived, archive)


def _in_force(conn: Connection, user_id: int, as_of: dt.date, decided_by: dt.datetime | None) -> LogEntry | None:
    parameters = {"user_id": user_id, "as_of": as_of, "decided_by": decided_by}
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query("log_in_force"), parameters).fetchone()
