"""From points to the probability of a missed payment: a logistic curve (Platt) or an isotonic one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from limits.portfolio import Bool, Int
from limits.risk.record import Real
from limits.risk.result import ALL_PPM
from limits.risk_training.fitting import regress
from limits.risk_training.metrics import LEAST

Curve = Callable[[Real], Real]


def platt(points: Int, missed: Bool) -> Curve:
    """A logistic curve through the outcomes of users whose points were made without them."""
    middle, spread = float(points.mean()), float(points.std()) or 1.0
    constant, slope = regress(((points - middle) / spread)[:, None].astype(np.float64), missed).params

    def curve(at: Real) -> Real:
        odds = constant + min(slope, 0.0) * (at - middle) / spread
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), dtype=np.float64)

    return curve


def isotonic(points: Int, missed: Bool) -> Curve:
    """The curve of steps that never rises and is nearest to the outcomes."""
    made = IsotonicRegression(y_min=LEAST, y_max=1 - LEAST, increasing=False, out_of_bounds="clip")
    made.fit(points.astype(np.float64), missed.astype(np.float64))
    return lambda at: np.asarray(made.predict(at), dtype=np.float64)


CURVES: dict[str, Callable[[Int, Bool], Curve]] = {"platt": platt, "isotonic": isotonic}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The curve that was chosen, with the log loss of each on users that it was not fitted on."""

    chosen: str
    curve: Curve
    log_loss: dict[str, float]

    def table(self, low: int, high: int) -> list[int]:
        """The probability of every number of points from low to high, parts per million; it never grows."""
        chance = self.curve(np.arange(low, high + 1, dtype=np.float64))
        ppm = np.clip(np.rint(chance * ALL_PPM), 1, ALL_PPM - 1).astype(np.int64)
        return [int(one) for one in np.minimum.accumulate(ppm)]


def calibrate(points: Int, missed: Bool, *, folds: int, seed: int) -> Calibration:
    """The curve whose log loss is the lower by cross-validation."""
    losses = {}
    for name, make in CURVES.items():
        chance = np.zeros(len(points))
        for rows, aside in StratifiedKFold(folds, shuffle=True, random_state=seed).split(points[:, None], missed):
            chance[aside] = make(points[rows], missed[rows])(points[aside].astype(np.float64))
        chance = np.clip(chance, LEAST, 1 - LEAST)
        losses[name] = float(-np.log(np.where(missed, chance, 1 - chance)).mean())
    chosen = min(CURVES, key=lambda name: losses[name])
    return Calibration(chosen, CURVES[chosen](points, missed), losses)


def points_at(curve: Curve, chance: float, low: int, high: int) -> int:
    """The fewest points from low to high + 1 whose probability is no more than ``chance``."""
    fits = curve(np.arange(low, high + 1, dtype=np.float64)) <= chance
    return low + int(np.argmax(fits)) if fits.any() else high + 1
