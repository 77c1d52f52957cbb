"""The pages of risk models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from limits.console.context import Context, context_of
from limits.console.fields import Why
from limits.console.models import answers, pictures, writing
from limits.console.models.api import Last
from limits.console.models.writing import ModelProposal
from limits.console.pages import render, see
from limits.console.paging import Cursor
from limits.console.people import Posted, Principal, may, posted
from limits.console.policies.answers import Hash
from limits.console.policies.forms import form_of, new_key
from limits.console.problems import Problem
from limits.engine.asking import today
from limits.store.approvals import Verdict

router = APIRouter(prefix="/models", include_in_schema=False)
READERS = may("risk", "approver", "auditor")
Site = Annotated[Context, Depends(context_of)]
Checking = Annotated[Posted, Depends(posted("approver"))]


@router.get("", dependencies=[Depends(READERS)])
def models_page(request: Request, context: Site, cursor: Cursor = None) -> HTMLResponse:
    """What scores today, what waits, and every model that was ever proposed."""
    with context.connect("auditor") as conn:
        page = answers.listing(conn, limit=50, cursor=cursor)
    waiting = [one for one in page.items if one.state == "proposed"]
    values = {"page": page, "waiting": waiting, "today": today(), "longest": writing.LONGEST}
    return render(request, "models.html", values)


@router.post("/proposals")
def propose_page(request: Request, context: Site, sent: Annotated[Posted, Depends(posted("risk"))]) -> RedirectResponse:
    """The file is proposed; another person decides on it."""
    fields = {"text": _file(sent), "reason": sent.needed("reason"), "effective_on": sent.text("effective_on") or None}
    made = writing.propose(context, sent.who, sent.key, form_of(ModelProposal, fields))
    words = "Proposed; another person decides on it." if made.changed else f"It is {made.state} already."
    return see(f"/models/{made.model_hash}", words)


@router.get("/{model_hash}")
def model_page(
    request: Request, context: Site, who: Annotated[Principal, Depends(READERS)], model_hash: Hash, last: Last = 12
) -> HTMLResponse:
    """One model: its card in words, bins as bars, monitoring by the log, and who decided on it."""
    with context.connect("auditor") as conn:
        scorecard, proposals = answers.found(conn, model_hash)
    model = answers.told(scorecard, proposals)
    values = {
        "model": model, "pictures": pictures.characteristics(scorecard), "newest": model.proposals[-1],
        "key": new_key(), "watched": None, "stability": None, "spread": None, "calibration": None,
    }  # fmt: skip
    if who.may("risk", "approver"):
        _, seen = answers.monitored(context, model_hash, last)
        watched = answers.monitoring(scorecard, seen)
        values |= {
            "watched": watched, "stability": pictures.stability(watched), "spread": pictures.spread(seen),
            "calibration": pictures.calibration(watched.became) if watched.became else None,
        }  # fmt: skip
    return render(request, "model.html", values)


@router.post("/{model_hash}/approve")
def approve_page(context: Site, sent: Checking, model_hash: Hash) -> RedirectResponse:
    """Approved by a second person."""
    return _decide(context, sent, model_hash, "approve")


@router.post("/{model_hash}/reject")
def reject_page(context: Site, sent: Checking, model_hash: Hash) -> RedirectResponse:
    """Rejected by a second person."""
    return _decide(context, sent, model_hash, "reject")


@router.post("/{model_hash}/withdraw")
def withdraw_page(
    context: Site, sent: Annotated[Posted, Depends(posted("risk", "approver"))], model_hash: Hash
) -> RedirectResponse:
    """Taken back."""
    return _decide(context, sent, model_hash, "withdraw")


def _decide(context: Context, sent: Posted, model_hash: str, verdict: Verdict) -> RedirectResponse:
    said = form_of(Why, {"reason": sent.needed("reason")})
    made = writing.decide(context, sent.who, sent.key, model_hash, verdict, said)
    words = f"The model is {made.state}." if made.changed else f"It was {made.state} before: nothing was changed."
    return see(f"/models/{model_hash}", words)


def _file(sent: Posted) -> str:
    """The file of the form as text."""
    given = sent.form.get("model")
    if not isinstance(given, UploadFile):
        raise Problem(422, "missing", "model is missing; choose the file that limits risk train wrote")
    body = given.file.read(4 * writing.LONGEST + 1)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(
            422, "not-usable", "the model is not UTF-8; choose the file that limits risk train wrote"
        ) from None
