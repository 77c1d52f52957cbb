"""Rolling origins and the figures by which forecasts are compared. Pure functions, no files.

A method is any function (train (n, m), horizon) -> quantiles (n, h, 3) at ``QUANTILES``; its
middle one is the point forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from limits.capacity.forecasting import Model, forecast
from limits.capacity.local_level import Float, Int
from limits.capacity.prior import Prior

QUANTILES = (0.1, 0.5, 0.9)
Method = Callable[[Float, int], Float]


@dataclass(frozen=True, slots=True)
class Fold:
    """What was known at one origin, and what came: ``train`` (n, m), ``test`` (n, h), ``rows`` (n,) of the series."""

    train: Float
    test: Float
    rows: Int


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one method over all origins; amounts in the unit of the series.

    mae              mean absolute error of the median
    mase             mean over users of their absolute error by the mean absolute monthly change
                     of their own past (Hyndman and Koehler 2006); users whose past never changes left out
    pinball          loss at 10, 50 and 90%, and ``pinball_mean`` of the three
    coverage         share of months inside the 80% interval, borders included
    bias             mean of median less amount
    forecasts        months compared
    failures         series and origins without a forecast; they are in none of the figures
    """

    mae: float
    mase: float
    pinball: tuple[float, float, float]
    pinball_mean: float
    coverage: float
    bias: float
    forecasts: int
    failures: int


def folds(series: Float, horizon: int, origins: int, least: int = 3) -> Iterator[Fold]:
    """The last ``origins`` origins, newest first: rows with ``least`` months before and all months after it."""
    for back in range(origins):
        cut = series.shape[1] - horizon - back
        if cut < 1:
            return
        train, test = series[:, :cut], series[:, cut : cut + horizon]
        keep = (np.isfinite(train).sum(axis=1) >= least) & np.isfinite(test).all(axis=1)
        if keep.any():
            yield Fold(np.ascontiguousarray(train[keep]), test[keep], np.flatnonzero(keep))


def pinball(amount: Float, quantile: Float, q: float) -> Float:
    """Loss of ``quantile`` as the forecast of the ``q`` quantile (Koenker and Bassett 1978)."""
    error = amount - quantile
    return np.asarray(np.maximum(q * error, (q - 1.0) * error))


def figures(forecasts: Sequence[tuple[Fold, Float]]) -> Figures:
    """Figures of one method from its quantiles (n, h, 3) at each origin; a row with NaN is a failure."""
    losses, errors, inside, scaled, failures = [], [], [], [], 0
    for fold, every in forecasts:
        made = np.isfinite(every).all(axis=(1, 2))
        failures += int((~made).sum())
        test, found = fold.test[made], every[made]
        losses.append(np.stack([pinball(test, found[..., i], q) for i, q in enumerate(QUANTILES)], axis=-1))
        errors.append(found[..., 1] - test)
        slack = 1e-9 * np.abs(test)
        inside.append((test >= found[..., 0] - slack) & (test <= found[..., 2] + slack))
        change = _mean_change(fold.train[made])
        moving = change > 0.0
        scaled.append(np.abs(errors[-1][moving]).mean(axis=1) / change[moving])
    if not losses or not sum(error.size for error in errors):
        return Figures(np.nan, np.nan, (np.nan, np.nan, np.nan), np.nan, np.nan, np.nan, 0, failures)
    error, loss, scale = np.concatenate(errors), np.concatenate(losses).mean(axis=(0, 1)), np.concatenate(scaled)
    return Figures(
        mae=float(np.abs(error).mean()),
        mase=float(scale.mean()) if len(scale) else np.nan,
        pinball=(float(loss[0]), float(loss[1]), float(loss[2])),
        pinball_mean=float(loss.mean()),
        coverage=float(np.concatenate(inside).mean()),
        bias=float(error.mean()),
        forecasts=int(error.size),
        failures=failures,
    )


def measure(method: Method, series: Float, horizon: int, origins: int, least: int = 3) -> Figures:
    """Run one method over the rolling origins."""
    return figures([(fold, method(fold.train, horizon)) for fold in folds(series, horizon, origins, least)])


def _mean_change(train: Float) -> Float:
    """Mean absolute change between adjacent observed months of each row; 0 without any."""
    change = np.abs(np.diff(train, axis=1))
    seen = np.isfinite(change)
    return np.asarray(np.where(seen, change, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))


def ours(model: Model = "auto", prior: Prior | None = None) -> Method:
    """``forecast`` as a method; without ``prior``, the typical amount is that of the months known at each origin."""

    def run(train: Float, horizon: int) -> Float:
        found = forecast(train, horizon, model=model, prior=prior or Prior(typical_amount=typical_amount(train)))
        return np.stack([found.quantile(q) for q in QUANTILES], axis=-1)

    return run


def typical_amount(series: Float) -> float:
    """Median over users of their mean absolute month: what ``Prior.typical_amount`` asks for."""
    seen = np.isfinite(series)
    total = np.where(seen, np.abs(series), 0.0).sum(axis=1)
    known = seen.any(axis=1)
    return float(np.median(total[known] / seen[known].sum(axis=1))) if known.any() else 0.0


def lower_bound(train: Float) -> Float:
    """0 for rows that were never negative, else -infinity: every peer is given this bound, as ours has it."""
    return np.where(np.fmin.reduce(train, axis=1, initial=np.inf) >= 0.0, 0.0, -np.inf)


def simple(name: str) -> Method:
    """A method of ``SIMPLE``, with the Gaussian width of its own errors over the last twelve months."""
    point = SIMPLE[name]

    def run(train: Float, horizon: int) -> Float:
        errors = []
        for cut in range(max(1, train.shape[1] - 12), train.shape[1]):
            known = np.isfinite(train[:, :cut]).any(axis=1)
            error = np.full(len(train), np.nan)
            error[known] = train[known, cut] - point(train[known, :cut])
            errors.append(error)
        past = np.stack(errors, axis=1) if errors else np.zeros((len(train), 1))
        seen = np.isfinite(past)
        deviation = np.sqrt(np.where(seen, past**2, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))
        centre = point(train)
        lowest = lower_bound(train)
        low, high = (np.maximum(centre + ndtri(q) * deviation, lowest) for q in (QUANTILES[0], QUANTILES[2]))
        one = np.stack([low, centre, high], axis=-1)
        return np.repeat(one[:, None, :], horizon, axis=1)

    return run


def _last(train: Float) -> Float:
    at = train.shape[1] - 1 - np.argmax(np.isfinite(train)[:, ::-1], axis=1)
    return np.asarray(train[np.arange(len(train)), at])


def _mean6(train: Float) -> Float:
    return np.asarray(np.nanmean(_newest_six(train), axis=1))


def _median6(train: Float) -> Float:
    return np.asarray(np.nanmedian(_newest_six(train), axis=1))


def _newest_six(train: Float) -> Float:
    seen = np.isfinite(train)
    age = seen[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.where(seen & (age <= 6), train, np.nan)


def _smooth(train: Float) -> Float:
    level = np.full(len(train), np.nan)
    for column in train.T:
        seen = np.isfinite(column)
        level = np.where(seen & np.isnan(level), column, np.where(seen, level + 0.3 * (column - level), level))
    return level


#: The simple methods by name.
SIMPLE: dict[str, Callable[[Float], Float]] = {
    "last value": _last,
    "mean of 6": _mean6,
    "median of 6": _median6,
    "smoothing 0.3": _smooth,
}
