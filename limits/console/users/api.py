"""The API of users: reading, and what if. Nothing here writes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from limits.console.context import Context, context_of
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import may
from limits.console.problems import PROBLEMS
from limits.console.users import reading
from limits.console.users.answers import DecisionAnswer, UserPage
from limits.console.users.explaining import CounterfactualsAnswer, Explanation
from limits.console.users.flowing import CashFlowAnswer
from limits.console.users.reading import FoundUsers, UserId
from limits.console.users.supposing import WhatIf, WhatIfAnswer

router = APIRouter(prefix="/v1/users", tags=["users"], responses=PROBLEMS)
READERS = may("operations", "risk", "approver")
FINDERS = may("operations", "approver")

Lang = Annotated[Literal["en", "zh"], Query(description="The language of texts.")]
Given = Annotated[Context, Depends(context_of)]


class Reference(BaseModel, extra="forbid"):
    """The lender's own reference of a user."""

    reference: str = Field(min_length=1, max_length=200)


@router.post("/find", dependencies=[Depends(FINDERS)])
def find_users(context: Given, asked: Reference) -> FoundUsers:
    """The users of the lender's reference. It stands in the body, so that it comes into no log; nothing is written."""
    return reading.found(context, asked.reference)


@router.get("/{user_id}", dependencies=[Depends(READERS)])
def get_user(context: Given, user_id: UserId, lang: Lang = "en") -> UserPage:
    """A user as known now: the limit and its use, what stands open, and what holds the user up."""
    return reading.state_of(context, user_id, lang)


@router.get("/{user_id}/explanation", dependencies=[Depends(READERS)])
def get_explanation(context: Given, user_id: UserId, lang: Lang = "en") -> Explanation:
    """Why the limit is what it is: the newest decision in full."""
    return reading.explanation_now(context, user_id, lang)


@router.get("/{user_id}/history", dependencies=[Depends(READERS)])
def get_history(
    context: Given, user_id: UserId, lang: Lang = "en", limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionAnswer]:
    """The decisions about a user, the newest first."""
    return reading.history_of(context, user_id, limit=limit, cursor=cursor, language=lang)


@router.get("/{user_id}/cash-flow", dependencies=[Depends(READERS)])
def get_cash_flow(context: Given, user_id: UserId, lang: Lang = "en") -> CashFlowAnswer:
    """What came in and went out month by month, as known today, and the forecast."""
    return reading.cash_flow_now(context, user_id, lang)


@router.get("/{user_id}/counterfactuals", dependencies=[Depends(READERS)])
def get_counterfactuals(context: Given, user_id: UserId, lang: Lang = "en") -> CounterfactualsAnswer:
    """What would lift the limit: the smallest change of each input alone, and what time ends."""
    return reading.counterfactuals_now(context, user_id, lang)


@router.post("/{user_id}/whatif", dependencies=[Depends(READERS)])
def what_if(context: Given, user_id: UserId, asked: WhatIf, lang: Lang = "en") -> WhatIfAnswer:
    """What would be decided today if some inputs were others, beside what is. Nothing is written."""
    return reading.what_if_now(context, user_id, asked.changes, lang)
