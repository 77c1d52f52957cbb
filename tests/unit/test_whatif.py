"""What if: the language of changes, what each one touches, and claims that are decisions."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest

from limits.counterfactual import Counterfactuals, counterfactuals, ends_on, join, value_of
from limits.decision import review
from limits.errors import InputError
from limits.policy import Freeze, Policy
from limits.portfolio import GROUPS, SHARED, UNKNOWN, Documents, Identity, Income, Portfolio
from limits.reasons import Reason
from limits.whatif import EXAMPLES, INPUTS, Change, apply_changes, parse_change, parse_changes
from tests.policies import STANDARD, changed
from tests.portfolios import AS_OF, make_portfolio


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("inflow=+10%", Change("inflow", "scale", 11_000)),
        ("inflow=-12.5%", Change("inflow", "scale", 8_750)),
        ("inflow=-500", Change("inflow", "shift", -50_000)),
        ("inflow=12000.5", Change("inflow", "set", 1_200_050)),
        ("balance=0", Change("balance", "set", 0)),
        ("active_lenders=1", Change("active_lenders", "set", 1)),
        ("income_verified=yes", Change("income_verified", "set", 1)),
        ("documents=missing", Change("documents", "set", 0)),
        ("requested = 30000", Change("requested", "set", 3_000_000)),
        ("utilisation=60%", Change("utilisation", "set", 6_000)),
    ],
)
def test_changes_are_read_and_written_again(text: str, change: Change) -> None:
    assert parse_change(text, "CNY") == change
    assert parse_change(change.text("CNY"), "CNY") == change


def test_amounts_are_of_the_currency() -> None:
    assert parse_change("balance=12000", "JPY").amount == 12_000
    assert parse_change("balance=12.5", "KWD").amount == 12_500
    with pytest.raises(InputError, match="1 decimals and the currency 0"):
        parse_change("balance=0.5", "JPY")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inflo=+10%", "there is no input 'inflo'; did you mean inflow? the inputs are inflow, essential_spend"),
        ("fraud_links=0", "there is no input 'fraud_links'"),
        ("confirmed_fraud=no", "there is no input 'confirmed_fraud'"),
        ("requests_90d=0", "there is no input 'requests_90d'"),
        ("inflow", "inflow has no value; write it like inflow=+10%"),
        ("inflow=10%", "a percentage has a sign"),
        ("inflow=-101%", "it is a percentage from -100%"),
        ("inflow=ten", "'ten' is not a number of it; write it like inflow=+10%, inflow=-500 or inflow=12000"),
        ("requested=-5", "it is an amount without a sign; write it like requested=30000"),
        ("active_lenders=-1", "it is a whole number from 0 to"),
        ("active_lenders=+1", "it is a whole number from 0 to 1000"),
        ("balance=0.123", "it has 3 decimals and the currency 2"),
        ("balance=99999999999999", "the largest amount is 10,000,000,000,000.00"),
        ("income_verified=true", "'true' is not one of yes, no"),
        ("credit_check=no", "'no' is not one of yes"),
        ("requested=+500", "it is an amount without a sign"),
        ("utilisation=60", "it is a share of the limit"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_change(text, "CNY")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_is_given_once() -> None:
    with pytest.raises(InputError, match="inflow is given 2 times"):
        parse_changes(["inflow=+1%", "inflow=+2%"], "CNY")
    with pytest.raises(InputError, match="utilisation sets the balances"):
        parse_changes(["utilisation=50%", "balance=0"], "CNY")


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_has_an_example_that_changes_what_it_names_and_nothing_else(name: str) -> None:
    example = EXAMPLES[INPUTS[name].kind].split(",")[0].split(" or ")[0]
    before = make_portfolio([{**BARE, "obligations": 100_000, "essential_spend": 400_000}])
    after = apply_changes(before, [parse_change(f"{name}={example}", "CNY")])
    touched = TOUCHED.get(name, {name})
    assert differing(before, after) <= touched
    assert value_of(after, name) != value_of(before, name)


#: A user of whom nothing is known that could be.
BARE: dict[str, Any] = {
    "active_lenders": UNKNOWN, "inquiries": UNKNOWN, "outside_debt": 5_000_000, "outside_monthly_payment": 300_000,
    "days_past_due": 3, "missed_payments": 3, "minimum_only_payments": 3, "income": Income.UNVERIFIED,
    "income_verified_on": None, "identity": Identity.UNVERIFIED, "identity_checked_on": None, "checked_on": None,
    "documents": Documents.MISSING, "raise_consent": False, "opted_out": True, "automation_refused": True,
    "balance": 1_900_000, "average_balance": 1_900_000,
    "statements": [{"balance": 1_900_000, "repaid": 50_000, "days_past_due": 3}] * 4,
}  # fmt: skip
TOUCHED = {
    "balance": {"balance", "record balance"},
    "utilisation": {"balance", "average_balance", "record balance"},
    "requested": {"requested_limit"},
    "income_verified": {"income", "income_verified_on"},
    "identity_verified": {"identity", "identity_checked_on"},
    "documents": {"documents", "documents_valid_until"},
    "raise_consent": {"raise_consent", "opted_out"},
    "automation_accepted": {"automation_refused"},
    "credit_check": {"checked_on", "active_lenders", "inquiries", "outside_debt", "outside_monthly_payment"},
    "used": {"last_used_on"},
}


def differing(one: Portfolio, other: Portfolio) -> set[str]:
    """The columns, flows and parts of the payment record that are not the same bit for bit."""
    found = set()
    for mark, here, there in (
        ("", one, other), ("", one.cash_flow, other.cash_flow), ("record ", one.payment_record, other.payment_record)
    ):  # fmt: skip
        for field in dataclasses.fields(here):
            mine, others = getattr(here, field.name), getattr(there, field.name)
            if field.name in (*SHARED, *GROUPS):
                continue
            if mine.dtype != others.dtype or mine.tobytes() != others.tobytes():
                found.add(mark + field.name)
    return found


def test_flows_change_in_observed_months_alone() -> None:
    before = make_portfolio([{"inflow": [None, 100, 10_001, 0]}], months=4)
    scaled = apply_changes(before, [parse_change("inflow=+10%", "CNY")]).cash_flow
    assert scaled.inflow[0].tolist() == [0, 110, 11_001, 0]
    shifted = apply_changes(before, [parse_change("inflow=-50", "CNY")]).cash_flow
    assert shifted.inflow[0].tolist() == [0, 0, 5_001, 0]
    put = apply_changes(before, [parse_change("inflow=7", "CNY")]).cash_flow
    assert put.inflow[0].tolist() == [0, 700, 700, 700]
    assert put.observed.tolist() == before.cash_flow.observed.tolist()


def test_no_amount_becomes_too_large() -> None:
    with pytest.raises(InputError, match="inflow would become larger than any amount"):
        apply_changes(make_portfolio([{"inflow": 10**15}]), [parse_change("inflow=+1%", "CNY")])


def test_an_amount_that_is_not_known_stays_so_unless_it_is_given() -> None:
    unknown = make_portfolio([{"balance": UNKNOWN, "outside_debt": UNKNOWN}])
    for text in ("balance=+10%", "balance=+0"):
        assert apply_changes(unknown, [parse_change(text, "CNY")]).balance[0] == UNKNOWN
    assert apply_changes(unknown, [parse_change("outside_debt=+5", "CNY")]).outside_debt[0] == 500
    owed = make_portfolio([{"balance": -5_000}])
    assert apply_changes(owed, [parse_change("balance=-10", "CNY")]).balance[0] == -5_000
    assert apply_changes(owed, [parse_change("balance=+49.99", "CNY")]).balance[0] == 0  # and not -1, "unknown"


def test_the_record_has_the_balances_that_are_supposed() -> None:
    told = [{"balance": balance, "repaid": 7, "days_past_due": 40} for balance in (500, 400, 300, 200)]
    before = make_portfolio([{"balance": 500, "statements": told}, {"balance": UNKNOWN}, {"statements": told[:2]}])
    for text, wanted in (
        ("balance=9", [[900, 400, 300, 200], [0] * 4, [900, 400, 0, 0]]),
        ("balance=+0", [[500, 400, 300, 200], [0] * 4, [500, 400, 0, 0]]),
        ("utilisation=10%", [[200_000] * 3 + [200], [0] * 4, [200_000, 200_000, 0, 0]]),
        ("average_balance=9", [[500, 400, 300, 200], [0] * 4, [500, 400, 0, 0]]),
        ("days_past_due=0", [[500, 400, 300, 200], [0] * 4, [500, 400, 0, 0]]),
    ):
        after = apply_changes(before, [parse_change(text, "CNY")]).payment_record
        assert after.balance[:, :4].tolist() == wanted, text
        assert not after.balance[:, 4:].any() and after.held.tolist() == [4, 0, 2]
        assert after.repaid.tolist() == before.payment_record.repaid.tolist()
        assert after.days_past_due.tolist() == before.payment_record.days_past_due.tolist()
    owed = make_portfolio([{"balance": 0, "statements": [{"balance": -1}]}])  # as it is loaded: -1 is "unknown" there
    for text, balance in (("balance=-10", -1), ("balance=+10%", -1), ("balance=0", -1), ("balance=1", 100)):
        assert apply_changes(owed, [parse_change(text, "CNY")]).payment_record.balance[0, 0] == balance


# Counterfactuals ----------------------------------------------------------------------------


def found(policy: Policy = STANDARD, **user: Any) -> Counterfactuals:
    return counterfactuals(make_portfolio([user]), policy)


def named(made: Counterfactuals) -> dict[str, Change]:
    return {one.change.name: one.change for one in made.single}


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ({"income": Income.UNVERIFIED}, "income_verified=yes"),
        ({"income_verified_on": dt.date(2024, 1, 1)}, "income_verified=yes"),
        ({"identity": Identity.UNVERIFIED}, "identity_verified=yes"),
        ({"raise_consent": False}, "raise_consent=yes"),
        ({"opted_out": True}, "raise_consent=yes"),
        ({"active_lenders": 5}, "active_lenders=3"),
        ({"inquiries": 7}, "inquiries=4"),
        ({"days_past_due": 10}, "days_past_due=0"),
        ({"missed_payments": 2}, "missed_payments=0"),
        ({"minimum_only_payments": 9}, "minimum_only_payments=5"),
        ({"average_balance": 1_950_000}, "utilisation=95%"),
        ({"average_balance": 100_000}, "utilisation=20%"),
        ({"outside_debt": 19_000_000}, "outside_debt=179000"),
        ({"last_used_on": dt.date(2025, 1, 1)}, "used=yes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_smallest_change_by_hand(user: dict[str, Any], text: str) -> None:
    made = found(**user)
    change = parse_change(text, "CNY")
    assert named(made).get(change.name) == change, made
    told = next(one for one in made.single if one.change == change)
    then = review(apply_changes(make_portfolio([user]), [change]), STANDARD)
    assert (told.limit_after, told.binding) == (then.limit_after[0], then.binding[0])
    assert told.limit_after > made.limit_after


def test_where_two_things_stand_in_the_way_no_single_change_helps() -> None:
    made = found(income=Income.UNVERIFIED, identity=Identity.UNVERIFIED)
    assert made.single == () and made.waiting == ()
    assert {Reason.INCOME_UNVERIFIED, Reason.IDENTITY_UNVERIFIED} <= set(made.reasons)


def test_nobody_is_told_a_way_round_what_a_person_settles() -> None:
    for user in (
        {"fraud_links": 2}, {"confirmed_fraud": True}, {"identity": Identity.MISMATCH}, {"income": Income.FALSE},
        {"automation_refused": True}, {"requests_90d": 9},
    ):  # fmt: skip
        assert found(**user).single == (), user


def test_income_that_is_too_small() -> None:
    user = {"inflow": [900_000 + 10_000 * (k % 3) for k in range(12)], "essential_spend": 600_000}
    made = found(**user)
    change = named(made)["inflow"]
    assert Reason.ABILITY_TO_PAY in made.reasons and change.how == "scale"
    less = dataclasses.replace(change, amount=change.amount - 100)
    portfolio = make_portfolio([user])
    assert review(apply_changes(portfolio, [less]), STANDARD).limit_after[0] <= made.limit_after


NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("user", "reason", "until"),
    [
        ({"last_raise_on": dt.date(2026, 5, 1)}, Reason.COOL_OFF_AFTER_RAISE, dt.date(2026, 7, 25)),
        ({"last_cut_on": dt.date(2026, 6, 29)}, Reason.COOL_OFF_AFTER_CUT, dt.date(2026, 9, 22)),
        ({"opened_on": dt.date(2026, 1, 15)}, Reason.TOO_NEW, dt.date(2026, 7, 15)),
        ({"opened_on": dt.date(2026, 3, 31)}, Reason.TOO_NEW, dt.date(2026, 10, 1)),  # September has no 31st
        ({}, Reason.MACRO_FREEZE, dt.date(2026, 8, 11)),
    ],
)
def test_what_time_changes_is_an_exact_date(user: dict[str, Any], reason: Reason, until: dt.date) -> None:
    frozen = [(AS_OF, dt.date(2026, 7, 31)), (dt.date(2026, 8, 1), dt.date(2026, 8, 10))]
    windows = tuple(
        Freeze(first_day=a, last_day=b, segments=NOBODY, industries=NOBODY, jurisdictions=NOBODY) for a, b in frozen
    )
    policy = changed(freeze=windows) if reason == Reason.MACRO_FREEZE else STANDARD
    made = counterfactuals(make_portfolio([user]), policy)
    assert [(w.reason, w.until) for w in made.waiting] == [(reason, until)]
    assert made.waiting[0].limit_after > made.limit_after
    portfolio = make_portfolio([user])
    assert ends_on(portfolio, policy, reason) == until
    bits = [
        int(review(dataclasses.replace(portfolio, as_of=day), policy).ceilings[0, reason])
        for day in (until - dt.timedelta(days=1), until)
    ]
    assert bits[0] == portfolio.credit_limit[0] < bits[1]


def test_joined_users_are_decided_as_they_are_alone() -> None:
    apart = [make_portfolio([{"active_lenders": k}]) for k in range(8)]
    together = review(join(apart), STANDARD)
    assert together.limit_after.tolist() == [int(review(one, STANDARD).limit_after[0]) for one in apart]
    assert np.array_equal(join(apart).active_lenders, np.arange(8))
