"""Which model scores: of a review the one that its row names, of a date the one in force; and what it said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limits.errors import NotFound, PolicyError
from limits.policy import Policy, parse_policy
from limits.portfolio import Portfolio
from limits.risk import Loss, Risk, Scorecard, losses
from limits.risk.fitting import require_bands
from limits.store import policies, reviews, risk_models, snapshots
from limits.store.db import Connection
from limits.store.log import LogEntry


def model_of(conn: Connection, policy: Policy, review_id: int) -> Scorecard | None:
    """The model of a review; None where nobody is scored. PolicyError where the policy speaks of other bands."""
    return fitting(policy, risk_models.load(conn, reviews.get(conn, review_id).risk_model))


def model_on(conn: Connection, policy: Policy, as_of: dt.date) -> Scorecard | None:
    """The model in force on a date; None where nobody is scored. PolicyError where the policy speaks of other bands."""
    return fitting(policy, risk_models.in_force(conn, as_of))


def fitting(policy: Policy, model: Scorecard | None) -> Scorecard | None:
    """The model, if the policy's [risk] goes with it; PolicyError with line and mend where not.

    A policy without [risk] lets every model score and takes no notice.
    """
    if model is not None:
        name = f"the risk model {model.name} ({model.model_hash.hex()[:12]})"
        if policy.risk is not None and model.currency not in (None, policy.currency):
            raise PolicyError(
                f"{policy.pack} of {policy.effective_on} is in {policy.currency} and {name} was made of amounts in "
                f"{model.currency}: its points would mean nothing; propose one made of such users, or withdraw it"
            )
        require_bands(policy, [band.name for band in model.bands], model=name)
    return model


# What it said ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """What a model said of one user: its points, and where they went, the characteristic that cost most first."""

    model: str
    model_hash: bytes
    horizon_months: int
    points: int
    probability_ppm: int
    band: str
    lost: tuple[Loss, ...]

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "model": self.model,
            "model_hash": self.model_hash.hex(),
            "horizon_months": self.horizon_months,
            "points": self.points,
            "probability_ppm": self.probability_ppm,
            "band": self.band,
            "points_lost": [
                {"characteristic": one.name, "features": list(one.features), "points": one.points} for one in self.lost
            ],
        }


def said(model: Scorecard, risk: Risk, lost: tuple[Loss, ...]) -> Score:
    """What a model said of the one user who was scored."""
    points, ppm, band = (int(column[0]) for column in (risk.points, risk.probability_ppm, risk.band))
    return Score(model.name, model.model_hash, model.horizon_months, points, ppm, risk.bands[band], lost)


class Scores:
    """What was said of users when they were decided: scored again from the snapshots by the models of their reviews.

    What the last user was decided from is kept for the next one.
    """

    def __init__(self, conn: Connection, folder: Path | None) -> None:
        self._conn, self._folder = conn, folder
        self._snapshot: tuple[bytes, Portfolio] | None = None
        self._models: dict[int, Scorecard | None] = {}
        self._horizons: dict[bytes, int] = {}

    def of(self, entry: LogEntry) -> Score | None:
        """None where nobody was scored.

        NotFound for a snapshot that is no longer kept; SnapshotError and RiskModelError for one, or a
        model, that is not what it was.
        """
        model = self._model(entry.review_id)
        if model is None:
            return None
        portfolio = self._portfolio(bytes(entry.input_digest))
        user = portfolio.take(np.flatnonzero(portfolio.user_id == entry.user_id))
        if len(user) != 1:
            raise NotFound(f"user {entry.user_id} is not in the snapshot {bytes(entry.input_digest).hex()}")
        from limits.capacity import estimate_capacity  # here, for it loads the kernels

        capacity = estimate_capacity(user.cash_flow, self._horizon(bytes(entry.policy_hash)))
        return said(model, model.score(user, capacity), losses(model, user, capacity)[0])

    def bands(self, entries: Iterable[LogEntry]) -> dict[int, str]:
        """The band of each user of the entries of one review; nobody where nobody was scored. Errors as of ``of``."""
        from limits.capacity import estimate_capacity  # here, for it loads the kernels

        found: dict[int, str] = {}
        for review_id, digest, policy_hash in dict.fromkeys(
            (entry.review_id, bytes(entry.input_digest), bytes(entry.policy_hash)) for entry in entries
        ):
            model = self._model(review_id)
            if model is not None:
                portfolio = self._portfolio(digest)
                risk = model.score(portfolio, estimate_capacity(portfolio.cash_flow, self._horizon(policy_hash)))
                found |= dict(zip(portfolio.user_id.tolist(), np.array(risk.bands)[risk.band].tolist(), strict=True))
        return found

    def _model(self, review_id: int) -> Scorecard | None:
        if review_id not in self._models:
            self._models[review_id] = risk_models.load(self._conn, reviews.get(self._conn, review_id).risk_model)
        return self._models[review_id]

    def _portfolio(self, digest: bytes) -> Portfolio:
        if self._snapshot is None or self._snapshot[0] != digest:
            self._snapshot = digest, snapshots.load(self._conn, digest, folder=self._folder)
        return self._snapshot[1]

    def _horizon(self, policy_hash: bytes) -> int:
        if policy_hash not in self._horizons:
            policy = parse_policy(policies.load_policy(self._conn, policy_hash), file="its policy")
            self._horizons[policy_hash] = policy.capacity.horizon_months
        return self._horizons[policy_hash]
