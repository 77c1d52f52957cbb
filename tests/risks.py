"""Scores for tests of the core: a scorecard of two characteristics, its bands in a policy, and users in them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from limits.policy import RiskBand, RiskRules
from limits.portfolio import UNKNOWN, Portfolio
from limits.risk import Risk, Scorecard, parse_scorecard
from tests.policies import yuan

BANDS = ("A", "B", "C")
#: What each band may have: months of capacity, the most, whether it is raised, what it keeps of the limit.
RULES = RiskRules(
    required=False,
    loss_given_default_bps=6000,
    conversion_bps=5000,
    band=tuple(
        RiskBand.model_validate(
            {"name": name, "months_of_capacity": months, "most": yuan(most), "raise": raises, "limit_bps": kept}
        )
        for name, months, most, raises, kept in (
            ("A", 60, 120_000, True, 10_000),
            ("B", 6, 24_000, True, 10_000),
            ("C", 0, 0, False, 8000),
        )
    ),
)
#: Points for the use of the limit and for days past due; a user without statements has 10 + 20 + 30.
CARD: dict[str, Any] = {
    "format": 1,
    "name": "two-things",
    "horizon_months": 6,
    "base_points": 10,
    "characteristics": [
        {"name": "late", "features": ["days_past_due_now"], "edges": [[1, 30]], "points": [60, 20, 0, 30]},
        {"name": "use", "features": ["utilisation_now"], "edges": [[0.5, 0.9]], "points": [40, 25, 5, 20]},
    ],
    "points_from": 0,
    "probability_ppm": [max(990_000 - 8000 * points, 20_000) for points in range(131)],
    "bands": [
        {"name": "A", "points_from": 85}, {"name": "B", "points_from": 40}, {"name": "C", "points_from": -(10**6)},
    ],
    "card": {},
}  # fmt: skip


def scorecard(**changes: Any) -> Scorecard:
    """The scorecard, with other parts."""
    return parse_scorecard(json.dumps({**CARD, **changes}), file="the scorecard of a test")


def in_band(users: int, band: int, *, probability_ppm: int = 100_000) -> Risk:
    """So many users of one band."""
    return Risk(*(np.full(users, value) for value in (50, probability_ppm, band)), bands=BANDS)


def risk_of(portfolio: Portfolio) -> Risk:
    """Users in bands by the payments they missed, so that each has the same alone: none A, 1 B, 2 C, 3 no score, ..."""
    place = portfolio.missed_payments % 4
    known = place < len(BANDS)
    found = Risk(900 - 100 * place, 20_000 * (place + 1), place, BANDS)
    columns = {name: np.where(known, getattr(found, name), UNKNOWN) for name in ("points", "probability_ppm", "band")}
    return dataclasses.replace(found, **columns)
