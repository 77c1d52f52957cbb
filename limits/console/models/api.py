"""The API of risk models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from limits.console.context import Context, context_of
from limits.console.fields import Why
from limits.console.models import answers, writing
from limits.console.models.answers import ModelAnswer, ModelDecided, ModelList, MonitoringAnswer
from limits.console.models.writing import ModelProposal
from limits.console.once import IdempotencyKey
from limits.console.paging import Cursor, Limit
from limits.console.people import Principal, may
from limits.console.policies.answers import Hash
from limits.console.problems import PROBLEMS

router = APIRouter(prefix="/v1/models", tags=["models"], responses=PROBLEMS)
READERS = may("risk", "approver", "auditor")
WATCHERS = may("risk", "approver")
Site = Annotated[Context, Depends(context_of)]
Maker = Annotated[Principal, Depends(may("risk"))]
Checker = Annotated[Principal, Depends(may("approver"))]
Stopper = Annotated[Principal, Depends(may("risk", "approver"))]
Last = Annotated[int, Query(ge=1, le=24, description="How many of the newest reviews that it scored.")]


@router.get("", dependencies=[Depends(READERS)])
def list_models(context: Site, limit: Limit = 50, cursor: Cursor = None) -> ModelList:
    """Every proposal of a model, the newest first, and which model scores today."""
    with context.connect("auditor") as conn:
        return answers.listing(conn, limit=limit, cursor=cursor)


@router.post("/proposals", status_code=201)
def propose_model(context: Site, who: Maker, key: IdempotencyKey, proposal: ModelProposal) -> ModelDecided:
    """Propose a model; it scores from its date on once another person has approved it."""
    return writing.propose(context, who, key, proposal)


@router.get("/{model_hash}", dependencies=[Depends(READERS)])
def get_model(context: Site, model_hash: Hash) -> ModelAnswer:
    """One model in words: bands, characteristics, bins, card, and its proposals."""
    with context.connect("auditor") as conn:
        return answers.told(*answers.found(conn, model_hash))


@router.get("/{model_hash}/monitoring", dependencies=[Depends(WATCHERS)])
def monitor_model(context: Site, model_hash: Hash, last: Last = 12) -> MonitoringAnswer:
    """Whether users still are as they were, and whether its probabilities were true, by the adjustment log."""
    return answers.monitoring(*answers.monitored(context, model_hash, last))


@router.post("/{model_hash}/approve")
def approve_model(context: Site, who: Checker, key: IdempotencyKey, model_hash: Hash, said: Why) -> ModelDecided:
    """Approve a model that somebody else proposed; one that was approved for the same date is withdrawn."""
    return writing.decide(context, who, key, model_hash, "approve", said)


@router.post("/{model_hash}/reject")
def reject_model(context: Site, who: Checker, key: IdempotencyKey, model_hash: Hash, said: Why) -> ModelDecided:
    """Reject a model that somebody else proposed."""
    return writing.decide(context, who, key, model_hash, "reject", said)


@router.post("/{model_hash}/withdraw")
def withdraw_model(context: Site, who: Stopper, key: IdempotencyKey, model_hash: Hash, said: Why) -> ModelDecided:
    """Take back a proposal or an approval; nothing scored by it is applied any more, not even by a running review."""
    return writing.decide(context, who, key, model_hash, "withdraw", said)
