"""What makes the core fast changes nothing: blocks, arrays of another layout, and the pieces of the kernels."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pytest

import limits.decision
from limits.capacity import estimate_capacity, warm
from limits.capacity.kernels import when_compiling
from limits.capacity.pooled import POINTS, _insert, _middle_distance, _order
from limits.capacity.reading import habits, sides
from limits.decision import decide
from limits.portfolio import UNKNOWN, CashFlow, Portfolio
from tests.portfolios import make_portfolio
from tests.risks import risk_of
from tests.strategies import POLICY


def many() -> Portfolio:
    """Users whom different rules bind, some with gaps and some without income."""
    rng = np.random.default_rng(11)
    users = [
        {
            "credit_limit": int(rng.integers(1, 400)) * 10_000,
            "days_past_due": int(rng.choice([0, 0, 0, 10, 40, 95])),
            "missed_payments": int(rng.integers(0, 4)),
            "confirmed_fraud": bool(rng.random() < 0.05),
            "outside_monthly_payment": int(rng.choice([UNKNOWN, 300_000])),
            "inflow": [None if rng.random() < 0.1 else int(v) for v in rng.lognormal(14, 0.5, 12)],
            "obligations": int(rng.choice([0, 90_000])),
        }
        for _ in range(300)
    ]
    return make_portfolio(users)


@pytest.mark.parametrize("block", [1, 7, 299, 300])
def test_the_size_of_a_block_changes_no_decision(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    portfolio = many()
    capacity = estimate_capacity(portfolio.cash_flow)
    whole = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    assert len({*whole.binding.tolist()}) > 5
    monkeypatch.setattr(limits.decision, "BLOCK_USERS", block)
    parts = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    for field in dataclasses.fields(whole):
        if field.name not in ("capacity", "risk"):
            assert np.array_equal(getattr(whole, field.name), getattr(parts, field.name)), field.name


def laid_out(flow: CashFlow, order: Literal["C", "F"]) -> CashFlow:
    """The same months read-only, by rows or by columns, as another reader may hand them over."""
    arrays = {f.name: np.array(getattr(flow, f.name), order=order) for f in dataclasses.fields(flow)}
    for array in arrays.values():
        array.flags.writeable = False
    return CashFlow(**arrays)


@pytest.mark.parametrize("order", ["C", "F"])
def test_how_arrays_lie_in_memory_changes_nothing_and_compiles_nothing(order: Literal["C", "F"]) -> None:
    warm()
    portfolio = many()
    other = dataclasses.replace(portfolio, cash_flow=laid_out(portfolio.cash_flow, order))
    told: list[str] = []
    with when_compiling(lambda: told.append("compiling")):
        plain, turned = (estimate_capacity(p.cash_flow) for p in (portfolio, other))
        first, second = (decide(p, plain, risk_of(p), POLICY) for p in (portfolio, other))
    assert not told
    for field in dataclasses.fields(plain):
        assert np.array_equal(getattr(plain, field.name), getattr(turned, field.name)), field.name
    assert np.array_equal(first.ceilings, second.ceilings)


def test_what_is_not_observed_is_not_read() -> None:
    """Amounts in months that were not observed are no part of any sum."""
    flow = many().cash_flow
    dirty = dataclasses.replace(
        flow, **{name: getattr(flow, name) + 7 * ~flow.observed for name in ("inflow", "obligations", "repaid")}
    )
    for read in (sides, habits):
        for name, clean, same in zip(read(flow)._fields, read(flow), read(dirty), strict=True):
            assert np.array_equal(clean, same, equal_nan=clean.dtype.kind == "f"), name


@pytest.mark.parametrize("months", [1, 2, 3, 24, 37])
def test_months_are_put_in_order_as_a_stable_sort_does(months: int) -> None:
    rng = np.random.default_rng(months)
    value, place, rank = np.empty(months), np.empty(months, np.int64), np.empty(months, np.int64)
    for _ in range(200):
        amount = rng.integers(0, rng.choice([1, 4, 1000]), months).astype(np.float64)
        amount[rng.random(months) < 0.2] = np.nan
        amount[0] = 2.0
        count = _order(amount, months, value, place, rank)
        ordered = np.argsort(amount, kind="stable")[:count]
        assert count == np.count_nonzero(~np.isnan(amount))
        assert np.array_equal(place[:count], ordered)
        assert np.array_equal(value[:count], amount[ordered])
        centre = float(np.median(value[:count]))
        assert _middle_distance(value, count, centre) == np.median(np.abs(value[:count] - centre))


def test_points_go_behind_equal_months() -> None:
    rng = np.random.default_rng(5)
    for count in (1, 5, 24):
        value, mass = np.empty(count + POINTS), np.empty(count + POINTS)
        value[:count], mass[:count] = np.sort(rng.integers(0, 9, count)), np.arange(count)
        point = np.sort(rng.integers(0, 9, POINTS)).astype(np.float64)
        both = np.concatenate([value[:count], point])
        masses = np.concatenate([mass[:count], np.full(POINTS, -1.0)])
        ordered = np.argsort(both, kind="stable")
        _insert(value, mass, count, point, -1.0)
        assert np.array_equal(value, both[ordered])
        assert np.array_equal(mass, masses[ordered])
