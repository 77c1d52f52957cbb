"""The reference for one series, against statsmodels itself, and how it stands beside our own forecast."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.statespace.structural import UnobservedComponents

from limits.capacity.reference import concentrated_loglik, fit_local_level, smooth_exponentially
from limits.engine.reference import _of_series

RNG = np.random.default_rng(20260630)


def series(kind: int) -> np.ndarray:
    n = int(RNG.integers(3, 37))
    level = 1 + np.cumsum(RNG.normal(0, (0.0, 0.05, 0.3)[kind % 3], n))
    y = level + RNG.normal(0, (0.3, 0.3, 0.05)[kind % 3], n)
    if kind % 5 == 0 and n > 8:
        y[RNG.integers(1, n - 1, 2)] = np.nan
    return y


def polished(y: np.ndarray) -> float:
    """statsmodels' own likelihood at its optimum, reached from several starts."""
    model = UnobservedComponents(y, level="local level", use_exact_diffuse=True)
    variance = float(np.nanvar(y)) + 1e-9

    def negative(logs: np.ndarray) -> float:
        value = float(model.loglike(np.exp(logs)))
        return -value if math.isfinite(value) else 1e10

    starts = [(0.0, -8.0), (-1.0, -1.0), (-8.0, 0.0), (0.0, -3.0)]
    found = [
        minimize(negative, np.log(variance) + np.array(start), method="Nelder-Mead", options={"xatol": 1e-6})
        for start in starts
    ]
    return -min(float(f.fun) for f in found)


@pytest.mark.parametrize("kind", range(30))
def test_the_fit_is_never_below_what_statsmodels_finds(kind: int) -> None:
    y = series(kind)
    assert fit_local_level(y).loglik >= polished(y) - 1e-5


@pytest.mark.parametrize("kind", range(10))
def test_the_likelihood_is_that_of_statsmodels(kind: int) -> None:
    """At our variances, its exact diffuse log-likelihood is ours."""
    y = series(kind)
    fit = fit_local_level(y)
    model = UnobservedComponents(y, level="local level", use_exact_diffuse=True)
    assert model.loglike([fit.irregular_variance, fit.step_variance]) == pytest.approx(fit.loglik, rel=1e-7, abs=1e-7)
    assert concentrated_loglik(y, fit.share) == pytest.approx(fit.loglik, abs=1e-9)


@pytest.mark.parametrize("kind", range(10))
@pytest.mark.parametrize("horizon", [1, 6])
def test_the_mean_over_the_horizon_has_the_joint_variance(kind: int, horizon: int) -> None:
    """Against the covariance of simulated futures, written out by hand from the model's equations."""
    y = series(kind)
    fit = fit_local_level(y)
    mean, variance = fit.mean_over_horizon(horizon)
    steps = np.tril(np.ones((horizon, horizon)))
    joint = (
        np.full((horizon, horizon), fit.level_variance)
        + fit.step_variance * steps @ steps.T
        + fit.irregular_variance * np.eye(horizon)
    )
    assert variance == pytest.approx(joint.mean(), rel=1e-9)
    model = UnobservedComponents(y, level="local level", use_exact_diffuse=True)
    forecast = model.filter([fit.irregular_variance, fit.step_variance]).get_forecast(horizon)
    assert mean == pytest.approx(float(np.mean(forecast.predicted_mean)), rel=1e-7)
    assert np.diag(joint) == pytest.approx(np.asarray(forecast.var_pred_mean), rel=1e-7)


@pytest.mark.parametrize("kind", range(6))
def test_smoothing_has_the_variance_of_its_own_simulated_futures(kind: int) -> None:
    y = series(kind)
    y = y[np.isfinite(y)]
    mean, variance = smooth_exponentially(y, 1)
    dated = pd.Series(y, index=pd.period_range("2020-01", periods=len(y), freq="M"))
    fit = ETSModel(dated, error="add", trend=None, seasonal=None).fit(disp=False)
    ahead = fit.get_prediction(start=len(y), end=len(y))
    assert mean == pytest.approx(float(ahead.predicted_mean.iloc[0]), rel=1e-9)
    assert variance == pytest.approx(float(np.asarray(ahead.forecast_variance)[0]), rel=1e-9)
    old = np.random.RandomState(1)  # what statsmodels takes without a warning
    futures = fit.simulate(4, anchor="end", repetitions=20_000, rng=old).mean(axis=0)
    assert smooth_exponentially(y, 4)[1] == pytest.approx(float(futures.var()), rel=0.05)


def test_beside_the_reference_our_local_level_says_the_same() -> None:
    """A month that was not seen before the first, and a gap, for good measure."""
    y = np.array([np.nan, *(2e6 + 1e5 * RNG.normal(size=9)), np.nan, *(2e6 + 1e5 * RNG.normal(size=8))])
    lines = {line.method: line.minor for line in _of_series("inflow", y, 6)}
    ours, theirs = lines["ours: local_level"], lines["statsmodels: local level"]
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert lines["statsmodels: ETS(A,N,N), gaps closed up"] == pytest.approx(theirs, rel=0.1)


def test_where_nothing_can_be_fitted_nothing_is_shown() -> None:
    for y in (np.full(6, 7e5), np.zeros(6), np.array([np.nan, 5.0, 6.0])):
        found = list(_of_series("inflow", y, 6))
        assert [line.minor is None for line in found if line.method != "ours: local_level"] == [False, True, True]
    assert all(line.minor is None for line in _of_series("inflow", np.full(6, np.nan), 6))
