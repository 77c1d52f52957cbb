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
from limits.ceilings import FALSE, HARD
from limits.decision import Decisions, decide, review
from limits.money import Money
from limits.policy import ALL_BPS, Policy, policy_at
from limits.portfolio import UNBOUNDED
from limits.reasons import Reason
from limits.risk import Risk
from limits.store.policies import read_pack
from tests.policies import STANDARD, changed
from tests.portfolios import AS_OF, make_portfolio, one_by_one
from tests.risks import risk_of
from tests.strategies import POLICY, amounts, portfolios, split

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def columns(decisions: Decisions) -> dict[str, Any]:
    found = {
        f.name: getattr(decisions, f.name) for f in dataclasses.fields(decisions) if f.name not in ("capacity", "risk")
    }
    capacity, risk = decisions.capacity, decisions.risk
    found |= {f.name: getattr(capacity, f.name) for f in dataclasses.fields(capacity)}
    return found | {name: getattr(risk, name) for name in ("points", "probability_ppm", "band")}


@many
@given(portfolios)
def test_no_raise_is_above_any_ceiling(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    raised = made.limit_after > made.limit_before
    assert (made.limit_after[raised, None] <= made.ceilings[raised]).all()
    assert (made.lowest_ceiling == made.ceilings.min(axis=1)).all()


@many
@given(portfolios)
def test_nobody_is_raised_while_past_due(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
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
    with_floor = decide(portfolio, capacity, risk_of(portfolio), POLICY.model_copy(update={"cut": floors}))
    without = decide(nothing_owed, capacity, risk_of(nothing_owed), POLICY.model_copy(update={"cut": bare}))
    assert (with_floor.floor <= portfolio.credit_limit).all()
    raised = with_floor.limit_after > with_floor.limit_before
    # The balance also says whether a limit is used up, so only a raise can be compared.
    assert (with_floor.limit_after[raised] <= without.limit_after[raised]).all()


def less(amount: Money, share: int) -> Money:
    return Money(amount.minor * share // 100, amount.currency)


#: Bounds of which less is stricter, and of which more is.
FEWER = (
    "maximum.product", "maximum.statutory", "repayment.share_of_capacity_bps", "debt.ratio_bps", "debt.borrower_most",
    "habits.minimum_only_payments", "habits.persistent_debt_statements", "capacity.income_varies_bps",
    "raises.probing_requests", "raises.restore_bps", "raises.missed_payments", "exposure.over_limit_bps",
    "exposure.dormant_days", "integrity.fraud_links", "integrity.confirmed_fraud_limit_bps",
    "debt.credit_check_max_age_days", "raises.income_max_age_days", "capacity.data_max_age_days",
)  # fmt: skip
MORE = (
    "debt.residual_income", "raises.restore_days", "raises.cool_off_after_raise_days", "raises.months_on_book",
    "raises.utilisation_from_bps", "capacity.minimum_months",
)  # fmt: skip
#: The smallest value that a policy may have, where it is not 0.
LEAST = {"raises.probing_requests": 2, "raises.missed_payments": 0, "exposure.over_limit_bps": 0,
         "integrity.confirmed_fraud_limit_bps": 0}  # fmt: skip


def tighter(policy: Policy, what: str, share: int) -> Policy:
    """The policy with one of its bounds at ``share`` / 100 of what it was, or as much stricter the other way."""
    if what == "step":
        raises = policy.raises
        steps = {f"raises.{name}": less(getattr(raises, name), share) for name in ("step_least", "step_most")}
        return changed(policy, **steps, **{"raises.step_bps": raises.step_bps * share // 100})
    if what in ("segment", "industry"):
        return changed(
            policy, **{what: tuple(g.model_copy(update={"most": less(g.most, share)}) for g in getattr(policy, what))}
        )
    section, key = what.split(".")
    value = getattr(getattr(policy, section), key)
    if what in MORE:
        value = less(value, 200 - share) if isinstance(value, Money) else value * (200 - share) // 100
    elif isinstance(value, Money):
        value = less(value, share)
    else:
        value = max(value * share // 100, LEAST.get(what, 1))
    return changed(policy, **{what: value})


@many
@given(portfolios, st.sampled_from([*FEWER, *MORE, "step", "segment", "industry"]), st.integers(0, 100))
@example(
    [({"credit_limit": 2_000_000}, (1_400_000, Method.POOLED, 24, 1_400_000))], "repayment.share_of_capacity_bps", 50
)
def test_a_tighter_policy_raises_nobody_higher(drawn: Any, what: str, share: int) -> None:
    portfolio, capacity = split(drawn)
    before = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    after = decide(portfolio, capacity, risk_of(portfolio), tighter(POLICY, what, share))
    assert (after.limit_after <= before.limit_after).all()


@many
@given(portfolios)
def test_the_batch_is_each_one_alone(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    together = columns(decide(portfolio, capacity, risk_of(portfolio), POLICY))
    for row, user in enumerate(one_by_one(portfolio)):
        alone = columns(decide(user, capacity.take([row]), risk_of(user), POLICY))
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
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    grid = POLICY.rounding.grid.minor
    moved = made.limit_after != made.limit_before
    assert (made.limit_after[moved] % grid == 0).all()
    assert (made.limit_after >= 0).all()


@many
@given(portfolios)
def test_a_changed_limit_and_a_hold_below_every_ceiling_have_reasons(drawn: Any) -> None:
    """Every decision has at least one reason, and its first is the binding ceiling."""
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
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
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    cut = made.limit_after < made.limit_before
    today = np.datetime64(AS_OF, "D")
    then = dataclasses.replace(
        portfolio,
        credit_limit=made.limit_after,
        last_cut_on=np.where(cut, today, portfolio.last_cut_on),
        last_raise_on=np.where(made.limit_after > made.limit_before, today, portfolio.last_raise_on),
    )
    again = decide(then, capacity, risk_of(then), POLICY)
    moved = made.limit_after != made.limit_before
    assert (again.limit_after[cut] == made.limit_after[cut]).all()
    assert (again.limit_after[moved] <= made.limit_after[moved]).all()


def hard_of(decisions: Decisions) -> Any:
    """The lowest hard maximum of each user."""
    return decisions.ceilings[:, sorted(HARD)].min(axis=1)


@many
@given(portfolios)
def test_a_hold_moves_only_for_a_hard_maximum_and_no_further_than_it_asks(drawn: Any) -> None:
    """Who wants a person to decide, and who has a change waiting. Of the former people set a cap, as hard here."""
    portfolio, capacity = split([({**user, **hold}, q) for user, q in drawn for hold in HOLDS])
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    by_people = np.where(portfolio.change_pending, UNBOUNDED, portfolio.override_cap)
    false = made.ceilings[:, sorted(FALSE)].min(axis=1)  # does not wait for a change that is open
    hard = np.minimum(hard_of(made), by_people)
    hard = np.where(portfolio.change_pending & (false < made.limit_before), made.ceilings.min(axis=1), hard)
    allowed = hard >= made.limit_before
    assert (made.limit_after[allowed] == made.limit_before[allowed]).all()
    assert (made.limit_after <= made.limit_before).all()
    assert (made.limit_after >= np.minimum(hard - hard % POLICY.rounding.grid.minor, made.limit_before)).all()


HOLDS = ({"automation_refused": True}, {"change_pending": True})


@many
@given(portfolios, st.integers(1, 12))
def test_an_association_alone_never_cuts(drawn: Any, links: int) -> None:
    """With links nobody is raised, and whoever is cut would be cut to the same limit without them."""
    portfolio, capacity = split(drawn)
    alone = decide(
        dataclasses.replace(portfolio, fraud_links=np.zeros_like(portfolio.fraud_links)),
        capacity,
        risk_of(portfolio),
        POLICY,
    )
    linked = dataclasses.replace(portfolio, fraud_links=np.full_like(portfolio.fraud_links, links))
    made = decide(linked, capacity, risk_of(linked), POLICY)
    if links >= POLICY.integrity.fraud_links:
        assert (made.limit_after == np.minimum(alone.limit_after, alone.limit_before)).all()
    else:
        assert (made.limit_after == alone.limit_after).all()


@many
@given(portfolios, st.integers(1, 364), amounts)
def test_a_limit_that_was_cut_comes_back_no_further_than_it_was(drawn: Any, days: int, before: int) -> None:
    portfolio, capacity = split(drawn)
    cut = dataclasses.replace(
        portfolio,
        last_cut_on=np.full(len(portfolio), np.datetime64(AS_OF, "D") - days),
        limit_before_cut=np.full(len(portfolio), before),
    )
    made = decide(cut, capacity, risk_of(cut), changed(POLICY, **{"raises.cool_off_after_cut_days": 0}))
    assert (made.limit_after <= np.maximum(made.limit_before, before)).all()


@many
@given(portfolios, amounts)
def test_the_floor_of_an_override_holds_against_all_but_hard_maxima(drawn: Any, floor: int) -> None:
    portfolio, capacity = split([({**user, "override_floor": floor}, q) for user, q in drawn])
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    grid = POLICY.rounding.grid.minor
    hard = hard_of(made)
    assert (made.limit_after >= np.minimum(np.minimum(floor, made.limit_before), hard - hard % grid)).all()
    without = decide(
        dataclasses.replace(portfolio, override_floor=np.zeros_like(floor + made.floor)),
        capacity,
        risk_of(portfolio),
        POLICY,
    )
    raised = made.limit_after > made.limit_before
    assert (made.limit_after[raised] == without.limit_after[raised]).all()


@many
@given(portfolios)
def test_what_bars_raises_alone_cuts_nobody(drawn: Any) -> None:
    """The rules about debts, documents, consent and budgets: every one of their ceilings is the limit or above."""
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    assert (made.ceilings[:, sorted(BARRING)] >= made.limit_before[:, None]).all()


BARRING = frozenset(Reason) - {
    *HARD, Reason.ABILITY_TO_PAY, Reason.PAST_DUE, Reason.REPEATED_ARREARS, Reason.MANY_LENDERS, Reason.MANY_INQUIRIES,
    Reason.DORMANT, Reason.RESTRICTED_INDUSTRY, Reason.IDENTITY_MISMATCH, Reason.FALSE_DOCUMENTS, Reason.OVER_LIMIT,
    Reason.CONFIRMED_FRAUD, Reason.OVERRIDE, Reason.RISK_BAND,
}  # fmt: skip


def test_a_forecast_that_is_none_decides_nothing() -> None:
    """Without a forecast the numbers beside it bar a raise and never cut, whatever they are."""
    portfolio = make_portfolio([{}] * len(Method))
    methods = np.array(list(Method), dtype=np.int64)
    p10 = np.full(len(Method), -5_000_000, dtype=np.int64)
    made = decide(
        portfolio, Capacity(p10, p10, p10, methods, np.full(len(Method), 12), p10), Risk.none(len(Method)), STANDARD
    )
    for method, before, after in zip(Method, made.limit_before, made.limit_after, strict=True):
        if not method.is_forecast or method is Method.REVEALED_REPAYMENT:
            assert after == before, method
        else:
            assert after < before, method


@pytest.mark.parametrize("pack", ["standard", "cz"])
def test_shipped_packs_are_in_force_today(pack: str) -> None:
    assert policy_at(read_pack(pack), dt.date(2026, 6, 30)).pack == pack
