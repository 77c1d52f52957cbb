"""Month-of-year factors of a segment, and forecasts with them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.bench.seasonal import KINDS, portfolio, true_factors
from limits.capacity import seasonal_trial
from limits.capacity.combining import capacity_quantiles
from limits.capacity.estimate import estimate_capacity
from limits.capacity.forecasting import Forecast, forecast
from limits.capacity.prior import Prior
from limits.capacity.seasonal import (
    Seasonal,
    Seasons,
    at_months,
    combined,
    coming_months,
    drawn_in,
    month_factors,
    seasonal_capacity,
    seasonal_forecast,
    segment_index,
)
from limits.capacity.seasonal_trial import paired, season_trial
from limits.portfolio import CashFlow
from tests.series import made_up

DECEMBER = true_factors("13th salary")
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)


def months(count: int, first: str = "2023-03") -> np.ndarray:
    return np.datetime64(first, "M") + np.arange(count)


def assert_same(one: Forecast, other: Forecast) -> None:
    for field in dataclasses.fields(Forecast):
        if field.name not in ("parameters", "season"):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)
    for q in LEVELS:
        np.testing.assert_array_equal(one.quantile(q), other.quantile(q))
        np.testing.assert_array_equal(one.quantile_of_mean(q), other.quantile_of_mean(q))


# The index and the factors.


@pytest.mark.parametrize("kind", ["13th salary", "13th salary of two users in five", "new-year bonus"])
def test_factors_are_found_though_users_come_and_go(kind):
    found = month_factors(*portfolio(kind, 3))
    assert found is not None
    assert found.factors.mean() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found.factors, true_factors(kind), atol=0.05)
    assert (found.months, found.users) == (60, 300)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_who_comes_and_goes_does_not_move_the_index(seed):
    """Amounts that are level times index give back the index, whichever months of whichever users are seen."""
    dice = np.random.default_rng(seed)
    index = np.exp(0.2 * dice.normal(size=30))
    series = np.exp(2.0 * dice.normal(size=(80, 1))) * index
    start, end = dice.integers(0, 15, (80, 1)), dice.integers(22, 31, (80, 1))
    series[(np.arange(30) < start) | (np.arange(30) >= end) | (dice.random((80, 30)) < 0.1)] = np.nan
    found = segment_index(series).level
    known = np.isfinite(found)
    assert known.sum() >= 15
    assert known.tolist() == (np.isfinite(series).sum(axis=0) >= 20).tolist()
    np.testing.assert_allclose(found[known], index[known] / index[known].mean(), rtol=1e-6)


def test_one_windfall_is_no_season():
    series = portfolio("none", 0)[1]
    windfall = series.copy()
    windfall[:10, -1] *= 1000.0
    one, other = segment_index(series).level, segment_index(windfall).level
    np.testing.assert_allclose(other, one, rtol=0.03)


def test_the_currency_does_not_matter():
    when, series = portfolio("13th salary", 1)
    np.testing.assert_array_equal(month_factors(when, series).factors, month_factors(when, 1024.0 * series).factors)


def test_too_little_gives_no_factors():
    when, series = portfolio("13th salary", 0)
    assert month_factors(when[-24:], series[:, -24:]) is not None
    assert month_factors(when[-23:], series[:, -23:]) is None
    assert month_factors(when, series[:19]) is None
    assert month_factors(when, -series) is None
    assert month_factors(when, 0.0 * series) is None
    once = series.copy()
    once[:, (when.astype(int) % 12 == 4) & (when < when[-12])] = np.nan
    assert month_factors(when, once) is None


def test_a_month_of_almost_nothing_gives_no_factors():
    when, series = portfolio("none", 0)
    series[:, when.astype(int) % 12 == 6] *= 0.01
    assert month_factors(when, series) is None


def test_months_must_be_those_of_the_columns():
    when, series = portfolio("none", 0)
    with pytest.raises(ValueError, match="there must be a month a column"):
        month_factors(when[1:], series)
    with pytest.raises(ValueError, match="follow one another"):
        month_factors(np.delete(when, 5), np.delete(series, 5, axis=1))


def test_effects_no_larger_than_their_errors_are_none():
    errors = np.full(12, 0.1)
    effects = np.where(np.arange(12) % 2, 0.09, -0.09)
    assert (drawn_in(effects, errors) == 0.0).all()
    np.testing.assert_allclose(drawn_in(2.0 * effects, errors), 2.0 * effects * (1.0 - 0.1**2 / 0.18**2))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_factor_is_a_number_above_zero(bad):
    factors = np.ones(12)
    factors[3] = bad
    with pytest.raises(ValueError, match="finite number above 0"):
        Seasonal(factors, np.zeros(12), 24, 20)
    with pytest.raises(ValueError, match="finite number above 0"):
        Seasons(np.ones((1, 12)), factors[None, :])


# Forecasts with factors.


@pytest.mark.parametrize("horizon", [1, 3, 9, 24])
def test_factors_of_one_change_no_bit(horizon):
    series = np.vstack([made_up(200), np.full((1, 24), 7.0), np.zeros((1, 24)), np.full((1, 24), np.nan)])
    prior = Prior(typical_amount=900.0)
    found = seasonal_forecast(series, horizon, np.ones_like(series), np.ones((len(series), horizon)), prior=prior)
    assert_same(found, forecast(series, horizon, prior=prior))


def factors_for(series: np.ndarray, horizon: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    every = np.exp(0.3 * dice.normal(size=(len(series), 12)))
    when = months(series.shape[1])
    return at_months(every, when), at_months(every, coming_months(when, horizon))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14))
def test_many_at_once_are_the_same_bits_as_one_by_one(seed, horizon):
    series = made_up(12, seed=seed)
    past, coming = factors_for(series, horizon, seed)
    found = seasonal_forecast(series, horizon, past, coming)
    for i in range(len(series)):
        one = seasonal_forecast(series[i : i + 1], horizon, past[i : i + 1], coming[i : i + 1])
        for q in LEVELS:
            np.testing.assert_array_equal(one.quantile(q)[0], found.quantile(q)[i])
            assert one.quantile_of_mean(q)[0] == found.quantile_of_mean(q)[i]


def test_scale_passes_through():
    series = made_up(50)
    past, coming = factors_for(series, 4)
    one, other = (seasonal_forecast(unit * series, 4, past, coming) for unit in (1.0, 64.0))
    np.testing.assert_allclose(64.0 * one.quantile(0.1), other.quantile(0.1), rtol=1e-12)
    np.testing.assert_allclose(64.0 * one.quantile_of_mean(0.1), other.quantile_of_mean(0.1), rtol=1e-12)
    # A factor that is the same in every month is a change of unit, and is undone.
    same = seasonal_forecast(series, 4, np.full_like(series, 2.0), np.full((50, 4), 2.0))
    np.testing.assert_allclose(same.quantile(0.9), forecast(series, 4).quantile(0.9), rtol=1e-12)
    np.testing.assert_allclose(same.quantile_of_mean(0.9), forecast(series, 4).quantile_of_mean(0.9), rtol=1e-12)


def test_every_coming_month_is_that_of_the_usual_month_times_its_factor():
    series = made_up(50)
    past, coming = factors_for(series, 5)
    found, plain = seasonal_forecast(series, 5, past, coming), forecast(series / past, 5)
    for q in LEVELS:
        np.testing.assert_allclose(found.quantile(q), plain.quantile(q) * coming, rtol=1e-12)
    np.testing.assert_allclose(found.variance, plain.variance * coming**2, rtol=1e-12)


def test_the_mean_of_the_months_has_their_joint_covariance():
    series, horizon = made_up(50), 6
    past, coming = factors_for(series, horizon)
    found, plain = seasonal_forecast(series, horizon, past, coming), forecast(series / past, horizon)
    ahead = np.arange(1, horizon + 1)
    for i in range(len(series)):
        ratio = plain.parameters["ratio"][i]
        idle = 23 - np.flatnonzero(np.isfinite(series[i]))[-1]
        before = plain.parameters["spread"][i] + ratio * idle
        one = before + ratio + (1.0 - ratio)
        calm = horizon ** (1.0 - Prior().calm)  # how much calmer the mean of all is than if months were independent
        unit = before + ratio * np.minimum.outer(ahead, ahead) + (1.0 - ratio) * calm * np.eye(horizon)
        joint = unit * plain.variance[i, 0] / one
        weight = coming[i] / horizon
        np.testing.assert_allclose(found.mean_over_horizon.variance[i], weight @ joint @ weight, rtol=1e-9)
        np.testing.assert_allclose(found.mean_over_horizon.mean[i], weight @ plain.mean[i], rtol=1e-9)
    assert (np.diff([found.quantile_of_mean(q) for q in LEVELS], axis=0) >= 0.0).all()


def test_shapes_must_agree():
    series = made_up(3)
    with pytest.raises(ValueError, match="factors have shapes"):
        seasonal_forecast(series, 3, np.ones((3, 23)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="factors have shapes"):
        seasonal_forecast(series, 3, np.ones((3, 24)), np.ones((3, 2)))


# Capacity.


def test_inflow_and_outgoings_are_put_together_by_the_one_rule():
    inflow, outgoings = made_up(60), made_up(60, seed=1)
    inflow[3] = np.nan
    wanted = capacity_quantiles(inflow, outgoings, 3)
    ones = Seasons(np.ones((60, 12)), np.ones((60, 12)))
    again = combined(wanted.inflow, wanted.outgoings, wanted.correlation)
    for found in (again, seasonal_capacity(inflow, outgoings, 3, months(24), ones)):
        for name in ("low", "middle", "high", "mean", "deviation", "correlation"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def cash_flow(users: int = 40, last: str = "2025-11") -> CashFlow:
    """Two years of a salary with a 13th in December, steady costs, and a user of whom only repayments are seen."""
    dice = np.random.default_rng(5)
    when = np.datetime64(last, "M") - 23 + np.arange(24)
    inflow = 300_000.0 * DECEMBER[when.astype(int) % 12] * np.exp(0.05 * dice.normal(size=(users, 24)))
    inflow[0] = 0.0
    spent = 150_000.0 * np.exp(0.05 * dice.normal(size=(users, 24)))
    whole = {"inflow": inflow, "essential_spend": spent, "repaid": np.full_like(spent, 20_000.0)}
    none = np.zeros((users, 24), np.int64)
    names = ("discretionary_spend", "fees", "penalties", "obligations", "amount_due")
    return CashFlow(
        months=when, observed=np.ones((users, 24), np.bool_), **dict.fromkeys(names, none),
        **{name: amount.astype(np.int64) for name, amount in whole.items()},
    )  # fmt: skip


def december(users: int) -> Seasons:
    return Seasons(np.tile(DECEMBER, (users, 1)), np.ones((users, 12)))


def test_capacity_without_seasons_and_with_ones_is_the_same():
    flow = cash_flow()
    ones = Seasons(np.ones((40, 12)), np.ones((40, 12)))
    one, other = estimate_capacity(flow), estimate_capacity(flow, seasons=ones)
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_capacity_knows_whether_the_13th_salary_is_to_come():
    before, after = (
        estimate_capacity(cash_flow(last=last), 3, seasons=december(40)) for last in ("2025-11", "2025-12")
    )
    assert before.p50[1:] == pytest.approx(300_000 * (DECEMBER[11] + 2 * DECEMBER[0]) / 3 - 150_000, rel=0.15)
    assert after.p50[1:] == pytest.approx(300_000 * DECEMBER[0] - 150_000, rel=0.15)
    # Without factors the year's average stands for both, and the width is that of Decembers too.
    plain = estimate_capacity(cash_flow(last="2025-12"), 3)
    assert ((after.p90 - after.p10)[1:] < (plain.p90 - plain.p10)[1:]).mean() > 0.9
    # What was repaid has no season.
    assert (after.p10[0], after.p50[0]) == (plain.p10[0], plain.p50[0])


def test_capacity_of_one_user_is_that_of_many():
    flow, seasons = cash_flow(), december(40)
    found = estimate_capacity(flow, 6, seasons=seasons)
    for i in (0, 1, 39):
        rows = np.array([i])
        one = estimate_capacity(flow.take(rows), 6, seasons=seasons.take(rows))
        assert (one.p10[0], one.p50[0], one.p90[0]) == (found.p10[i], found.p50[i], found.p90[i])


def test_seasons_must_fit_the_users_and_the_months():
    flow = cash_flow()
    with pytest.raises(ValueError, match="seasons of 39 users for 40"):
        estimate_capacity(flow, seasons=december(39))
    gap = dataclasses.replace(flow, months=flow.months - (np.arange(24) < 5))
    with pytest.raises(ValueError, match="follow one another"):
        estimate_capacity(gap, seasons=december(40))


def test_each_user_gets_the_factors_of_the_segment():
    one = Seasonal(DECEMBER, np.zeros(12), 24, 20)
    found = Seasons.of_segments(np.array(["b", "a", "c", "a"]), {"a": one}, {"c": one})
    np.testing.assert_array_equal(found.inflow, [np.ones(12), DECEMBER, np.ones(12), DECEMBER])
    np.testing.assert_array_equal(found.outgoings, [np.ones(12), np.ones(12), DECEMBER, np.ones(12)])
    assert len(Seasons.of_segments(np.array([], dtype=str), {"a": one}, {})) == 0


# Where it gains.


@cache
def tried(kind: str):
    return season_trial(*portfolio(kind, 0), 3, 24)


@pytest.mark.parametrize("kind", ["13th salary", "new-year bonus"])
def test_a_season_is_applied_and_gains(kind):
    found = tried(kind)
    assert found.applied, found.reason
    assert found.gain > 10.0 * found.error > 0.0
    assert found.within.pinball_mean < 0.8 * found.without.pinball_mean
    assert found.within.forecasts == found.without.forecasts
    assert found.gain == pytest.approx(found.without.pinball_mean - found.within.pinball_mean)
    assert (found.seasonal.gain, found.seasonal.gain_error) == (found.gain, found.error)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("none", "standard errors"),
        ("none, one good December", "standard errors"),
        ("13th salary of two users in five", "as many users"),
    ],
)
def test_what_is_no_season_of_the_segment_is_not_applied(kind, why):
    found = tried(kind)
    assert not found.applied
    assert why in found.reason
    assert np.isfinite([found.gain, found.error]).all()


def test_without_a_season_hardly_any_portfolio_is_given_one():
    assert sum(season_trial(*portfolio("none", seed, users=80), 3, 24).applied for seed in range(20)) <= 2


def test_too_little_to_compare_is_said():
    when, series = portfolio("13th salary", 0)
    few = season_trial(when[:20], series[:, :20], 3, 24)
    assert (few.applied, few.seasonal, few.origins) == (False, None, 0)
    assert "too few months" in few.reason
    some = season_trial(when[:30], series[:, :30], 3, 24)
    assert not some.applied
    assert "cover 6 of the 12" in some.reason


def test_a_gain_of_one_year_alone_is_not_enough():
    args = (True, 12, 5.0, 1.0)
    assert seasonal_trial._verdict(*args, (8.0, 2.0), 10, 3)[0]
    assert "each twelve origins" in seasonal_trial._verdict(*args, (11.0, -1.0), 10, 3)[1]


def test_no_month_after_an_origin_is_used(monkeypatch):
    """Everything after the oldest origin is changed: what is forecast from there stays the same, bit for bit."""
    when, series = portfolio("new-year bonus", 2, users=60)
    oldest = len(when) - 3 - 11
    made: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def recorded(known, train, horizon, factors):
        made.append((known, factors, with_factors(known, train, horizon, factors)))
        return made[-1][2]

    with_factors = seasonal_trial.with_factors
    monkeypatch.setattr(seasonal_trial, "with_factors", recorded)
    season_trial(when, series, 3, 12)
    changed = series.copy()
    changed[:, oldest:] = 5e5 * (1.0 + np.arange(len(when) - oldest))
    changed[np.isnan(series)] = np.nan
    one = made[-1]
    season_trial(when, changed, 3, 12)
    other = made[-1]
    assert one[0][-1] == when[oldest - 1]
    for before, after in zip(one, other, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(made[0][1], made[12][1])  # at the newest origin they do differ


def test_the_error_of_the_gain_counts_users_and_not_months():
    rows = [np.arange(4), np.arange(4), np.arange(4)]
    fall = np.array([1.0, 2.0, 3.0, 6.0])
    mean, error = paired(rows, [fall, fall, fall])
    assert mean == 3.0
    assert error == pytest.approx(fall.std(ddof=1) / 2.0)
    assert paired(rows[:1], [fall]) == (mean, pytest.approx(error))


def test_statsmodels_is_loaded_by_who_estimates_a_season_alone():
    code = (
        "import sys, limits.capacity.seasonal_trial as t, limits.capacity.estimate;"
        "assert 'statsmodels' not in sys.modules;"
        "from limits.bench.seasonal import portfolio;"
        "assert t.month_factors(*portfolio('13th salary', 0, 30)); assert 'statsmodels' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_made_up_portfolios_are_what_they_say():
    for kind in KINDS:
        when, series = portfolio(kind, 0)
        assert when[-1] == np.datetime64("2025-12")
        assert series.shape == (300, 60)
        assert true_factors(kind).mean() == pytest.approx(1.0)
