"""The pages of policies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from limits.console.context import Context, context_of
from limits.console.fields import Why
from limits.console.pages import render, see
from limits.console.paging import Cursor
from limits.console.people import Posted, Principal, may, posted
from limits.console.policies import answers, comparing, pictures, trying, writing
from limits.console.policies.answers import Difference, Hash, ProposalId
from limits.console.policies.comparing import Last
from limits.console.policies.forms import form_of, new_key
from limits.console.policies.trying import Trial
from limits.console.policies.writing import Proposal
from limits.console.problems import Problem, problem_of
from limits.engine.asking import today
from limits.errors import LimitsError
from limits.policy import Policy
from limits.store import approvals, policies
from limits.store.approvals import Verdict
from limits.store.db import Connection

router = APIRouter(prefix="/policies", include_in_schema=False)
READERS = may("risk", "approver", "auditor")
TRIERS = may("risk", "approver")
Site = Annotated[Context, Depends(context_of)]
Reader = Annotated[Principal, Depends(READERS)]
Triers = Annotated[Posted, Depends(posted("risk", "approver"))]


@router.get("")
def policies_page(request: Request, context: Site, who: Reader, cursor: Cursor = None) -> HTMLResponse:
    """What decides today, what waits for a second person, and every policy there is."""
    deciding = answers.in_force(context) if who.may("risk", "approver") else None
    with context.connect("auditor") as conn:
        page = answers.listing(conn, limit=100, cursor=cursor)
        found = answers.history(conn, pack=None, limit=500, cursor=None)
    waiting = [one for one in found.items if one.state == "proposed"]
    values = {"page": page, "deciding": deciding, "waiting": waiting, "history": found.items[:50], "today": today()}
    return render(request, "policies.html", values)


@router.get("/compare", dependencies=[Depends(TRIERS)])
def compare_page(request: Request, context: Site, last: Last = 10) -> HTMLResponse:
    """Champion and challengers beside each other."""
    found = comparing.comparison(context, last)
    drawn = [(one, pictures.compared(one)) for one in found.challengers]
    return render(request, "policies_compare.html", {"found": found, "drawn": drawn, "last": last})


@router.get("/edit", dependencies=[Depends(TRIERS)])
def edit_page(
    request: Request, context: Site, begin: Annotated[str, Query(pattern=r"^[a-z0-9_-]{0,64}$")] = ""
) -> HTMLResponse:
    """A text to work on, begun from a pack or from a policy that is kept."""
    text = ""
    if begin:
        with context.connect("operations") as conn:
            text = answers.by_name(conn, begin).text
    return _edit(request, text, begun=begin)


@router.post("/edit/check")
def check_page(request: Request, context: Site, sent: Triers) -> HTMLResponse:
    """What is wrong with the text, or what it says that the policy in force does not."""
    text = _text(sent)
    try:
        policy = answers.read(text)
    except Problem as problem:
        return _edit(request, text, mistakes=problem.more["mistakes"])
    return _edit(request, text, policy=policy, difference=_difference(context, policy))


@router.post("/edit/simulate")
def simulate_page(request: Request, context: Site, sent: Triers) -> HTMLResponse:
    """What the text would do, beside the policies that decided."""
    text, asked = _text(sent), {"as_of": sent.text("as_of"), "last": sent.text("last")}
    try:
        policy = answers.read(text)
    except Problem as problem:
        return _edit(request, text, mistakes=problem.more["mistakes"])
    more: dict[str, Any] = {"policy": policy, "difference": _difference(context, policy)}
    try:
        trial = form_of(Trial, {"text": text} | {name: value for name, value in asked.items() if value})
        made = trying.tried(context, trial)
    except (Problem, LimitsError) as error:
        told = error if isinstance(error, Problem) else problem_of(error)
        return _edit(request, text, asked=asked, trouble=told.detail, **more)
    return _edit(request, text, asked=asked, made=made, drawn=pictures.simulated(made), **more)


@router.post("/proposals")
def propose_page(request: Request, context: Site, sent: Annotated[Posted, Depends(posted("risk"))]) -> RedirectResponse:
    """The text is proposed; another person decides on it."""
    fields = {"text": _text(sent), "role": sent.needed("role"), "reason": sent.needed("reason")}
    made = writing.propose(context, sent.who, sent.key, form_of(Proposal, fields))
    words = "Proposed; another person decides on it." if made.changed else f"It is {made.state} already."
    return see(f"/policies/proposals/{made.approval_id}", words)


@router.get("/proposals/{approval_id}", dependencies=[Depends(READERS)])
def proposal_page(request: Request, context: Site, approval_id: ProposalId) -> HTMLResponse:
    """One proposal: who and why, what it says that the policy in force does not, and what may be done."""
    with context.connect("auditor") as conn:
        row = approvals.get(conn, approval_id)
        found = answers.by_hash(conn, bytes(row.policy_hash))
        difference = _beside(context, conn, found.policy)
    values = {"one": answers.ApprovalAnswer.of(row), "found": found, "difference": difference, "key": new_key()}
    return render(request, "policies_proposal.html", values)


@router.post("/proposals/{approval_id}/approve")
def approve_page(
    context: Site, sent: Annotated[Posted, Depends(posted("approver"))], approval_id: ProposalId
) -> RedirectResponse:
    """Approved by a second person."""
    return _decide(context, sent, approval_id, "approve")


@router.post("/proposals/{approval_id}/reject")
def reject_page(
    context: Site, sent: Annotated[Posted, Depends(posted("approver"))], approval_id: ProposalId
) -> RedirectResponse:
    """Rejected by a second person."""
    return _decide(context, sent, approval_id, "reject")


@router.post("/proposals/{approval_id}/withdraw")
def withdraw_page(context: Site, sent: Triers, approval_id: ProposalId) -> RedirectResponse:
    """Taken back."""
    return _decide(context, sent, approval_id, "withdraw")


@router.get("/{policy_hash}", dependencies=[Depends(READERS)])
def policy_page(request: Request, context: Site, policy_hash: Hash) -> HTMLResponse:
    """One policy: its text with the numbers of the lines, and its proposals."""
    with context.connect("auditor") as conn:
        found = answers.by_hash(conn, bytes.fromhex(policy_hash))
        difference = _beside(context, conn, found.policy)
    answer = found.answer()
    values = {"found": answer, "lines": answer.text.splitlines(), "difference": difference, "key": new_key()}
    return render(request, "policy.html", values)


@router.get("/{policy_hash}/text", dependencies=[Depends(READERS)])
def text_page(context: Site, policy_hash: Hash) -> Response:
    """Its text as a file."""
    with context.connect("auditor") as conn:
        return answers.by_hash(conn, bytes.fromhex(policy_hash)).file()


def _edit(request: Request, text: str, **more: Any) -> HTMLResponse:
    shown: dict[str, Any] = {
        "policy": None, "difference": None, "mistakes": [], "made": None, "drawn": None, "trouble": "",
        "asked": {"as_of": today().isoformat(), "last": "3"},
        "begun": more["policy"].pack if more.get("policy") else "",
    }  # fmt: skip
    values = shown | more | {
        "text": text, "packs": policies.pack_names(), "key": new_key(), "most": trying.MOST_REVIEWS,
        "checked": more.get("policy") is not None,
    }  # fmt: skip
    return render(request, "policies_edit.html", values)


def _difference(context: Context, policy: Policy) -> Difference | None:
    with context.connect("operations") as conn:
        return answers.against_in_force(context, conn, policy)


def _beside(context: Context, conn: Connection, policy: Policy | None) -> Difference | None:
    return None if policy is None else answers.against_in_force(context, conn, policy)


def _decide(context: Context, sent: Posted, approval_id: int, verdict: Verdict) -> RedirectResponse:
    said = form_of(Why, {"reason": sent.needed("reason")})
    made = writing.decide(context, sent.who, sent.key, approval_id, verdict, said)
    words = f"The proposal is {made.state}." if made.changed else f"It was {made.state} before: nothing was changed."
    return see(f"/policies/proposals/{approval_id}", words)


def _text(sent: Posted) -> str:
    """The text of the form as a file has it: browsers send other line ends."""
    value = sent.form.get("text", "")
    if not isinstance(value, str):
        raise Problem(422, "not-a-text", "text is not a text")
    text = value.replace("\r\n", "\n")
    return text if text.endswith("\n") or not text else text + "\n"
