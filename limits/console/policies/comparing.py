"""Champion and challengers beside each other, for the API and the page."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from limits.console.context import Context, context_of
from limits.console.people import may
from limits.console.policies.answers import ApprovalAnswer
from limits.console.problems import PROBLEMS
from limits.engine.asking import today
from limits.errors import NotFound
from limits.store import approvals, comparing

router = APIRouter(prefix="/v1/challengers", tags=["policies"], responses=PROBLEMS)
READERS = may("risk", "approver")
#: Seconds that one look at the reviews may take.
SECONDS = 20
Last = Annotated[int, Query(ge=1, le=100, description="How many of the newest reviews with a challenger.")]


class ReviewBeside(BaseModel):
    """A review that a challenger was tried beside."""

    review_id: int
    as_of: dt.date
    schedule: str | None
    policy_hash: str = Field(description="Of the champion, which decided.")


class Actions(BaseModel):
    """What one of the two did."""

    raised: int
    held: int
    lowered: int
    exposure_after_minor: int


class GroupAnswer(BaseModel):
    """Decisions that the two made alike, and what became of their users. A user counts once for each review."""

    champion: str
    challenger: str
    decisions: int
    with_statement_later: int = Field(description="Those whose user had a minimum due later.")
    missed_later: int = Field(description="Those whose user missed one.")


class Lowest(BaseModel):
    """How often a ceiling was the lowest."""

    reason: str
    champion: int
    challenger: int


class ChallengerAnswer(BaseModel):
    """A challenger beside the champion, over the reviews."""

    policy_hash: str
    pack: str
    effective_on: dt.date
    currency: str
    exponent: int
    decisions: int
    exposure_before_minor: int
    champion: Actions
    challenger: Actions
    groups: list[GroupAnswer]
    lowest_ceilings: list[Lowest]


class FailureAnswer(BaseModel):
    """Users that a challenger decided nothing about, and the newest error."""

    policy_hash: str
    pack: str
    users: int
    error: str


class ComparisonAnswer(BaseModel):
    """Champion beside challengers in the newest reviews; all empty where no review had a challenger yet."""

    reviews: list[ReviewBeside]
    challengers: list[ChallengerAnswer]
    failures: list[FailureAnswer]


@router.get("", dependencies=[Depends(READERS)])
def list_challengers(context: Annotated[Context, Depends(context_of)]) -> list[ApprovalAnswer]:
    """Policies that are approved to be tried in the shadow, the oldest first."""
    with context.connect("operations") as conn:
        found = approvals.history(conn)
    return [ApprovalAnswer.of(one) for one in found if one.role == "challenger" and one.state == "approved"]


@router.get("/comparison", dependencies=[Depends(READERS)])
def compare(context: Annotated[Context, Depends(context_of)], last: Last = 10) -> ComparisonAnswer:
    """Champion beside challengers: actions, exposure, ceilings, and payments missed later."""
    return comparison(context, last)


def comparison(context: Context, last: int) -> ComparisonAnswer:
    """What the newest reviews with a challenger come to."""
    with context.connect("operations") as conn:
        try:
            found = comparing.compare(conn, last=last, today=today(), seconds=SECONDS)
        except NotFound:
            return ComparisonAnswer(reviews=[], challengers=[], failures=[])
    return ComparisonAnswer.model_validate(comparing.as_dict(found))
