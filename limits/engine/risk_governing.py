"""Risk models proposed by one person and decided on by another; the rules of who may are the database's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from limits.errors import InputError, RiskModelError
from limits.risk import Scorecard, parse_scorecard
from limits.store import risk_models
from limits.store.approvals import Verdict
from limits.store.db import Connection, Database
from limits.store.risk_models import RiskApproval

log = structlog.get_logger()

#: A table of probabilities and the points of some characteristics; anything much larger is some other file.
LARGEST_FILE = 4 * 1024 * 1024
#: The first date that the database takes.
FIRST_DATE = dt.date(1900, 1, 1)


@dataclass(frozen=True)
class RiskDecision:
    """A proposal as it stands. ``changed``: by this call."""

    approval: RiskApproval
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        """The proposal for a machine, and whether this call changed it."""
        return {**self.approval.as_dict(), "changed": self.changed}


def read_model(path: Path) -> Scorecard:
    """One model file; InputError names it and every mistake."""
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST_FILE + 1)  # not all of it: some files never end
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(body) > LARGEST_FILE:
        raise InputError(f"{path} has more bytes than the {LARGEST_FILE:,} that a model may have")
    try:
        return parse_scorecard(body.decode("utf-8"), file=str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8; write a model with limits risk train") from error


def propose_model(database: Database, path: Path, *, effective_on: dt.date, actor: str, reason: str) -> RiskDecision:
    """Proposes the model of a file to score from a date on, unless it stands so already."""
    return propose_scorecard(database, read_model(path), effective_on=effective_on, actor=actor, reason=reason)


def propose_scorecard(
    database: Database, model: Scorecard, *, effective_on: dt.date, actor: str, reason: str
) -> RiskDecision:
    """Proposes a model to score from a date on, unless it stands so already."""
    if effective_on < FIRST_DATE:
        raise InputError(f"{effective_on} is before {FIRST_DATE}, the first date that a model may be effective on")
    with database.connect("operations", "limits risk propose") as conn:
        for one in risk_models.history(conn):
            if one.stands and bytes(one.model_hash) == model.model_hash and one.effective_on == effective_on:
                return RiskDecision(one, changed=False)
        number = risk_models.propose(conn, model, effective_on=effective_on, actor=actor, reason=reason)
        log.info("risk model proposed", approval_id=number, model=model.model_hash.hex(), actor=actor)
        return RiskDecision(risk_models.get(conn, number), changed=True)


def decide_model(database: Database, digits: str, verdict: Verdict, *, actor: str, reason: str) -> RiskDecision:
    """Approves, rejects or withdraws the newest proposal of the model whose hash begins so.

    RiskModelError when what is to be approved is not what the row says of it.
    """
    with database.connect("operations", f"limits risk {verdict}") as conn:
        there = risk_models.named(conn, digits)[-1]
        if verdict == "approve":
            _check_text(conn, there)
        changed = risk_models.decide(conn, there.approval_id, verdict, actor=actor, reason=reason)
        if changed:
            log.info("risk model decided on", approval_id=there.approval_id, verdict=verdict, actor=actor)
        return RiskDecision(risk_models.get(conn, there.approval_id), changed)


def _check_text(conn: Connection, there: RiskApproval) -> None:
    model = risk_models.load(conn, there.model_hash)
    assert model is not None, "there is a hash"
    if (model.name, model.horizon_months) != (there.name, there.horizon_months):
        raise RiskModelError(
            f"proposal {there.approval_id} is kept as {there.name} over {there.horizon_months} months, but its text "
            f"says {model.name}, {model.horizon_months}; reject it"
        )
