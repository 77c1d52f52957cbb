"""The rules. Each returns, for every user, the highest limit it would accept: a ceiling, in minor units.

A rule never says "raise" or "lower". One that bars a raise returns the current limit, one
that asks for less returns a share of it, one that does not concern a user returns
UNBOUNDED. All are pure array functions of (portfolio, capacity, policy) -> int64 (n,),
and CEILINGS at the end is the one list of them; of equal ceilings the first listed binds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from limits.capacity import FORECASTS, Capacity, Method
from limits.policy import ALL_BPS, Policy
from limits.portfolio import UNBOUNDED, UNKNOWN, Bool, Dates, Identity, Income, Int, Portfolio, Status
from limits.reasons import Reason

Rule = Callable[[Portfolio, Capacity, Policy], Int]


@dataclass(frozen=True)
class Ceiling:
    """A rule with its reason. ``hard``: a maximum that hysteresis must not soften."""

    reason: Reason
    rule: Rule
    hard: bool = False


# Maxima ------------------------------------------------------------------------------------


def statutory_maximum(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """What the law allows one borrower."""
    return np.full(len(portfolio), policy.maximum.statutory.minor, dtype=np.int64)


def product_maximum(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """What the product allows."""
    return np.full(len(portfolio), policy.maximum.product.minor, dtype=np.int64)


def step_cap(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """The largest raise of one review: a share of the limit, between a least and a most."""
    step = share_of(portfolio.credit_limit, policy.raises.step_bps)
    return portfolio.credit_limit + np.clip(step, policy.raises.step_least.minor, policy.raises.step_most.minor)


def asked_amount(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Nobody gets more than was asked for; an amount below the limit is no request to cut it."""
    return np.maximum(portfolio.requested_limit, portfolio.credit_limit)


# Repayment ---------------------------------------------------------------------------------


def ability_to_pay(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """The limit whose repayment at full use takes the allowed share of p10 capacity.

    Full use from day one is what Regulation Z, 12 CFR 1026.51(a)(2)(ii), lets a lender
    assume. Payments to other lenders that a credit check knows of, beyond those seen in
    the cash flow, are taken off first. Revealed repayments are a lower bound of capacity:
    they may allow a raise and never call for a cut, and as they were paid in full, all of
    them counts. Where there is no forecast, other rules bar the raise.
    """
    revealed = capacity.method == Method.REVEALED_REPAYMENT
    available = np.maximum(capacity.p10 - unseen_obligations(portfolio), 0).astype(np.float64)
    share = np.where(revealed, 1.0, policy.repayment.share_of_capacity_bps / ALL_BPS)
    affordable = np.floor(available * share / policy.repayment.monthly_rate_of_limit)
    ceiling = np.minimum(affordable, float(UNBOUNDED)).astype(np.int64)
    ceiling = np.where(revealed, np.maximum(ceiling, portfolio.credit_limit), ceiling)
    return np.where(FORECASTS[capacity.method], ceiling, UNBOUNDED)


def past_due(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """The ladder of days past due: no raise from the first day, less the longer it lasts."""
    steps = [(step.days_past_due, step.limit_bps) for step in policy.past_due]
    return ladder(portfolio.days_past_due, portfolio.credit_limit, steps)


def missed_payments(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise after more missed minimum payments in twelve months than are let pass."""
    return no_raise(portfolio, portfolio.missed_payments > policy.raises.missed_payments)


# Exposure ----------------------------------------------------------------------------------


def many_lenders(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Borrowing from many lenders at once."""
    steps = [(step.active_lenders, step.limit_bps) for step in policy.exposure.lenders]
    return ladder(portfolio.active_lenders, portfolio.credit_limit, steps)


def many_inquiries(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Many applications for credit in 90 days."""
    steps = [(step.inquiries, step.limit_bps) for step in policy.exposure.inquiries]
    return ladder(portfolio.inquiries, portfolio.credit_limit, steps)


def utilisation_low(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise of a limit that is hardly used. Without a statement nothing is known of its use."""
    used = share_of(portfolio.credit_limit, policy.raises.utilisation_from_bps)
    return no_raise(portfolio, (portfolio.average_balance != UNKNOWN) & (portfolio.average_balance < used))


def utilisation_high(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise of a limit that is used up: it would follow need and not means."""
    full = share_of(portfolio.credit_limit, policy.raises.utilisation_to_bps)
    return no_raise(portfolio, np.maximum(portfolio.average_balance, portfolio.balance) > full)


def dormant(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """A line with statements that has not been used for long is cut back."""
    used_on = np.where(np.isnat(portfolio.last_used_on), portfolio.opened_on, portfolio.last_used_on)
    unused = (portfolio.statements_seen > 0) & (days_since(portfolio, used_on) > policy.exposure.dormant_days)
    return np.where(unused, share_of(portfolio.credit_limit, policy.exposure.dormant_limit_bps), UNBOUNDED)


# Integrity ---------------------------------------------------------------------------------


def restricted_industry(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Industries the lender does not want to lend more to."""
    inside = np.isin(portfolio.industry, sorted(policy.integrity.restricted_industries))
    return np.where(inside, share_of(portfolio.credit_limit, policy.integrity.restricted_limit_bps), UNBOUNDED)


def identity_unverified(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise before identity is verified."""
    return no_raise(portfolio, (portfolio.identity == Identity.UNVERIFIED) & policy.raises.identity)


def identity_mismatch(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Identity details that contradict each other."""
    mismatch = portfolio.identity == Identity.MISMATCH
    return np.where(mismatch, share_of(portfolio.credit_limit, policy.integrity.identity_mismatch_limit_bps), UNBOUNDED)


def income_unverified(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise without proof of income."""
    return no_raise(portfolio, (portfolio.income == Income.UNVERIFIED) & policy.raises.income)


def income_stale(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise on a proof of income that is too old, or of unknown age."""
    old = ~within(portfolio, portfolio.income_verified_on, policy.raises.income_max_age_days)
    return no_raise(portfolio, (portfolio.income == Income.VERIFIED) & old & policy.raises.income)


def false_documents(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """Documents that were found to be false."""
    false = portfolio.income == Income.FALSE
    return np.where(false, share_of(portfolio.credit_limit, policy.integrity.false_documents_limit_bps), UNBOUNDED)


# Terms of a raise --------------------------------------------------------------------------


def account_blocked(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise of an account that is not active."""
    return no_raise(portfolio, portfolio.status != Status.ACTIVE)


def no_consent(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise the user has not agreed to."""
    return no_raise(portfolio, ~portfolio.raise_consent & policy.raises.consent)


def too_new(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise in the first months on book."""
    return no_raise(portfolio, portfolio.months_on_book < policy.raises.months_on_book)


def cool_off_after_raise(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise so soon after a raise."""
    days = policy.raises.cool_off_after_raise_days
    return no_raise(portfolio, within(portfolio, portfolio.last_raise_on, days))


def cool_off_after_cut(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise so soon after a cut."""
    days = policy.raises.cool_off_after_cut_days
    return no_raise(portfolio, within(portfolio, portfolio.last_cut_on, days))


# Data --------------------------------------------------------------------------------------


def history_short(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise on few observed months."""
    return no_raise(portfolio, capacity.months_observed < policy.capacity.minimum_months)


def data_stale(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise when nothing was heard of the user for long."""
    return no_raise(portfolio, ~within(portfolio, portfolio.last_event_on, policy.capacity.data_max_age_days))


def model_fell_back(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise without a forecast, for whatever reason there is none."""
    return no_raise(portfolio, ~FORECASTS[capacity.method])


def forecast_falling(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise when capacity is expected to fall well below its past mean (below it at all, where that is negative)."""
    fall = capacity.past - capacity.p50
    far = fall > share_of(np.maximum(capacity.past, 0), policy.capacity.falling_bps)
    return no_raise(portfolio, far & FORECASTS[capacity.method])


def forecast_uncertain(portfolio: Portfolio, capacity: Capacity, policy: Policy) -> Int:
    """No raise when capacity in a bad tenth of cases lies far below what is expected."""
    far = capacity.p50 - capacity.p10 > share_of(np.maximum(capacity.p50, 0), policy.capacity.uncertain_bps)
    return no_raise(portfolio, far & FORECASTS[capacity.method])


#: Every rule there is, in the order in which equal ceilings bind.
CEILINGS: tuple[Ceiling, ...] = (
    Ceiling(Reason.STATUTORY_MAXIMUM, statutory_maximum, hard=True),
    Ceiling(Reason.PRODUCT_MAXIMUM, product_maximum, hard=True),
    Ceiling(Reason.PAST_DUE, past_due),
    Ceiling(Reason.FALSE_DOCUMENTS, false_documents),
    Ceiling(Reason.IDENTITY_MISMATCH, identity_mismatch),
    Ceiling(Reason.MANY_LENDERS, many_lenders),
    Ceiling(Reason.MANY_INQUIRIES, many_inquiries),
    Ceiling(Reason.RESTRICTED_INDUSTRY, restricted_industry),
    Ceiling(Reason.ABILITY_TO_PAY, ability_to_pay),
    Ceiling(Reason.DORMANT, dormant),
    Ceiling(Reason.ACCOUNT_BLOCKED, account_blocked),
    Ceiling(Reason.MISSED_PAYMENTS, missed_payments),
    Ceiling(Reason.INCOME_UNVERIFIED, income_unverified),
    Ceiling(Reason.INCOME_STALE, income_stale),
    Ceiling(Reason.IDENTITY_UNVERIFIED, identity_unverified),
    Ceiling(Reason.NO_CONSENT, no_consent),
    Ceiling(Reason.HISTORY_SHORT, history_short),
    Ceiling(Reason.MODEL_FELL_BACK, model_fell_back),
    Ceiling(Reason.FORECAST_FALLING, forecast_falling),
    Ceiling(Reason.FORECAST_UNCERTAIN, forecast_uncertain),
    Ceiling(Reason.DATA_STALE, data_stale),
    Ceiling(Reason.TOO_NEW, too_new),
    Ceiling(Reason.COOL_OFF_AFTER_CUT, cool_off_after_cut),
    Ceiling(Reason.COOL_OFF_AFTER_RAISE, cool_off_after_raise),
    Ceiling(Reason.UTILISATION_HIGH, utilisation_high),
    Ceiling(Reason.UTILISATION_LOW, utilisation_low),
    Ceiling(Reason.STEP_CAP, step_cap),
    Ceiling(Reason.ASKED_AMOUNT, asked_amount),
)


# Building blocks ---------------------------------------------------------------------------


def no_raise(portfolio: Portfolio, barred: Bool) -> Int:
    """The current limit for those barred from a raise, no bound for the others."""
    return np.where(barred, portfolio.credit_limit, UNBOUNDED)


def share_of(amount: Int, bps: int) -> Int:
    """A share of an amount, rounded down: exact in int64 for amounts up to money.LARGEST_MINOR."""
    whole, rest = np.divmod(amount, ALL_BPS)
    return np.asarray(whole * bps + rest * bps // ALL_BPS, dtype=np.int64)


def ladder(value: Int, limit: Int, steps: Sequence[tuple[int, int]]) -> Int:
    """The share of the limit at the highest step that ``value`` has reached; no bound below the first."""
    reached = np.searchsorted(np.array([step for step, _ in steps]), value, side="right")
    bounds = np.stack([np.full(len(limit), UNBOUNDED), *(share_of(limit, bps) for _, bps in steps)])
    return np.asarray(np.take_along_axis(bounds, reached[None, :], axis=0)[0], dtype=np.int64)


def days_since(portfolio: Portfolio, when: Dates) -> Int:
    """Whole days from a date to as_of; callers look at NaT first."""
    return (np.datetime64(portfolio.as_of, "D") - when).astype(np.int64)


def within(portfolio: Portfolio, when: Dates, days: int) -> Bool:
    """Whether a date is known and less than ``days`` before as_of."""
    return ~np.isnat(when) & (np.datetime64(portfolio.as_of, "D") - when < np.timedelta64(days, "D"))


def unseen_obligations(portfolio: Portfolio) -> Int:
    """Monthly payments to other lenders that a credit check knows of and the cash flow does not show.

    The cash flow's own figure is the mean over all observed months, rounded down.
    """
    flow = portfolio.cash_flow
    months = np.maximum(flow.observed.sum(axis=1), 1)
    seen = (flow.obligations * flow.observed).sum(axis=1) // months
    return np.asarray(np.maximum(np.maximum(portfolio.outside_monthly_payment, 0) - seen, 0), dtype=np.int64)
