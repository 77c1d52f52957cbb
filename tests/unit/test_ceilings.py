"""Every rule on both sides of its threshold, and what becomes of a user when it is taken out of the list."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limits.decision
from limits.capacity import Capacity, Method
from limits.ceilings import CEILINGS, HARD, Ceiling
from limits.decision import Decisions, decide
from limits.policy import Freeze, Group, Policy
from limits.portfolio import UNBOUNDED, UNKNOWN, Documents, Identity, Income, Portfolio, Status
from limits.reasons import HUMAN_REVIEW, NOT_PRINCIPAL, Reason
from limits.risk import Risk
from tests.policies import changed, yuan
from tests.portfolios import AS_OF, make_portfolio
from tests.risks import RULES, in_band

LIMIT = 2_000_000
#: A forecast that carries any raise. Anything below is minor units: fen.
CAPACITY = {"p10": 1_300_000, "p50": 1_400_000, "method": Method.POOLED, "months_observed": 12, "past": 1_400_000}
#: Full use of a limit costs a tenth of it a month, and may take all of p10.
TENTH = {"repayment.apr_bps": 0, "repayment.term_months": 10, "repayment.share_of_capacity_bps": 10_000}
#: Who is forecast from what was repaid, and repaid enough for 21,000.00.
REPAYER = {**TENTH, "p10": 210_000, "method": Method.REVEALED_REPAYMENT}
NOBODY: frozenset[str] = frozenset()
FIRM = {
    **TENTH, "policy.risk": RULES, "p10": 300_000, "p50": 350_000, "past": 350_000, "debt.residual_income": yuan(0),
}  # fmt: skip
REQUIRED = RULES.model_copy(update={"required": True})
#: A last band that is not raised and keeps all of its limit; and a first one with the most there is.
BARS_ONLY = RULES.model_copy(update={"band": (*RULES.band[:2], RULES.band[2].model_copy(update={"limit_bps": 10_000}))})
HIGHEST = RULES.model_copy(
    update={
        "band": (RULES.band[0].model_copy(update={"months_of_capacity": 600, "most": yuan(10**13)}), *RULES.band[1:])
    }
)


def ago(days: int) -> dt.date:
    return AS_OF - dt.timedelta(days=days)


def frozen(first: int, last: int, **whom: Any) -> dict[str, Any]:
    """A freeze from so many days ago until so many days ago."""
    lists = {"segments": NOBODY, "industries": NOBODY, "jurisdictions": NOBODY, **whom}
    return {"policy.freeze": (Freeze(first_day=ago(first), last_day=ago(last), **lists),)}


@dataclass(frozen=True)
class Situation:
    """``bites``: the rule returns ``ceiling``; ``spares``: just on the other side it returns ``otherwise``.

    Names with a dot are of the policy, those of CAPACITY of the forecast, all others are
    columns of the user.
    """

    reason: Reason
    bites: Mapping[str, Any]
    ceiling: int
    spares: Mapping[str, Any]
    otherwise: int = UNBOUNDED


def bars(reason: Reason, bites: Mapping[str, Any], spares: Mapping[str, Any]) -> Situation:
    return Situation(reason, bites, LIMIT, spares)


SITUATIONS = (
    Situation(Reason.STATUTORY_MAXIMUM, {"maximum.statutory": yuan(21_000)}, 2_100_000, {}, 20_000_000),
    Situation(Reason.PRODUCT_MAXIMUM, {"maximum.product": yuan(21_000)}, 2_100_000, {}, 15_000_000),
    Situation(
        Reason.SEGMENT_MAXIMUM,
        {"policy.segment": (Group(name="student", most=yuan(1)), Group(name="retail", most=yuan(21_000)))},
        2_100_000,
        {"policy.segment": (Group(name="Retail", most=yuan(21_000)),)},
    ),
    Situation(
        Reason.INDUSTRY_MAXIMUM,
        {"policy.industry": (Group(name="mining", most=yuan(21_000)),), "industry": "mining"},
        2_100_000,
        {"policy.industry": (Group(name="mining", most=yuan(21_000)),), "industry": ""},
    ),
    Situation(Reason.STEP_CAP, {}, 2_400_000, {"raises.step_bps": 3000}, 2_600_000),
    Situation(Reason.ASKED_AMOUNT, {"requested_limit": 2_200_000}, 2_200_000, {"requested_limit": UNBOUNDED}),
    Situation(
        Reason.ABILITY_TO_PAY, {**TENTH, "p10": 210_000, "p50": 400_000, "past": 0}, 2_100_000, TENTH, 13_000_000
    ),
    bars(Reason.PAST_DUE, {"days_past_due": 1}, {"days_past_due": 0}),
    bars(Reason.MISSED_PAYMENTS, {"missed_payments": 1}, {"missed_payments": 0}),
    bars(Reason.MANY_LENDERS, {"active_lenders": 4}, {"active_lenders": 3}),
    bars(Reason.MANY_INQUIRIES, {"inquiries": 5}, {"inquiries": 4}),
    bars(Reason.UTILISATION_LOW, {"average_balance": 399_999}, {"average_balance": 400_000}),
    bars(Reason.UTILISATION_HIGH, {"average_balance": 1_900_001}, {"average_balance": 1_900_000}),
    Situation(Reason.DORMANT, {"last_used_on": ago(366)}, 1_400_000, {"last_used_on": ago(365)}),
    bars(Reason.RESTRICTED_INDUSTRY, {"industry": "gambling"}, {"industry": "mining"}),
    bars(Reason.IDENTITY_UNVERIFIED, {"identity": Identity.UNVERIFIED}, {"identity": Identity.VERIFIED}),
    bars(Reason.IDENTITY_MISMATCH, {"identity": Identity.MISMATCH}, {"identity": Identity.VERIFIED}),
    bars(Reason.INCOME_UNVERIFIED, {"income": Income.UNVERIFIED}, {"income": Income.VERIFIED}),
    bars(Reason.INCOME_STALE, {"income_verified_on": ago(400)}, {"income_verified_on": ago(399)}),
    Situation(Reason.FALSE_DOCUMENTS, {"income": Income.FALSE}, 1_000_000, {"income": Income.VERIFIED}),
    bars(Reason.ACCOUNT_BLOCKED, {"status": Status.BLOCKED}, {"status": Status.ACTIVE}),
    bars(Reason.NO_CONSENT, {"raise_consent": False}, {"raise_consent": False, "requested_limit": 2_200_000}),
    bars(Reason.TOO_NEW, {"opened_on": dt.date(2025, 12, 31)}, {"opened_on": dt.date(2025, 12, 30)}),
    bars(Reason.COOL_OFF_AFTER_RAISE, {"last_raise_on": ago(84)}, {"last_raise_on": ago(85)}),
    bars(Reason.COOL_OFF_AFTER_CUT, {"last_cut_on": ago(84)}, {"last_cut_on": ago(85)}),
    bars(Reason.HISTORY_SHORT, {"months_observed": 5}, {"months_observed": 6}),
    bars(Reason.DATA_STALE, {"last_event_on": ago(62)}, {"last_event_on": ago(61)}),
    bars(Reason.MODEL_FELL_BACK, {"method": Method.NOT_CONVERGED}, {"method": Method.STEPPED}),
    bars(Reason.FORECAST_FALLING, {"past": 2_000_001}, {"past": 2_000_000}),
    bars(Reason.FORECAST_UNCERTAIN, {**TENTH, "p10": 279_999}, {**TENTH, "p10": 280_000}),
    Situation(Reason.REPEATED_ARREARS, {"missed_payments": 3}, 1_800_000, {"missed_payments": 2}),
    bars(Reason.MINIMUM_PAYMENTS, {"minimum_only_payments": 6}, {"minimum_only_payments": 5}),
    # 18% a year on 120,000.00 in all of twelve balances is 1,800.00 of interest.
    bars(Reason.PERSISTENT_DEBT, {"repaid_12m": 359_999}, {"repaid_12m": 360_000}),
    # Of 10,000 and 30,000 in turn the deviation is half the mean.
    bars(
        Reason.INCOME_UNSTABLE,
        {"capacity.income_varies_bps": 4999, "inflow": [1_000_000, 3_000_000] * 6},
        {"capacity.income_varies_bps": 5000, "inflow": [1_000_000, 3_000_000] * 6},
    ),
    # 60% of an income of 20,000.00, less 9,900.00 for other debts, repays a limit of 21,000.00.
    Situation(
        Reason.DEBT_RATIO,
        {**TENTH, "outside_monthly_payment": 990_000},
        2_100_000,
        {**TENTH, "outside_monthly_payment": 0},
        12_000_000,
    ),
    # 3,600.00 expected, of which 1,500.00 are to live on.
    Situation(
        Reason.RESIDUAL_INCOME,
        {**TENTH, "p10": 300_000, "p50": 360_000, "past": 360_000},
        2_100_000,
        {**TENTH, "p10": 300_000, "p50": 360_000, "past": 360_000, "debt.residual_income": yuan(0)},
        3_600_000,
    ),
    bars(
        Reason.OBLIGATIONS_UNKNOWN,
        {"debt.credit_check": True, "checked_on": ago(400)},
        {"debt.credit_check": True, "checked_on": ago(399)},
    ),
    bars(
        Reason.OVER_LIMIT,
        {"raises.utilisation_to_bps": 20_000, "balance": 2_000_001},
        {"raises.utilisation_to_bps": 20_000, "balance": 2_000_000},
    ),
    Situation(Reason.BORROWER_MAXIMUM, {"outside_debt": 17_900_000}, 2_100_000, {"outside_debt": UNKNOWN}, 20_000_000),
    bars(
        Reason.DOCUMENTS_MISSING,
        {"raises.documents": True, "documents": Documents.UNKNOWN},
        {"raises.documents": True, "documents": Documents.COMPLETE},
    ),
    bars(
        Reason.DOCUMENTS_EXPIRED,
        {"raises.documents": True, "documents_valid_until": ago(1)},
        {"raises.documents": True, "documents_valid_until": ago(0)},
    ),
    bars(Reason.PROBING, {"requests_90d": 4}, {"requests_90d": 3}),
    bars(
        Reason.LINKED_FRAUD,
        {"integrity.fraud_links": 2, "fraud_links": 2},
        {"integrity.fraud_links": 2, "fraud_links": 1},
    ),
    Situation(Reason.CONFIRMED_FRAUD, {"confirmed_fraud": True}, 0, {"confirmed_fraud": False}),
    bars(Reason.OPTED_OUT, {"opted_out": True}, {"opted_out": True, "requested_limit": 2_200_000}),
    bars(
        Reason.AUTOMATION_REFUSED,
        {"automation_refused": True},
        {"automation_refused": True, "consent.automation_may_be_refused": False},
    ),
    bars(
        Reason.NOT_ASKED_FOR,
        {"consent.raises": "on_request"},
        {"consent.raises": "on_request", "requested_limit": 2_200_000},
    ),
    bars(Reason.MACRO_FREEZE, frozen(0, 0), frozen(9, 1)),
    Situation(Reason.PORTFOLIO_BUDGET, {"budget_limit": 2_100_000}, 2_100_000, {"budget_limit": UNBOUNDED}),
    Situation(
        Reason.RESTORATION,
        {"limit_before_cut": 2_300_000, "last_cut_on": ago(364)},
        2_150_000,
        {"limit_before_cut": 2_300_000, "last_cut_on": ago(365)},
    ),
    bars(Reason.CHANGE_PENDING, {"change_pending": True}, {"change_pending": False}),
    Situation(Reason.OVERRIDE, {"override_cap": 1_600_000}, 1_600_000, {"override_cap": UNBOUNDED}),
    Situation(Reason.RISK_BAND, {"policy.risk": RULES, "band": 2}, 1_600_000, {"policy.risk": RULES, "band": 1}),
    # Six months of 3,500.00, or sixty of them and 120,000.00 at most.
    Situation(Reason.RISK_MAXIMUM, {**FIRM, "band": 1}, 2_100_000, {**FIRM, "band": 0}, 12_000_000),
    bars(Reason.RISK_UNKNOWN, {"policy.risk": REQUIRED}, {"policy.risk": REQUIRED, "band": 0}),
)
#: A second threshold of some rules, or what else they must let pass.
MORE = (
    bars(Reason.RISK_BAND, {"policy.risk": BARS_ONLY, "band": 2}, {"policy.risk": RULES}),
    Situation(Reason.RISK_MAXIMUM, {"policy.risk": RULES, "band": 1}, 2_400_000, {"band": 1}),
    # What is owed elsewhere is taken off; without a forecast there is nothing to take a multiple of.
    Situation(
        Reason.RISK_MAXIMUM,
        {**FIRM, "band": 1, "outside_monthly_payment": 300_000},
        LIMIT,
        {**FIRM, "band": 1, "method": Method.NOT_CONVERGED},
        2_400_000,
    ),
    Situation(Reason.RISK_MAXIMUM, {"policy.risk": RULES, "band": 2}, LIMIT, {"policy.risk": RULES}),
    bars(Reason.RISK_UNKNOWN, {"policy.risk": REQUIRED}, {"policy.risk": RULES}),
    Situation(Reason.ASKED_AMOUNT, {"requested_limit": 1}, LIMIT, {"requested_limit": 2_000_001}, 2_000_001),
    # What repayments carry, 21,000.00: as full use, or as a balance of 10,000.00 and half of what is left unused.
    Situation(Reason.ABILITY_TO_PAY, REPAYER, 2_100_000, {**REPAYER, "repayment.unused_bps": 5000}, 3_200_000),
    Situation(Reason.ABILITY_TO_PAY, REPAYER, 2_100_000, {**REPAYER, "repayment.unused_bps": 9999}, 2_100_110),
    Situation(
        Reason.ABILITY_TO_PAY,
        {**REPAYER, "repayment.unused_bps": 5000, "average_balance": 2_100_000},
        2_100_000,
        {**REPAYER, "repayment.unused_bps": 5000, "average_balance": UNKNOWN},
        4_200_000,
    ),
    # Income carries full use, whatever the policy says of repayments.
    Situation(
        Reason.ABILITY_TO_PAY,
        {**REPAYER, "repayment.unused_bps": 5000, "method": Method.POOLED},
        2_100_000,
        {**REPAYER, "repayment.unused_bps": 1, "p10": 10**15},
    ),
    # Without any event the newest month with a repayment counts: April ended 61 days ago, March 91.
    bars(
        Reason.DATA_STALE,
        {"last_event_on": None, "repaid": [9, 9, 9, 0, 0, 0]},
        {"last_event_on": None, "repaid": [9, 9, 9, 9, 0, 0]},
    ),
    bars(Reason.DATA_STALE, {"last_event_on": ago(62), "repaid": 9}, {"last_event_on": None, "repaid": 9}),
    bars(Reason.DATA_STALE, {"last_event_on": None, "repaid": 0}, {"last_event_on": None, "repaid": [9, None]}),
    Situation(Reason.PAST_DUE, {"days_past_due": 30}, 1_400_000, {"days_past_due": 29}, LIMIT),
    Situation(Reason.PAST_DUE, {"days_past_due": 90}, 0, {"days_past_due": 89}, 800_000),
    Situation(Reason.REPEATED_ARREARS, {"missed_payments": 6}, 1_400_000, {"missed_payments": 5}, 1_800_000),
    Situation(Reason.MANY_LENDERS, {"active_lenders": 6}, 1_400_000, {"active_lenders": UNKNOWN}),
    Situation(Reason.MANY_INQUIRIES, {"inquiries": 10}, 1_700_000, {"inquiries": UNKNOWN}),
    bars(Reason.PERSISTENT_DEBT, {"repaid_12m": 0}, {"repaid_12m": 0, "statements_12m": 11}),
    bars(Reason.PERSISTENT_DEBT, {"repaid_12m": 0}, {"repaid_12m": 0, "balance": 0}),
    # A minor unit of interest more than a whole number of them: twice 1.5 is 3.
    bars(Reason.PERSISTENT_DEBT, {"balances_12m": 101, "repaid_12m": 3}, {"balances_12m": 100, "repaid_12m": 3}),
    bars(Reason.INCOME_UNSTABLE, {"inflow": [0, 0, 0, 0, 9]}, {"inflow": [0, 9]}),
    bars(Reason.INCOME_UNSTABLE, {"inflow": [0] * 10 + [9, 0]}, {"inflow": 0}),
    Situation(Reason.DEBT_RATIO, {**TENTH, "inflow": 300_000}, LIMIT, {**TENTH, "inflow": 0}),
    Situation(Reason.DEBT_RATIO, {**TENTH, "obligations": 990_000}, 2_100_000, {**TENTH, "inflow": [None]}),
    Situation(Reason.RESIDUAL_INCOME, {"p50": -5_000_000}, LIMIT, {"p50": 0, "method": Method.REVEALED_REPAYMENT}),
    bars(Reason.OBLIGATIONS_UNKNOWN, {"debt.credit_check": True, "checked_on": None}, {"checked_on": None}),
    Situation(
        Reason.OVER_LIMIT, {"exposure.over_limit_bps": 7000, "balance": 2_000_001}, 1_400_000, {"balance": UNKNOWN}
    ),
    Situation(Reason.BORROWER_MAXIMUM, {"outside_debt": 10**15}, LIMIT, {"outside_debt": 0}, 20_000_000),
    bars(
        Reason.DOCUMENTS_MISSING,
        {"raises.documents": True, "documents": Documents.MISSING},
        {"documents": Documents.MISSING},
    ),
    bars(Reason.MACRO_FREEZE, frozen(9, 0), frozen(-1, -9)),
    bars(
        Reason.MACRO_FREEZE,
        frozen(0, 0, segments=frozenset({"retail", "x"}), jurisdictions=frozenset({"CN"})),
        frozen(0, 0, segments=frozenset({"retail"}), jurisdictions=frozenset({"DE"})),
    ),
    bars(
        Reason.MACRO_FREEZE,
        {**frozen(0, 0, industries=frozenset({"mining"})), "industry": "mining"},
        {**frozen(0, 0, industries=frozenset({"mining"})), "industry": "", "segment": "mining"},
    ),
    Situation(Reason.PORTFOLIO_BUDGET, {"budget_limit": 0}, LIMIT, {}),
    # The limit is back already: within the time after the cut nothing beyond.
    Situation(
        Reason.RESTORATION,
        {"limit_before_cut": 1_900_000, "last_cut_on": ago(100)},
        LIMIT,
        {"limit_before_cut": UNKNOWN, "last_cut_on": ago(100)},
    ),
)  # fmt: skip


def given(names: Mapping[str, Any]) -> tuple[Portfolio, Capacity, Risk, Policy]:
    """The portfolio of one user, the forecast and the policy of one side of a situation."""
    policy = changed(**{name.removeprefix("policy."): value for name, value in names.items() if "." in name})
    risk = in_band(1, names["band"]) if "band" in names else Risk.none(1)
    forecast = {name: names.get(name, value) for name, value in CAPACITY.items()}
    portfolio = make_portfolio([{n: v for n, v in names.items() if "." not in n and n not in (*CAPACITY, "band")}])
    arrays = {name: np.array([value], dtype=np.int64) for name, value in forecast.items()}
    return portfolio, Capacity(p90=arrays["p50"] + 100_000, **arrays), risk, policy


def ceiling_of(reason: Reason) -> Ceiling:
    return next(ceiling for ceiling in CEILINGS if ceiling.reason == reason)


def name(situation: Situation) -> str:
    return situation.reason.name.lower()


def decided(names: Mapping[str, Any]) -> Decisions:
    return decide(*given(names))


@pytest.mark.parametrize("situation", [*SITUATIONS, *MORE], ids=name)
def test_a_rule_bites_on_one_side_of_its_threshold_and_not_on_the_other(situation: Situation) -> None:
    rule = ceiling_of(situation.reason).rule
    found = [rule(*given(names)) for names in (situation.bites, situation.spares)]
    assert [int(values[0]) for values in found] == [situation.ceiling, situation.otherwise]
    assert all(values.dtype == np.int64 and values.shape == (1,) for values in found)


@pytest.mark.parametrize("situation", SITUATIONS, ids=name)
def test_a_rule_is_the_first_reason_where_it_bites_alone(situation: Situation) -> None:
    made = decided(situation.bites)
    assert made.reasons(0)[0] == made.binding[0] == situation.reason
    if situation.reason != Reason.STEP_CAP:  # there is no policy without one
        assert situation.reason not in decided(situation.spares).reasons(0)


def test_there_is_a_situation_for_every_rule() -> None:
    assert [s.reason for s in SITUATIONS] == sorted(Reason, key=[s.reason for s in SITUATIONS].index)
    assert {s.reason for s in SITUATIONS} == {ceiling.reason for ceiling in CEILINGS} == set(Reason)


@pytest.mark.parametrize("taken", CEILINGS, ids=lambda ceiling: ceiling.reason.name.lower())
def test_without_any_one_rule_somebody_gets_another_limit(taken: Ceiling, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {s.reason: int(decided(s.bites).limit_after[0]) for s in SITUATIONS}
    monkeypatch.setattr(limits.decision, "CEILINGS", tuple(c for c in CEILINGS if c is not taken))
    after = {s.reason: int(decided(s.bites).limit_after[0]) for s in SITUATIONS}
    assert after[taken.reason] > before[taken.reason]


def test_the_hard_maxima_are_those_of_the_law_the_product_and_its_groups() -> None:
    assert {
        Reason.STATUTORY_MAXIMUM, Reason.PRODUCT_MAXIMUM, Reason.SEGMENT_MAXIMUM, Reason.INDUSTRY_MAXIMUM,
    } == HARD  # fmt: skip


@pytest.mark.parametrize("reason", sorted(HARD), ids=lambda reason: reason.name.lower())
def test_hysteresis_softens_no_hard_maximum(reason: Reason) -> None:
    """One grid step above it is far less than the policy would otherwise bother with."""
    names = dict(next(s.bites for s in SITUATIONS if s.reason == reason))
    assert int(decided({**names, "credit_limit": 2_110_000}).limit_after[0]) == 2_100_000


def test_an_income_is_judged_by_its_newest_year_alone() -> None:
    """Months before the newest twelve observed ones neither help nor harm, however many there are."""
    users = [
        {"inflow": [*old, *[1_000_000, 3_000_000] * 6], "outside_monthly_payment": 990_000}
        for old in ([], [9_000_000], [0, None, 7], [1_000_000] * 20)
    ]
    for months in (12, 15, 32, 36):
        portfolio = make_portfolio([{**u, "inflow": u["inflow"][-months:]} for u in users], months=months)
        capacity = Capacity(*(np.full(4, 10**6, dtype=np.int64) for _ in range(3)), *(np.zeros((3, 4), dtype=np.int64)))
        *_, policy = given({**TENTH, "capacity.income_varies_bps": 4999})
        for reason in (Reason.INCOME_UNSTABLE, Reason.DEBT_RATIO):
            assert len(set(ceiling_of(reason).rule(portfolio, capacity, Risk.none(4), policy).tolist())) == 1


def test_the_largest_amounts_overflow_nothing() -> None:
    """Every rule stays an int64 between 0 and UNBOUNDED, whatever the largest amounts are combined with."""
    most = 10**15
    amounts = (
        "credit_limit", "balance", "average_balance", "outside_debt", "outside_monthly_payment", "requested_limit",
        "limit_before_cut", "override_cap", "override_floor", "budget_limit", "inflow", "essential_spend",
        "obligations", "repaid",
    )  # fmt: skip
    yearly = {"balances_12m": 1000 * most, "repaid_12m": 1000 * most}
    all_of_it, nothing = dict.fromkeys(amounts, most), dict.fromkeys(amounts, 0)
    for user in (all_of_it | yearly, nothing | yearly, all_of_it):
        for limit in (0, 1, most):
            for apr in (0, 1, 100_000):
                portfolio, capacity, risk, policy = given(
                    {**user, "credit_limit": limit, "repayment.apr_bps": apr, "repayment.basis": "minimum_payment",
                     "repayment.minimum_payment_bps": 1, "policy.risk": HIGHEST, "band": 0,
                     "p10": most, "p50": most, "past": most}
                )  # fmt: skip
                with np.errstate(all="raise"):
                    made = decide(portfolio, capacity, risk, policy)
                assert ((made.ceilings >= 0) & (made.ceilings <= UNBOUNDED)).all()
                assert 0 <= made.floor[0] <= limit and 0 <= made.limit_after[0] <= most


def test_persistent_debt_is_compared_exactly_where_a_product_would_overflow() -> None:
    for balances, repaid, bitten in ((10**18, 3 * 10**17 - 1, True), (10**18, 3 * 10**17, False)):
        names = {"balances_12m": balances, "repaid_12m": repaid, "repayment.apr_bps": 18_000}
        found = ceiling_of(Reason.PERSISTENT_DEBT).rule(*given(names))
        assert (int(found[0]) == LIMIT) == bitten


def told() -> dict[str, list[str]]:
    """The table of docs/policy.md: for each reason what the rule looks at, what it does, principal, person."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text()
    section = page.split("## Rules\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in re.findall(r"^\| `.*\|$", section, re.M)
    ]
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0].strip("` "): row[1:] for row in rows}


def test_the_table_of_rules_is_complete_and_says_what_they_do() -> None:
    table = told()
    assert set(table) == {reason.name.lower() for reason in Reason}
    for situation in (*SITUATIONS, *MORE):
        looks_at, does, *_ = table[name(situation)]
        assert looks_at
        hard = situation.reason in HARD
        assert (does == "hard maximum") == hard, name(situation)
        assert does != "bars a raise" or situation.ceiling == LIMIT, name(situation)
        assert does not in ("holds", "bounds a raise") or situation.ceiling >= LIMIT, name(situation)
        assert hard or situation.ceiling >= LIMIT or does == "asks for less", name(situation)
    for reason in Reason:
        _, does, principal, person = table[reason.name.lower()]
        assert does in ("hard maximum", "bars a raise", "bounds a raise", "asks for less", "holds")
        assert principal == ("no" if reason in NOT_PRINCIPAL else "yes"), reason.name
        assert person == ("yes" if reason in HUMAN_REVIEW else "no"), reason.name
