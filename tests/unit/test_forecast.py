"""The forecast against itself in other orders, blocks and threads, and against bad input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from limits.capacity.forecasting import LARGEST, METHODS, forecast
from limits.capacity.prior import Prior
from tests.series import made_up, real

MODELS = ("auto", "local_level", "damped_trend", "robust")


def same(one, other, rows) -> None:
    for name in ("mean", "variance", "loglik", "growth"):
        assert np.array_equal(getattr(one, name)[rows], getattr(other, name), equal_nan=True), name
    for q in (0.003, 0.1, 0.5, 0.9):
        assert np.array_equal(one.quantile(q)[rows], other.quantile(q))
        assert np.array_equal(one.quantile_of_mean(q)[rows], other.quantile_of_mean(q))
    assert np.array_equal(one.method[rows], other.method)


@pytest.mark.parametrize("model", MODELS)
def test_a_row_does_not_depend_on_the_others(model):
    series = made_up(300, seed=5)
    series[:6] = np.array([[np.nan], [0.0], [5.0], [1e18], [1e-9], [-3.0]])
    whole = forecast(series, 3, model=model)
    rng = np.random.default_rng(0)
    for rows in (rng.permutation(300), rng.permutation(300)[:77], *(np.array([i]) for i in range(60))):
        same(whole, forecast(series[rows], 3, model=model), rows)
    same(whole, forecast(np.asfortranarray(series), 3, model=model), np.arange(300))


@pytest.mark.parametrize("model", MODELS)
def test_real_rows_do_not_depend_on_block_or_thread(model):
    series = 25_000.0 * real()
    whole = forecast(series, 3, model=model)
    blocks = [np.arange(begin, min(begin + size, len(series))) for size in (64, 251) for begin in range(0, 600, size)]
    with ThreadPoolExecutor(4) as pool:
        for rows, found in zip(
            blocks, pool.map(lambda rows: forecast(series[rows], 3, model=model), blocks), strict=True
        ):
            same(whole, found, rows)


@pytest.mark.parametrize("model", MODELS)
def test_odd_rows_get_a_named_method_and_no_nan(model):
    nan = np.nan
    series = np.array([
        [nan] * 6, [0.0] * 6, [5.0] * 6, [nan] * 5 + [7.0], [7.0] + [nan] * 5, [1e18, 1, 1e18, 0, 1e17, 3],
        [1e-300, 2e-300, 0, 0, 1e-300, 0], [0, 0, 0, 0, 0, 100.0], [-5.0, 3, -2, 1, 0, 4], [1.0, 2, nan, nan, nan, nan],
    ])  # fmt: skip
    found = forecast(series, 2, model=model)
    assert found.method[0] == "unobserved"
    assert found.method[1] == "all_zero"
    assert {*found.method} <= {*METHODS}
    for q in (0.01, 0.5, 0.99):
        assert np.isfinite(found.quantile(q)[1:]).all()
        assert not np.isnan(found.quantile(q)).any()
        assert not np.isnan(found.quantile_of_mean(q)).any()
    assert not np.isnan(found.variance).any()
    assert (found.variance[2:6] > 0).all()
    assert (found.quantile(0.01)[[2, 3, 4, 5, 7]] >= 0).all()
    assert (forecast(series, 2, model=model, prior=Prior(typical_amount=100.0)).variance[1] > 0).all()


@pytest.mark.parametrize("series", [np.zeros(3), np.zeros((2, 0)), np.array([[1.0, np.inf]]), np.array([[1, 2]]),
                                    np.array([[1.0, 2.0 * LARGEST]]), [[1.0]]])  # fmt: skip
def test_bad_series_are_refused(series):
    with pytest.raises(ValueError):
        forecast(series, 3)


@pytest.mark.parametrize("horizon", [0, -1, 1.5, True, 1000])
def test_bad_horizons_are_refused(horizon):
    with pytest.raises(ValueError, match="horizon"):
        forecast(np.ones((1, 3)), horizon)


def test_no_users_is_no_error():
    assert forecast(np.empty((0, 5)), 3).mean.shape == (0, 3)


@pytest.mark.parametrize("after", [0.0, 300.0])
def test_falls_within_two_months_of_a_job_loss(after):
    before = 3000 + 150 * np.random.default_rng(1).normal(size=12)
    found = forecast(np.array([[*before, after, after]]), 3)
    assert found.quantile(0.5)[0, 0] < 1000
    assert found.method[0] == "step"


def step(before: float, after: float, months: int, earlier: int = 12) -> np.ndarray:
    """A steady level that steps to another for ``months`` months, in one row."""
    return np.array(
        [[*(before * (1 + 0.005 * (np.arange(earlier) % 4))), *(after * (1 + 0.005 * (np.arange(months) % 5)))]]
    )


@pytest.mark.parametrize("earlier", [12, 24, 96])
@pytest.mark.parametrize(("before", "after"), [(0, 2e6), (1.4e6, 2e6), (2e6, 4e5), (4e6, 2e6)])
@pytest.mark.parametrize("months", [12, 24])
def test_a_step_long_past_is_no_uncertainty(before, after, months, earlier):
    """As certain, nearly, as if nothing had been seen before the step."""
    found = forecast(step(before, after, months, earlier), 6)
    alone = forecast(step(before, after, months, 0), 6)
    assert (found.method[0], alone.method[0]) == ("step", "pooled")
    assert (found.quantile(0.1)[0, 0] >= 0.9 * found.quantile(0.5)[0, 0]).all()
    part = 0.8 if before > after and months == 12 else 0.9  # the mean feels the little that much larger months weigh
    assert found.quantile_of_mean(0.1)[0] >= part * found.quantile_of_mean(0.5)[0]
    for name in ("ratio", "spread"):
        assert np.array_equal(found.parameters[name], alone.parameters[name]), name
    assert found.parameters["effective_months"][0] == pytest.approx(alone.parameters["effective_months"][0], rel=0.05)
    assert found.quantile(0.5)[0] == pytest.approx(alone.quantile(0.5)[0], rel=0.01)


@pytest.mark.parametrize("before", [2e6, 0.0])
def test_a_step_is_less_certain_the_shorter_it_has_lasted(before):
    """From the second month of a fall (the third of a rise) on: the median is there, the interval narrows."""
    after = 4e5 if before else 2e6
    every = [forecast(step(before, after, months, 24), 1) for months in (2 if before else 3, 4, 6, 12, 24)]
    widths = [float((found.quantile(0.9) - found.quantile(0.1))[0, 0]) for found in every]
    effective = [float(found.parameters["effective_months"][0]) for found in every]
    assert [found.method[0] for found in every] == ["step"] * len(every)
    assert [found.quantile(0.5)[0, 0] for found in every] == pytest.approx([after] * len(every), rel=0.02)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > after > 10 * widths[-1]
    assert effective == sorted(effective)


def test_a_step_with_gaps_and_odd_amounts_is_still_forecast_row_by_row():
    series = np.abs(made_up(200, seed=11))
    series[:, 12:] *= np.where(np.arange(200) % 2, 8.0, 0.05)[:, None]
    series[::3, -2] = np.nan
    series[::5, 12] = np.nan
    whole = forecast(series, 3)
    assert (whole.method == "step").sum() > 40
    assert np.isfinite(whole.quantile(0.1)[whole.method == "step"]).all()
    for row in range(len(series)):
        same(whole, forecast(series[row : row + 1], 3), np.array([row]))


def test_one_bonus_month_hardly_moves_the_middle():
    steady = 3000 + 100 * np.random.default_rng(2).normal(size=14)
    bonus = steady.copy()
    bonus[9] = 15000
    for model in ("auto", "robust"):
        a, b = (forecast(x[None], 3, model=model).quantile(0.5)[0, 0] for x in (steady, bonus))
        assert b == pytest.approx(a, rel=0.03)


def test_one_lump_among_few_months_counts_for_less_and_among_many_it_stays():
    lump = np.full((1, 24), 100.0) + 10.0 * (np.arange(24) % 3)
    lump[0, 3::6] = 2000.0
    raw = Prior(lumps=0.0)  # as if every month counted in full
    for months, part in ((4, 0.8), (24, 0.97)):
        high, every = (forecast(lump[:, -months:], 1, prior=p).quantile(0.9)[0, 0] for p in (Prior(), raw))
        assert (high < part * every) == (months == 4), (months, high, every)
        middle = [forecast(lump[:, -months:], 1, prior=p).quantile(0.5)[0, 0] for p in (Prior(), raw)]
        assert middle[0] == pytest.approx(middle[1], rel=0.05)


def test_calm_months_narrow_their_mean_and_no_single_month():
    series = made_up(50, seed=4)
    calm, plain = (forecast(series, 3, prior=Prior(calm=c)) for c in (1.5, 1.0))
    assert (calm.mean_over_horizon.variance < plain.mean_over_horizon.variance).all()
    assert np.array_equal(calm.variance, plain.variance)
    one, other = (forecast(series, 1, prior=Prior(calm=c)).mean_over_horizon.variance for c in (1.5, 1.0))
    assert np.array_equal(one, other)


amounts = st.lists(st.floats(1.0, 1e6), min_size=3, max_size=24)


@settings(max_examples=150, deadline=None)
@example([1.5, 569465.9296875, 568366.0], 1, "local_level")  # two modes that tie
@given(amounts, st.integers(-12, 12), st.sampled_from(MODELS))
def test_another_currency_scales_the_forecast(values, power, model):
    row = np.array([values])
    one, other = forecast(row, 3, model=model), forecast(row * 2.0**power, 3, model=model)
    for q in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(other.quantile(q), one.quantile(q) * 2.0**power, rtol=1e-9, atol=1e-9 * max(values))


@settings(max_examples=100, deadline=None)
@given(amounts, st.integers(1, 10**6))
def test_a_constant_added_shifts_the_local_level(values, shift):
    row = np.round(np.array([values]))
    if row.max() == row.min():
        return
    one, other = forecast(row, 3, model="local_level"), forecast(row + shift, 3, model="local_level")
    np.testing.assert_allclose(other.mean - shift, one.mean, rtol=1e-5, atol=1e-5 * (shift + row.max()))


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 1e9), st.sampled_from(MODELS), st.integers(2, 40))
def test_a_longer_equal_history_never_widens_the_interval(value, model, months):
    def width(n: int) -> np.ndarray:
        found = forecast(np.full((1, n), value), 3, model=model)
        return np.append(
            found.quantile(0.9) - found.quantile(0.1), found.quantile_of_mean(0.9) - found.quantile_of_mean(0.1)
        )

    assert (width(months + 1) <= width(months) * (1 + 1e-9)).all()
    assert (width(months) > 0).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=15), st.sampled_from(MODELS))
def test_quantiles_ascend_and_stay_above_zero(values, model):
    found = forecast(np.array([values]), 3, model=model)
    ladder = np.stack([found.quantile(q) for q in (0.001, 0.05, 0.1, 0.33, 0.5, 0.7, 0.9, 0.995)])
    assert (np.diff(ladder, axis=0) >= -1e-9 * max(1.0, *values)).all()
    assert (ladder >= 0).all()


def test_variance_of_the_mean_follows_from_the_joint_covariance():
    series = made_up(50, seed=9)
    for model in ("local_level", "damped_trend"):
        found = forecast(series, 4, model=model)
        rng = np.random.default_rng(0)
        if model == "local_level":
            ratio, scale, spread = (found.parameters[k] for k in ("ratio", "scale", "spread"))
            idle = np.isnan(series[:, ::-1]).cumprod(axis=1).sum(axis=1)
            level = rng.normal(size=(40000, 50)) * np.sqrt(scale * (spread + idle * ratio))
            total = np.zeros_like(level)
            for _ in range(4):
                level += rng.normal(size=level.shape) * np.sqrt(scale * ratio)
                total += level + rng.normal(size=level.shape) * np.sqrt(scale * (1 - ratio))
            np.testing.assert_allclose((total / 4).var(axis=0), found.mean_over_horizon.variance, rtol=0.05)
        assert (found.mean_over_horizon.variance <= found.variance.max(axis=1) + 1e-9).all()
