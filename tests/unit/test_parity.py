"""The local level against statsmodels' exact diffuse one, and its search against dense grids."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from statsmodels.tsa.statespace.structural import UnobservedComponents

from limits.bench.optimum import gap_to_grid
from limits.bench.optimum import made_up as contiguous
from limits.capacity import local_level
from limits.capacity.forecasting import level_forecast
from tests.series import made_up, real


def fitted(series: np.ndarray, ratio: np.ndarray | None = None) -> local_level.LocalLevel:
    first, last, count = (np.empty(len(series), np.int64) for _ in range(3))
    local_level.spans(series, first, last, count)
    return local_level.fit(series, first, last, count, ratio)


def statespace(row: np.ndarray) -> UnobservedComponents:
    model = UnobservedComponents(row[np.argmax(np.isfinite(row)) :], "llevel", use_exact_diffuse=True)
    model.ssm.tolerance = 0.0  # else it stops updating the variance early where the amounts are small
    return model


@pytest.mark.slow
@pytest.mark.parametrize("series", [made_up(600) / 1000, real()], ids=["made up", "real"])
def test_equals_statsmodels_at_given_parameters(series):
    """Likelihood, forecasts and their variances, with gaps, late starts and early ends."""
    assert len(series) >= 500
    rng = np.random.default_rng(1)
    level, noise = 10 ** rng.uniform(-4, 0, len(series)), 10 ** rng.uniform(-4, 0, len(series))
    ours = level_forecast(series, 3, level, noise)
    for i, row in enumerate(series):
        theirs = statespace(row).filter([noise[i], level[i]])
        ahead = theirs.get_forecast(3)
        assert ours.loglik[i] == pytest.approx(theirs.llf, rel=1e-7)
        np.testing.assert_allclose(ours.mean[i], ahead.predicted_mean, rtol=1e-7)
        np.testing.assert_allclose(ours.variance[i], ahead.var_pred_mean, rtol=1e-7)


def polished(row: np.ndarray, more: float) -> float:
    """The best of statsmodels: its own fit from several starts, then its likelihood searched along the ratio.

    ``more`` is one more ratio to search around. The scale is concentrated out by its own errors.
    """
    scale = np.nanstd(row)
    model = statespace(row / scale)
    size = int(np.isfinite(row).sum()) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [model.fit(start_params=start, disp=0) for start in ([1.0, 0.01], [0.05, 1.0])]

    def loss(ratio: float) -> float:
        at = model.loglike([1.0 - ratio, ratio])
        # loglik(s) = at(1) - size/2 log s - (1/s - 1) S/2 is greatest at s = S / size; S from two evaluations
        twice = model.loglike([2.0 * (1.0 - ratio), 2.0 * ratio])
        total = 4.0 * (twice - at + 0.5 * size * math.log(2.0))
        return -(at - 0.5 * size * math.log(total / size) - 0.5 * (size - total))

    reached = max(fits, key=lambda fit: fit.llf)
    noise, level = np.maximum(reached.params, 0.0)
    best = reached.llf
    for centre in {round(level / (noise + level) if noise + level else 0.5, 4), round(more, 4)}:
        bounds = (max(centre - 0.05, 0.0), min(centre + 0.05, 1.0))
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6, "maxiter": 25})
        best = max(best, -found.fun)
    return float(best - size * math.log(scale))


@pytest.mark.slow
@pytest.mark.parametrize("series", [made_up(200, seed=2) / 1000, real()[::2]], ids=["made up", "real"])
def test_optimum_is_not_below_polished_statsmodels(series):
    ours = fitted(series)
    for i, row in enumerate(series):
        assert ours.loglik[i] >= polished(row, ours.ratio[i]) - 1e-6, i


def test_optimum_is_not_below_a_dense_grid_computed_another_way():
    """28,000 series; `make check-optimum` does a million, docs/capacity.md has its result."""
    dice = np.random.default_rng(3)
    for months in (4, 6, 9, 12, 24, 36, 60):
        found = gap_to_grid(contiguous(4000, months, dice))
        assert found.missed == 0, found


def test_optimum_is_not_below_a_dense_grid_with_gaps():
    rng = np.random.default_rng(4)
    steps = rng.normal(size=(4000, 14)) * 10 ** rng.uniform(-2, 1, (4000, 1))
    series = rng.standard_t(2, (4000, 14)) + steps.cumsum(axis=1)
    series[:, 5] = np.nan
    found = fitted(series).loglik
    for ratio in np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 150)]):
        assert (fitted(series, np.full(len(series), ratio)).loglik - found).max() < 1e-6, ratio
