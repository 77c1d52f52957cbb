"""Where a user's points went: what each characteristic took from the most that it could have given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limits.capacity import Capacity
from limits.portfolio import Int, Portfolio
from limits.risk.features import FEATURES, read_features
from limits.risk.record import Real
from limits.risk.scorecard import Scorecard

#: Characteristics that are named to a user, at most. Comment 9(b)(2)-1 to Regulation B: more than four are not likely
#: to be helpful.
MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Loss:
    """A characteristic that cost a user points, against its best bin."""

    name: str
    features: tuple[str, ...]
    points: int

    def text(self, language: str = "en") -> str:
        """What it looks at, in words."""
        texts = [FEATURES[name].text[language == "zh"] for name in self.features]
        return ("、" if language == "zh" else ", together with ").join(texts)


def points_lost(model: Scorecard, portfolio: Portfolio, capacity: Capacity) -> Int:
    """Points (n, characteristics) below the best bin of each characteristic, in the order of the scorecard."""
    return lost_by(model, read_features(portfolio, capacity, model.features))


def lost_by(model: Scorecard, features: dict[str, Real]) -> Int:
    """The same by the features (n,) of users."""
    columns = [
        max(one.points) - np.array(one.points, dtype=np.int64)[one.bins(features)] for one in model.characteristics
    ]
    return np.stack(columns, axis=1)


def losses(model: Scorecard, portfolio: Portfolio, capacity: Capacity) -> list[tuple[Loss, ...]]:
    """For each user the characteristics that cost points, most points first; of equal ones that of the scorecard's."""
    return named_losses(model, points_lost(model, portfolio, capacity))


def named_losses(model: Scorecard, lost: Int) -> list[tuple[Loss, ...]]:
    """The same of points lost (n, characteristics)."""
    found = []
    for row in lost:
        order = [place for place in np.argsort(-row, kind="stable").tolist() if row[place] > 0]
        listed = [(model.characteristics[place], int(row[place])) for place in order]
        found.append(tuple(Loss(one.name, one.features, points) for one, points in listed))
    return found
