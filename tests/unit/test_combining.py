"""Capacity: inflow less outgoings with their correlation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.capacity.combining import capacity_quantiles


def flows(rows: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inflow = 3000 + 400 * rng.normal(size=(rows, 18))
    return inflow, 0.7 * inflow + 200 * rng.normal(size=(rows, 18))


def test_quantiles_ascend_and_one_user_equals_many():
    inflow, outgoings = flows()
    found = capacity_quantiles(inflow, outgoings, 3)
    assert (found.low <= found.middle).all()
    assert (found.middle <= found.high).all()
    for i in (0, 17, 49):
        one = capacity_quantiles(inflow[i : i + 1], outgoings[i : i + 1], 3)
        assert (one.low[0], one.middle[0], one.high[0]) == (found.low[i], found.middle[i], found.high[i])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_a_constant_added_to_inflow_shifts_capacity(extra):
    inflow, outgoings = flows()
    one = capacity_quantiles(inflow, outgoings, 3, model="local_level")
    other = capacity_quantiles(inflow + extra, outgoings, 3, model="local_level")
    np.testing.assert_allclose(other.middle, one.middle + extra, rtol=1e-6, atol=1e-6 * (extra + 3000))
    np.testing.assert_allclose(other.low, one.low + extra, rtol=1e-4, atol=1e-4 * (extra + 3000))
    auto, more = capacity_quantiles(inflow, outgoings, 3), capacity_quantiles(inflow + extra, outgoings, 3)
    np.testing.assert_allclose(more.middle, auto.middle + extra, atol=0.02 * (extra + 3000))


@settings(max_examples=30, deadline=None)
@given(st.integers(-10, 10))
def test_another_currency_scales_capacity(power):
    inflow, outgoings = flows()
    one, other = (capacity_quantiles(inflow * f, outgoings * f, 3) for f in (1.0, 2.0**power))
    np.testing.assert_allclose(other.low, one.low * 2.0**power, rtol=1e-9, atol=1e-6)


def test_unknown_outgoings_leave_no_certainty():
    inflow, outgoings = flows(2)
    outgoings[0] = np.nan
    found = capacity_quantiles(inflow, outgoings, 3)
    assert found.outgoings.method[0] == "unobserved"
    assert (found.low[0], found.middle[0], found.high[0], found.deviation[0]) == (0.0, 0.0, 0.0, np.inf)
    assert np.isfinite(found.deviation[1])


@pytest.mark.parametrize("model", ["auto", "local_level"])
def test_outgoings_that_were_always_zero_leave_no_certainty(model):
    """Their width comes from what the user's income says of its amounts, and falls as the months become more."""
    steady = 3000.0 + 20.0 * (np.arange(24.0)[None] % 3)
    widths = []
    for months in (3, 6, 12, 24):
        found = capacity_quantiles(steady[:, :months], np.zeros((1, months)), 3, model=model)
        assert found.outgoings.method[0] == "all_zero"
        assert found.outgoings.quantile_of_mean(0.5)[0] < 0.05 * 3000.0
        widths.append(found.outgoings.quantile_of_mean(0.9)[0])
    assert widths[2] > 0.001 * 3000.0
    assert (np.diff(widths) < 0.0).all()
    larger = capacity_quantiles(2.0 * steady, np.zeros((1, 24)), 3, model=model)
    assert larger.outgoings.quantile_of_mean(0.9)[0] == pytest.approx(2.0 * widths[3])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        capacity_quantiles(np.ones((2, 3)), np.ones((2, 4)), 3)
