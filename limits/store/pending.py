"""What waits, as rows: offered and announced changes, requests, consent. Only functions of the database write them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import ChangeEnded, NotFound, ReviewRefused
from limits.store import approvals
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class Change:
    """An offered or announced change. ``effective_on``: last day to accept, or day it takes effect; amounts minor."""

    change_id: int
    entry_id: int
    review_id: int
    user_id: int
    kind: str
    as_of: dt.date
    currency: str
    exponent: int
    limit_minor: int
    proposed_minor: int
    effective_on: dt.date
    state: str
    ended_at: dt.datetime | None
    ended_by: str | None
    ended_reason: str
    applied_review_id: int | None
    #: Of the policy it was decided by.
    pack: str

    @property
    def is_raise(self) -> bool:
        """Whether the limit is to go up."""
        return self.proposed_minor > self.limit_minor

    def is_due(self, as_of: dt.date) -> bool:
        """Whether something is to be done on that date: an announced change takes effect, an offer runs out."""
        if self.state != "open":
            return False
        return self.effective_on <= as_of if self.kind == "announced" else self.effective_on < as_of

    def as_dict(self) -> dict[str, Any]:
        """The change for a machine; amounts in minor units."""
        return {
            "change_id": self.change_id,
            "entry_id": self.entry_id,
            "review_id": self.review_id,
            "user_id": self.user_id,
            "kind": self.kind,
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "exponent": self.exponent,
            "limit_minor": self.limit_minor,
            "proposed_minor": self.proposed_minor,
            "effective_on": self.effective_on.isoformat(),
            "state": self.state,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "ended_by": self.ended_by,
            "ended_reason": self.ended_reason,
            "applied_review_id": self.applied_review_id,
        }


@dataclass(frozen=True)
class Request:
    """A user asked for an amount, in minor units, and what came of it: granted, partly_granted or refused."""

    request_id: int
    user_id: int
    asked_on: dt.date
    amount_minor: int
    currency: str
    exponent: int
    actor: str
    review_id: int
    answer: str


@dataclass(frozen=True)
class UserLine:
    """A user's credit line as it is now."""

    currency: str
    exponent: int
    limit_minor: int


def changes(
    conn: Connection,
    *,
    user_id: int | None = None,
    due_on: dt.date | None = None,
    ended: bool = False,
    after: int = 0,
    limit: int = 1000,
) -> list[Change]:
    """Changes that are open (``ended``: all), by number; ``due_on``: only those to be dealt with by that date."""
    parameters = {
        "change_id": None, "user_id": user_id, "due_on": due_on, "ended": ended, "after": after, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(query("change_list"), parameters).fetchall()


def change(conn: Connection, change_id: int) -> Change:
    """The change of that number; NotFound names it."""
    parameters = {
        "change_id": change_id, "user_id": None, "due_on": None, "ended": True, "after": 0, "limit": 1,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Change)) as cursor:
        found = cursor.execute(query("change_list"), parameters).fetchone()
    if found is None:
        raise NotFound(f"there is no change {change_id}; `limits change list` shows those that are open")
    return found


def opened_by(conn: Connection, review_id: int) -> dict[str, int]:
    """How many changes a review offered and announced, by kind."""
    counted = dict(conn.execute(query("change_counts"), {"review_id": review_id}).fetchall())
    return {kind: int(counted.get(kind, 0)) for kind in ("offer", "announced")}


def end(conn: Connection, change_id: int, state: str, *, as_of: dt.date, actor: str, reason: str) -> tuple[str, bool]:
    """Ends an open change without a decision: declined, expired or suppressed.

    Gives its state and whether this call ended it. ChangeEnded when it may not end that way.
    """
    parameters = {"change_id": change_id, "state": state, "as_of": as_of, "actor": actor, "reason": reason}
    try:
        found = conn.execute(query("change_end"), parameters).fetchone()
    except psycopg.Error as error:
        if error.sqlstate == "LM005":
            raise ChangeEnded(error.diag.message_primary or str(error)) from error
        raise
    assert found is not None, "the function gives one row"
    if found[0] is None:
        raise NotFound(f"there is no change {change_id}; `limits change list` shows those that are open")
    return str(found[0]), bool(found[1])


def line_of(conn: Connection, user_id: int) -> UserLine:
    """The user's credit line; NotFound where there is none."""
    with conn.cursor(row_factory=class_row(UserLine)) as cursor:
        found = cursor.execute(query("user_line"), {"user_id": user_id}).fetchone()
    if found is None:
        raise NotFound(f"user {user_id} has no credit line")
    return found


def ask(
    conn: Connection, *, user_id: int, asked_on: dt.date, amount_minor: int, currency: str, key: str, actor: str
) -> int | None:
    """Writes a request down and gives its number; None when the key was used before. Answered by apply_decisions."""
    parameters = {
        "user_id": user_id,
        "asked_on": asked_on,
        "amount_minor": amount_minor,
        "currency": currency,
        "key": key,
        "actor": actor,
    }
    try:
        with approvals.in_words(), conn.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(query("request_ask"), parameters).fetchone()
    except psycopg.Error as error:
        if error.sqlstate == "LM003":
            raise ReviewRefused(f"{error.diag.message_primary}: the limit has changed meanwhile; look again") from error
        raise


def request_of(conn: Connection, review_id: int) -> Request:
    """The request that a review answered."""
    with conn.cursor(row_factory=class_row(Request)) as cursor:
        found = cursor.execute(query("request_of_review"), {"review_id": review_id}).fetchone()
    if found is None:
        raise NotFound(f"review {review_id} answered no request")
    return found


def set_consent(
    conn: Connection, *, user_id: int, subject: str, state: str, effective_on: dt.date, actor: str, reason: str
) -> tuple[bool, int]:
    """Writes down what a user agreed to or took back; ErasureRefused for one who was erased.

    Gives whether that was new, and how many raises no longer wait because of it.
    """
    parameters = {
        "user_id": user_id,
        "subject": subject,
        "state": state,
        "effective_on": effective_on,
        "actor": actor,
        "reason": reason,
    }
    with approvals.in_words():
        found = conn.execute(query("consent_set"), parameters).fetchone()
    assert found is not None, "the function gives one row"
    return bool(found[0]), int(found[1])
