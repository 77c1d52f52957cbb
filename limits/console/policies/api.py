"""The API of policies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from limits.console.context import Context, context_of
from limits.console.fields import Why
from limits.console.once import IdempotencyKey
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import Principal, may
from limits.console.policies import answers, trying, writing
from limits.console.policies.answers import (
    ApprovalAnswer,
    Decided,
    Difference,
    Hash,
    Named,
    PolicyAnswer,
    PolicyName,
    PolicySummary,
    PolicyText,
    ProposalId,
    StandingAnswer,
)
from limits.console.policies.trying import SimulationAnswer, Trial
from limits.console.policies.writing import Proposal
from limits.console.problems import PROBLEMS
from limits.engine.simulating import Simulation

router = APIRouter(prefix="/v1/policies", tags=["policies"], responses=PROBLEMS)
READERS = may("risk", "approver", "auditor")
TRIERS = may("risk", "approver")
MAKERS = may("risk")
CHECKERS = may("approver")
STOPPERS = may("risk", "approver")

Site = Annotated[Context, Depends(context_of)]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="A pack, or the first digits of a hash.")]

FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {answers.TOML: {"schema": {"type": "string", "format": "binary"}}}}
}


class Text(BaseModel):
    """A policy's text."""

    model_config = ConfigDict(extra="forbid")

    text: PolicyText


class Pair(BaseModel):
    """Two policies."""

    model_config = ConfigDict(extra="forbid")

    old: Named
    new: Named


@router.get("", dependencies=[Depends(READERS)])
def list_policies(context: Site, limit: Limit = 50, cursor: Cursor = None) -> Page[PolicySummary]:
    """Policies that come with the product or were ever proposed, by pack and date."""
    with context.connect("auditor") as conn:
        return answers.listing(conn, limit=limit, cursor=cursor)


@router.get("/in-force", dependencies=[Depends(TRIERS)])
def list_in_force(context: Site) -> list[StandingAnswer]:
    """Which policy reviews are decided by today: of each schedule, and where none asks."""
    return answers.in_force(context)


@router.get("/approvals", dependencies=[Depends(READERS)])
def list_approvals(
    context: Site, pack: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = None, limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApprovalAnswer]:  # fmt: skip
    """Every proposal and what became of it, the newest first."""
    with context.connect("auditor") as conn:
        return answers.history(conn, pack=pack, limit=limit, cursor=cursor)


@router.get("/{name}", dependencies=[Depends(READERS)])
def get_policy(context: Site, name: Name) -> PolicyAnswer:
    """One policy: of a pack the one in force today, or that of a hash."""
    with context.connect("auditor") as conn:
        return answers.by_name(conn, name).answer()


@router.get("/{policy_hash}/text", dependencies=[Depends(READERS)], response_class=Response, responses=FILE)
def get_policy_text(context: Site, policy_hash: Hash) -> Response:
    """The text of one policy as a file. Its sha256 is the hash: it is what was proposed and approved, byte for byte."""
    with context.connect("auditor") as conn:
        return answers.by_hash(conn, bytes.fromhex(policy_hash)).file()


@router.post("/check", dependencies=[Depends(TRIERS)])
def check_policy(text: Text) -> PolicyName:
    """Read a text as a review would. Mistakes are a problem with `mistakes`: each its line and its mend."""
    return PolicyName.of(answers.read(text.text))


@router.post("/diff", dependencies=[Depends(TRIERS)])
def compare_policies(context: Site, pair: Pair) -> Difference:
    """What `new` says that `old` does not: every key that differs, in words, and whether it is stricter or looser."""
    with context.connect("operations") as conn:
        return Difference.of(answers.resolve(conn, pair.old), answers.resolve(conn, pair.new))


@router.post("/simulate", dependencies=[Depends(TRIERS)], response_model=SimulationAnswer)
def simulate_policy(context: Site, trial: Trial) -> dict[str, object]:
    """What a policy would do beside the one that decides, on a date and in past reviews. Nothing is changed."""
    made: Simulation = trying.tried(context, trial)
    return made.as_dict()


@router.post("/proposals", status_code=201)
def propose_policy(
    context: Site, who: Annotated[Principal, Depends(MAKERS)], key: IdempotencyKey, proposal: Proposal
) -> Decided:
    """Propose a policy; it may decide once another person has approved it."""
    return writing.propose(context, who, key, proposal)


@router.post("/proposals/{approval_id}/approve")
def approve_policy(
    context: Site,
    who: Annotated[Principal, Depends(CHECKERS)],
    key: IdempotencyKey,
    approval_id: ProposalId,
    said: Why,
) -> Decided:
    """Approve a policy that somebody else proposed; one of the same pack and date that was approved is withdrawn."""
    return writing.decide(context, who, key, approval_id, "approve", said)


@router.post("/proposals/{approval_id}/reject")
def reject_policy(
    context: Site,
    who: Annotated[Principal, Depends(CHECKERS)],
    key: IdempotencyKey,
    approval_id: ProposalId,
    said: Why,
) -> Decided:
    """Reject a policy that somebody else proposed."""
    return writing.decide(context, who, key, approval_id, "reject", said)


@router.post("/proposals/{approval_id}/withdraw")
def withdraw_policy(
    context: Site,
    who: Annotated[Principal, Depends(STOPPERS)],
    key: IdempotencyKey,
    approval_id: ProposalId,
    said: Why,
) -> Decided:
    """Take back a proposal or an approval; nothing is applied by the policy any more, not even by a running review."""
    return writing.decide(context, who, key, approval_id, "withdraw", said)
