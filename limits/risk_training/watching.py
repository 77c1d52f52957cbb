"""Whether the users of today are those the scorecard was made from, and whether it still says the truth of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limits.capacity import estimate_capacity
from limits.errors import InputError
from limits.portfolio import Portfolio
from limits.risk import FEATURES, Scorecard, read_features
from limits.risk_training.evaluating import HORIZON_MONTHS, scored
from limits.risk_training.grouping import Measure, Real, stability
from limits.risk_training.metrics import Counted, judge
from limits.samples.uci import Sample

#: The population stability index from which on one looks, and from which on one acts: the usual bounds, as in
#: N. Siddiqi, Credit Risk Scorecards (2006), chapter 8.
LOOK, ACT = 0.1, 0.25
SCORE = "score"

State = Literal["ok", "look", "act"]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a feature, or the score, has moved from what it was."""

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
            else {
                "state": self.calibration,
                "ratio": round(self.ratio.value, 5),
                "ratio_interval": self.ratio.interval,
                "slope": round(self.slope.value, 5),
                "slope_interval": self.slope.interval,
            },
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
        risk = scored(model, sample.portfolio)
        judged = judge(Counted.of(risk.points, risk.probability_ppm, sample.outcome), times=draws, seed=seed)
        expected = judged.value["expected"]
        rate, (low, high) = judged.value["rate"], judged.interval["rate"]
        ratio = Measure(rate / expected, low / expected, high / expected)
        slope = Measure(judged.value["calibration_slope"], *judged.interval["calibration_slope"])
    return Watched(len(sample), drifts, ratio, slope)


def shares(model: Scorecard, portfolio: Portfolio) -> dict[str, Real]:
    """The share of users in each bin: of the points, by the edges that the card says, and of each feature."""
    capacity = estimate_capacity(portfolio.cash_flow, HORIZON_MONTHS)
    edges = {name: known["edges"] for name, known in _known(model).items()}
    features = read_features(portfolio, capacity, [name for name in edges if name != SCORE])
    counted = {SCORE: np.searchsorted(np.array(edges[SCORE]), model.score(portfolio, capacity).points, side="right")}
    for name, values in features.items():
        place = np.searchsorted(np.array(edges[name], dtype=np.float64), values, side="right")
        counted[name] = np.where(np.isnan(values), len(edges[name]) + 1, place)
    sizes = {name: len(known["share"]) for name, known in _known(model).items()}
    return {name: np.bincount(place, minlength=sizes[name]) / len(portfolio) for name, place in counted.items()}


def from_card(model: Scorecard) -> dict[str, Real]:
    """The same of the users the model was made from."""
    return {name: np.array(known["share"], dtype=np.float64) for name, known in _known(model).items()}


def _known(model: Scorecard) -> dict[str, Any]:
    """Edges and shares by name, the score's first. InputError where the card does not say them."""
    points, features = model.card.get("points"), model.card.get("features")
    read = {name for one in model.characteristics for name in one.features}
    if not isinstance(points, dict) or not isinstance(features, dict) or not read <= features.keys():
        raise InputError("the model's card does not say where the users stood that it was made from; train it anew")
    known = {SCORE: points, **{name: features[name] for name in FEATURES if name in read}}
    for name, told in known.items():
        bins = len(told.get("edges", ())) + (1 if name == SCORE else 2)
        if len(told.get("share", ())) != bins:
            raise InputError(
                f"the model's card does not say where its users stood in the bins of {name}; train it anew"
            )
    return known
