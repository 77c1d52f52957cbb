"""What if, of a score: how points, band and limit of one user would be others if some of what is read were others."""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limits.decision import Decisions, decide
from limits.engine.asking import policy_for, refuse_future, today
from limits.engine.risk_governing import read_model
from limits.engine.scoring import Score, fitting, model_on, said
from limits.engine.supposing import user_at
from limits.errors import InputError, NotFound
from limits.policy import Policy
from limits.portfolio import Portfolio
from limits.risk import FEATURES, Scorecard, read_features
from limits.risk.losing import lost_by, named_losses
from limits.risk.values import parse
from limits.settings import Settings
from limits.store import past, recomputes
from limits.store.db import Database
from limits.whatif import INPUTS, Change, apply_changes, parse_changes


@dataclass(frozen=True)
class ScoredSide:
    """One of the two: what the scorecard reads, what it says, and what is decided. A feature is None if not known."""

    features: Mapping[str, float | None]
    score: Score
    decisions: Decisions


@dataclass(frozen=True)
class SupposedScore:
    """One user scored and decided twice: as known, and with changes. ``changes``: as they are written."""

    policy: Policy
    exponent: int
    changes: list[str]
    before: ScoredSide
    after: ScoredSide
    waiting: bool


def suppose_score(
    database: Database,
    settings: Settings,
    user_id: int,
    texts: Sequence[str],
    *,
    as_of: dt.date | None = None,
    policy: str | None = None,
    model: Path | None = None,
) -> SupposedScore:
    """Scores and decides a user as of a date (None: today) with and without the changes.

    A change is of a feature that the scorecard reads, or of an input as ``limits whatif`` has them; a feature that is
    set stays so, whatever else changes. ``model``: the file of one, in place of the model in force. InputError for a
    change that cannot be used, NotFound without a model.
    """
    date = as_of or today()
    refuse_future(date)
    chosen = policy_for(policy or settings.policy, date)
    given = fitting(chosen, read_model(model)) if model else None
    with database.connect("operations", "limits risk simulate") as conn, past.looking(conn):
        scorecard = given or model_on(conn, chosen, date)
        if scorecard is None:
            raise NotFound(f"no model is in force on {date}; name a file with --model, or have one approved")
        features, written, inputs = _split(texts, scorecard, chosen.currency)
        user = user_at(conn, user_id, date, chosen)
        exponent = recomputes.facts(conn, chosen.currency).exponent
        waiting = past.anybody_waiting(conn)
    before = _side(user, chosen, scorecard, {})
    after = _side(apply_changes(user, inputs), chosen, scorecard, features)
    return SupposedScore(
        chosen, exponent, [*written, *(one.text(chosen.currency) for one in inputs)], before, after, waiting
    )


def _side(user: Portfolio, policy: Policy, model: Scorecard, given: Mapping[str, float]) -> ScoredSide:
    from limits.capacity import estimate_capacity  # here, for it loads the kernels

    capacity = estimate_capacity(user.cash_flow, policy.capacity.horizon_months)
    features = read_features(user, capacity, model.features)
    features |= {name: np.array([value]) for name, value in given.items()}
    risk = model.score_features(features)
    (lost,) = named_losses(model, lost_by(model, features))
    known = {name: None if math.isnan(values[0]) else float(values[0]) for name, values in features.items()}
    return ScoredSide(known, said(model, risk, lost), decide(user, capacity, risk, policy))


def _split(texts: Sequence[str], model: Scorecard, currency: str) -> tuple[dict[str, float], list[str], list[Change]]:
    """Features that are set, as they are written too, and inputs that are changed."""
    features: dict[str, float] = {}
    written, others = [], []
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if name in model.features:
            if name in features:
                raise InputError(f"{name} is given twice; give it once")
            features[name] = parse(name, value, currency)
            written.append(f"{name}={value}")
        elif name in FEATURES:
            raise InputError(f"the model does not read {name}; it reads {', '.join(model.features)}")
        elif name in INPUTS:
            others.append(text)
        else:
            near = difflib.get_close_matches(name, [*model.features, *INPUTS], n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise InputError(
                f"there is no {name!r}; {hint}the model reads {', '.join(model.features)}; the inputs of limits whatif "
                "may be set too"
            )
    return features, written, parse_changes(others, currency)
