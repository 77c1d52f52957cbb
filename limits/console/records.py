"""What several areas tell alike: a decision as it was logged, and a proposal with what became of it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

#: What a proposal is.
State = Literal["proposed", "approved", "rejected", "withdrawn"]


class DecisionFields(BaseModel):
    """One decision. Amounts are whole minor units: 2050 with exponent 2 is 20.50."""

    entry_id: int
    review_id: int
    user_id: int
    as_of: dt.date = Field(description="The business date that was decided as of.")
    decided_at: dt.datetime
    action: str = Field(description="What became of the limit at once: raised, held or lowered.")
    disposition: str = Field(description="at_once, offered or announced")
    currency: str
    exponent: int = Field(description="Decimals of the currency.")
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None = Field(description="What was offered or announced.")
    effective_on: dt.date | None = Field(description="Last day to accept an offer, or the day a change takes effect.")
    binding: str = Field(description="The code of the ceiling that bound: the lowest.")
    ceilings_minor: dict[str, int] = Field(description="Every ceiling that set a bound, lowest first.")
    lowest_ceiling_minor: int
    floor_minor: int = Field(description="What one review does not cut below.")
    capacity_p10_minor: int
    capacity_p50_minor: int
    capacity_p90_minor: int
    capacity_method: str
    months_observed: int
    risk_points: int | None
    risk_probability_ppm: int | None
    version_before: int
    version_after: int
    policy_pack: str
    policy_effective_on: dt.date
    policy_hash: str
    input_digest: str = Field(description="sha256 of the snapshot that was decided from.")
    code_version: str
    actor: str
    session_role: str = Field(description="The login of the database that wrote it.")
    role: str
    review_kind: str
    schedule: str | None
    review_reason: str


class ProposalFields(BaseModel):
    """Who proposed something and what became of it. The sessions are the logins of the database behind the names."""

    approval_id: int
    effective_on: dt.date
    state: State
    maker: str
    maker_session: str
    proposed_at: dt.datetime
    reason: str
    checker: str | None
    checker_session: str | None
    decided_at: dt.datetime | None
    decided_reason: str
    withdrawn_by: str | None
    withdrawn_session: str | None
    withdrawn_at: dt.datetime | None
    withdrawn_reason: str
