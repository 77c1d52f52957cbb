"""What is answered about acts on users, for the API and the pages alike."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, Field

from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.console.records import DecisionFields
from limits.engine.asking import today
from limits.engine.referring import WAYS
from limits.reasons import Reason
from limits.store import notices, overrides, pending, referrals
from limits.store.db import Connection


class Decided(DecisionFields):
    """A decision about one user. Numbers of entry and review are 0 where it is only shown and not in the log."""

    reasons: list[str] = Field(description="Why the limit is not higher, in the order in which the ceilings bind.")


class Recomputed(BaseModel):
    """One user decided now."""

    applied: bool = Field(description="Whether it is in the log; without, nothing was changed.")
    repeated: bool = Field(description="An earlier call with the same key did it; nothing was changed now.")
    decision: Decided
    risk: dict[str, Any] | None = Field(None, description="Of a preview: what the scorecard said, where one scores.")


class RequestAnswer(BaseModel):
    """What became of a request for a limit."""

    request_id: int
    answer: str = Field(description="granted, partly_granted or refused")
    said: str = Field(description="The same in words.")
    asked_minor: int = Field(description="As asked for.")
    amount_minor: int = Field(description="As decided on: rounded down to the policy's grid.")
    waiting_change_id: int | None = Field(description="An offer or announced change that is open for the user.")
    repeated: bool
    decision: Decided


class OverrideAnswer(BaseModel):
    """What a person set, or proposed to set, for one user in place of the rules, for a time."""

    override_id: int
    user_id: int
    kind: str = Field(description="hold, cap, floor or set")
    amount_minor: int | None
    currency: str
    starts_on: dt.date = Field(description="The first day (UTC) on which it counts.")
    expires_on: dt.date = Field(description="The first day on which it no longer counts.")
    state: str = Field(description="proposed, approved, rejected or ended")
    counts_today: bool
    maker: str
    proposed_at: dt.datetime
    reason: str
    checker: str | None
    decided_at: dt.datetime | None
    decided_reason: str
    ended_by: str | None
    ended_on: dt.date | None
    ended_reason: str

    @classmethod
    def of(cls, row: overrides.Override) -> OverrideAnswer:
        """From the row of the store."""
        known = row.as_dict(today())
        return cls(**known, starts_on=known["from"], expires_on=known["until"])


class OverrideChanged(BaseModel):
    """An override after a verdict. ``changed``: by this call."""

    changed: bool
    override: OverrideAnswer


class ChangeAnswer(BaseModel):
    """An offered or announced change of a limit."""

    change_id: int
    entry_id: int
    review_id: int
    user_id: int
    kind: str = Field(description="offer or announced")
    as_of: dt.date
    currency: str
    exponent: int
    limit_minor: int
    proposed_minor: int
    effective_on: dt.date = Field(description="Last day to accept the offer, or day the change takes effect.")
    state: str = Field(description="open, applied, declined, expired or suppressed")
    ended_at: dt.datetime | None
    ended_by: str | None
    ended_reason: str
    applied_review_id: int | None

    @classmethod
    def of(cls, row: pending.Change) -> ChangeAnswer:
        """From the row of the store."""
        return cls(**row.as_dict())


class Accepted(BaseModel):
    """An offer that was accepted, and the decision made upon that."""

    said: str
    repeated: bool
    change: ChangeAnswer
    decision: Decided


class Declined(BaseModel):
    """A raise that the user does not want. ``repeated``: that was known before."""

    repeated: bool
    change: ChangeAnswer


class ConsentSet(BaseModel):
    """What a user agrees to now."""

    user_id: int
    subject: str
    state: str
    written: bool = Field(description="False: that was known already, and nothing was written.")
    ended_changes: int = Field(description="Raises that no longer wait because of it.")


class NoticeAnswer(BaseModel):
    """What a user has to be told, without its text."""

    notice_id: int
    user_id: int
    kind: str
    as_of: dt.date
    due_on: dt.date
    state: str = Field(description="waiting, overdue, delivered or late, as of today")
    entry_id: int
    review_id: int
    currency: str
    exponent: int
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None
    effective_on: dt.date | None
    asked_minor: int | None
    answers: str | None
    reasons: list[str]
    delivered_at: dt.datetime | None
    delivered_to: str | None
    delivered_by: str | None

    @classmethod
    def of(cls, row: notices.Notice) -> NoticeAnswer:
        """From the row of the store, as it stands today."""
        return cls(**row.as_dict(today()))


class NoticeText(NoticeAnswer):
    """A notice with its text by language: as it was delivered, or as it would be today."""

    text: dict[str, str]


class ReferralAnswer(BaseModel):
    """A user whom a person has to look at, for one reason."""

    user_id: int
    reason: str
    since: dt.datetime = Field(description="The first decision with this reason in a row.")
    entry_id: int
    review_id: int
    as_of: dt.date
    currency: str
    exponent: int
    limit_minor: int
    decide_by: str = Field(description="How a person decides.")
    clearable: bool = Field(description="Whether the user can be cleared of it here.")

    @classmethod
    def of(cls, row: referrals.Referral) -> ReferralAnswer:
        """From the row of the store."""
        reason = Reason(row.reason)
        return cls(**row.as_dict(), decide_by=WAYS[reason], clearable=reason == Reason.LINKED_FRAUD)


class Referrals(BaseModel):
    """Everybody whom a person has to look at, the longest first."""

    items: list[ReferralAnswer]


class Cleared(BaseModel):
    """Links to frauds known on that day no longer count against the user."""

    user_id: int
    cleared_on: dt.date


# Lists ---------------------------------------------------------------------------------------


def override_list(
    conn: Connection, *, user_id: int | None, state: str | None, limit: int, cursor: str | None
) -> Page[OverrideAnswer]:
    """Overrides by number."""
    place = place_of(cursor, int)
    rows = overrides.list_overrides(conn, user_id, state=state, after=place[0] if place else 0, limit=limit + 1)
    return Page[OverrideAnswer](**page_of(rows, limit, OverrideAnswer.of, lambda row: cursor_of(row.override_id)))


def change_list(
    conn: Connection, *, user_id: int | None, due: bool, ended: bool, limit: int, cursor: str | None
) -> Page[ChangeAnswer]:
    """Changes that are open (``ended``: all), by number."""
    place = place_of(cursor, int)
    rows = pending.changes(
        conn, user_id=user_id, due_on=today() if due else None, ended=ended, after=place[0] if place else 0,
        limit=limit + 1,
    )  # fmt: skip
    return Page[ChangeAnswer](**page_of(rows, limit, ChangeAnswer.of, lambda row: cursor_of(row.change_id)))


def notice_list(
    conn: Connection, *, user_id: int | None, overdue: bool, limit: int, cursor: str | None
) -> Page[NoticeAnswer]:
    """Notices, the one due first at the top."""
    place = place_of(cursor, str, int)
    after = (_day(place[0]), place[1]) if place else None
    rows = notices.page(conn, as_of=today(), user_id=user_id, overdue=overdue, after=after, limit=limit + 1)
    told = page_of(rows, limit, NoticeAnswer.of, lambda row: cursor_of(row.due_on.isoformat(), row.notice_id))
    return Page[NoticeAnswer](**told)


def referral_list(conn: Connection, user_id: int | None = None) -> Referrals:
    """Everybody whom a person has to look at today, the longest first."""
    return Referrals(items=[ReferralAnswer.of(row) for row in referrals.list_referrals(conn, today(), user_id)])


def _day(text: Any) -> dt.date:
    from limits.console.problems import Problem

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Problem(422, "cursor-unknown", "this cursor is not one of this list; begin without") from None
