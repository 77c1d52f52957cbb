"""Properties of what-if: nothing changed is nothing changed; a counterfactual is a decision, and the smallest."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from limits.counterfactual import counterfactuals, ends_on, ladders
from limits.decision import decide, review
from limits.money import Money
from limits.policy_changes import KEYS, policy_changes, values
from limits.reasons import Reason
from limits.whatif import INPUTS, Change, apply_changes, parse_change
from tests.policies import changed
from tests.portfolios import make_portfolio
from tests.risks import risk_of
from tests.strategies import POLICY, portfolios, split, users
from tests.unit.test_whatif import differing

NO_CHANGE = [
    *(Change(name, "scale", 10_000) for name, one in INPUTS.items() if one.kind in ("flow", "amount")),
    *(Change(name, "shift", 0) for name, one in INPUTS.items() if one.kind in ("flow", "amount")),
]
numbers = st.integers(0, 10**12)
changes = st.one_of(
    st.builds(Change, st.sampled_from(["inflow", "balance", "outside_debt"]), st.just("scale"), st.integers(0, 10**6)),
    st.builds(Change, st.sampled_from(["obligations", "balance"]), st.just("shift"), st.integers(-(10**12), 10**12)),
    st.builds(Change, st.sampled_from(["essential_spend", "average_balance", "requested"]), st.just("set"), numbers),
    st.builds(Change, st.sampled_from(["active_lenders", "inquiries"]), st.just("set"), st.integers(0, 1000)),
    st.builds(Change, st.just("utilisation"), st.just("set"), st.integers(0, 20_000)),
    st.builds(Change, st.sampled_from(["raise_consent", "documents"]), st.just("set"), st.integers(0, 1)),
)


@given(st.lists(users, min_size=1, max_size=4), st.sampled_from(NO_CHANGE))
def test_no_change_changes_no_bit(drawn: list[dict[str, object]], change: Change) -> None:
    portfolio = make_portfolio(drawn)
    assert apply_changes(portfolio, []) is portfolio
    assert differing(portfolio, apply_changes(portfolio, [change])) == set()


@given(changes, st.sampled_from(["CNY", "JPY", "KWD"]))
def test_a_change_that_is_written_is_read_as_the_same(change: Change, currency: str) -> None:
    assert parse_change(change.text(currency), currency) == change


@settings(max_examples=60, deadline=None)  # the first one loads the kernels
@given(users)
@example({"credit_limit": 2_000_000, "inflow": 250_000_000_000_001})  # more, by the ladder, than an amount can be
def test_a_counterfactual_is_a_decision_and_a_smaller_one_lifts_nothing(user: dict[str, object]) -> None:
    portfolio = make_portfolio([user])
    now = review(portfolio, POLICY)
    made = counterfactuals(portfolio, POLICY)
    assert (made.limit_after, made.binding) == (now.limit_after[0], now.binding[0])
    tried = list(ladders(portfolio, POLICY, made.reasons))
    for one in made.single:
        then = review(apply_changes(portfolio, [one.change]), POLICY)
        assert then.limit_after[0] == one.limit_after > made.limit_after
        assert then.binding[0] == one.binding
        ladder = next(ladder for ladder in tried if ladder.steps and ladder.change(1).name == one.change.name)
        step = next(k for k in _near(ladder.steps) if ladder.change(k) == one.change)
        if step > 1:
            less = review(apply_changes(portfolio, [ladder.change(step - 1)]), POLICY)
            assert less.limit_after[0] <= made.limit_after


def _near(steps: int) -> range:
    return range(1, min(steps, 1_000_000) + 1)


@settings(deadline=None)
@given(users, st.sampled_from(list(Reason)))
def test_time_ends_a_reason_on_its_day_and_not_before(user: dict[str, object], reason: Reason) -> None:
    portfolio = make_portfolio([user])
    if reason not in counterfactuals(portfolio, POLICY).reasons:
        return
    until = ends_on(portfolio, POLICY, reason)
    if until is None:
        return
    assert until > portfolio.as_of
    before, on = (
        int(review(dataclasses.replace(portfolio, as_of=day), POLICY).ceilings[0, reason])
        for day in (until - dt.timedelta(days=1), until)
    )
    assert before < on


#: Keys with a way, of the sections that the decision reads.
DECIDING = sorted(
    key for key, one in KEYS.items() if one.up and key.split(".")[0] not in ("breakers", "budget", "consent", "notices")
)


@given(portfolios, st.sampled_from(DECIDING), st.sampled_from([0.0, 0.5, 0.9, 1.1, 2.0, 10.0]))
def test_stricter_never_lets_a_limit_be_higher(drawn: list[Any], key: str, factor: float) -> None:
    value = dict(values(POLICY))[key]
    if isinstance(value, Money):
        other: Any = Money(int(value.minor * factor), value.currency)
    else:
        other = not value if isinstance(value, bool) else int(value * factor)
    try:
        new = changed(POLICY, **{key.replace("raise.", "raises."): other})
    except ValidationError:
        assume(False)
        return
    assume(other != value)
    (change,) = policy_changes(POLICY, new)
    portfolio, capacity = split(drawn)
    before, after = (decide(portfolio, capacity, risk_of(portfolio), policy).limit_after for policy in (POLICY, new))
    assert (change.direction * (before - after) >= 0).all(), change
    assert change.direction or (before == after).all(), change
