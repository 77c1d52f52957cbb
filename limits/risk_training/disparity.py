"""How a scorecard falls on groups that it never sees: for governance, never as input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.portfolio import Bool, Int
from limits.risk import Risk
from limits.risk_training.evaluating import judged
from limits.risk_training.metrics import Judged

#: A group whose share of good points is below this part of the best group's is pointed out (the four-fifths rule).
FOUR_FIFTHS = 0.8
#: Groups with fewer users are shown and never pointed out.
FEWEST = 100


@dataclass(frozen=True, slots=True)
class Group:
    """One group. favoured: share with points of the median of all or more; impact: that by the best group's."""

    attribute: str
    name: str
    figures: Judged
    mean_points: float
    favoured: float
    impact: float

    @property
    def points_out(self) -> bool:
        """Whether somebody should look at it."""
        return self.figures.users >= FEWEST and self.impact < FOUR_FIFTHS

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "attribute": self.attribute, "group": self.name, "mean_points": round(self.mean_points, 2),
            "favoured": round(self.favoured, 4), "impact": round(self.impact, 4), "below_four_fifths": self.points_out,
            **self.figures.as_dict(),
        }  # fmt: skip


def disparity(
    risk: Risk, missed: Bool, attributes: dict[str, tuple[Int, dict[int, str]]], *, times: int, seed: int
) -> list[Group]:
    """Every group of every attribute: its code (n,) for each user, and the name of each code."""
    median = np.median(risk.points)
    found = []
    for attribute, (codes, names) in attributes.items():
        shares = {code: float((risk.points[codes == code] >= median).mean()) for code in np.unique(codes).tolist()}
        large = [share for code, share in shares.items() if (codes == code).sum() >= FEWEST] or list(shares.values())
        best = max(large)
        for code, share in shares.items():
            rows = codes == code
            figures = judged(risk.take(rows), missed[rows], times=times, seed=seed)
            mean, impact = float(risk.points[rows].mean()), share / best if best else 1.0
            found.append(Group(attribute, names.get(code, f"code {code}"), figures, mean, share, impact))
    return found
