"""How good a scorecard is on users: as a whole, by tenths of the limit, by band, and how true its probabilities are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.capacity import Capacity
from limits.errors import InputError
from limits.money import EXPONENTS, major
from limits.portfolio import Bool, Int, Portfolio
from limits.risk import Risk, Scorecard
from limits.risk.result import ALL_PPM
from limits.risk_training.metrics import Counted, Judged, judge

#: Parts into which users are cut by their limit, and by their probability.
TENTHS = 10


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of all users and of parts of them, each by the name of the part."""

    whole: Judged
    calibration: dict[str, Judged]
    by_limit: dict[str, Judged]
    by_band: dict[str, Judged]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the figures of all users at the top."""
        parts = {"calibration": self.calibration, "by_limit": self.by_limit, "by_band": self.by_band}
        found = {name: [{"part": key, **one.as_dict()} for key, one in each.items()] for name, each in parts.items()}
        return {**self.whole.as_dict(), **found}


def check_currency(scorecard: Scorecard, portfolio: Portfolio) -> None:
    """InputError for users whose amounts are of another currency than those that the scorecard was made of."""
    if scorecard.currency not in (None, portfolio.currency):
        raise InputError(
            f"the model {scorecard.name} was made of amounts in {scorecard.currency} and the users' are in "
            f"{portfolio.currency}; train one on such users"
        )


def evaluate(
    scorecard: Scorecard, portfolio: Portfolio, capacity: Capacity, missed: Bool, *, times: int, seed: int
) -> Evaluation:
    """The figures, with intervals by ``times`` bootstraps."""
    check_currency(scorecard, portfolio)
    risk = scorecard.score(portfolio, capacity)

    def of(rows: Any) -> Judged:
        return judged(risk.take(rows), missed[rows], times=times, seed=seed)

    limits = tenths(portfolio.credit_limit)
    chances = tenths(risk.probability_ppm)
    return Evaluation(
        of(slice(None)),
        {percents(risk.probability_ppm[rows]): of(rows) for rows in chances},
        {_amounts(portfolio.credit_limit[rows], EXPONENTS[portfolio.currency]): of(rows) for rows in limits},
        {name: of(risk.band == at) for at, name in enumerate(risk.bands) if (risk.band == at).any()},
    )


def judged(risk: Risk, missed: Bool, *, times: int, seed: int) -> Judged:
    """The figures of scored users."""
    return judge(Counted.of(risk.points, risk.probability_ppm, missed), times=times, seed=seed)


def tenths(values: Int) -> list[Bool]:
    """The users in parts of about a tenth by these values, the lowest first; equal values stay together."""
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, TENTHS + 1)[1:-1], method="higher"))
    place = np.searchsorted(cuts, values, side="right")
    return [place == at for at in range(len(cuts) + 1) if (place == at).any()]


def percents(ppm: Int) -> str:
    """The least and the largest of some probabilities, in words."""
    return f"{ppm.min() / ALL_PPM:.1%} to {ppm.max() / ALL_PPM:.1%}"


def _amounts(minor: Int, exponent: int) -> str:
    return f"{major(int(minor.min()), exponent)} to {major(int(minor.max()), exponent)}"
