"""Decisions about users by scorecards that have not seen them: about each part by one trained on the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from limits.bench.outcomes.rates import Bool
from limits.decision import review
from limits.policy import Policy
from limits.portfolio import Int, Portfolio
from limits.risk import Risk, Scorecard

#: Makes a scorecard of users and of what became of them.
Train = Callable[[Portfolio, Bool], Scorecard]
Progress = Callable[[int, int], None]
FOLDS, SEED = 5, 0


class Decided(NamedTuple):
    """What was decided about n users: the limit, below what no cut goes, and the score it rests on."""

    limit_after: Int
    floor: Int
    risk: Risk


def parts(users: int, folds: int = FOLDS, seed: int = SEED) -> Int:
    """The part of each user (n,), drawn by the seed: all parts of one size, or of one more."""
    return np.asarray(np.random.default_rng(seed).permutation(users) % folds, dtype=np.int64)


def cross_fitted(
    portfolio: Portfolio, bad: Bool, policy: Policy, train: Train, progress: Progress, *, folds: int = FOLDS
) -> Decided:
    """The product's review of every user, each by a scorecard that has seen neither the user nor the outcome."""
    part = parts(len(portfolio), folds)
    after, floor, points, ppm, band = np.zeros((5, len(portfolio)), dtype=np.int64)
    bands: tuple[str, ...] = ()
    for fold in range(folds):
        progress(fold, folds)
        judged, others = np.flatnonzero(part == fold), np.flatnonzero(part != fold)
        made = review(portfolio.take(judged), policy, train(portfolio.take(others), bad[others]))
        after[judged], floor[judged] = made.limit_after, made.floor
        points[judged], ppm[judged] = made.risk.points, made.risk.probability_ppm
        band[judged] = made.risk.band
        assert bands in ((), made.risk.bands), "all scorecards have the same bands"
        bands = made.risk.bands
    progress(folds, folds)
    return Decided(after, floor, Risk(points, ppm, band, bands))
