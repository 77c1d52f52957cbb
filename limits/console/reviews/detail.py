"""All that is told of one review: what `limits review show --json` says, its breakers, and its largest movers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from limits import breakers
from limits.breakers import Bound, Counts
from limits.console.reviews import kept
from limits.console.reviews.answers import ReviewSummary
from limits.engine.gate import policy_of
from limits.engine.story import figures_in_words, review_dict
from limits.policy import Policy
from limits.reasons import Reason
from limits.store import archives, gates, recomputes, reviews
from limits.store.db import Connection
from limits.store.gates import Event
from limits.store.log import DISPOSITIONS, reason_code
from limits.store.reviews import ReviewRow
from limits.store.spread import Spread


class GateEvent(BaseModel):
    """Something that happened to a review between deciding and applying."""

    what: str = Field(description="passed, canary, held, released, cancelled or resumed")
    at: dt.datetime
    actor: str
    session_role: str = Field(description="The database login.")
    reason: str
    figures: dict[str, Any] = Field(description="What the gate had counted; amounts in minor units.")
    said: str = Field(default="", description="The same in words.")


class Unapplied(BaseModel):
    """What was decided and is not applied: what a release lets through. Amounts before a budget."""

    shards: int
    users: int
    raised: int
    held: int
    lowered: int
    waiting: int = Field(description="Of those raised or lowered: offered or announced.")
    quarantined: int
    skipped: int
    exposure_before_minor: int
    exposure_after_minor: int
    exposure_wished_minor: int = Field(description="With what is offered or announced.")


class Budget(BaseModel):
    """What the portfolio's budget left of the raises."""

    exposure_minor: int | None = Field(description="By how much exposure may grow; null: no bound.")
    expected_loss_minor: int | None
    wished_minor: int
    granted_minor: int
    users: int
    users_cut: int
    price: float | None = Field(description="Value per cost at which the budget was used up; null: nobody gets all.")
    mix: float


class Reconciled(BaseModel):
    """Whether limits, log, messages and the review say the same."""

    ok: bool | None
    at: dt.datetime | None
    mismatches: int | None
    known: int | None
    first: list[str]


class BindingReason(BaseModel):
    """How many decisions with that action a ceiling bound."""

    action: str
    binding: str
    users: int


class Breaker(BaseModel):
    """A breaker beside what was found: it trips above its share."""

    name: str
    words: str
    found: str
    most: str
    trips: bool
    used: float = Field(description="How much of what is let through was used; 1 is the bound.")

    @classmethod
    def of(cls, bound: Bound) -> Breaker:
        """From the bound of the core."""
        return cls(
            name=bound.name, words=bound.words, found=bound.found, most=bound.most, trips=bound.trips, used=bound.used
        )


class MoverAnswer(BaseModel):
    """One of the largest changes, up or down."""

    entry_id: int
    user_id: int
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None = Field(description="What is offered or announced; the limit stays until then.")
    change_minor: int
    disposition: str
    binding: str


class ReviewDetail(ReviewSummary):
    """One review. Amounts in minor units of ``currency``, which has ``exponent`` digits behind the point."""

    kind: str
    currency: str
    exponent: int
    released_shards: int
    gate: list[GateEvent]
    decided_not_applied: Unapplied
    budget: Budget | None
    reason: str
    policy: str = Field(description="The policy pack.")
    policy_effective_on: dt.date
    policy_hash: str
    risk_model: str | None
    quarantined: int | None
    skipped: int | None
    offered: int
    announced: int
    reconciled: Reconciled | None
    reasons: list[BindingReason] = Field(description="By action and binding ceiling, most first.")
    movers: list[MoverAnswer] = Field(description="The largest changes up, then those down.")
    breakers: list[Breaker] = Field(description="As of the last time that the gate counted; empty before.")
    archived: str | None = Field(description="Where its entries lie, if they are archived.")
    started_at: dt.datetime | None
    seconds: float
    seconds_worked: float
    seconds_held: float
    users_per_second: float


def of_review(conn: Connection, store: kept.Kept, review_id: int, *, figures: bool = True) -> ReviewDetail:
    """One review; NotFound names it. Without ``figures`` nothing is read of its entries, which may be millions."""
    row = reviews.get(conn, review_id)
    policy = policy_of(conn, row)
    spread = store.spread(conn, row) if figures else None
    told = review_dict(conn, row, [] if spread is None else spread.reasons)
    month = archives.of_day(conn, row.business_date)
    unit = unit_of(conn, row)
    gate = [event | {"said": figures_in_words(event["figures"], unit)} for event in told["gate"]]
    return ReviewDetail(
        **told | {"gate": gate},
        exponent=unit[0],
        currency=unit[1],
        policy=policy.pack,
        policy_effective_on=policy.effective_on,
        movers=[] if spread is None else movers(spread),
        breakers=[Breaker.of(bound) for bound in last_bounds(policy, gates.events(conn, review_id))],
        archived=None if month is None else archives.in_words([month]),
    )


def movers(spread: Spread) -> list[MoverAnswer]:
    """The largest changes."""
    return [
        MoverAnswer(
            entry_id=one.entry_id, user_id=one.user_id, limit_before_minor=one.limit_before_minor,
            limit_after_minor=one.limit_after_minor, proposed_minor=one.proposed_minor, change_minor=one.change_minor,
            disposition=DISPOSITIONS[one.disposition], binding=reason_code(Reason(one.binding)),
        )
        for one in spread.movers
    ]  # fmt: skip


def last_bounds(policy: Policy, events: Sequence[Event]) -> tuple[Bound, ...]:
    """The breakers with what the gate had counted of the whole review; empty where it has not yet."""
    counted = [event.figures for event in events if "exposure_before" in event.figures]
    if not counted:
        return ()
    names = Counts.__dataclass_fields__
    return breakers.bounds(policy.breakers, Counts(**{k: v for k, v in counted[-1].items() if k in names}))


def unit_of(conn: Connection, row: ReviewRow) -> tuple[int, str]:
    """What a review's amounts are written in: exponent and currency of its policy."""
    currency = policy_of(conn, row).currency
    return recomputes.facts(conn, currency).exponent, currency
