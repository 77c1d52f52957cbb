"""What is told of one user: the limit and its use, what stands open, and what holds the user up."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits.reasons import HUMAN_REVIEW, Reason
from limits.store.log import LogEntry, reason_code, reason_text
from limits.store.notices import Notice
from limits.store.overrides import Override
from limits.store.pending import Change
from limits.store.referrals import Referral
from limits.store.users import ConsentRow, LeftOut


class ReasonAnswer(BaseModel):
    """Why a limit is not higher."""

    code: str
    text: str
    person: bool = Field(description="Whether a person has to look at it.")

    @classmethod
    def of(cls, reason: Reason, language: str = "en") -> ReasonAnswer:
        """In a language."""
        return cls(code=reason_code(reason), text=reason_text(reason, language), person=reason in HUMAN_REVIEW)


class DecisionAnswer(BaseModel):
    """One decision about a user, as a row of a list."""

    entry_id: int
    review_id: int
    user_id: int
    as_of: dt.date
    decided_at: dt.datetime
    outcome: str = Field(description="raised, held, lowered, offered or announced")
    currency: str
    exponent: int
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None = Field(description="What was offered or announced; null where it took effect at once.")
    effective_on: dt.date | None = Field(
        description="The last day to accept an offer, or the day an announced change takes effect."
    )
    binding: str = Field(description="The ceiling that bound.")
    reasons: list[ReasonAnswer] = Field(description="In the order in which they bind.")
    actor: str
    kind: str = Field(description="The schedule of its review, or recompute.")
    why: str = Field(description="The words of whoever asked for it; empty for a schedule.")

    @classmethod
    def of(cls, entry: LogEntry, language: str = "en") -> DecisionAnswer:
        """From the entry of the log."""
        return cls(
            entry_id=entry.entry_id, review_id=entry.review_id, user_id=entry.user_id, as_of=entry.as_of,
            decided_at=entry.decided_at, outcome=entry.outcome, currency=entry.currency, exponent=entry.exponent,
            limit_before_minor=entry.limit_before_minor, limit_after_minor=entry.limit_after_minor,
            proposed_minor=entry.proposed_minor, effective_on=entry.effective_on,
            binding=reason_code(Reason(entry.binding)),
            reasons=[ReasonAnswer.of(reason, language) for reason in entry.reasons],
            actor=entry.actor, kind=entry.schedule or entry.review_kind, why=entry.review_reason,
        )  # fmt: skip

    @property
    def change_minor(self) -> int:
        """By how much the limit changed, or would by what was offered or announced."""
        wish = self.limit_after_minor if self.proposed_minor is None else self.proposed_minor
        return wish - self.limit_before_minor


class ConsentAnswer(BaseModel):
    """What the user said last of being raised, or of being decided about by a machine."""

    subject: str = Field(description="raises or automation")
    state: str = Field(description="given or withdrawn")
    effective_on: dt.date
    actor: str
    reason: str

    @classmethod
    def of(cls, row: ConsentRow) -> ConsentAnswer:
        """From the row."""
        return cls(**vars(row))


class OverrideAnswer(BaseModel):
    """What a person set for the user in place of the rules, for a time."""

    override_id: int
    kind: str = Field(description="hold, cap, floor or set")
    amount_minor: int | None
    starts_on: dt.date
    expires_on: dt.date = Field(description="The first day on which it no longer counts.")
    state: str = Field(description="proposed or approved")
    counts_today: bool
    maker: str
    checker: str | None
    reason: str

    @classmethod
    def of(cls, row: Override, today: dt.date) -> OverrideAnswer:
        """As of a day."""
        until = min(row.expires_on, row.ended_on or row.expires_on)
        return cls(
            override_id=row.override_id, kind=row.kind, amount_minor=row.amount_minor, starts_on=row.starts_on,
            expires_on=until, state=row.state, counts_today=row.counts_on(today), maker=row.maker,
            checker=row.checker, reason=row.reason,
        )  # fmt: skip


class ChangeAnswer(BaseModel):
    """An offer that may be accepted, or an announced change that takes effect on a day."""

    change_id: int
    entry_id: int
    kind: str = Field(description="offer or announced")
    limit_minor: int
    proposed_minor: int
    effective_on: dt.date = Field(description="The last day to accept, or the day it takes effect.")
    state: str

    @classmethod
    def of(cls, row: Change) -> ChangeAnswer:
        """From the row."""
        return cls(
            change_id=row.change_id, entry_id=row.entry_id, kind=row.kind, limit_minor=row.limit_minor,
            proposed_minor=row.proposed_minor, effective_on=row.effective_on, state=row.state,
        )  # fmt: skip


class NoticeAnswer(BaseModel):
    """What the user has to be told of a decision, by when, and whether that was done."""

    notice_id: int
    entry_id: int
    kind: str
    as_of: dt.date
    due_on: dt.date
    state: str = Field(description="waiting, overdue, delivered or late")
    delivered_at: dt.datetime | None
    delivered_to: str | None

    @classmethod
    def of(cls, row: Notice, today: dt.date) -> NoticeAnswer:
        """As of a day."""
        return cls(
            notice_id=row.notice_id, entry_id=row.entry_id, kind=row.kind, as_of=row.as_of, due_on=row.due_on,
            state=row.state(today), delivered_at=row.delivered_at, delivered_to=row.delivered_to,
        )  # fmt: skip


class ReferralAnswer(BaseModel):
    """A reason for which a person has to look at the user."""

    reason: ReasonAnswer
    since: dt.datetime
    entry_id: int

    @classmethod
    def of(cls, row: Referral, language: str = "en") -> ReferralAnswer:
        """From the row."""
        return cls(reason=ReasonAnswer.of(Reason(row.reason), language), since=row.since, entry_id=row.entry_id)


class HoldAnswer(BaseModel):
    """Something that keeps the user from being decided or applied: what, since when, and what to do."""

    kind: str = Field(description="review, kill_switch, left_out or not_decidable")
    review_id: int | None
    state: str
    since: dt.datetime | None
    text: str
    to_do: str


class LeftOutAnswer(BaseModel):
    """That the newest finished review did not decide the user, and why."""

    review_id: int
    schedule: str
    as_of: dt.date
    outcome: str = Field(description="quarantined or skipped")
    reason: str
    detail: str

    @classmethod
    def of(cls, row: LeftOut) -> LeftOutAnswer:
        """From the row."""
        return cls(
            review_id=row.review_id, schedule=row.schedule, as_of=row.business_date, outcome=row.outcome,
            reason=row.reason, detail=row.detail,
        )  # fmt: skip


class UserPage(BaseModel):
    """A user as known now. Amounts are whole minor units of ``currency``, null where nobody knows them."""

    user_id: int
    today: dt.date = Field(description="The business date (UTC) that all of this is as of.")
    currency: str | None
    exponent: int | None
    limit_minor: int | None
    limit_since: dt.date | None = Field(description="The date of the decision that set the limit, or of the opening.")
    opened_on: dt.date
    state: str = Field(description="active, blocked, closed, erased, or unknown where no profile says")
    erased_on: dt.date | None
    balance_minor: int | None = Field(description="Of the newest statement: the exposure.")
    balance_on: dt.date | None
    average_balance_minor: int | None
    available_minor: int | None = Field(description="The limit less what is used of it; never below 0.")
    utilisation: float | None = Field(description="The balance as a share of the limit.")
    days_past_due: int | None
    missed_payments: int | None = Field(description="In the 12 months to today.")
    last_raise_on: dt.date | None
    last_cut_on: dt.date | None
    raise_consent: bool | None
    opted_out: bool | None = Field(description="Whether the user does not want raises.")
    automation_refused: bool | None = Field(description="Whether a person has to decide.")
    last_decision: DecisionAnswer | None
    holds: list[HoldAnswer]
    referrals: list[ReferralAnswer]
    changes: list[ChangeAnswer] = Field(description="Open offers and announced changes.")
    overrides: list[OverrideAnswer] = Field(description="In force or proposed.")
    consents: list[ConsentAnswer]
    notices: list[NoticeAnswer] = Field(description="The newest of them.")
    left_out: LeftOutAnswer | None
