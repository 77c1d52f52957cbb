"""Repayment: what a user can repay, and how the user has repaid."""

from __future__ import annotations

import numpy as np

from limits.capacity import FORECASTS, Capacity, Method
from limits.ceilings.common import (
    habits_of,
    ladder,
    limit_repaid_by,
    no_raise,
    share_of,
    unseen_obligations,
    within,
)
from limits.policy import ALL_BPS, Policy
from limits.portfolio import UNBOUNDED, Int, Portfolio
from limits.risk import Risk

#: Months of a year: balances and interest of one are compared.
MONTHS = 12


def ability_to_pay(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The limit whose repayment at full use takes the allowed share of p10 capacity.

    Full use from day one is what Regulation Z, 12 CFR 1026.51(a)(2)(ii), lets a lender
    assume. Payments to other lenders that a credit check knows of, beyond those seen in
    the cash flow, are taken off first. Revealed repayments are a lower bound of capacity:
    they may allow a raise and never call for a cut, and as they were paid in full, all of
    them counts. They are of what was used, so the policy may let them be held against less
    than full use. Where there is no forecast, other rules bar the raise.
    """
    revealed = capacity.method == Method.REVEALED_REPAYMENT
    available = np.maximum(capacity.p10 - unseen_obligations(portfolio), 0).astype(np.float64)
    share = np.where(revealed, 1.0, policy.repayment.share_of_capacity_bps / ALL_BPS)
    affordable = np.floor(available * share / policy.repayment.monthly_rate_of_limit)
    ceiling = np.minimum(affordable, float(UNBOUNDED)).astype(np.int64)
    ceiling = np.where(revealed, np.maximum(_at_use(ceiling, portfolio, policy), portfolio.credit_limit), ceiling)
    return np.where(FORECASTS[capacity.method], ceiling, UNBOUNDED)


def _at_use(affordable: Int, portfolio: Portfolio, policy: Policy) -> Int:
    """The limit (n,) of which the average balance and the policy's share of the rest come to an affordable debt."""
    share, used = policy.repayment.unused_bps, np.maximum(portfolio.average_balance, 0)
    if share == ALL_BPS:
        return affordable
    left = np.clip(affordable - used, 0, UNBOUNDED // ALL_BPS)
    reached = used + left // share * ALL_BPS + left % share * ALL_BPS // share
    return np.asarray(np.where(affordable > used, np.minimum(reached, UNBOUNDED), affordable), dtype=np.int64)


def debt_ratio(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The limit at which its repayment and all other debts take the allowed share of mean income.

    Income is the mean inflow of the newest observed year; other debts are what the cash
    flow shows or a credit check knows of, whichever is more. It bars a raise and never calls
    for a cut. Where no income is seen there is nothing to take a share of: those users are
    forecast from what they repaid, or barred by other rules.
    """
    habits = habits_of(portfolio)
    income = habits.total // np.maximum(habits.months, 1)
    others = np.maximum(habits.obligations, portfolio.outside_monthly_payment)
    ceiling = limit_repaid_by(share_of(income, policy.debt.ratio_bps) - others, policy)
    return np.where(habits.income, np.maximum(ceiling, portfolio.credit_limit), UNBOUNDED)


def residual_income(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The limit whose repayment at full use leaves enough of what is expected (p50) to live on.

    It bars a raise and never calls for a cut. It needs a forecast of income: repayments show
    what was paid, and not what was left.
    """
    left = capacity.p50 - unseen_obligations(portfolio) - policy.debt.residual_income.minor
    ceiling = np.maximum(limit_repaid_by(left, policy), portfolio.credit_limit)
    of_income = FORECASTS[capacity.method] & (capacity.method != Method.REVEALED_REPAYMENT)
    return np.where(of_income, ceiling, UNBOUNDED)


def obligations_unknown(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise without a credit check that is recent enough, where the policy asks for one."""
    known = within(portfolio, portfolio.checked_on, policy.debt.credit_check_max_age_days)
    return no_raise(portfolio, ~known & policy.debt.credit_check)


def past_due(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The ladder of days past due: no raise from the first day, less the longer it lasts."""
    steps = [(step.days_past_due, step.limit_bps) for step in policy.past_due]
    return ladder(portfolio.days_past_due, portfolio.credit_limit, steps)


def missed_payments(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise after more missed minimum payments in twelve months than are let pass."""
    return no_raise(portfolio, portfolio.missed_payments > policy.raises.missed_payments)


def repeated_arrears(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The ladder of payments missed in twelve months: less, the more there were."""
    steps = [(step.missed_payments, step.limit_bps) for step in policy.arrears]
    return ladder(portfolio.missed_payments, portfolio.credit_limit, steps)


def minimum_payments(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who pays little more than the minimum, month after month."""
    return no_raise(portfolio, portfolio.minimum_only_payments >= policy.habits.minimum_only_payments)


def persistent_debt(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who pays more for interest than for the debt over a year, and still owes.

    Interest is estimated as a month's interest on each statement's balance; what was repaid
    beyond it went into the debt. The notion is that of persistent debt in FCA CONC 6.7.27R,
    whose own period is 18 months. Compared in whole numbers: repaid < 2 x interest.
    """
    whole, rest = np.divmod(portfolio.balances_12m, ALL_BPS * MONTHS // 2)
    twice_interest = whole * policy.repayment.apr_bps - (-(rest * policy.repayment.apr_bps) // (ALL_BPS * MONTHS // 2))
    enough = portfolio.statements_12m >= policy.habits.persistent_debt_statements
    return no_raise(portfolio, enough & (portfolio.balance > 0) & (portfolio.repaid_12m < twice_interest))
