"""The page of what waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from limits.console.context import Context, context_of
from limits.console.pages import render
from limits.console.people import Principal, may
from limits.console.work import answers

router = APIRouter(prefix="/work", include_in_schema=False)
READERS = may("operations", "approver")


@router.get("")
def work_page(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    who: Annotated[Principal, Depends(READERS)],
) -> HTMLResponse:
    """To do: what waits, since when, and the one next step of each."""
    with context.connect("operations") as conn:
        work = answers.work_of(conn, who)
    return render(request, "work.html", {"work": work})
