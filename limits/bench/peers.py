"""Forecasts of other libraries as methods of the backtest: one series after another, as they offer it.

Each is given the months observed, scaled to mean 1 for statsmodels (which is silently wrong on
amounts in cents), and the same lower bound of zero that ours has. What fails is counted and said.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections import Counter
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from limits.capacity.backtest import QUANTILES, Method, lower_bound
from limits.capacity.local_level import Float

#: (months from the first to the last observed one, NaN inside where not observed; horizon) -> quantiles (h, 3).
OneSeries = Callable[[Float, int], Float]


def peers(reasons: dict[str, Counter[str]]) -> dict[str, Method]:
    """Every peer that is installed, by name; why a series failed is counted in ``reasons`` under that name."""
    found: dict[str, OneSeries] = {"statsmodels ETS": _statsmodels_ets, "statsmodels local level": _statsmodels_level}
    if has_statsforecast():
        found |= {
            "statsforecast AutoETS": _statsforecast("AutoETS"),
            "statsforecast AutoTheta": _statsforecast("AutoTheta"),
            "statsforecast SES": _statsforecast_ses,
        }
    return {name: _one_by_one(one, reasons.setdefault(name, Counter())) for name, one in found.items()}


def has_statsforecast() -> bool:
    """Whether statsforecast, a dependency of development alone, is there."""
    return importlib.util.find_spec("statsforecast") is not None


def _one_by_one(one: OneSeries, reasons: Counter[str]) -> Method:
    def run(train: Float, horizon: int) -> Float:
        found = np.full((len(train), horizon, len(QUANTILES)), np.nan)
        lowest = lower_bound(train)
        for row, series in enumerate(train):
            seen = np.flatnonzero(np.isfinite(series))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of optimisers that stop early: what they found is what counts
                    quantiles = one(series[seen[0] : seen[-1] + 1], horizon)
            except Exception as error:  # noqa: BLE001 (a peer may fail in any way; it is counted and said)
                reasons[type(error).__name__] += 1
                continue
            if np.isfinite(quantiles).all():
                found[row] = np.maximum(quantiles, lowest[row])
            else:
                reasons["no finite number"] += 1
        return found

    return run


def _gaussian(mean: Float, deviation: Float) -> Float:
    scores = np.array([0.0 if q == 0.5 else ndtri(q) for q in QUANTILES])
    return np.asarray(mean[:, None] + scores * deviation[:, None])


def _scale(series: Float) -> float:
    return float(np.nanmean(np.abs(series))) or 1.0


def _statsmodels_level(series: Float, horizon: int) -> Float:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    scale = _scale(series)
    model = UnobservedComponents(series / scale, "llevel", use_exact_diffuse=True)
    ahead = model.fit(disp=0).get_forecast(horizon)
    return _gaussian(scale * ahead.predicted_mean, scale * np.sqrt(ahead.var_pred_mean))


def _statsmodels_ets(series: Float, horizon: int) -> Float:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    series = series[np.isfinite(series)]
    scale = _scale(series)
    fitted = ETSModel(series / scale).fit(disp=0)
    steps = np.arange(horizon) * float(fitted.smoothing_level) ** 2
    return _gaussian(scale * np.asarray(fitted.forecast(horizon)), scale * np.sqrt(fitted.mse * (1.0 + steps)))


def _statsforecast(name: str) -> OneSeries:
    def one(series: Float, horizon: int) -> Float:
        from statsforecast import models

        found = getattr(models, name)(season_length=1).forecast(
            y=series[np.isfinite(series)], h=horizon, level=[80]
        )  # fmt: skip
        return np.stack([found["lo-80"], found["mean"], found["hi-80"]], axis=-1)

    return one


def _statsforecast_ses(series: Float, horizon: int) -> Float:
    """It offers no interval: the Gaussian width of its errors inside the sample is used."""
    from statsforecast.models import SimpleExponentialSmoothingOptimized

    series = series[np.isfinite(series)]
    found = SimpleExponentialSmoothingOptimized().forecast(y=series, h=horizon, fitted=True)
    deviation = np.sqrt(np.nanmean((series - found["fitted"])[1:] ** 2))
    return _gaussian(np.asarray(found["mean"]), np.full(horizon, deviation))
