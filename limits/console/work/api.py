"""The API of what waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from limits.console.context import Context, context_of
from limits.console.people import Principal, may
from limits.console.problems import PROBLEMS
from limits.console.work import answers

router = APIRouter(prefix="/v1/work", tags=["work"], responses=PROBLEMS)
READERS = may("operations", "approver")


@router.get("")
def work(context: Annotated[Context, Depends(context_of)], who: Annotated[Principal, Depends(READERS)]) -> answers.Work:
    """What waits for whoever asks: how much of each kind, and the first few with the next step."""
    with context.connect("operations") as conn:
        return answers.work_of(conn, who)
