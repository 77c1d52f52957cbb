"""Forecast of monthly amounts for all users at once.

``forecast`` takes amounts (n, m), one row per user, oldest month first, NaN where nothing is
known, and returns a distribution for each coming month and for the mean of the coming
months. A row's result depends on that row and the arguments alone: one user, or a million
in any order, give the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from limits.capacity import damped, local_level, pooled
from limits.capacity.kernels import kernel
from limits.capacity.local_level import Float, Int
from limits.capacity.pooled import MEDIAN, SCORES
from limits.capacity.prior import Prior
from limits.portfolio import Bool

Model = Literal["auto", "local_level", "damped_trend", "robust"]

#: Amounts may not exceed this: a thousand times the highest amount in minor units.
LARGEST = 2.0**70
MOST_MONTHS, LONGEST_HORIZON = 1_000, 120

#: What ``Forecast.method`` can say. The first four are the models; the others say why none was fitted.
METHODS = np.array([
    "pooled",           # auto: weighted months of the user beside the portfolio's points
    "local_level",
    "damped_trend",
    "robust",
    "step",             # auto, and months before a lasting step count for less
    "constant",         # every month equal, no variance to estimate: the prior's width is used
    "single",           # one month only: the prior's width is used
    "all_zero",         # nothing ever seen but zero: the width is the prior's, by its typical amount
    "unobserved",       # no month known: zero, of unknown variance (infinity)
])  # fmt: skip
_POOLED, _LEVEL, _DAMPED, _ROBUST, _STEP, _CONSTANT, _SINGLE, _ZERO, _NONE = range(9)


class Moments(NamedTuple):
    """Mean and variance, each of shape (n,)."""

    mean: Float
    variance: Float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Distributions of the coming months for n users over h months, in the unit of the series.

    mean, variance     (n, h) of each coming month
    mean_over_horizon  mean and variance of the mean of all h months, from their joint covariance
    loglik             (n,) loglikelihood, constants as in statsmodels; NaN where nothing was fitted
    parameters         name -> (n,); "ratio" is step variance / (step + noise variance)
    code               (n,) number of the method in METHODS; ``method`` is its name
    lowest             (n,) 0 where no month was ever negative, else -infinity: quantiles stay above
    shape              (n, LEVELS) quantiles of one month before the horizon widens them, or None
                       where all are Gaussian
    growth             (n, h) factor of the distance from the median by the month ahead
    season             (n, h) factor by which each coming month is multiplied (in all of the above but
                       shape), or None: no season, see limits.capacity.seasonal
    """

    mean: Float
    variance: Float
    mean_over_horizon: Moments
    loglik: Float
    parameters: dict[str, Float]
    code: Int
    lowest: Float
    shape: Float | None
    growth: Float
    season: Float | None = None

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def method(self) -> NDArray[np.str_]:
        """One of METHODS (n,)."""
        return np.asarray(METHODS[self.code])

    @property
    def is_stepped(self) -> Bool:
        """Whether months before a lasting step count for less (n,)."""
        return np.asarray(self.code == _STEP)

    def quantile(self, q: float) -> Float:
        """The amount that a coming month stays below with probability ``q``: (n, h). The point forecast is q = 0.5."""
        score = _score(q)
        if self.shape is None:
            values = self.mean + score * np.sqrt(self.variance) if score else self.mean.copy()
        else:
            middle = self.shape[:, MEDIAN]
            values = middle[:, None] + (_read(self.shape, score) - middle)[:, None] * self.growth
            values = values if self.season is None else values * self.season
        return np.maximum(values, self.lowest[:, None])

    def quantile_of_mean(self, q: float) -> Float:
        """The amount that the mean of the h coming months stays below with probability ``q``: (n,).

        Skewness of a mean of h months is that of one month by the root of h (Cornish and Fisher 1938);
        a season makes it larger, since some months then weigh more than others.
        """
        score = _score(q)
        mean, deviation = self.mean_over_horizon.mean, np.sqrt(self.mean_over_horizon.variance)
        if self.shape is None:
            values = mean + score * deviation if score else mean.copy()
        else:
            one, centre = np.sqrt(self.variance[:, 0]) / self.growth[:, 0], self.mean[:, 0]
            if self.season is not None:
                one, centre = one / self.season[:, 0], centre / self.season[:, 0]
            own = np.divide(_read(self.shape, score) - centre, one, out=np.zeros_like(one), where=one > 0.0)
            known = np.isfinite(deviation)
            skewed = (own - score) / math.sqrt(self.mean.shape[1])
            skewed = skewed if self.season is None else skewed * _unevenness(self.season)
            values = mean + np.where(known, deviation, 0.0) * (score + skewed)
        return np.maximum(values, self.lowest)


def forecast(
    series: Float, horizon: int, *, model: Model = "auto", prior: Prior | None = None, typical: Float | None = None
) -> Forecast:
    """Forecast every row of ``series`` (n, m) float64, NaN = not observed, ``horizon`` months ahead of column m.

    Rows may start late, stop early and have gaps. ``prior`` holds constants fitted beforehand;
    ``typical`` (n,) are each row's own amounts in place of ``prior.typical_amount``, where they are known.
    ValueError for a wrong shape, an infinite or too large amount, a horizon below 1.
    """
    _check(series, horizon, model)
    prior = prior or Prior()
    usual = np.full(len(series), prior.typical_amount, np.float64) if typical is None else typical
    series = np.ascontiguousarray(series, dtype=np.float64)
    first, last, count, least, largest = _look(series)
    idle = series.shape[1] - 1 - last
    lowest = np.where(least >= 0.0, 0.0, -np.inf)
    if model == "auto":
        return _pooled(series, horizon, first, last, count, largest == 0.0, lowest, prior, usual)
    if model == "damped_trend":
        return _damped(series, horizon, first, last, count, idle, lowest, prior, usual)
    if model == "robust":
        fitted = damped.without_spikes(series, first, last, count, prior.fence)
        return _level(fitted, horizon, _ROBUST, idle, lowest, prior, usual)
    return _level(series, horizon, _LEVEL, idle, lowest, prior, usual)


def level_forecast(series: Float, horizon: int, level_variance: Float, noise_variance: Float) -> Forecast:
    """The local level model at given variances, each (n,): for comparison with another implementation."""
    _check(series, horizon, "local_level")
    series = np.ascontiguousarray(series, dtype=np.float64)
    first, last, count, _, _ = _look(series)
    total = level_variance + noise_variance
    fit = local_level.fit(series, first, last, count, level_variance / total)
    size = count - 1.0
    at_total = fit.loglik - 0.5 * size * (np.log(total / fit.scale) + fit.scale / total - 1.0)
    fit = local_level.LocalLevel(fit.ratio, np.asarray(total), fit.level, fit.spread, at_total)
    return _gaussian(fit, horizon, np.full(len(series), _LEVEL), series.shape[1] - 1 - last,
                     np.full(len(series), -np.inf))  # fmt: skip


def _check(series: Float, horizon: int, model: str) -> None:
    if model not in get_args(Model):
        raise ValueError(f"model {model!r} is not one of {', '.join(get_args(Model))}")
    if not isinstance(series, np.ndarray) or series.ndim != 2 or series.shape[1] == 0:
        raise ValueError("series must be a NumPy array of shape (users, months) with at least one month")
    if series.dtype != np.float64:
        raise ValueError(f"series must be float64, with NaN where nothing is known, not {series.dtype}")
    if series.shape[1] > MOST_MONTHS:
        raise ValueError(f"series has {series.shape[1]} months; at most {MOST_MONTHS} are used")
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or not 1 <= horizon <= LONGEST_HORIZON:
        raise ValueError(f"horizon must be a whole number of months from 1 to {LONGEST_HORIZON}, not {horizon!r}")


def _look(series: Float) -> tuple[Int, Int, Int, Float, Float]:
    """First and last observed month, how many were observed, least amount and largest size of each row (n,)."""
    (first, last, count), (least, largest) = np.empty((3, len(series)), np.int64), np.empty((2, len(series)))
    local_level.look(series, first, last, count, least, largest)
    row = int(np.argmax(largest > LARGEST)) if len(series) else 0
    if len(series) and largest[row] > LARGEST:
        raise ValueError(f"row {row} of series holds an infinite amount or one beyond {LARGEST:.0f}")
    return first, last, count, least, largest


def _score(q: float) -> float:
    if not 0.0 < q < 1.0:
        raise ValueError(f"a quantile is asked for by a probability between 0 and 1, not {q!r}")
    return 0.0 if q == 0.5 else float(ndtri(q))


def _read(shape: Float, score: float) -> Float:
    """Quantiles of one month at a normal score: linear between LEVELS, and beyond them along the outer two."""
    right = min(max(int(np.searchsorted(SCORES, score)), 1), len(SCORES) - 1)
    part = (score - SCORES[right - 1]) / (SCORES[right] - SCORES[right - 1])
    return np.asarray(shape[:, right - 1] + part * (shape[:, right] - shape[:, right - 1]))


def _unevenness(weight: Float) -> Float:
    """Skewness of the sum of independent months weighted so, by that of the same months weighted alike: (n,), from 1.

    The sums are taken month after month: the same bits for one row and for many.
    """
    squares, cubes = np.zeros(len(weight)), np.zeros(len(weight))
    for column in weight.T:
        squares += column**2
        cubes += column**3
    return np.asarray(cubes / squares * np.sqrt(weight.shape[1] / squares))


def _spread_of_mean(horizon: int, spread: Float, ratio: Float, calm: float = 1.0) -> Float:
    """Variance of the mean of ``horizon`` months per unit scale: level, steps that last to its end, noise.

    A step s months ahead is part of horizon - s + 1 of the months, so that the covariance
    between months enters; ``spread`` is the variance of the level just before the first month.
    ``calm`` as in ``Prior``.
    """
    return np.asarray(spread + ratio * _steps_of_mean(horizon) + (1.0 - ratio) * horizon**-calm)


def _steps_of_mean(horizon: int) -> float:
    """What one unit of step variance a month adds to the variance of the mean of the months ahead."""
    return sum((s / horizon) ** 2 for s in range(1, horizon + 1))


def _gaussian(fit: local_level.LocalLevel, horizon: int, method: Int, idle: Int, lowest: Float) -> Forecast:
    """Months that follow a fitted local level; ``idle`` (n,) months lie between the last observation and the first."""
    before = fit.spread + fit.ratio * idle
    ahead = np.arange(1, horizon + 1)
    variance = fit.scale[:, None] * (before[:, None] + fit.ratio[:, None] * ahead + (1.0 - fit.ratio[:, None]))
    mean = np.repeat(fit.level[:, None], horizon, axis=1)
    over = Moments(fit.level, fit.scale * _spread_of_mean(horizon, before, fit.ratio))
    parameters = {"ratio": fit.ratio, "scale": fit.scale, "level": fit.level, "spread": fit.spread}
    growth = np.ones((len(mean), horizon))
    return Forecast(mean, variance, over, fit.loglik, parameters, method, lowest, None, growth)


def _prior_variance(size: Float, count: Int, prior: Prior, usual: Float) -> Float:
    """Variance of a month where a row's own months show none: falls as they become more."""
    width = prior.share * (prior.months / (prior.months + count)) ** 2
    return np.asarray((width * np.maximum(size, 0.3 * usual)) ** 2)


def _guarded(
    fit: local_level.LocalLevel, method: int, series: Float, count: Int, last: Int, prior: Prior, usual: Float
) -> tuple[local_level.LocalLevel, Int]:
    """The fit with the rows that no model can be fitted to filled in, and the method of every row."""
    newest = np.where(count > 0, series[np.arange(len(series)), np.maximum(last, 0)], 0.0)
    flat = (count >= 2) & ~(fit.scale > 0.0)
    bare = flat | (count < 2)
    methods = np.select(
        [count == 0, bare & (newest == 0.0), count == 1, flat], [_NONE, _ZERO, _SINGLE, _CONSTANT], method)  # fmt: skip
    width = np.where(count > 0, _prior_variance(np.abs(newest), count, prior, usual), np.inf)
    filled = local_level.LocalLevel(
        ratio=np.where(bare, 0.0, fit.ratio),
        scale=np.where(bare, width, fit.scale),
        level=np.where(bare, newest, fit.level),
        spread=np.where(bare, 1.0 / np.maximum(count, 1), fit.spread),
        loglik=np.where(bare, np.nan, fit.loglik),
    )
    return filled, methods


def _level(series: Float, horizon: int, method: int, idle: Int, lowest: Float, prior: Prior, usual: Float) -> Forecast:
    first, last, count = (np.empty(len(series), np.int64) for _ in range(3))
    local_level.spans(series, first, last, count)
    fit = local_level.fit(series, first, last, count)
    filled, methods = _guarded(fit, method, series, count, last, prior, usual)
    later: Int = idle if method == _LEVEL else series.shape[1] - 1 - last
    return _gaussian(filled, horizon, methods, later, lowest)


def _damped(
    series: Float,
    horizon: int,
    first: Int,
    last: Int,
    count: Int,
    idle: Int,
    lowest: Float,
    prior: Prior,
    usual: Float,
) -> Forecast:
    fit = damped.fit(series, first, last, count, horizon)
    level = local_level.LocalLevel(fit.ratio, fit.scale, fit.level, np.zeros(len(series)), fit.loglik)
    filled, methods = _guarded(level, _DAMPED, series, count, last, prior, usual)
    plain = _gaussian(filled, horizon, methods, idle, lowest)
    own = methods == _DAMPED
    mean = np.maximum(np.where(own[:, None], fit.mean, plain.mean), lowest[:, None])
    variance = np.where(own[:, None], fit.variance, plain.variance)
    over = Moments(
        np.maximum(np.where(own, fit.mean_of_mean, plain.mean_over_horizon.mean), lowest),
        np.where(own, fit.variance_of_mean, plain.mean_over_horizon.variance),
    )
    parameters = {"ratio": filled.ratio, "scale": filled.scale, "level": filled.level}
    parameters |= {"slope": np.nan_to_num(fit.slope), "slope_share": np.nan_to_num(fit.share)}
    return Forecast(mean, variance, over, filled.loglik, parameters, methods, lowest, None, plain.growth)


def _pooled(
    series: Float,
    horizon: int,
    first: Int,
    last: Int,
    count: Int,
    zero: Bool,
    lowest: Float,
    prior: Prior,
    usual: Float,
) -> Forecast:
    """By the default model; ``zero`` (n,): no month had any amount."""
    fit = pooled.fit(series, first, last, count, prior, usual)
    none, rows = count == 0, len(series)
    ratio, spread, centre, effective = fit.ratio, fit.spread, fit.mean, fit.months
    one, shape = fit.variance, fit.shape
    if none.any():
        for column in (ratio, centre, effective, shape):
            column[none] = 0.0
        spread[none], one[none] = 1.0, np.inf
    mean, variance, growth = np.empty((3, rows, horizon))
    over = Moments(centre, np.empty(rows))
    steps, noise = _steps_of_mean(horizon), horizon**-prior.calm
    _ahead(centre, one, ratio, spread, series.shape[1] - 1 - last, steps, noise, mean, variance, growth, over.variance)
    methods = np.select([none, zero, count == 1, fit.mark == pooled.STEPPED], [_NONE, _ZERO, _SINGLE, _STEP], _POOLED)
    parameters = {"ratio": ratio, "spread": spread, "effective_months": effective}
    return Forecast(mean, variance, over, fit.loglik, parameters, methods, lowest, shape, growth)


@kernel
def _ahead(
    centre: Float, one: Float, ratio: Float, spread: Float, idle: Int, steps: float, noise: float, mean: Float,
    variance: Float, growth: Float, variance_of_mean: Float,
) -> None:  # fmt: skip
    """Months ahead of a distribution of one month: ``mean``, ``variance``, ``growth`` (n, h), see ``Forecast``.

    ``spread`` is the variance of the level in the last observed month, ``idle`` months before the end of the row;
    ``steps`` and ``noise`` are as in ``_spread_of_mean``.
    """
    for i in range(mean.shape[0]):
        before, unit = spread[i] + ratio[i] * idle[i], spread[i] + 1.0
        for h in range(mean.shape[1]):
            wider = math.sqrt((before + 1.0 + ratio[i] * h) / unit)
            mean[i, h], growth[i, h], variance[i, h] = centre[i], wider, one[i] * (wider * wider)
        variance_of_mean[i] = one[i] * ((before + ratio[i] * steps + (1.0 - ratio[i]) * noise) / unit)
