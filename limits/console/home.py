"""The first page: where each person begins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse

from limits.console.pages import PLACES, see
from limits.console.people import Principal, may

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(request: Request, who: Annotated[Principal, Depends(may())]) -> RedirectResponse:
    """Each to the first place that is theirs; an auditor to the log, operations to the users."""
    for role, address in (("risk", "/reviews"), ("operations", "/users"), ("auditor", "/log"), ("approver", "/work")):
        if who.may(role):  # type: ignore[arg-type]
            return see(address)
    return see(next(place[0] for place in PLACES if "admin" in place[3]))
