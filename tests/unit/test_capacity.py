"""Capacity of users: the guards before the forecast, and what must hold of every forecast."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.capacity import FORECASTS, Capacity, Method, estimate, estimate_capacity, kernels, warm
from limits.capacity.combining import capacity_quantiles
from limits.money import LARGEST_MINOR
from limits.portfolio import CashFlow
from tests.portfolios import make_portfolio

COLUMNS = tuple(f.name for f in dataclasses.fields(Capacity))


def flow(**monthly: object) -> CashFlow:
    return make_portfolio([{"essential_spend": 0, **monthly}]).cash_flow


def one(**monthly: object) -> tuple[Method, int, int, int]:
    found = estimate_capacity(flow(**monthly))
    return Method(int(found.method[0])), int(found.p10[0]), int(found.p50[0]), int(found.p90[0])


def steady(n: int = 12) -> list[int]:
    return [2_000_000 + 30_000 * ((-1) ** k) + 7_000 * (k % 3) for k in range(n)]


@pytest.mark.parametrize(
    ("monthly", "method", "past"),
    [
        ({"inflow": [None] * 10 + [5, 6]}, Method.TOO_SHORT, 5),
        ({"inflow": [None] * 10 + [5, 6], "essential_spend": 7}, Method.TOO_SHORT, -2),
        ({"inflow": [None] * 12}, Method.TOO_SHORT, 0),
        ({"inflow": [900_000] * 12}, Method.CONSTANT, 900_000),
        ({"inflow": [900_000] * 12, "essential_spend": 200_000}, Method.CONSTANT, 700_000),
        ({"inflow": [None] * 3 + [900_000] * 4 + [None] + [900_000] * 3 + [None]}, Method.CONSTANT, 900_000),
        ({"inflow": 0}, Method.NO_EVIDENCE, 0),
        ({"inflow": 0, "essential_spend": 50_000}, Method.NO_EVIDENCE, -50_000),
        ({"inflow": 0, "repaid": [0] * 10 + [5, 6]}, Method.NO_EVIDENCE, 0),
        ({"inflow": 0, "repaid": steady()}, Method.REVEALED_REPAYMENT, 2_007_000),
        ({"inflow": 0, "repaid": 70_000, "essential_spend": 9}, Method.REVEALED_REPAYMENT, 70_000),
        ({"inflow": steady()}, Method.POOLED, 2_007_000),
        ({"inflow": 900_000, "essential_spend": steady()}, Method.POOLED, 900_000 - 2_007_000),
        ({"inflow": [*steady(6), None, *steady(5)]}, Method.POOLED, 2_009_090),
        ({"inflow": [None] * 9 + steady(3)}, Method.POOLED, 2_017_000),
        ({"inflow": [*steady(10), 0, 0]}, Method.STEPPED, 1_671_916),
        ({"inflow": steady(), "obligations": [900_000] * 8 + [100_000] * 4}, Method.STEPPED, 1_373_666),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Method) else "",
)
def test_the_method_is_named(monthly: dict[str, object], method: Method, past: int) -> None:
    found, p10, p50, p90 = one(**monthly)
    assert found is method
    assert p10 <= p50 <= p90
    assert method.text() != method.text("zh")
    assert int(estimate_capacity(flow(**monthly)).past[0]) == past


def test_every_method_has_a_text_and_its_number_finds_it() -> None:
    assert len({method.text for method in Method}) == len(Method)
    assert [bool(FORECASTS[method]) for method in Method] == [method.is_forecast for method in Method]
    assert [int(method) for method in Method] == list(range(len(Method)))


@pytest.mark.parametrize("monthly", [{"inflow": 1_000_000}, {"inflow": 0, "repaid": 1_000_000}])
def test_a_constant_history_is_no_false_certainty(monthly: dict[str, object]) -> None:
    """Twelve equal months: the interval is as wide as what is usual makes it, and not much narrower a coin apart."""
    _, p10, p50, p90 = one(**monthly)
    assert p50 == pytest.approx(1_000_000, rel=0.01)
    assert p90 - p10 > 0.05 * 1_000_000
    _, q10, _, q90 = one(inflow=[1_000_000] * 11 + [1_000_001])
    assert q90 - q10 == pytest.approx(p90 - p10, rel=0.2)


@pytest.mark.parametrize("months", range(3, 12))
def test_a_longer_equal_history_never_widens_the_interval(months: int) -> None:
    def width(n: int) -> int:
        _, low, _, high = one(inflow=[None] * (12 - n) + [1_000_000] * n, essential_spend=300_000)
        return high - low

    assert 0 < width(months + 1) <= width(months)


@pytest.mark.parametrize("left", [0, 200_000])
def test_a_lost_job_is_seen_within_two_months(left: int) -> None:
    found = estimate_capacity(flow(inflow=[*steady(10), left, left], essential_spend=700_000))
    assert found.method[0] == Method.STEPPED
    assert found.p50[0] < found.past[0] < steady(1)[0] - 700_000
    assert found.p50[0] < 0
    before = estimate_capacity(flow(inflow=steady(10), essential_spend=700_000))
    assert found.p10[0] < before.p10[0] - 1_000_000


def test_repayments_are_never_forecast_below_zero() -> None:
    _, p10, p50, _ = one(inflow=0, repaid=[0, 0, 90_000, 0, 0, 0, 20_000, 0, 0, 0, 0, 30_000])
    assert 0 <= p10 <= p50


def test_a_number_that_is_none_is_named_and_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> object:
        found = capacity_quantiles(*args)  # type: ignore[arg-type]
        return dataclasses.replace(found, low=np.full_like(found.low, np.nan))

    monkeypatch.setattr(estimate, "capacity_quantiles", broken)
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


def test_a_portfolio_without_months_is_too_short() -> None:
    cells = {f.name: getattr(flow(), f.name)[..., :0] for f in dataclasses.fields(CashFlow)}
    found = estimate_capacity(CashFlow(**cells))
    assert [int(getattr(found, name)[0]) for name in COLUMNS] == [0, 0, 0, Method.TOO_SHORT, 0, 0]


def test_how_far_back_the_months_go_changes_nothing() -> None:
    for monthly in (steady(8), [700] * 8, [*steady(5), 0, 0, 0]):
        alone = estimate_capacity(flow(inflow=[None] * 4 + monthly))
        short = estimate_capacity(make_portfolio([{"inflow": monthly, "essential_spend": 0}], months=8).cash_flow)
        for name in COLUMNS:
            assert int(getattr(alone, name)[0]) == int(getattr(short, name)[0]), name


def many_users(n: int = 500) -> CashFlow:
    """Users of every method, some with gaps and late starts."""
    rng = np.random.default_rng(7)
    users = []
    for k in range(n):
        months = int(rng.integers(1, 13))
        inflow = np.round(rng.lognormal(14, 0.4, months)).astype(int).tolist()
        spend = np.round(rng.lognormal(13, 0.4, months)).astype(int).tolist()
        repaid = [int(v) for v in rng.integers(0, 2, months) * 90_000]
        if k % 5 == 1:
            inflow = [0] * months
        if k % 7 == 1:
            inflow, spend = [inflow[0]] * months, [spend[0]] * months
        if k % 11 == 1 and months > 2:
            inflow[1] = None
        users.append({"inflow": inflow, "essential_spend": spend, "repaid": repaid})
    return make_portfolio(users).cash_flow


@pytest.mark.parametrize("block", [1, 7, 64, 499, 500])
def test_the_size_of_a_block_and_the_order_change_no_bit(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    users = many_users()
    whole = estimate_capacity(users)
    assert {*whole.method.tolist()} == {*Method} - {Method.NOT_CONVERGED}
    order = np.random.default_rng(block).permutation(len(users))
    monkeypatch.setattr(estimate, "BLOCK_USERS", block)
    shuffled = estimate_capacity(users.take(order))
    for name in COLUMNS:
        assert np.array_equal(getattr(whole, name)[order], getattr(shuffled, name)), name


amount = st.one_of(st.none(), st.just(0), st.integers(0, 3_000_000), st.integers(0, LARGEST_MINOR))
amounts = st.lists(amount, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({"inflow": amounts, "essential_spend": amounts, "obligations": amounts, "repaid": amounts})
)
def test_whatever_comes_the_quantiles_ascend_and_stay_in_range(monthly: dict[str, object]) -> None:
    """The numbers are integers, so a NaN would show as an absurd one."""
    found = estimate_capacity(flow(**monthly), 6)
    assert -LARGEST_MINOR <= found.p10[0] <= found.p50[0] <= found.p90[0] <= LARGEST_MINOR
    assert found.method[0] != Method.NOT_CONVERGED


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3_000_000), min_size=3, max_size=12), st.sampled_from([2, 100, 128, 1000]))
def test_another_unit_of_the_currency_scales_capacity(inflow: list[int], unit: int) -> None:
    spend = [v // 3 for v in reversed(inflow)]
    method, *small = one(inflow=inflow, essential_spend=spend)
    other, *large = one(inflow=[unit * v for v in inflow], essential_spend=[unit * v for v in spend])
    assert other is method
    assert np.allclose(large, [unit * v for v in small], rtol=1e-6, atol=1.01 * unit)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1_500_000, 2_500_000), min_size=6, max_size=12), st.integers(0, 2_000_000))
def test_more_income_every_month_is_as_much_more_capacity(inflow: list[int], extra: int) -> None:
    """Exact for the local level model (test_combining). The usual forecast's prior is a share of the amounts, so
    that a larger income is also taken to vary more: the middle moves by the constant within a few percent of all.
    """
    _, _, before, _ = one(inflow=inflow, essential_spend=400_000)
    _, _, after, _ = one(inflow=[v + extra for v in inflow], essential_spend=400_000)
    assert after - before == pytest.approx(extra, abs=0.04 * (max(inflow) + extra))


def test_reading_the_names_of_the_methods_loads_no_engine() -> None:
    """The command line and the reader of the log need no more than them."""
    code = (
        "import sys, limits.capacity, limits.decision, limits.explanation; limits.capacity.Method(0).text; "
        "sys.exit(bool({'numba', 'scipy', 'statsmodels'} & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_nothing_can_be_kept_the_kernels_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/proc/none")

    @kernels.kernel
    def twice(value: float) -> float:
        return 2.0 * value

    told: list[str] = []
    with kernels.when_compiling(lambda: told.append("compiling")):
        assert twice(1.5) == 3.0
        assert twice(2) == 4.0
    assert told == ["compiling"]


def test_what_is_ready_is_not_compiled_again() -> None:
    warm()
    told: list[str] = []
    warm(lambda: told.append("compiling"))
    assert not told
