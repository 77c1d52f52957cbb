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
from limits.risk_training.measures import Group, Measure, Real, draws_of, groups, into_tenths, judge
from limits.samples.uci import Sample

#: Months that capacity is forecast for, where a scorecard reads it.
HORIZON_MONTHS = 6


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a scorecard is worth on users with known outcomes. ``probability`` and ``bad`` (n,) for plots."""

    users: int
    missed: int
    measures: dict[str, Measure]
    calibration: list[Group]
    by_limit: list[Group]
    by_band: list[Group]
    risk: Risk
    probability: Real
    bad: Bool

    def as_dict(self) -> dict[str, Any]:
        """For a machine: users, measures with intervals, and the three tables."""
        return {
            "users": self.users,
            "missed": self.missed,
            **{name: measure.as_dict() for name, measure in self.measures.items()},
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
    probability = risk.probability_ppm / ALL_PPM
    measures = judge(probability, bad, draws=draws, seed=seed)
    drawn = draws_of(len(bad), draws, seed)
    limit = sample.portfolio.credit_limit
    tenth = into_tenths(limit)
    return Evaluation(
        users=len(sample),
        missed=int(bad.sum()),
        measures=measures,
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
