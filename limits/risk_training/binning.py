"""Bins of a feature: a small decision tree of scikit-learn, monotone in the direction that the feature has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from limits.portfolio import Bool, Int
from limits.risk.features import FEATURES
from limits.risk.record import Real
from limits.risk_training.recipe import Recipe

#: The direction in which risk grows with a feature, by ``Feature.worse``.
DIRECTION = {"more": 1, "less": -1, "either": 0}
#: Significant digits of an edge, so that a person can read it.
DIGITS = 6
#: Log-odds are counted with so many users more in each bin, good and bad as in all.
PRIOR_USERS = 1.0


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of one feature: below the first edge, from each edge on, and last not known.

    share   of the users that the bins were made of, in each
    weight  of evidence in each: log of the odds of missing a payment over those of everybody
    value   the information value: how much the bins tell of the outcome
    """

    name: str
    edges: tuple[float, ...]
    share: Real
    weight: Real
    value: float

    def place(self, values: Real) -> Int:
        """The bin of each user (n,)."""
        return bin_of(values, self.edges)


def bin_of(values: Real, edges: tuple[float, ...]) -> Int:
    """The bin of each value, as a characteristic of a scorecard counts them."""
    found = np.searchsorted(np.array(edges, dtype=np.float64), values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, found).astype(np.int64)


def make_bins(name: str, values: Real, missed: Bool, recipe: Recipe) -> Bins | None:
    """The bins of a feature, or None where it says nothing: known of too few, or the same for all."""
    known = ~np.isnan(values)
    if known.sum() < 2 * recipe.fewest_share * len(values) or len(np.unique(missed[known])) < 2:
        return None
    tree = DecisionTreeClassifier(
        criterion="entropy",
        max_leaf_nodes=recipe.most_bins,
        min_samples_leaf=max(int(recipe.fewest_share * len(values)), 1),
        monotonic_cst=[DIRECTION[FEATURES[name].worse]],
        random_state=0,  # of ties between columns, and there is one column
    ).fit(values[known, None], missed[known])
    cuts = tree.tree_.threshold[tree.tree_.feature >= 0]
    edges = tuple(sorted({float(f"{cut:.{DIGITS}g}") for cut in cuts.tolist()}))
    share, weight, value = evidence(bin_of(values, edges), missed, len(edges) + 2)
    if not edges:
        return None
    return Bins(name, edges, share, weight, value)


def evidence(place: Int, missed: Bool, bins: int) -> tuple[Real, Real, float]:
    """Share of the users and weight of evidence of each bin, and the information value of all."""
    users = np.bincount(place, minlength=bins).astype(np.float64)
    bad = np.bincount(place, missed, minlength=bins)
    rate = missed.mean()
    bad_share = (bad + PRIOR_USERS * rate) / (missed.sum() + PRIOR_USERS * rate * bins)
    good_share = (users - bad + PRIOR_USERS * (1 - rate)) / ((~missed).sum() + PRIOR_USERS * (1 - rate) * bins)
    weight: NDArray[np.float64] = np.log(bad_share / good_share)
    return users / len(place), weight, float(((bad_share - good_share) * weight).sum())
