"""The pages of users: finding one, all that is known of one, and what if."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from limits.console.context import Context, context_of
from limits.console.pages import render, see
from limits.console.people import Posted, may, posted
from limits.console.problems import Problem
from limits.console.users import drawing, reading
from limits.console.users.answers import DecisionAnswer
from limits.console.users.reading import UserId, Whole
from limits.console.users.supposing import changes_of, controls
from limits.store import users
from limits.store.log import LogFilter
from limits.store.log import page as log_page
from limits.whatif import INPUTS

router = APIRouter(prefix="/users", include_in_schema=False)
READERS = may("operations", "risk", "approver")

Lang = Annotated[Literal["en", "zh"], Query()]
Given = Annotated[Context, Depends(context_of)]
#: Rows of the lists that finding begins with.
RECENT = 15


@router.get("", dependencies=[Depends(READERS)])
def users_page(
    request: Request, context: Given, user: Annotated[str, Query(max_length=40)] = ""
) -> Response:  # fmt: skip
    """Find a user; until then the newest decisions."""
    number = re.sub(r"[\s,.']", "", user)
    if re.fullmatch(r"[0-9]{1,19}", number) and 0 < int(number) < 2**63:
        return see(f"/users/{int(number)}")
    trouble = f"{user!a} is not the number of a user: a number has digits alone." if number else ""
    return _finding(request, context, trouble=trouble, status=422 if trouble else 200)


@router.post("/find")
def find_page(
    request: Request, context: Given, sent: Annotated[Posted, Depends(posted("operations", "approver"))]
) -> Response:  # fmt: skip
    """Find by the lender's reference, which stands in the form and nowhere else."""
    found = reading.found(context, sent.needed("reference", longest=200)).users
    if len(found) == 1:
        return see(f"/users/{found[0]}")
    trouble = "" if found else "No user has this reference."
    return _finding(request, context, trouble=trouble, several=found, status=200 if found else 404)


def _finding(
    request: Request, context: Context, *, trouble: str, status: int, several: list[int] | None = None
) -> HTMLResponse:
    with context.connect("operations") as conn:
        asked = users.recent(conn, limit=RECENT)
        newest = log_page(conn, LogFilter(), limit=RECENT)
    values = {
        "trouble": trouble, "several": several or [], "asked": [DecisionAnswer.of(one) for one in asked],
        "newest": [DecisionAnswer.of(one) for one in newest],
    }  # fmt: skip
    return render(request, "users.html", values, status=status)


@router.get("/{user_id}", dependencies=[Depends(READERS)])
def user_page(request: Request, context: Given, user_id: UserId, lang: Lang = "en") -> HTMLResponse:
    """All that is known of one user."""
    found = reading.whole(context, user_id, lang)
    return render(request, "user.html", {"lang": lang, "found": found, "user": found.user, **_drawn(found, lang)})


def _drawn(found: Whole, language: str) -> dict[str, Any]:
    """Charts and controls of the page."""
    user, exponent = found.user, found.user.exponent or 0
    changed = [DecisionAnswer.of(one, language) for one in found.seen.changed]
    limit, opened = user.limit_minor or 0, found.seen.state.line_opened_on or user.opened_on
    why = found.explanation
    known = found.seen.portfolio if found.policy is not None else None
    return {
        "changed": changed,
        "limit_chart": drawing.limit_over_time(
            limit, opened, user.today, changed, found.seen.statements, exponent
        ),
        "ceilings_chart": None if why is None else drawing.ceilings(
            why.ceilings, why.decision.limit_after_minor, exponent
        ),
        "flow_chart": None if found.flow is None else drawing.cash_flow(found.flow),
        "controls": [] if known is None else controls(known, exponent, language),
    }  # fmt: skip


@router.post("/{user_id}/whatif")
def what_if_page(
    request: Request, context: Given, user_id: UserId,
    sent: Annotated[Posted, Depends(posted("operations", "risk", "approver"))],
) -> HTMLResponse:  # fmt: skip
    """What would be decided: a part of the page; the whole of one where the browser runs no script."""
    language = "zh" if sent.text("lang") == "zh" else "en"
    texts = changes_of({name: sent.text(name, longest=40) for name in INPUTS})
    answer = reading.what_if_now(context, user_id, texts, language)
    if not texts and sent.text("whole"):
        raise Problem(422, "nothing-changed", "no input was changed; put a value into a field")
    template = "user_whatif_page.html" if sent.text("whole") else "user_whatif.html"
    return render(request, template, {"answer": answer, "chart": drawing.what_if(answer), "user_id": user_id})
