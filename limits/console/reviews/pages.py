"""The pages of reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from limits.console.context import Context, context_of
from limits.console.pages import render
from limits.console.paging import Cursor
from limits.console.people import may
from limits.console.reviews import answers

router = APIRouter(prefix="/reviews", include_in_schema=False)
READERS = may("risk", "operations", "approver", "auditor")


@router.get("", dependencies=[Depends(READERS)])
def reviews_page(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    schedule: Annotated[str, Query(max_length=100)] = "",
    cursor: Cursor = None,
) -> HTMLResponse:
    """All reviews; filters live in the address."""
    with context.connect("operations") as conn:
        page = answers.listing(conn, schedule=schedule or None, limit=50, cursor=cursor)
    return render(request, "reviews.html", {"page": page, "schedule": schedule})
