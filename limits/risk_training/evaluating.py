"""A scorecard held against what its users did: measures, calibration, by limit and by band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.capacity import estimate_capacity
from limits.errors import InputError
from limits.money import EXPONENTS
from limits.portfolio import Bool, Portfolio
from limits.risk import Risk, Scorecard
from limits.risk.result import ALL_PPM
from limits.risk_training.grouping import Group, Real, draws_of, groups, into_tenths
from limits.risk_training.metrics import Counted, Judged, judge
from limits.samples.uci import Sample

#: Months that capacity is forecast for, where a scorecard reads it.
HORIZON_MONTHS = 6


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a scorecard is worth on users with known outcomes. ``probability`` and ``bad`` (n,) for plots."""

    missed: int
    judged: Judged
    calibration: list[Group]
    by_limit: list[Group]
    by_band: list[Group]
    risk: Risk
    probability: Real
    bad: Bool

    def as_dict(self) -> dict[str, Any]:
        """For a machine: users, figures with their intervals, and the three tables."""
        return {
            **self.judged.as_dict(),
            "missed": self.missed,
            **{
                name: [group.as_dict() for group in getattr(self, name)]
                for name in ("calibration", "by_limit", "by_band")
            },
        }


def scored(model: Scorecard, portfolio: Portfolio) -> Risk:
    """The risk of all users, from the same forecast that a review makes."""
    return model.score(portfolio, estimate_capacity(portfolio.cash_flow, HORIZON_MONTHS))


def outcome_of(sample: Sample, what: str) -> Bool:
    """Who missed the payment; InputError where the file does not say it."""
    if sample.outcome is None:
        raise InputError(
            f"{what} needs to know who missed the payment, and the file has no column default.payment.next.month"
        )
    return sample.outcome


def evaluate(model: Scorecard, sample: Sample, *, draws: int, seed: int) -> Evaluation:
    """Scores the users of a sample and compares. InputError where it has no outcomes, or all users have the same."""
    bad, risk = outcome_of(sample, "evaluating"), scored(model, sample.portfolio)
    if bad.all() or not bad.any():
        raise InputError(f"{int(bad.sum())} of {len(bad)} users missed the payment; some must, and some must not")
    probability = risk.probability_ppm / ALL_PPM
    judged = judge(Counted.of(risk.points, risk.probability_ppm, bad), times=draws, seed=seed)
    drawn = draws_of(len(bad), draws, seed)
    limit = sample.portfolio.credit_limit
    tenth = into_tenths(limit)
    return Evaluation(
        missed=int(bad.sum()),
        judged=judged,
        calibration=groups([str(k + 1) for k in range(10)], into_tenths(probability), probability, bad, drawn),
        by_limit=groups(_ranges(limit, tenth, sample.portfolio.currency), tenth, probability, bad, drawn),
        by_band=groups(list(risk.bands), risk.band, probability, bad, drawn),
        risk=risk,
        probability=probability,
        bad=bad,
    )


def _ranges(limit: Any, tenth: Any, currency: str) -> list[str]:
    """The least and the greatest limit of each tenth, in words."""
    unit, names = 10 ** EXPONENTS[currency], []
    for place in range(10):
        mine = limit[tenth == place]
        names.append(f"{mine.min() // unit:,} to {mine.max() // unit:,} {currency}" if len(mine) else "")
    return names


def roc(probability: Real, bad: Bool) -> tuple[Real, Real]:
    """Points of the ROC curve: the share of good and of bad users at or above each probability, from the highest."""
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(probability[order]) != 0, True])
    caught, alarmed = np.cumsum(bad[order])[ends], np.cumsum(~bad[order])[ends]
    return np.r_[0, alarmed / alarmed[-1]], np.r_[0, caught / caught[-1]]
