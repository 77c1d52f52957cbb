"""Whether a season makes the forecasts of a segment better, on months that have come since.

At every origin the factors are estimated from the months before it alone, and the same users
are forecast with and without them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limits.capacity.backtest import QUANTILES, Figures, Fold, figures, folds, pinball, typical_amount
from limits.capacity.combining import CapacityQuantiles, capacity_quantiles
from limits.capacity.forecasting import Forecast, forecast
from limits.capacity.local_level import Float
from limits.capacity.prior import Prior
from limits.capacity.seasonal import (
    Seasonal,
    Seasons,
    at_months,
    coming_months,
    month_factors,
    seasonal_capacity,
    seasonal_forecast,
)
from limits.portfolio import Dates, Int

#: Standard errors by which the loss must fall.
SURE = 2.0


@dataclass(frozen=True, slots=True)
class SeasonTrial:
    """A segment forecast with and without its season, on the same users and origins.

    without, within  figures of the two
    gain             by which the mean pinball loss falls, in the unit of the series; NaN where nothing was
                     compared. ``error`` is its standard error, with all forecasts of a user as one
    years            the same gain in each twelve origins back from the newest, oldest first
    users, origins   users and origins that were compared
    helped, harmed   users whose own loss falls, and rises
    seasonal         the factors by all months, with gain and error; None where too little is known
    applied          whether the forecast should use them
    reason           one sentence that says why, or why not
    """

    without: Figures
    within: Figures
    gain: float
    error: float
    years: tuple[float, ...]
    users: int
    origins: int
    helped: int
    harmed: int
    seasonal: Seasonal | None
    applied: bool
    reason: str


def season_trial(months: Dates, series: Float, horizon: int, origins: int, least: int = 3) -> SeasonTrial:
    """Try the season of ``series`` (n, m), NaN = not observed, in ``months`` (m,) datetime64[M] at the last origins.

    Applied where the mean pinball loss falls by more than SURE standard errors over all origins, and
    falls in each twelve of them: a shock that all users share in one year is no season, and users
    are no witnesses independent of it. It must fall for more users than it rises for: factors of a
    bonus that few receive promise it to the others. The months forecast must cover the year.
    """
    now = month_factors(months, series)
    cuts, plain, seasonal = [], [], []
    for cut in folds(series, horizon, origins, least):
        known = months[: cut.train.shape[1]]
        factors = month_factors(known, series[:, : len(known)])
        if factors is not None:
            cuts.append(cut)
            plain.append(_quantiles(forecast(cut.train, horizon, prior=_prior(cut.train))))
            seasonal.append(with_factors(known, cut.train, horizon, factors.factors))
    found = _compared(now is not None, _months_ahead(months, cuts, horizon), cuts, plain, seasonal)
    if now is None:
        return found
    return dataclasses.replace(found, seasonal=dataclasses.replace(now, gain=found.gain, gain_error=found.error))


def capacity_trial(
    months: Dates, inflow: Float, outgoings: Float, horizon: int, origins: int, least: int = 3
) -> SeasonTrial:
    """The same for capacity: the mean over the horizon of inflow less outgoings, each (n, m) and with its own season.

    What helps both series need not help here: they often have their high months together, and
    what they share cancels. ``seasonal`` is None, since there is one of each side.
    """
    cuts, plain, seasonal = [], [], []
    for cut in folds(inflow - outgoings, horizon, origins, least):
        known = months[: cut.train.shape[1]]
        sides = [side[:, : len(known)] for side in (inflow, outgoings)]
        found = [month_factors(known, side) for side in sides]
        if found[0] is None or found[1] is None:
            continue
        mean = cut.test.mean(axis=1, keepdims=True)
        cuts.append(Fold(cut.train, mean, cut.rows))
        money_in, money_out = (np.ascontiguousarray(side[cut.rows]) for side in sides)
        every = [np.tile(one.factors, (len(cut.rows), 1)) for one in found if one is not None]
        plain.append(_three(capacity_quantiles(money_in, money_out, horizon)))
        seasonal.append(_three(seasonal_capacity(money_in, money_out, horizon, known, Seasons(*every))))
    now = [month_factors(months, side) is not None for side in (inflow, outgoings)]
    return _compared(all(now), _months_ahead(months, cuts, horizon), cuts, plain, seasonal)


def _three(found: CapacityQuantiles) -> Float:
    """Quantiles (n, 1, 3)."""
    return np.stack([found.low, found.middle, found.high], axis=-1)[:, None, :]


def _months_ahead(months: Dates, cuts: Sequence[Fold], horizon: int) -> int:
    """How many of the twelve months of the year were forecast from any origin."""
    ahead = [coming_months(months[: cut.train.shape[1]], horizon).astype(np.int64) % 12 for cut in cuts]
    return len(np.unique(np.concatenate(ahead))) if ahead else 0


def _compared(
    enough: bool, ahead: int, cuts: Sequence[Fold], plain: Sequence[Float], seasonal: Sequence[Float]
) -> SeasonTrial:
    """The trial from the quantiles (n, h, 3) without and with season at each origin, newest first."""
    without, within = (figures(list(zip(cuts, side, strict=True))) for side in (plain, seasonal))
    falls = [_fall(cut, *sides) for cut, *sides in zip(cuts, plain, seasonal, strict=True)]
    rows = [cut.rows for cut in cuts]
    gain, error = paired(rows, falls)
    years = tuple(paired(rows[a:b], falls[a:b])[0] for a, b in _years(len(cuts)))[::-1]
    each = _by_user(rows, falls)
    helped, harmed = int((each > 0.0).sum()), int((each < 0.0).sum())
    applied, reason = _verdict(enough, ahead, gain, error, years, helped, harmed)
    return SeasonTrial(without, within, gain, error, years, len(each), len(cuts), helped, harmed, None, applied, reason)


def with_factors(months: Dates, train: Float, horizon: int, factors: Float) -> Float:
    """Quantiles (n, h, 3) from the months known, with factors (12,) that are those of every user."""
    every = np.broadcast_to(factors, (len(train), 12))
    past, coming = at_months(every, months), at_months(every, coming_months(months, horizon))
    return _quantiles(seasonal_forecast(train, horizon, past, coming, prior=_prior(train)))


def paired(rows: Sequence[Int], falls: Sequence[Float]) -> tuple[float, float]:
    """Mean of ``falls``, each (n,) of the users ``rows`` (n,), and its standard error with a user as one cluster."""
    if not falls:
        return math.nan, math.nan
    users, place = np.unique(np.concatenate(rows), return_inverse=True)
    fall = np.concatenate(falls)
    mean = float(fall.mean())
    if len(users) < 2:
        return mean, math.nan
    each = np.bincount(place, weights=fall - mean, minlength=len(users))
    return mean, float(np.sqrt((each**2).sum() * len(users) / (len(users) - 1)) / len(fall))


def _by_user(rows: Sequence[Int], falls: Sequence[Float]) -> Float:
    """Sum of the falls of each user that has any."""
    if not falls:
        return np.zeros(0)
    place = np.unique(np.concatenate(rows), return_inverse=True)[1]
    return np.asarray(np.bincount(place, weights=np.concatenate(falls)), dtype=np.float64)


def _prior(train: Float) -> Prior:
    return Prior(typical_amount=typical_amount(train))


def _quantiles(found: Forecast) -> Float:
    return np.stack([found.quantile(q) for q in QUANTILES], axis=-1)


def _fall(cut: Fold, plain: Float, seasonal: Float) -> Float:
    """By which each user's mean loss over months and quantiles falls (n,)."""
    lost, kept = (
        np.stack([pinball(cut.test, side[..., i], q) for i, q in enumerate(QUANTILES)]).mean(axis=(0, 2))
        for side in (plain, seasonal)
    )
    return np.asarray(lost - kept)


def _years(origins: int) -> list[tuple[int, int]]:
    """Twelve origins each, from the newest; what is left over at the end belongs to the last twelve."""
    starts = list(range(0, origins - 11, 12)) or [0]
    return list(zip(starts, [*starts[1:], origins], strict=True)) if origins else []


def _verdict(
    enough: bool, months: int, gain: float, error: float, years: tuple[float, ...], helped: int, harmed: int
) -> tuple[bool, str]:
    if not enough:
        return False, "too few months or users to estimate a season"
    if months < 12:
        return False, f"the months that could be compared cover {months} of the 12 of a year"
    if not gain > SURE * error:
        return False, f"the loss does not fall by more than {SURE:g} standard errors"
    if min(years) <= 0.0:
        return False, "the loss does not fall in each twelve origins"
    if helped <= harmed:
        return False, "the loss rises for as many users as it falls for"
    return True, f"the loss falls by more than {SURE:g} standard errors, and in each twelve origins"
