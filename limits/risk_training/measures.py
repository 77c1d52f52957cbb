"""How good probabilities are, held against what happened: the usual measures, with what chance leaves open.

All are computed with a weight for each user, so that a draw of the bootstrap is a set of weights (how often each user
was drawn) and nothing is sorted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from limits.errors import InputError
from limits.portfolio import Bool, Int

Real = NDArray[np.float64]

#: Share of draws left out at each end of an interval: 95% of them lie within.
TAIL = 0.025
#: Probabilities are kept this far from 0 and 1 where their logarithm is taken.
LEAST = 1e-6
_STEPS = 30


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with the bounds that 95% of the bootstrap's draws lie within."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """For a machine."""
        return {"value": round(self.value, 5), "low": round(self.low, 5), "high": round(self.high, 5)}

    def text(self, digits: int = 4) -> str:
        """For a person."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Judged:
    """n probabilities, ascending, with what happened; ``begins`` is where each different probability begins."""

    probability: Real
    bad: Real
    begins: Int

    @classmethod
    def of(cls, probability: Real, bad: Bool) -> Self:
        """InputError where nobody or everybody is bad: there is nothing to tell apart."""
        if not 0 < bad.sum() < len(bad):
            raise InputError(f"{int(bad.sum())} of {len(bad)} users missed the payment; some must, and some must not")
        order = np.argsort(probability, kind="stable")
        ordered = probability[order].astype(np.float64)
        begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        return cls(ordered, bad[order].astype(np.float64), begins)

    def measures(self, weight: Real | None = None) -> dict[str, float]:
        """All measures; ``weight`` (n,) in the order of ``probability``."""
        weight = np.ones(len(self.bad)) if weight is None else weight
        bad, all_ = (np.add.reduceat(values, self.begins) for values in (weight * self.bad, weight))
        found = _order(bad, all_ - bad)
        error = self.probability - self.bad
        near = np.clip(self.probability, LEAST, 1 - LEAST)
        surprise = -np.log(np.where(self.bad > 0, near, 1 - near))
        found["brier"] = float(weight @ error**2 / weight.sum())
        found["log_loss"] = float(weight @ surprise / weight.sum())
        log_odds = np.log(near / (1 - near))
        found["slope"], found["intercept"] = _calibration(log_odds[self.begins], bad, all_)
        return found


def _order(bad: Real, good: Real) -> dict[str, float]:
    """What depends on the order of users alone; bad and good of each different probability, ascending.

    AUC is the share of pairs of a bad and a good user of whom the bad one has the higher probability, ties half. Gini
    is 2 AUC - 1. KS is the widest gap between the shares of bad and of good users up to a probability. PR-AUC is
    the average precision: precision at each different probability, weighted by the bad users who come with it.
    """
    all_bad, all_good = bad.sum(), good.sum()
    below = np.cumsum(good) - good
    auc = float(bad @ (below + good / 2) / (all_bad * all_good))
    ks = float(np.abs(np.cumsum(bad) / all_bad - np.cumsum(good) / all_good).max())
    caught, named = np.cumsum(bad[::-1]), np.cumsum((bad + good)[::-1])
    precision = np.divide(caught, named, out=np.zeros_like(caught), where=named > 0)
    return {"auc": auc, "gini": 2 * auc - 1, "ks": ks, "pr_auc": float(bad[::-1] @ precision / all_bad)}


def _calibration(log_odds: Real, bad: Real, all_: Real) -> tuple[float, float]:
    """Slope and intercept of a logistic regression of what happened on the log odds that were said: 1 and 0 are best.

    By Newton's steps. D. R. Cox (1958), Two further applications of a model for binary regression.
    """
    slope, intercept = 1.0, 0.0
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(slope * log_odds + intercept, -30, 30)))
        left, bend = bad - all_ * fitted, all_ * fitted * (1 - fitted)
        gradient = np.array([left @ log_odds, left.sum()])
        curve = np.array([[bend @ log_odds**2, bend @ log_odds], [bend @ log_odds, bend.sum()]])
        if np.linalg.det(curve) <= 0:
            return float("nan"), float("nan")
        step = np.linalg.solve(curve, gradient)
        slope, intercept = slope + step[0], intercept + step[1]
        if np.abs(step).max() < 1e-10:
            break
    return float(slope), float(intercept)


def draws_of(users: int, draws: int, seed: int) -> NDArray[np.int32]:
    """How often each of n users is drawn (draws, n), n of them with replacement each time."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(generator.integers(0, users, users), minlength=users).astype(np.int32) for _ in range(draws)]
    )


def judge(probability: Real, bad: Bool, *, draws: int, seed: int) -> dict[str, Measure]:
    """All measures of n users, with intervals. InputError where all users are alike."""
    judged = Judged.of(probability, bad)
    drawn = draws_of(len(bad), draws, seed)
    order = np.argsort(probability, kind="stable")
    spread: dict[str, list[float]] = {}
    for weight in drawn:
        for name, value in judged.measures(weight[order].astype(np.float64)).items():
            spread.setdefault(name, []).append(value)
    return {
        name: Measure(value, *map(float, np.quantile(spread[name], [TAIL, 1 - TAIL])))
        for name, value in judged.measures().items()
    }


@dataclass(frozen=True, slots=True)
class Group:
    """Users that belong together: how many, the mean probability, and the share who missed the payment."""

    name: str
    users: int
    expected: float
    observed: Measure

    def as_dict(self) -> dict[str, object]:
        """For a machine."""
        return {
            "name": self.name,
            "users": self.users,
            "expected": round(self.expected, 5),
            "observed": self.observed.as_dict(),
        }


def groups(names: list[str], member: Int, probability: Real, bad: Bool, drawn: NDArray[np.int32]) -> list[Group]:
    """Each group that has users; ``member`` (n,) is the place of the user's group in ``names``."""
    size = len(names)
    users = np.bincount(member, minlength=size)
    missed = np.bincount(member, weights=bad, minlength=size)
    sums = np.bincount(member, weights=probability, minlength=size)
    spread = np.full((len(drawn), size), np.nan)
    for place, weight in enumerate(drawn):
        all_ = np.bincount(member, weights=weight, minlength=size)
        some = np.bincount(member, weights=weight * bad, minlength=size)
        np.divide(some, all_, out=spread[place], where=all_ > 0)
    found = []
    for place in np.flatnonzero(users).tolist():
        low, high = np.nanquantile(spread[:, place], [TAIL, 1 - TAIL])
        share = Measure(missed[place] / users[place], float(low), float(high))
        found.append(Group(names[place], int(users[place]), float(sums[place] / users[place]), share))
    return found


def into_tenths(values: Int | Real) -> Int:
    """The tenth (n,) from 0 to 9 that each value is in; equal values are in one tenth, so that some may be empty."""
    edges = np.quantile(values, np.arange(1, 10) / 10)
    return np.asarray(np.searchsorted(edges, values, side="left"), dtype=np.int64)


def stability(expected: Real, found: Real) -> float:
    """The population stability index of two lists of shares, the sum of (found - expected) ln(found / expected).

    An empty bin counts as half a user in ten thousand, else one user could make it infinite.
    """
    one, other = (np.maximum(shares, 0.5e-4) for shares in (expected, found))
    return float(((other - one) * np.log(other / one)).sum())
