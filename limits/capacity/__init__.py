"""What users can repay a month: the forecast engine, for all users at once.

Importing this package loads neither the compiled kernels nor statsmodels: who only reads
what was decided needs the methods' names alone. The rest is loaded when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from limits.capacity.result import FEWEST_MONTHS, FORECASTS, Capacity, Method

if TYPE_CHECKING:
    from limits.capacity.combining import CapacityQuantiles, capacity_quantiles
    from limits.capacity.estimate import estimate_capacity
    from limits.capacity.forecasting import Forecast, forecast
    from limits.capacity.prior import Prior
    from limits.capacity.seasonal import Seasonal, Seasons, month_factors
    from limits.capacity.seasonal_trial import SeasonTrial, capacity_trial, season_trial
    from limits.capacity.warming import warm

__all__ = [
    "FEWEST_MONTHS",
    "FORECASTS",
    "Capacity",
    "CapacityQuantiles",
    "Forecast",
    "Method",
    "Prior",
    "SeasonTrial",
    "Seasonal",
    "Seasons",
    "capacity_quantiles",
    "capacity_trial",
    "estimate_capacity",
    "forecast",
    "month_factors",
    "season_trial",
    "warm",
]

_LATER = {
    "CapacityQuantiles": "combining",
    "Forecast": "forecasting",
    "Prior": "prior",
    "SeasonTrial": "seasonal_trial",
    "Seasonal": "seasonal",
    "Seasons": "seasonal",
    "capacity_quantiles": "combining",
    "capacity_trial": "seasonal_trial",
    "estimate_capacity": "estimate",
    "forecast": "forecasting",
    "month_factors": "seasonal",
    "season_trial": "seasonal_trial",
    "warm": "warming",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    return value
