"""Month-of-year factors of a segment (a 13th salary, a new-year bonus), and forecasts that use them.

One user's two years say nothing about Decembers. The users of a segment together do: their
common movement is put into one index that does not change when users come and go, and its
month-of-year effects are estimated with statsmodels, drawn toward none by their standard
errors. Whether using them is better is for ``season_trial`` to say, never for this module.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from limits.capacity.combining import CapacityQuantiles, Correlation, combined, mean_size, monthly_correlation
from limits.capacity.forecasting import Forecast, Moments, forecast
from limits.capacity.local_level import Float
from limits.capacity.prior import Prior
from limits.portfolio import Dates

#: Months that the index must have, and how often each month of the year: twice, so that a factor is not one event.
FEWEST_INDEX_MONTHS, FEWEST_YEARS = 24, 2
#: Observed months from which a user counts, and users from which a month of the index does.
FEWEST_OWN_MONTHS, FEWEST_USERS = 6, 20
#: Part of the users at either end of a month whose ratios are drawn in to the next: one windfall is no season.
CLIPPED = 0.05
#: No factors are given where one would lie below this: to divide by it would make noise of the month.
LEAST_FACTOR = 0.1
ROUNDS, SETTLED = 50, 1e-10


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Factors of the months of the year as multiples of the usual month, with what they rest on.

    factors           (12,) January first, above 0; their arithmetic mean is 1, so a year keeps its sum
    errors            (12,) standard error of the log of each before it was drawn toward 1
    months, users     months of the index, users who are part of it
    gain, gain_error  by which the mean pinball loss falls, in the unit of the series, and its standard
                      error; NaN until ``season_trial`` has measured it
    """

    factors: Float
    errors: Float
    months: int
    users: int
    gain: float = math.nan
    gain_error: float = math.nan

    def __post_init__(self) -> None:
        _check_factors(self.factors[None, :])


class Index(NamedTuple):
    """Common movement of a segment: ``level`` (m,) mean 1 where known, else NaN; the users in it."""

    level: Float
    users: int


@dataclass(frozen=True, slots=True)
class Seasons:
    """Factors (n, 12) of each of n users, January first; a row of ones is a user without season."""

    inflow: Float
    outgoings: Float

    def __post_init__(self) -> None:
        if self.inflow.shape != self.outgoings.shape:
            raise ValueError(f"factors of inflow have shape {self.inflow.shape}, of outgoings {self.outgoings.shape}")
        _check_factors(self.inflow)
        _check_factors(self.outgoings)

    @classmethod
    def of_segments(
        cls, segment: NDArray[np.str_], inflow: Mapping[str, Seasonal], outgoings: Mapping[str, Seasonal]
    ) -> Self:
        """The factors of each user by ``segment`` (n,); one that is not in a mapping has no season there."""
        names, place = np.unique(segment, return_inverse=True)
        sides = []
        for side in (inflow, outgoings):
            rows = [side[name].factors if name in side else np.ones(12) for name in map(str, names)]
            sides.append(np.array(rows).reshape(-1, 12)[place])
        return cls(*sides)

    def __len__(self) -> int:
        return len(self.inflow)

    def take(self, rows: slice | NDArray[np.int64]) -> Self:
        """The factors of some of the users."""
        return type(self)(self.inflow[rows], self.outgoings[rows])


def _check_factors(factors: Float) -> None:
    if factors.ndim != 2 or factors.shape[1] != 12:
        raise ValueError(f"factors have shape {factors.shape}; there must be twelve, January first")
    if not (np.isfinite(factors) & (factors > 0.0)).all():
        raise ValueError("a factor of a month must be a finite number above 0")


def at_months(factors: Float, months: Dates) -> Float:
    """Factors (n, 12) in each of ``months`` (m,) datetime64[M]: (n, m)."""
    return np.ascontiguousarray(factors[:, months.astype(np.int64) % 12])


def coming_months(months: Dates, horizon: int) -> Dates:
    """The ``horizon`` months after the last of ``months``; ValueError where those have a gap."""
    if len(months) == 0 or (np.diff(months.astype(np.int64)) != 1).any():
        raise ValueError("a season needs months that follow one another")
    return np.asarray(months[-1] + np.arange(1, horizon + 1), dtype="datetime64[M]")


def segment_index(series: Float) -> Index:
    """The common movement of ``series`` (n, m), NaN = not observed, whoever comes and goes.

    Each amount is taken as level of the user times index of the month; the two are found in
    turns: the index as mean over users of amount by level, with the outermost ratios drawn
    in; the level as the user's sum by the sum of the index over the user's months. A user
    with fewer than FEWEST_OWN_MONTHS, a negative month or nothing but zero is left out, and a
    month with fewer than FEWEST_USERS is not known.
    """
    seen = np.isfinite(series)
    total = np.where(seen, series, 0.0).sum(axis=1)
    usable = (seen.sum(axis=1) >= FEWEST_OWN_MONTHS) & (np.fmin.reduce(series, axis=1, initial=np.inf) >= 0.0)
    kept = series[usable & (total > 0.0)]
    seen = np.isfinite(kept)
    known = seen.sum(axis=0) >= FEWEST_USERS
    kept, seen = kept[:, known], seen[:, known]
    total = np.where(seen, kept, 0.0).sum(axis=1)
    kept, seen, total = kept[total > 0.0], seen[total > 0.0], total[total > 0.0]
    level = np.full(series.shape[1], np.nan)
    if not kept.size:
        return Index(level, 0)
    index = np.ones(kept.shape[1])
    for _ in range(ROUNDS):
        own = total / (seen * index).sum(axis=1)
        found = _clipped_mean(kept / own[:, None])
        found /= found.mean()
        settled = bool(np.abs(found - index).max() < SETTLED)
        index = found
        if settled:
            break
    level[known] = index
    return Index(level, len(kept))


def _clipped_mean(ratio: Float) -> Float:
    """Mean of each column (m,), with its lowest and highest part CLIPPED drawn in; NaN is left out."""
    ordered = np.sort(ratio, axis=0)  # not observed comes last
    seen = np.isfinite(ordered)
    count = seen.sum(axis=0)
    out = np.floor(CLIPPED * count).astype(np.int64)
    columns = np.arange(ratio.shape[1])
    low, high = ordered[out, columns], ordered[np.maximum(count - 1 - out, 0), columns]
    return np.asarray(np.where(seen, np.clip(ordered, low, high), 0.0).sum(axis=0) / np.maximum(count, 1))


def month_factors(months: Dates, series: Float) -> Seasonal | None:
    """Factors of a segment from ``series`` (n, m) in ``months`` (m,), or None where too little is known.

    Ordinary least squares of the log index on twelve months and a straight line. None with fewer
    than FEWEST_INDEX_MONTHS months of index, one of the year seen in fewer than FEWEST_YEARS, or a
    factor below LEAST_FACTOR. ValueError where the months have a gap or are not those of the columns.
    """
    if series.ndim != 2 or months.shape != (series.shape[1],):
        raise ValueError(f"series have shape {series.shape} and months {months.shape}; there must be a month a column")
    coming_months(months, 1)
    index = segment_index(series)
    known = np.isfinite(index.level) & (index.level > 0.0)
    of_year = months.astype(np.int64)[known] % 12
    if known.sum() < FEWEST_INDEX_MONTHS or np.bincount(of_year, minlength=12).min() < FEWEST_YEARS:
        return None
    effects, errors = month_effects(np.log(index.level[known]), of_year, np.flatnonzero(known))
    factors = np.exp(drawn_in(effects, errors))
    factors /= factors.mean()
    if factors.min() < LEAST_FACTOR:
        return None
    return Seasonal(factors, errors, int(known.sum()), index.users)


def month_effects(level: Float, of_year: NDArray[np.int64], time: NDArray[np.int64]) -> tuple[Float, Float]:
    """Effects (12,) of the months of the year on a log index (m,), of sum 0, and their standard errors (12,)."""
    from statsmodels.regression.linear_model import OLS  # half a second that only who asks for it pays

    design = np.zeros((len(level), 13))
    design[np.arange(len(level)), of_year] = 1.0
    design[:, 12] = (time - time.mean()) / 12.0
    fit = OLS(level, design).fit()
    centre = np.eye(12) - 1.0 / 12.0
    spread = centre @ np.asarray(fit.cov_params())[:12, :12] @ centre
    return centre @ np.asarray(fit.params)[:12], np.sqrt(np.maximum(np.diag(spread), 0.0))


def drawn_in(effects: Float, errors: Float) -> Float:
    """Effects drawn toward 0 (Efron and Morris 1973): by variance / (variance + error ** 2).

    The variance is that of the true effects: what the squares of those found have beyond the
    squares of their errors. Where they have nothing beyond, there is no season: all are 0.
    """
    variance = float(np.mean(effects**2 - errors**2))
    if variance <= 0.0:
        return np.zeros_like(effects)
    return np.asarray(effects * (variance / (variance + errors**2)))


def seasonal_forecast(
    series: Float,
    horizon: int,
    past: Float,
    coming: Float,
    *,
    prior: Prior | None = None,
    typical: Float | None = None,
) -> Forecast:
    """``forecast`` by the automatic model of amounts that have a season.

    ``past`` (n, m) and ``coming`` (n, horizon) are the factors in the months known and forecast. The
    amounts are divided by theirs and forecast; each coming month is multiplied by its own, and the
    mean of the months is that of amounts weighted so, with their joint covariance. A row
    whose factors are all 1 gets the bits of ``forecast``.
    """
    if past.shape != series.shape or coming.shape != (len(series), horizon):
        raise ValueError(
            f"factors have shapes {past.shape} and {coming.shape} for series {series.shape}, {horizon} ahead"
        )
    prior = prior or Prior()
    plain = forecast(np.asarray(series / past), horizon, prior=prior, typical=typical)
    seen = np.isfinite(series)
    idle = np.argmax(seen[:, ::-1], axis=1)
    ratio, spread = plain.parameters["ratio"], plain.parameters["spread"]
    even = np.ones_like(coming)
    before = spread + ratio * idle
    wider = _spread(coming, before, ratio, prior.calm) / _spread(even, before, ratio, prior.calm)
    over = Moments(
        plain.mean_over_horizon.mean * (_sum(coming) / horizon), plain.mean_over_horizon.variance * wider
    )  # fmt: skip
    return dataclasses.replace(
        plain,
        mean=plain.mean * coming,
        variance=plain.variance * coming**2,
        mean_over_horizon=over,
        season=coming,
    )


def _sum(columns: Float) -> Float:
    """Sum of each row, always in the order of the columns: the same bits for one row and for many."""
    total = np.zeros(len(columns))
    for column in columns.T:
        total += column
    return total


def _spread(weight: Float, before: Float, ratio: Float, calm: float) -> Float:
    """Variance of the weighted sum of coming months per unit scale, (n,).

    Of the level before the first month, which is part of all; of each step, which is part of
    its month and all later ones; and of the noise of each month (``calm`` as in ``Prior``).
    """
    later, steps = np.zeros(len(weight)), np.zeros(len(weight))
    for column in weight.T[::-1]:
        later += column
        steps += later**2
    return np.asarray(
        before * later**2 + ratio * steps + (1.0 - ratio) * _sum(weight**2) * weight.shape[1] ** (1.0 - calm)
    )


def seasonal_capacity(
    inflow: Float, outgoings: Float, horizon: int, months: Dates, seasons: Seasons
) -> CapacityQuantiles:
    """``capacity_quantiles`` of amounts (n, m) in ``months`` (m,) that have seasons: inflow and outgoings each its own.

    How the two move together is read from the amounts without their seasons.
    """
    ahead = coming_months(months, horizon)
    past_in, past_out = (at_months(side, months) for side in (seasons.inflow, seasons.outgoings))
    money_in = seasonal_forecast(inflow, horizon, past_in, at_months(seasons.inflow, ahead))
    usual_in = inflow / past_in
    money_out = seasonal_forecast(
        outgoings, horizon, past_out, at_months(seasons.outgoings, ahead), typical=mean_size(usual_in)
    )
    return combined(money_in, money_out, monthly_correlation(usual_in, outgoings / past_out, Correlation()))
