"""The API of reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from limits.console.context import Context, context_of
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import may
from limits.console.problems import PROBLEMS
from limits.console.reviews import answers
from limits.console.reviews.answers import ReviewSummary

router = APIRouter(prefix="/v1/reviews", tags=["reviews"], responses=PROBLEMS)
READERS = may("risk", "operations", "approver", "auditor")


@router.get("", dependencies=[Depends(READERS)])
def list_reviews(
    context: Annotated[Context, Depends(context_of)],
    schedule: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewSummary]:
    """Reviews of schedules, the newest first."""
    with context.connect("operations") as conn:
        return answers.listing(conn, schedule=schedule, limit=limit, cursor=cursor)
