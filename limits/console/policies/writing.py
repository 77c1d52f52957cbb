"""What is done with policies: proposed by one person, decided on by another, each once for its key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from limits.console.context import Context, Login
from limits.console.fields import Reason, Why
from limits.console.once import once
from limits.console.people import Principal
from limits.console.policies.answers import Decided, PolicyText, Role, read
from limits.engine import governing
from limits.store.approvals import Verdict


class Proposal(BaseModel):
    """A policy that somebody proposes."""

    model_config = ConfigDict(extra="forbid")

    text: PolicyText
    role: Role = "champion"
    reason: Reason


def propose(context: Context, who: Principal, key: str, proposal: Proposal) -> Decided:
    """The proposal; one that stands already is given as it is."""
    policy = read(proposal.text)

    def act() -> dict[str, Any]:
        (made,) = governing.propose_policies(
            context.database("operations"), [policy], role=proposal.role, actor=who.actor, reason=proposal.reason
        )
        return made.as_dict()

    return Decided.model_validate(once(context, who, key, "propose policy", proposal, act))


def decide(context: Context, who: Principal, key: str, approval_id: int, verdict: Verdict, said: Why) -> Decided:
    """The proposal after a verdict. Approving and rejecting is on the login of second persons."""
    login: Login = "operations" if verdict == "withdraw" and who.may("risk") else "approver"

    def act() -> dict[str, Any]:
        database = context.database(login)
        return governing.decide_policy(database, approval_id, verdict, actor=who.actor, reason=said.reason).as_dict()

    return Decided.model_validate(once(context, who, key, f"{verdict} policy {approval_id}", said, act))
