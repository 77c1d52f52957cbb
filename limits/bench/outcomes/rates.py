"""Shares of users with a bad outcome, weighted or not, with their uncertainty. Plain arithmetic on columns.

A group is a column of memberships, 1 for users in it and 0 for others. A membership between stands for a draw that was
not made: of as many users drawn at random as are needed, each is in the group with that probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: The normal quantile of 97.5%, and the percentiles of an interval that holds 95%.
Z, PERCENTILES = 1.959963984540054, (2.5, 97.5)
#: Drawn samples that are summed at a time.
_BLOCK = 20


@dataclass(frozen=True, slots=True)
class Rate:
    """A number with the ends of its 95% interval; NaN where there is nobody to count."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON; what could not be measured is null."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: round(n, 6) if math.isfinite(n) else None for name, n in numbers.items()}


@dataclass(frozen=True, slots=True)
class Group:
    """Some users: ``member`` (n,) from 0 to 1; ``weights`` (n,) each by name, such as what they were raised by."""

    name: str
    member: Real
    weights: Mapping[str, Real]


def wilson(bad: float, users: float) -> Rate:
    """Share of users with a bad outcome, with the interval of Wilson (1927): it holds for small numbers too."""
    if not users:
        return Rate(math.nan, math.nan, math.nan)
    share, spread = bad / users, Z * Z / users
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / users + spread / (4 * users)) / (1 + spread)
    return Rate(share, max(middle - half, 0.0), min(middle + half, 1.0))


def drawn_sums(columns: Real, draws: int, seed: int) -> Real:
    """Sums (draws, k) of the columns (n, k) over as many users drawn with replacement, the same users for each."""
    users = len(columns)
    dice = np.random.default_rng(seed)
    found = np.empty((draws, columns.shape[1]))
    for begin in range(0, draws, _BLOCK):
        many = min(_BLOCK, draws - begin)
        picked = dice.integers(users, size=(many, users))
        counts = np.stack([np.bincount(row, minlength=users) for row in picked]).astype(np.float64)
        found[begin : begin + many] = counts @ columns
    return found


@dataclass(frozen=True, slots=True)
class Rates:
    """Of every group and weight the share of bad outcomes: as it is (g, w), and in each drawn sample (draws, g, w)."""

    groups: tuple[str, ...]
    weights: tuple[str, ...]
    value: Real
    drawn: Real

    def rate(self, group: str, weight: str) -> Rate:
        """The share, with the interval of the drawn samples."""
        place = self._place(group, weight)
        return _with_ends(float(self.value[place]), self.drawn[:, *place])

    def less(self, group: str, other: str, weight: str) -> Rate:
        """The share in a group less that in another, in the same samples."""
        one, two = self._place(group, weight), self._place(other, weight)
        return _with_ends(float(self.value[one] - self.value[two]), self.drawn[:, *one] - self.drawn[:, *two])

    def times(self, group: str, other: str, weight: str) -> Rate:
        """The share in a group by that in another, in the same samples."""
        one, two = self._place(group, weight), self._place(other, weight)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _with_ends(float(self.value[one] / self.value[two]), self.drawn[:, *one] / self.drawn[:, *two])

    def _place(self, group: str, weight: str) -> tuple[int, int]:
        return self.groups.index(group), self.weights.index(weight)


def rates(groups: Sequence[Group], bad: Bool, weights: Sequence[str], *, draws: int, seed: int) -> Rates:
    """The shares of all groups; users are drawn for all of them at once, so that groups can be compared.

    A group without a weight has no share by it.
    """
    nothing = np.zeros(len(bad))
    total = np.stack(
        [group.member * group.weights.get(weight, nothing) for group in groups for weight in weights], axis=1
    )
    columns = np.concatenate([total * bad[:, None], total], axis=1)
    sums = np.concatenate([columns.sum(axis=0)[None], drawn_sums(columns, draws, seed)])
    missed, whole = np.split(sums, 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (missed / whole).reshape(-1, len(groups), len(weights))
    return Rates(tuple(group.name for group in groups), tuple(weights), shares[0], shares[1:])


def _with_ends(value: float, drawn: Real) -> Rate:
    seen = drawn[np.isfinite(drawn)]
    if not len(seen) or not math.isfinite(value):
        return Rate(value, math.nan, math.nan)
    low, high = np.percentile(seen, PERCENTILES)
    return Rate(value, float(low), float(high))
