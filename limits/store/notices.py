"""What users are to be told: notices and messages about changed limits, waiting and delivered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from limits.errors import NotFound
from limits.notices import Facts, Kind
from limits.reasons import Reason
from limits.store.db import Connection
from limits.store.log import binding_order
from limits.store.queries import query


@dataclass(frozen=True)
class Waiting:
    """A message that waits: about a changed limit (``outbox_id``) or a notice (``notice_id``)."""

    user_id: int
    entry_id: int
    review_id: int
    as_of: dt.date
    outbox_id: int | None
    kind: str
    notice_id: int | None
    currency: str
    exponent: int
    limit_before_minor: int
    limit_after_minor: int


@dataclass(frozen=True)
class Notice:
    """One notice beside its decision: the columns of the view limits.notice_list. Texts are by language."""

    notice_id: int
    entry_id: int
    review_id: int
    user_id: int
    kind: str
    as_of: dt.date
    due_on: dt.date
    created_at: dt.datetime
    draft: dict[str, str] | None
    body: dict[str, str] | None
    delivered_at: dt.datetime | None
    delivered_to: str | None
    delivered_by: str | None
    currency: str
    exponent: int
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None
    reason_bits: int
    ceilings_minor: list[int | None]
    policy_hash: bytes
    effective_on: dt.date | None
    change_state: str | None
    asked_minor: int | None
    answers: str
    answered_as_of: dt.date | None
    answered_from_minor: int | None

    def state(self, as_of: dt.date) -> str:
        """How it stands as of a date: waiting or overdue, delivered in time or late."""
        told_on = None if self.delivered_at is None else self.delivered_at.astimezone(dt.UTC).date()
        if told_on is not None and told_on <= as_of:
            return "delivered" if told_on <= self.due_on else "late"
        return "overdue" if self.due_on < as_of else "waiting"

    @property
    def facts(self) -> Facts:
        """What the notice is written from."""
        return Facts(
            entry_id=self.entry_id,
            kind=Kind(self.kind),
            as_of=self.as_of,
            currency=self.currency,
            before=self.limit_before_minor,
            after=self.limit_after_minor,
            reasons=tuple(
                (reason, bound)
                for reason, bound in binding_order(self.ceilings_minor)
                if self.reason_bits >> reason & 1
            ),
            proposed=self.proposed_minor,
            effective_on=self.effective_on,
            asked=self.asked_minor,
            answers=self.answers,
            answered_as_of=self.answered_as_of,
            answered_from=self.answered_from_minor,
            state=self.change_state or "open",
        )

    def as_dict(self, as_of: dt.date) -> dict[str, Any]:
        """The notice for a machine, without its text; amounts in minor units."""
        reasons = [reason for reason in Reason if self.reason_bits >> reason & 1]
        return {
            "notice_id": self.notice_id,
            "user_id": self.user_id,
            "kind": self.kind,
            "as_of": self.as_of.isoformat(),
            "due_on": self.due_on.isoformat(),
            "state": self.state(as_of),
            "entry_id": self.entry_id,
            "review_id": self.review_id,
            "currency": self.currency,
            "exponent": self.exponent,
            "limit_before_minor": self.limit_before_minor,
            "limit_after_minor": self.limit_after_minor,
            "proposed_minor": self.proposed_minor,
            "effective_on": self.effective_on and self.effective_on.isoformat(),
            "asked_minor": self.asked_minor,
            "answers": None if self.asked_minor is None else self.answers,
            "reasons": [reason.name.lower() for reason in reasons],
            "delivered_at": self.delivered_at and self.delivered_at.isoformat(),
            "delivered_to": self.delivered_to,
            "delivered_by": self.delivered_by,
        }


@dataclass(frozen=True)
class Overdue:
    """How many notices are overdue, and since when the oldest is due."""

    notices: int
    oldest_due_on: dt.date | None


# Reading -----------------------------------------------------------------------------------


def page(
    conn: Connection,
    *,
    as_of: dt.date,
    user_id: int | None = None,
    overdue: bool = False,
    after: tuple[dt.date, int] | None = None,
    limit: int = 50,
) -> list[Notice]:
    """Up to ``limit`` notices of decisions as of a date or before, the one due first at the top.

    ``after``: day and number of the last one of the page before.
    """
    day, number = after or (None, None)
    parameters = {
        "user_id": user_id, "as_of": as_of, "overdue": overdue, "after_on": day, "after_id": number, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        return cursor.execute(query("notice_page"), parameters).fetchall()


def get_many(conn: Connection, notice_ids: Sequence[int]) -> dict[int, Notice]:
    """Notices by number; those that are not there are left out."""
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        found = cursor.execute(query("notice_get"), {"notice_ids": list(notice_ids)}).fetchall()
    return {notice.notice_id: notice for notice in found}


def get(conn: Connection, notice_id: int) -> Notice:
    """The notice of that number; NotFound names it."""
    found = get_many(conn, [notice_id])
    if notice_id not in found:
        raise NotFound(f"there is no notice {notice_id}; `limits notice list` shows those there are")
    return found[notice_id]


def overdue(conn: Connection, as_of: dt.date) -> Overdue:
    """What should have been delivered before a date and is not."""
    with conn.cursor(row_factory=class_row(Overdue)) as cursor:
        found = cursor.execute(query("notice_overdue"), {"as_of": as_of}).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


# Delivering (role worker or operations) ----------------------------------------------------


def lead(conn: Connection) -> bool:
    """Whether this connection may deliver: the lock is held as long as the connection lives."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("outbox_lead")).fetchone())


def waiting(conn: Connection, *, after: int, users: int) -> list[Waiting]:
    """All that waits for up to ``users`` users with a number above ``after``, in order. One snapshot."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(query("outbox_page"), {"after": after, "users": users}).fetchall()


def keep_drafts(conn: Connection, texts: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """Keeps the texts that notices are about to be sent with. Gives those that stand: what was kept
    before is kept. A notice that was delivered meanwhile is left out.
    """
    kept: dict[int, dict[str, str]] = {}
    with conn.transaction(), conn.cursor(row_factory=scalar_row) as cursor:
        for notice_id, text in texts.items():
            cursor.execute(query("notice_draft"), {"notice_id": notice_id, "body": Jsonb(dict(text))})
            if (standing := cursor.fetchone()) is not None:
                kept[notice_id] = standing
    return kept


def drop_draft(conn: Connection, notice_id: int) -> None:
    """The text was refused; the next one is written anew."""
    conn.execute(query("notice_drop_draft"), {"notice_id": notice_id})


def mark_delivered(conn: Connection, messages: Sequence[Waiting], delivered_to: str) -> None:
    """They were handed over: all of them are marked, or none."""
    entry_ids = [message.entry_id for message in messages if message.notice_id is None]
    notice_ids = [message.notice_id for message in messages if message.notice_id is not None]
    with conn.transaction():
        conn.execute(query("outbox_deliver"), {"entry_ids": entry_ids})
        conn.execute(query("notice_deliver"), {"notice_ids": notice_ids, "delivered_to": delivered_to})
