"""Users whom a person has to look at, and what a person found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from limits.reasons import HUMAN_REVIEW, Reason
from limits.store import approvals
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class Referral:
    """A user and one reason for which a person has to look; ``since`` the first decision with it in a row."""

    user_id: int
    reason: int
    since: dt.datetime
    entry_id: int
    review_id: int
    as_of: dt.date
    currency: str
    exponent: int
    limit_after_minor: int

    def as_dict(self) -> dict[str, Any]:
        """The referral for a machine."""
        return {
            "user_id": self.user_id,
            "reason": Reason(self.reason).name.lower(),
            "since": self.since.isoformat(),
            "entry_id": self.entry_id,
            "review_id": self.review_id,
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "exponent": self.exponent,
            "limit_minor": self.limit_after_minor,
        }


def list_referrals(conn: Connection, as_of: dt.date, user_id: int | None = None) -> list[Referral]:
    """Who waits for a person as of a date, the longest first."""
    parameters = {
        "as_of": as_of,
        "user_id": user_id,
        "reasons": sorted(map(int, HUMAN_REVIEW)),
        "cleared_by": int(Reason.LINKED_FRAUD),
    }
    with conn.cursor(row_factory=class_row(Referral)) as cursor:
        return cursor.execute(query("referral_list"), parameters).fetchall()


def clear(conn: Connection, user_id: int, *, cleared_on: dt.date, actor: str, reason: str) -> None:
    """Links of the user to frauds confirmed by ``cleared_on`` no longer count (role operations).

    ErasureRefused for one who was erased.
    """
    parameters = {"user_id": user_id, "cleared_on": cleared_on, "actor": actor, "reason": reason}
    with approvals.in_words():
        conn.execute(query("referral_clear"), parameters)
