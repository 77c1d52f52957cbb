"""Capacity: the guards before the model, and the model against statsmodels itself."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from statsmodels.tsa.statespace.structural import UnobservedComponents

from limits.capacity import SMALLEST_DEVIATION, Capacity, Method, estimate_capacity
from limits.local_level import concentrated_loglik, fit_local_level
from limits.portfolio import CashFlow
from tests.portfolios import make_portfolio

RNG = np.random.default_rng(20260630)


def flow(**monthly: object) -> CashFlow:
    return make_portfolio([{"essential_spend": 0, **monthly}]).cash_flow


def one(**monthly: object) -> tuple[Method, int, int, int]:
    found = estimate_capacity(flow(**monthly))
    return Method(int(found.method[0])), int(found.p10[0]), int(found.p50[0]), int(found.p90[0])


def steady(n: int = 12) -> list[int]:
    return [2_000_000 + 30_000 * ((-1) ** k) + 7_000 * (k % 3) for k in range(n)]


@pytest.mark.parametrize(
    ("monthly", "method"),
    [
        ({"inflow": [None] * 10 + [5, 6]}, Method.TOO_SHORT),
        ({"inflow": [None] * 12}, Method.TOO_SHORT),
        ({"inflow": [900_000] * 12}, Method.CONSTANT),
        ({"inflow": 0}, Method.NO_EVIDENCE),
        ({"inflow": 0, "essential_spend": 50_000}, Method.NO_EVIDENCE),
        ({"inflow": 0, "repaid": [0] * 10 + [5, 6]}, Method.NO_EVIDENCE),
        ({"inflow": 0, "repaid": steady()}, Method.REVEALED_REPAYMENT),
        ({"inflow": 0, "repaid": 70_000}, Method.REVEALED_REPAYMENT),
        ({"inflow": steady()}, Method.LOCAL_LEVEL),
        ({"inflow": [*steady(6), None, *steady(5)]}, Method.LOCAL_LEVEL),
        ({"inflow": [None] * 9 + steady(3)}, Method.LOCAL_LEVEL),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Method) else None,
)
def test_the_method_is_named(monthly: dict[str, object], method: Method) -> None:
    found, p10, p50, p90 = one(**monthly)
    assert found is method
    assert p10 <= p50 <= p90
    assert method.text


def test_a_constant_history_is_no_false_certainty() -> None:
    _, p10, p50, p90 = one(inflow=1_000_000)
    assert p50 == 1_000_000
    assert p90 - p10 >= 2 * 1.28 * SMALLEST_DEVIATION * 1_000_000 - 2
    _, p10, _, p90 = one(inflow=[1_000_000] * 11 + [1_000_001])
    assert p90 - p10 >= 2 * 1.28 * SMALLEST_DEVIATION * 1_000_000 - 2


def test_a_model_that_does_not_converge_is_named_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_local_level(np.array([1.0, 2.0, 1.5, 1.7]))
    monkeypatch.setattr("limits.capacity.fit_local_level", lambda series: dataclasses.replace(fit, converged=False))
    method, p10, p50, p90 = one(inflow=[100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200])
    assert (method, p10, p50, p90) == (Method.NOT_CONVERGED, 100, 650, 1200)
    assert not method.is_forecast


def test_months_not_seen_widen_the_forecast_and_are_not_zeros() -> None:
    _, p10, p50, p90 = one(inflow=steady())
    _, q10, q50, q90 = one(inflow=[*steady(9), None, None, None])
    assert abs(q50 - p50) < 50_000
    assert q90 - q10 >= p90 - p10


@pytest.mark.parametrize("horizon", [0, -1, 121])
def test_a_horizon_that_makes_no_sense_is_refused(horizon: int) -> None:
    with pytest.raises(ValueError, match="it must be 1 to 120"):
        estimate_capacity(flow(inflow=steady()), horizon)


def test_nobody_is_a_portfolio_too() -> None:
    empty = make_portfolio([{}]).take([]).cash_flow
    found = estimate_capacity(empty)
    assert isinstance(found, Capacity) and len(found) == 0


def test_who_else_is_there_and_how_far_back_the_months_go_changes_nothing() -> None:
    alone = estimate_capacity(flow(inflow=[None] * 4 + steady(8)))
    short = estimate_capacity(make_portfolio([{"inflow": steady(8), "essential_spend": 0}], months=8).cash_flow)
    for name in ("p10", "p50", "p90", "method", "months_observed"):
        assert int(getattr(alone, name)[0]) == int(getattr(short, name)[0]), name


def test_the_currency_unit_does_not_matter() -> None:
    _, p10, p50, p90 = one(inflow=steady())
    _, q10, q50, q90 = one(inflow=[100 * v for v in steady()])
    assert np.allclose([q10, q50, q90], [100 * p10, 100 * p50, 100 * p90], rtol=1e-6, atol=200)


# The model -----------------------------------------------------------------------------------


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
