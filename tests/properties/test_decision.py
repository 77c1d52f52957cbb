"""What holds for every portfolio and every policy, tried on many of both."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from limits.capacity import Capacity, Method
from limits.decision import Decisions, decide, review
from limits.money import Money
from limits.policy import ALL_BPS, Policy, policy_at
from limits.portfolio import UNBOUNDED, UNKNOWN, Identity, Income, Portfolio, Status
from limits.store.policies import read_pack
from tests.portfolios import AS_OF, make_portfolio, one_by_one

POLICY = policy_at(read_pack("standard"), AS_OF)
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

amounts = st.one_of(st.integers(0, 300), st.integers(0, 40_000_000), st.integers(0, 10**15))
dates = st.none() | st.dates(AS_OF - dt.timedelta(days=900), AS_OF)
unknown = st.just(UNKNOWN)

users = st.fixed_dictionaries(
    {
        "credit_limit": amounts,
        "balance": st.one_of(unknown, amounts, st.integers(-100_000, -2)),
        "average_balance": st.one_of(unknown, amounts),
        "days_past_due": st.one_of(st.just(0), st.just(0), st.integers(0, 200)),
        "missed_payments": st.one_of(st.just(0), st.integers(0, 12)),
        "statements_seen": st.integers(0, 40),
        "opened_on": st.dates(dt.date(2020, 1, 1), AS_OF),
        "last_raise_on": dates,
        "last_cut_on": dates,
        "last_used_on": dates,
        "last_event_on": st.one_of(st.just(AS_OF), dates),
        "status": st.sampled_from([Status.ACTIVE, Status.ACTIVE, Status.BLOCKED]),
        "industry": st.sampled_from(["", "", "gambling", "retail_trade"]),
        "identity": st.sampled_from([Identity.VERIFIED, Identity.VERIFIED, *Identity]),
        "income": st.sampled_from([Income.VERIFIED, Income.VERIFIED, *Income]),
        "income_verified_on": st.one_of(st.just(AS_OF), dates),
        "raise_consent": st.sampled_from([True, True, False]),
        "active_lenders": st.one_of(unknown, st.integers(0, 9)),
        "inquiries": st.one_of(unknown, st.integers(0, 14)),
        "outside_monthly_payment": st.one_of(unknown, st.integers(0, 2_000_000)),
        "requested_limit": st.one_of(st.just(UNBOUNDED), amounts),
    }
)
quantiles = st.tuples(
    st.integers(-10_000_000, 50_000_000),
    st.sampled_from(list(Method)),
    st.one_of(st.integers(0, 36), st.just(24)),
    st.integers(-10_000_000, 50_000_000),
)
portfolios = st.lists(st.tuples(users, quantiles), min_size=1, max_size=6)


def split(drawn: list[tuple[dict[str, Any], tuple[int, Method, int, int]]]) -> tuple[Portfolio, Capacity]:
    """The drawn users as a portfolio, and a capacity for each that no model had to be fitted for."""
    portfolio = make_portfolio([user for user, _ in drawn])
    p10 = np.array([q[0] for _, q in drawn], dtype=np.int64)
    method = np.array([q[1] for _, q in drawn], dtype=np.int64)
    months = np.array([q[2] for _, q in drawn], dtype=np.int64)
    past = np.array([q[3] for _, q in drawn], dtype=np.int64)
    return portfolio, Capacity(p10, p10 + 1000, p10 + 2000, method, months, past)


def columns(decisions: Decisions) -> dict[str, Any]:
    found = {f.name: getattr(decisions, f.name) for f in dataclasses.fields(decisions) if f.name != "capacity"}
    capacity = decisions.capacity
    return found | {f.name: getattr(capacity, f.name) for f in dataclasses.fields(capacity)}


@many
@given(portfolios)
def test_no_raise_is_above_any_ceiling(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, POLICY)
    raised = made.limit_after > made.limit_before
    assert (made.limit_after[raised, None] <= made.ceilings[raised]).all()
    assert (made.lowest_ceiling == made.ceilings.min(axis=1)).all()


@many
@given(portfolios)
def test_nobody_is_raised_while_past_due(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, POLICY)
    late = portfolio.days_past_due > 0
    assert (made.limit_after[late] <= made.limit_before[late]).all()


@many
@given(portfolios, st.integers(0, ALL_BPS), st.integers(0, ALL_BPS), st.integers(0, 400))
def test_a_floor_never_causes_a_raise(drawn: Any, step: int, buffer: int, days: int) -> None:
    """With the floors taken away nobody gets less than without, and whoever is raised is raised all the same."""
    portfolio, capacity = split(drawn)
    floors = POLICY.cut.model_copy(update={"step_bps": step, "balance_buffer_bps": buffer, "cool_off_days": days})
    bare = POLICY.cut.model_copy(update={"step_bps": ALL_BPS, "balance_buffer_bps": 0, "cool_off_days": 0})
    nothing_owed = dataclasses.replace(portfolio, balance=np.zeros_like(portfolio.balance))
    with_floor = decide(portfolio, capacity, POLICY.model_copy(update={"cut": floors}))
    without = decide(nothing_owed, capacity, POLICY.model_copy(update={"cut": bare}))
    assert (with_floor.floor <= portfolio.credit_limit).all()
    raised = with_floor.limit_after > with_floor.limit_before
    # The balance also says whether a limit is used up, so only a raise can be compared.
    assert (with_floor.limit_after[raised] <= without.limit_after[raised]).all()


def tighter(policy: Policy, what: str, share: int) -> Policy:
    """The policy with one of its bounds at ``share`` / 100 of what it was."""

    def less(amount: Money) -> Money:
        return Money(amount.minor * share // 100, amount.currency)

    match what:
        case "product":
            return policy.model_copy(
                update={"maximum": policy.maximum.model_copy(update={what: less(policy.maximum.product)})}
            )
        case "statutory":
            return policy.model_copy(
                update={"maximum": policy.maximum.model_copy(update={what: less(policy.maximum.statutory)})}
            )
        case "share":
            bps = policy.repayment.share_of_capacity_bps * share // 100
            return policy.model_copy(
                update={"repayment": policy.repayment.model_copy(update={"share_of_capacity_bps": bps})}
            )
        case _:
            step = {
                "step_bps": policy.raises.step_bps * share // 100,
                "step_least": less(policy.raises.step_least),
                "step_most": less(policy.raises.step_most),
            }
            return policy.model_copy(update={"raises": policy.raises.model_copy(update=step)})


@many
@given(portfolios, st.sampled_from(["product", "statutory", "share", "step"]), st.integers(0, 100))
@example([({"credit_limit": 2_000_000}, (1_400_000, Method.POOLED, 24, 1_400_000))], "share", 50)
def test_a_tighter_policy_raises_nobody_higher(drawn: Any, what: str, share: int) -> None:
    portfolio, capacity = split(drawn)
    before = decide(portfolio, capacity, POLICY)
    after = decide(portfolio, capacity, tighter(POLICY, what, share))
    assert (after.limit_after <= before.limit_after).all()


@many
@given(portfolios)
def test_the_batch_is_each_one_alone(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    together = columns(decide(portfolio, capacity, POLICY))
    for row, user in enumerate(one_by_one(portfolio)):
        alone = columns(decide(user, capacity.take([row]), POLICY))
        for name, values in alone.items():
            assert np.array_equal(values[0], together[name][row]), name


monthly = st.lists(st.one_of(st.none(), st.integers(0, 3_000_000)), min_size=0, max_size=12)


@few
@given(st.lists(st.fixed_dictionaries({"inflow": monthly, "essential_spend": monthly, "repaid": monthly}), max_size=4))
@example([{"inflow": [5] * 12}, {"inflow": [None] * 9 + [7, 8, 9]}])
def test_the_batch_is_each_one_alone_with_the_forecast(flows: Any) -> None:
    portfolio = make_portfolio([*flows, {"inflow": [1_000_000, 1_200_000, None, 900_000, 1_100_000]}])
    together = columns(review(portfolio, POLICY))
    for row, user in enumerate(one_by_one(portfolio)):
        for name, values in columns(review(user, POLICY)).items():
            assert np.array_equal(values[0], together[name][row]), name


@many
@given(portfolios)
def test_the_limit_lies_on_the_grid_or_has_not_moved_or_stands_on_the_floor(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, POLICY)
    grid = POLICY.rounding.grid.minor
    moved = made.limit_after != made.limit_before
    assert (made.limit_after[moved] % grid == 0).all()
    assert (made.limit_after >= 0).all()


@many
@given(portfolios)
def test_a_changed_limit_and_a_hold_below_every_ceiling_have_reasons(drawn: Any) -> None:
    """Every decision has at least one reason, and its first is the binding ceiling."""
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, POLICY)
    for row in range(len(made)):
        reasons = made.reasons(row)
        assert reasons, "a decision without a reason"
        assert reasons[0] == made.binding[row]
        values = [int(made.ceilings[row, reason]) for reason in reasons]
        assert values == sorted(values)


@many
@given(portfolios)
def test_a_second_look_the_same_day_does_not_cut_again(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, POLICY)
    cut = made.limit_after < made.limit_before
    today = np.datetime64(AS_OF, "D")
    then = dataclasses.replace(
        portfolio,
        credit_limit=made.limit_after,
        last_cut_on=np.where(cut, today, portfolio.last_cut_on),
        last_raise_on=np.where(made.limit_after > made.limit_before, today, portfolio.last_raise_on),
    )
    again = decide(then, capacity, POLICY)
    moved = made.limit_after != made.limit_before
    assert (again.limit_after[cut] == made.limit_after[cut]).all()
    assert (again.limit_after[moved] <= made.limit_after[moved]).all()


def test_a_forecast_that_is_none_decides_nothing() -> None:
    """Without a forecast the numbers beside it bar a raise and never cut, whatever they are."""
    portfolio = make_portfolio([{}] * len(Method))
    methods = np.array(list(Method), dtype=np.int64)
    p10 = np.full(len(Method), -5_000_000, dtype=np.int64)
    made = decide(portfolio, Capacity(p10, p10, p10, methods, np.full(len(Method), 12), p10), POLICY)
    for method, before, after in zip(Method, made.limit_before, made.limit_after, strict=True):
        if not method.is_forecast or method is Method.REVEALED_REPAYMENT:
            assert after == before, method
        else:
            assert after < before, method


@pytest.mark.parametrize("pack", ["standard", "cz"])
def test_shipped_packs_are_in_force_today(pack: str) -> None:
    assert policy_at(read_pack(pack), dt.date(2026, 6, 30)).pack == pack
