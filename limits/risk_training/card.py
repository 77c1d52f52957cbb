"""The model card: what a scorecard was made of, how good it is, and what it must not be used for."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from limits.portfolio import Bool, Int, Portfolio
from limits.risk.record import Real
from limits.risk_training.binning import evidence
from limits.risk_training.calibrating import Calibration
from limits.risk_training.fitting import Fitted
from limits.risk_training.metrics import Judged
from limits.risk_training.recipe import Recipe

#: Libraries that the numbers depend on.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "statsmodels")
#: Parts into which the points of the training users are cut, for monitoring.
PARTS = 10

LIMITS_OF_USE = (
    "For users like those above: the same product, currency and lender; of others only after limits risk evaluate.",
    "It says how likely a payment is missed within the horizon, not what is lost, and not beyond the horizon.",
    "It never reads sex, marriage, age or education; limits risk disparity says how it falls on such groups.",
    "Probabilities drift with the economy: limits risk monitor each month, and train anew where it alerts.",
    "Not for users without a statement, about whom it knows next to nothing.",
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a card is written from."""

    portfolio: Portfolio
    missed: Bool
    points: Int
    fitted: Fitted
    line: tuple[float, float]
    calibration: Calibration
    figures: Judged
    challenger: Judged
    folds: tuple[dict[str, Any], ...]
    source: str
    outcome: str
    horizon_months: int
    data_hash: str
    recipe: Recipe


def card(told: Evidence) -> dict[str, Any]:
    """The card as plain values; nothing in it depends on when or where it was written."""
    return {
        "training": _training(told),
        "population": _population(told),
        "metrics": {
            "how": f"{len(told.folds)} folds, each judged by a model trained from the first step on without it",
            **told.figures.as_dict(),
        },
        "challenger": {"model": "gradient-boosted trees on every feature, same folds", **told.challenger.as_dict()},
        "folds": list(told.folds),
        "calibration": {
            "chosen": told.calibration.chosen,
            "log_loss": {name: round(loss, 8) for name, loss in told.calibration.log_loss.items()},
        },
        "scale": {
            "points_to_double": told.recipe.points_to_double,
            "base_points": told.recipe.base_points,
            "base_odds": told.recipe.base_odds,
        },
        "characteristics": [
            {
                "features": part.features,
                "alone": {name: round(value, 4) for name, value in asdict(part.alone).items()},
            }
            for part in told.fitted.parts
        ],
        "regression": {
            family: {"coefficient": round(coefficient, 6), "error": round(error, 6)}
            for family, (coefficient, error) in told.fitted.regression.items()
        },
        "intercept": round(told.line[0], 6),
        "coefficient": round(told.line[1], 6),
        "left_out": told.fitted.left_out,
        "features": {name: _feature(told, name) for name in sorted(told.fitted.bins)},
        "points": _points(told),
        "limits_of_use": list(LIMITS_OF_USE),
        "libraries": {name: version(name) for name in LIBRARIES},
    }  # fmt: skip


def _training(told: Evidence) -> dict[str, Any]:
    months = told.portfolio.cash_flow.months
    first = f"{months.min()}" if len(months) else None
    return {
        "source": told.source, "sha256": told.data_hash, "as_of": told.portfolio.as_of.isoformat(),
        "window": [first, told.portfolio.as_of.isoformat()],
        "outcome": told.outcome, "outcome_until": _later(told.portfolio.as_of, told.horizon_months).isoformat(),
        "seed": told.recipe.seed, "folds": told.recipe.folds, "most_bins": told.recipe.most_bins,
        "fewest_share": told.recipe.fewest_share, "smoothness": told.recipe.smoothness,
        "shrinkage": told.recipe.shrinkage, "one_way": told.recipe.one_way,
    }  # fmt: skip


def _later(day: dt.date, months: int) -> dt.date:
    """The last day of the month so many months later."""
    first = np.datetime64(day, "M") + months + 1
    found: dt.date = (first.astype("datetime64[D]") - 1).item()
    return found


def _population(told: Evidence) -> dict[str, Any]:
    users, missed = len(told.missed), int(told.missed.sum())
    return {
        "users": users, "missed": missed, "rate": round(missed / users, 6), "currency": told.portfolio.currency,
        "jurisdictions": sorted(set(told.portfolio.jurisdiction.tolist())),
        "segments": sorted(set(told.portfolio.segment.tolist())),
    }  # fmt: skip


def _feature(told: Evidence, name: str) -> dict[str, Any]:
    bins = told.fitted.bins[name]
    return {
        "edges": bins.edges, "share": _rounded(bins.share), "weight_of_evidence": _rounded(bins.weight),
        "information_value": round(bins.value, 6),
    }  # fmt: skip


def _points(told: Evidence) -> dict[str, Any]:
    """The points of the training users in tenths, for monitoring."""
    cuts = np.unique(np.quantile(told.points, np.linspace(0, 1, PARTS + 1)[1:-1], method="higher"))
    place = np.searchsorted(cuts, told.points, side="right").astype(np.int64)
    share, _, _ = evidence(place, told.missed, len(cuts) + 1)
    return {"edges": cuts.tolist(), "share": _rounded(share)}


def _rounded(values: Real) -> list[float]:
    return [round(one, 6) for one in values.tolist()]
