"""What is done with risk models: proposed by one person, decided on by another, each once for its key."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from limits.console.context import Context, Login
from limits.console.fields import Reason, Why
from limits.console.models.answers import ModelDecided
from limits.console.once import once
from limits.console.people import Principal
from limits.console.policies.answers import LAST
from limits.engine import risk_governing
from limits.engine.asking import today
from limits.engine.risk_governing import FIRST_DATE
from limits.risk import parse_scorecard
from limits.store.approvals import Verdict

#: Characters of a model that is sent; larger ones are proposed on the command line.
LONGEST = 800_000


def _text(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds half a character")
    return text


class ModelProposal(BaseModel):
    """A model that somebody proposes."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_text)] = Field(
        description="The file that limits risk train wrote, byte for byte: JSON."
    )
    effective_on: Annotated[dt.date, Field(ge=FIRST_DATE, le=LAST)] | None = Field(
        None, description="The first business date it scores on; null: today."
    )
    reason: Reason


def propose(context: Context, who: Principal, key: str, proposal: ModelProposal) -> ModelDecided:
    """The proposal; one that stands already is given as it is."""
    model = parse_scorecard(proposal.text, file="model.json")
    begins = proposal.effective_on or today()
    request = {
        "model": hashlib.sha256(proposal.text.encode()).hexdigest(), "reason": proposal.reason,
        "effective_on": proposal.effective_on.isoformat() if proposal.effective_on else None,
    }  # fmt: skip

    def act() -> dict[str, Any]:
        return risk_governing.propose_scorecard(
            context.database("operations"), model, effective_on=begins, actor=who.actor, reason=proposal.reason
        ).as_dict()

    return ModelDecided.model_validate(once(context, who, key, "propose model", request, act))


def decide(context: Context, who: Principal, key: str, digits: str, verdict: Verdict, said: Why) -> ModelDecided:
    """The newest proposal of a model after a verdict. Approving and rejecting is on the login of second persons."""
    login: Login = "operations" if verdict == "withdraw" and who.may("risk") else "approver"

    def act() -> dict[str, Any]:
        database = context.database(login)
        return risk_governing.decide_model(database, digits, verdict, actor=who.actor, reason=said.reason).as_dict()

    return ModelDecided.model_validate(once(context, who, key, f"{verdict} model {digits}", said, act))
