"""How good a scorecard is: order, calibration, and their intervals by the bootstrap.

Users of the same points and outcome are alike, so everything is computed from counts of users by points. A bootstrap
draws users with replacement, which is to draw those counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.portfolio import Bool, Int
from limits.risk.names import Real
from limits.risk.result import ALL_PPM

#: Figures by name, as they are printed.
NAMES = (
    "auc", "pr_auc", "gini", "ks", "brier", "log_loss", "calibration_slope", "calibration_intercept", "rate",
    "expected",
)  # fmt: skip
#: The interval holds this share of the bootstrap.
LEVEL = 0.95
#: Probabilities stay this far from 0 and 1 where their logarithm is taken.
LEAST = 1e-6
_STEPS, _CLOSE = 25, 1e-9


@dataclass(frozen=True, slots=True)
class Counted:
    """Users by their points, the fewest first: probability (k,), and how many paid and how many missed (..., k)."""

    probability: Real
    paid: Real
    missed: Real

    @classmethod
    def of(cls, points: Int, probability_ppm: Int, missed: Bool) -> Counted:
        """Of users; those of the same points have the same probability."""
        _, first, place = np.unique(points, return_index=True, return_inverse=True)
        bins = len(first)
        return cls(
            np.clip(probability_ppm[first] / ALL_PPM, LEAST, 1 - LEAST),
            np.bincount(place[~missed], minlength=bins).astype(np.float64),
            np.bincount(place[missed], minlength=bins).astype(np.float64),
        )

    def drawn(self, times: int, seed: int) -> Counted:
        """As many users drawn with replacement, ``times`` over (times, k)."""
        users = np.concatenate([self.paid, self.missed])
        drawn = np.random.default_rng(seed).multinomial(int(users.sum()), users / users.sum(), size=times)
        paid, missed = np.split(drawn.astype(np.float64), 2, axis=1)
        return Counted(self.probability, paid, missed)


def figures(counted: Counted) -> dict[str, Any]:
    """Every figure of NAMES, (...) each; NaN where it cannot be said, as of users who all paid."""
    paid, missed, chance = counted.paid, counted.missed, counted.probability
    users, bad, good = (paid + missed).sum(-1), missed.sum(-1), paid.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # From the riskiest on: what share of those who missed, and of those who paid, has been met.
        met_bad, met_good = missed.cumsum(-1), paid.cumsum(-1)
        auc = (paid * (met_bad - missed / 2)).sum(-1) / (bad * good)
        ks = np.abs(met_bad / bad[..., None] - met_good / good[..., None]).max(-1)
        met = met_bad + met_good
        precision = np.where(met > 0, met_bad / np.maximum(met, 1.0), 0.0)
        slope, intercept = _calibration(counted)
        return {
            "auc": auc,
            "pr_auc": (precision * missed).sum(-1) / bad,
            "gini": 2 * auc - 1,
            "ks": ks,
            "brier": (missed * (1 - chance) ** 2 + paid * chance**2).sum(-1) / users,
            "log_loss": -(missed * np.log(chance) + paid * np.log1p(-chance)).sum(-1) / users,
            "calibration_slope": slope,
            "calibration_intercept": intercept,
            "rate": bad / users,
            "expected": ((paid + missed) * chance).sum(-1) / users,
        }


def _calibration(counted: Counted) -> tuple[Any, Any]:
    """Slope and intercept of a logistic regression of the outcome on the log-odds of the probability."""
    odds = np.log(counted.probability / (1 - counted.probability))
    users = counted.paid + counted.missed
    shape = users.shape[:-1]
    intercept, slope = np.zeros(shape), np.ones(shape)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(intercept[..., None] + slope[..., None] * odds, -50, 50)))
        weight, error = users * chance * (1 - chance), counted.missed - users * chance
        a, b, c = weight.sum(-1), (weight * odds).sum(-1), (weight * odds * odds).sum(-1)
        one, two = error.sum(-1), (error * odds).sum(-1)
        whole = a * c - b * b
        step = (c * one - b * two) / whole, (a * two - b * one) / whole
        intercept, slope = intercept + step[0], slope + step[1]
        if not np.any(np.abs(step) > _CLOSE):
            break
    both = (counted.paid.sum(-1) > 0) & (counted.missed.sum(-1) > 0)
    fine = both & np.isfinite(slope) & (np.abs(slope) < 100)
    return np.where(fine, slope, np.nan), np.where(fine, intercept, np.nan)


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures of users with the interval of each; NaN where one cannot be said."""

    users: int
    value: dict[str, float]
    interval: dict[str, tuple[float, float]]

    def as_dict(self, *, digits: int = 6) -> dict[str, Any]:
        """For JSON: None in place of NaN."""
        plain = {name: _plain(number, digits) for name, number in self.value.items()}
        intervals = {name: [_plain(end, digits) for end in ends] for name, ends in self.interval.items()}
        return {"users": self.users, **plain, "intervals": intervals}


def _plain(number: float, digits: int) -> float | None:
    return round(float(number), digits) if np.isfinite(number) else None


def judge(counted: Counted, *, times: int, seed: int) -> Judged:
    """The figures, and their intervals by ``times`` bootstraps."""
    found = figures(counted)
    drawn = figures(counted.drawn(times, seed)) if times else {name: np.array([np.nan]) for name in NAMES}
    ends = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    value = {name: float(found[name]) for name in NAMES}
    interval = {name: (_end(drawn[name], ends[0]), _end(drawn[name], ends[1])) for name in NAMES}
    return Judged(int((counted.paid + counted.missed).sum()), value, interval)


def _end(values: Real, at: float) -> float:
    kept = values[np.isfinite(values)]
    return float(np.quantile(kept, at)) if len(kept) >= 0.9 * len(values) else float("nan")
