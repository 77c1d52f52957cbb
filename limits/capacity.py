"""What a user can repay a month: the forecast of income less living costs and obligations, with its uncertainty.

Data are guarded before any model sees them: too few months, nothing to see and a constant
history each have a method of their own, written into the log beside the numbers.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from limits.local_level import fit_local_level
from limits.money import LARGEST_MINOR
from limits.portfolio import CashFlow, Int

Float = NDArray[np.float64]

#: Observed months below which no forecast is made.
FEWEST_MONTHS = 3

#: The forecast's standard deviation is never below this share of the mean monthly size of
#: the series: a short quiet history is no proof of a quiet future.
SMALLEST_DEVIATION = 0.05

#: Standard normal quantile of 90%.
_Z90 = 1.2815515655446004


class Method(enum.IntEnum):
    """How the numbers came about. The value stands in the log."""

    LOCAL_LEVEL = 0
    CONSTANT = 1
    TOO_SHORT = 2
    NO_EVIDENCE = 3
    REVEALED_REPAYMENT = 4
    NOT_CONVERGED = 5

    @property
    def text(self) -> str:
        """The method in words."""
        return _TEXT[self]

    @property
    def is_forecast(self) -> bool:
        """Whether the numbers may decide about a limit; where not, they only bar a raise."""
        return self in (Method.LOCAL_LEVEL, Method.CONSTANT, Method.REVEALED_REPAYMENT)


_TEXT = {
    Method.LOCAL_LEVEL: "local level state-space model of monthly income less living costs and obligations",
    Method.CONSTANT: "the same amount every month; uncertainty set to the smallest allowed",
    Method.TOO_SHORT: f"fewer than {FEWEST_MONTHS} observed months; no forecast",
    Method.NO_EVIDENCE: "no income and no repayments seen; no forecast",
    Method.REVEALED_REPAYMENT: "no income seen; local level model of what was repaid, a lower bound of capacity",
    Method.NOT_CONVERGED: "the model did not converge; spread of the observed months, no forecast",
}

FORECASTS = np.array([method.is_forecast for method in Method])


@dataclass(frozen=True, slots=True)
class Capacity:
    """Monthly repayment capacity of n users, the mean over the horizon; every array (n,).

    p10, p50, p90    int64 minor units: quantiles of that mean
    method           Method by its number
    months_observed  whole months that were observed
    """

    p10: Int
    p50: Int
    p90: Int
    method: Int
    months_observed: Int

    def __len__(self) -> int:
        return len(self.p50)

    def take(self, rows: Any) -> Self:
        """The capacity of some of the users."""
        return dataclasses.replace(self, **{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})


class Quantiles(NamedTuple):
    """Of one user's mean monthly capacity, in minor units, with the method."""

    p10: float
    p50: float
    p90: float
    method: Method


def estimate_capacity(cash_flow: CashFlow, horizon_months: int = 6) -> Capacity:
    """Capacity of each user over the next ``horizon_months``, each from the user's own history alone.

    ValueError for a horizon outside 1..120.
    """
    if not 1 <= horizon_months <= 120:
        raise ValueError(f"a horizon of {horizon_months} months; it must be 1 to 120")
    net = cash_flow.inflow - cash_flow.essential_spend - cash_flow.obligations
    users = range(len(cash_flow))
    months = cash_flow.observed.sum(axis=1, dtype=np.int64)
    found = [
        _one_user(seen, net[row, seen], cash_flow.inflow[row, seen], cash_flow.repaid[row, seen], horizon_months)
        for row in users
        for seen in (cash_flow.observed[row],)
    ]
    numbers = np.array([q[:3] for q in found], dtype=np.float64).reshape(len(found), 3)
    whole = np.clip(np.floor(numbers), -LARGEST_MINOR, LARGEST_MINOR).astype(np.int64)
    method = np.array([q.method for q in found], dtype=np.int64)
    return Capacity(whole[:, 0].copy(), whole[:, 1].copy(), whole[:, 2].copy(), method, months)


def _one_user(seen: NDArray[np.bool_], net: Int, inflow: Int, repaid: Int, horizon: int) -> Quantiles:
    """``seen`` (m,) marks the observed months; the others hold those months' values."""
    if len(net) < FEWEST_MONTHS:
        return _no_forecast(net, Method.TOO_SHORT)
    if inflow.any():
        return forecast_series(seen, net, horizon, Method.LOCAL_LEVEL)
    if np.count_nonzero(repaid) < FEWEST_MONTHS:
        return _no_forecast(net, Method.NO_EVIDENCE)
    return forecast_series(seen, repaid, horizon, Method.REVEALED_REPAYMENT)


def forecast_series(seen: NDArray[np.bool_], values: Int, horizon: int, method: Method) -> Quantiles:
    """Quantiles of the mean of the next ``horizon`` months of a series with gaps where not ``seen``."""
    size = float(np.abs(values).mean())
    smallest = SMALLEST_DEVIATION * size
    if (values == values[0]).all():
        constant = method if method is Method.REVEALED_REPAYMENT else Method.CONSTANT
        return _normal(float(values[0]), smallest, constant)
    series = np.full(len(seen), np.nan)
    series[seen] = values / size
    # From the first observed month on, so that who else is in the portfolio changes nothing;
    # months after the last observed one stay, and widen the forecast.
    fit = fit_local_level(series[np.argmax(seen) :])
    if not fit.converged:
        return _no_forecast(values, Method.NOT_CONVERGED)
    mean, variance = fit.mean_over_horizon(horizon)
    return _normal(mean * size, max(math.sqrt(variance) * size, smallest), method)


def _normal(mean: float, deviation: float, method: Method) -> Quantiles:
    spread = _Z90 * deviation
    return Quantiles(mean - spread, mean, mean + spread, method)


def _no_forecast(values: Int, method: Method) -> Quantiles:
    """The lowest, middle and highest month seen, or zeros: for people to read, never to decide on."""
    if not len(values):
        return Quantiles(0.0, 0.0, 0.0, method)
    return Quantiles(float(values.min()), float(np.median(values)), float(values.max()), method)
