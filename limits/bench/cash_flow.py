"""Backtest of capacity: what came in less what went out, as the mean month of the horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from limits.capacity.backtest import QUANTILES, Figures, Fold, figures, folds
from limits.capacity.combining import capacity_quantiles
from limits.capacity.forecasting import forecast
from limits.capacity.local_level import Float
from limits.errors import InputError

#: Quantiles (n, 3) of the mean net month, from inflow, outgoings (n, m) and the horizon.
MeanMethod = Callable[[Float, Float, int], Float]


@dataclass(frozen=True, slots=True)
class Flows:
    """Monthly inflow and outgoings (n, m), NaN where not observed; the last column is the newest month."""

    inflow: Float
    outgoings: Float


def compare_capacity(flows: Flows, horizon: int, origins: int, least: int) -> dict[str, Figures]:
    """Figures of the mean net month of the horizon, by method, on the same users and origins."""
    net = flows.inflow - flows.outgoings
    cuts = list(folds(net, horizon, origins, least))
    if not cuts:
        raise InputError(
            f"no user has {least} observed months before an origin and {horizon} after it; "
            "shorten --horizon, lower --least or name another --as-of"
        )
    found: dict[str, list[tuple[Fold, Float]]] = {name: [] for name in METHODS}
    for cut in cuts:
        months = cut.train.shape[1]
        inflow, outgoings = (side[cut.rows, :months] for side in (flows.inflow, flows.outgoings))
        mean = Fold(cut.train, cut.test.mean(axis=1, keepdims=True), cut.rows)
        for name, method in METHODS.items():
            found[name].append((mean, method(inflow, outgoings, horizon)[:, None, :]))
    return {name: figures(each) for name, each in found.items()}


def _combined(inflow: Float, outgoings: Float, horizon: int) -> Float:
    found = capacity_quantiles(inflow, outgoings, horizon)
    return np.stack([found.low, found.middle, found.high], axis=-1)


def _net(model: str) -> MeanMethod:
    def run(inflow: Float, outgoings: Float, horizon: int) -> Float:
        found = forecast(inflow - outgoings, horizon, model=model)  # type: ignore[arg-type]
        return np.stack([found.quantile_of_mean(q) for q in QUANTILES], axis=-1)

    return run


METHODS: dict[str, MeanMethod] = {
    "inflow and outgoings apart": _combined,
    "net flow, auto": _net("auto"),
    "net flow, local level": _net("local_level"),
}
