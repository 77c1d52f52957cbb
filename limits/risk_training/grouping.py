"""Users in groups: what a scorecard says of each group and what happened, with what chance leaves open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limits.portfolio import Bool, Int

Real = NDArray[np.float64]

#: Share of draws left out at each end of an interval: 95% of them lie within.
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with the bounds that 95% of the bootstrap's draws lie within."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """Its ends, for a machine."""
        return [round(self.low, 5), round(self.high, 5)]

    def text(self, digits: int = 4) -> str:
        """For a person."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def percent(self) -> str:
        """For a person, a share."""
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


def draws_of(users: int, draws: int, seed: int) -> NDArray[np.int32]:
    """How often each of n users is drawn (draws, n), n of them with replacement each time."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(generator.integers(0, users, users), minlength=users).astype(np.int32) for _ in range(draws)]
    )


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
            "observed": round(self.observed.value, 5),
            "interval": self.observed.interval,
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
