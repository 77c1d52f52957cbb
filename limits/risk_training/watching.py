"""Whether the users of today are those the scorecard was made from, and whether it still says the truth of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limits.capacity import estimate_capacity
from limits.errors import InputError
from limits.portfolio import Portfolio
from limits.risk import Scorecard, read_features
from limits.risk.result import ALL_PPM
from limits.risk_training.evaluating import HORIZON_MONTHS
from limits.risk_training.measures import TAIL, Judged, Measure, Real, judge, stability
from limits.samples.uci import Sample

#: The population stability index from which on one looks, and from which on one acts: the usual bounds, as in
#: N. Siddiqi, Credit Risk Scorecards (2006), chapter 8.
LOOK, ACT = 0.1, 0.25
SCORE = "score"

State = Literal["ok", "look", "act"]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a characteristic, or the score, has moved from what it was."""

    name: str
    index: float

    @property
    def state(self) -> State:
        """ok below LOOK, look below ACT, act from there on."""
        return "ok" if self.index < LOOK else "look" if self.index < ACT else "act"

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {"name": self.name, "psi": round(self.index, 5), "state": self.state}


@dataclass(frozen=True, slots=True)
class Watched:
    """The drifts, the score's first; and where outcomes are known what is said against what was.

    ratio    missed payments, for each that the scorecard expected
    slope    of the calibration
    """

    users: int
    drifts: list[Drift]
    ratio: Measure | None
    slope: Measure | None

    @property
    def calibration(self) -> State | None:
        """look where chance does not explain the ratio or the slope; act where they are off by a fifth as well."""
        if self.ratio is None or self.slope is None:
            return None
        off = [one for one in (self.ratio, self.slope) if not one.low <= 1 <= one.high]
        return "act" if any(abs(one.value - 1) > 0.2 for one in off) else "look" if off else "ok"

    @property
    def state(self) -> State:
        """The worst of all."""
        states = {*(drift.state for drift in self.drifts), self.calibration}
        return "act" if "act" in states else "look" if "look" in states else "ok"

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "users": self.users,
            "state": self.state,
            "drifts": [drift.as_dict() for drift in self.drifts],
            "calibration": None
            if self.ratio is None or self.slope is None
            else {"state": self.calibration, "ratio": self.ratio.as_dict(), "slope": self.slope.as_dict()},
        }


def watch(model: Scorecard, sample: Sample, against: Sample | None, *, draws: int, seed: int) -> Watched:
    """Compares with the users the model was made from, as its card says, or with those of ``against``.

    InputError where the card does not say it.
    """
    mine = shares(model, sample.portfolio)
    theirs = from_card(model) if against is None else shares(model, against.portfolio)
    drifts = [Drift(name, stability(theirs[name], found)) for name, found in mine.items()]
    ratio = slope = None
    if sample.outcome is not None and 0 < sample.outcome.sum() < len(sample):
        capacity = estimate_capacity(sample.portfolio.cash_flow, HORIZON_MONTHS)
        probability = model.score(sample.portfolio, capacity).probability_ppm / ALL_PPM
        slope = judge(probability, sample.outcome, draws=draws, seed=seed)["slope"]
        ratio = _ratio(Judged.of(probability, sample.outcome), draws, seed)
    return Watched(len(sample), drifts, ratio, slope)


def _ratio(judged: Judged, draws: int, seed: int) -> Measure:
    generator = np.random.default_rng(seed)
    rows = (generator.integers(0, len(judged.bad), len(judged.bad)) for _ in range(draws))
    spread = [judged.bad[row].sum() / judged.probability[row].sum() for row in rows]
    low, high = np.quantile(spread, [TAIL, 1 - TAIL])
    return Measure(float(judged.bad.sum() / judged.probability.sum()), float(low), float(high))


def shares(model: Scorecard, portfolio: Portfolio) -> dict[str, Real]:
    """The share of users in each bin: of the score, by the edges that the card says, and of each characteristic."""
    capacity = estimate_capacity(portfolio.cash_flow, HORIZON_MONTHS)
    names = list(dict.fromkeys(name for one in model.characteristics for name in one.features))
    features = read_features(portfolio, capacity, names)
    edges = np.array(_training(model)["points"]["edges"], dtype=np.float64)
    points = model.score(portfolio, capacity).points
    found = {SCORE: np.bincount(np.searchsorted(edges, points, side="right"), minlength=len(edges) + 1)}
    for one in model.characteristics:
        found[one.name] = np.bincount(one.bins(features), minlength=len(one.points))
    return {name: counts / len(portfolio) for name, counts in found.items()}


def from_card(model: Scorecard) -> dict[str, Real]:
    """The same of the users the model was made from."""
    training = _training(model)
    found = {SCORE: training["points"]["share"], **training["share"]}
    for name, size in {
        SCORE: len(training["points"]["edges"]) + 1,
        **{c.name: len(c.points) for c in model.characteristics},
    }.items():
        if len(found.get(name, ())) != size:
            raise InputError(
                f"the model's card does not say where its users stood in the bins of {name}; use --against"
            )
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


def _training(model: Scorecard) -> dict[str, Any]:
    training = model.card.get("training")
    if not isinstance(training, dict) or not {"points", "share"} <= training.keys():
        raise InputError("the model's card does not say where the users stood that it was made from; train it anew")
    return training
