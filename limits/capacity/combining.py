"""Repayment capacity: what comes in less what goes out, as a distribution of the mean of coming months.

A month of high income is often followed by one of high spending. Inflow and outgoings are
forecast apart, each by its own habits, and put together with their correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limits.capacity.forecasting import Forecast, Model, forecast
from limits.capacity.kernels import kernel
from limits.capacity.local_level import Float
from limits.capacity.prior import Prior


@dataclass(frozen=True, slots=True)
class Correlation:
    """What is usual of the errors of the two forecasts, before a user's own months are seen.

    Money that comes in is often spent a month later, so that means of some months move together more than
    single months do.

    usual    their correlation, as ``make fit-prior`` finds it on the Berka borrowers, rounded
    months   for how many months it counts beside a user's own; fixed
    """

    usual: float = 0.88
    months: float = 6.0


@dataclass(frozen=True, slots=True)
class CapacityQuantiles:
    """Mean monthly capacity over the horizon for n users, unit of the series; every array (n,).

    low, middle, high   quantiles at 10, 50 and 90%; negative where more goes out than comes in
    mean, deviation     of the same distribution; where either side was never observed all are 0
                        and the deviation is infinite
    correlation         of mean inflow and mean outgoings, as used
    inflow, outgoings   the two forecasts, with their methods
    """

    low: Float
    middle: Float
    high: Float
    mean: Float
    deviation: Float
    correlation: Float
    inflow: Forecast
    outgoings: Forecast


def capacity_quantiles(
    inflow: Float,
    outgoings: Float,
    horizon: int,
    *,
    model: Model = "auto",
    inflow_prior: Prior | None = None,
    outgoings_prior: Prior | None = None,
    prior_correlation: Correlation | None = None,
) -> CapacityQuantiles:
    """Combine the forecasts of ``inflow`` and ``outgoings``, each (n, m) float64, NaN = not observed.

    A quantile lies as far from the middle as the two distances together, with correlation r:
    sqrt(a ** 2 + b ** 2 - 2 r a b), a the distance of the inflow's quantile from its median and
    b that of the opposite quantile of the outgoings. Exact for Gaussian forecasts. The user's mean
    inflow is the typical amount of the outgoings: outgoings of which nothing but zero was seen get a
    width by it, and no certainty.
    """
    if inflow.shape != outgoings.shape:
        raise ValueError(f"inflow has shape {inflow.shape}, outgoings {outgoings.shape}; they must be equal")
    money_in = forecast(inflow, horizon, model=model, prior=inflow_prior)
    money_out = forecast(outgoings, horizon, model=model, prior=outgoings_prior, typical=mean_size(inflow))
    return combined(money_in, money_out, monthly_correlation(inflow, outgoings, prior_correlation or Correlation()))


def combined(money_in: Forecast, money_out: Forecast, correlation: Float) -> CapacityQuantiles:
    """The difference of two forecasts whose errors have this correlation (n,), see ``capacity_quantiles``."""
    low_in, centre_in, high_in = (money_in.quantile_of_mean(q) for q in (0.1, 0.5, 0.9))
    low_out, centre_out, high_out = (money_out.quantile_of_mean(q) for q in (0.1, 0.5, 0.9))
    middle = centre_in - centre_out
    over_in, over_out = money_in.mean_over_horizon, money_out.mean_over_horizon
    deviation = _together(np.sqrt(over_in.variance), np.sqrt(over_out.variance), correlation)
    known = np.isfinite(deviation)
    columns = (
        middle - _together(centre_in - low_in, high_out - centre_out, correlation),
        middle,
        middle + _together(high_in - centre_in, centre_out - low_out, correlation),
        over_in.mean - over_out.mean,
    )
    low, centre, high, mean = (np.where(known, column, 0.0) for column in columns)
    return CapacityQuantiles(low, centre, high, mean, deviation, correlation, money_in, money_out)


def _together(a: Float, b: Float, correlation: Float) -> Float:
    """Distance of a difference from its middle; infinite where either part is unknown."""
    known = np.isfinite(a) & np.isfinite(b)
    x, y = np.where(known, a, 0.0), np.where(known, b, 0.0)
    distance = np.sqrt(np.maximum(x * x + y * y - 2.0 * correlation * x * y, 0.0))
    return np.where(known, distance, np.inf)


def mean_size(series: Float) -> Float:
    """Mean absolute observed month of each row (n,); 0 without any."""
    result = np.empty(len(series))
    _sizes(np.ascontiguousarray(series), result)
    return result


@kernel
def _sizes(x: Float, result: Float) -> None:
    """In a loop: the order of NumPy's sums depends on how the array lies in memory."""
    for i in range(x.shape[0]):
        count, total = 0, 0.0
        for t in range(x.shape[1]):
            if not math.isnan(x[i, t]):
                count += 1
                total += abs(x[i, t])
        result[i] = total / max(count, 1)


def monthly_correlation(inflow: Float, outgoings: Float, prior: Correlation) -> Float:
    """Correlation of the two in the months in which both are observed, drawn toward the usual one: (n,).

    The user's own counts with its number of months less two, the usual one with ``prior.months``.
    """
    result = np.empty(len(inflow))
    _correlate(np.ascontiguousarray(inflow), np.ascontiguousarray(outgoings), prior.usual, prior.months, result)
    return result


@kernel
def _correlate(x: Float, y: Float, usual: float, usual_months: float, result: NDArray[np.float64]) -> None:
    rows, months = x.shape
    for i in range(rows):
        count, mean_x, mean_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(months):
            if math.isnan(x[i, t]) or math.isnan(y[i, t]):
                continue
            count += 1.0
            dx, dy = x[i, t] - mean_x, y[i, t] - mean_y
            mean_x += dx / count
            mean_y += dy / count
            xx += dx * (x[i, t] - mean_x)
            yy += dy * (y[i, t] - mean_y)
            xy += dx * (y[i, t] - mean_y)
        own, weight = 0.0, 0.0
        if count > 2.0 and xx > 0.0 and yy > 0.0:
            own, weight = min(max(xy / (math.sqrt(xx) * math.sqrt(yy)), -1.0), 1.0), count - 2.0
        result[i] = (weight * own + usual_months * usual) / (weight + usual_months)
