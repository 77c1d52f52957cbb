"""What a scorecard says of users."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from limits.portfolio import UNKNOWN, Int

#: A probability of one, in parts per million.
ALL_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of n users; every array (n,) int64, UNKNOWN where no scorecard has scored the user.

    points           the sum of the user's points; more is better
    probability_ppm  of a missed payment within the scorecard's horizon, parts per million
    band             place in ``bands``, 0 the best
    bands            names of the scorecard's bands, the best first; empty without a scorecard
    """

    points: Int
    probability_ppm: Int
    band: Int
    bands: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.points)

    @property
    def scored(self) -> Any:
        """(n,) bool: whether a scorecard has scored the user."""
        return self.band != UNKNOWN  # points may be any number, and a probability zero

    def take(self, rows: Any) -> Self:
        """The risk of some of the users."""
        columns = {name: getattr(self, name)[rows] for name in ("points", "probability_ppm", "band")}
        return dataclasses.replace(self, **columns)

    @classmethod
    def none(cls, users: int) -> Self:
        """Of users whom no scorecard has scored."""
        unknown = np.full(users, UNKNOWN, dtype=np.int64)
        return cls(unknown, unknown.copy(), unknown.copy())
