"""What the rules are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from limits.policy import ALL_BPS, Policy
from limits.portfolio import UNBOUNDED, Bool, Dates, Int, Portfolio

#: Observed months that the rules about income look at.
YEAR = 12


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


def asked(portfolio: Portfolio) -> Bool:
    """Who asked for an amount."""
    return portfolio.requested_limit < UNBOUNDED


def wants_a_person(portfolio: Portfolio, policy: Policy) -> Bool:
    """Who refused to be decided about without a person, where the policy lets users do so."""
    return portfolio.automation_refused & policy.consent.automation_may_be_refused


def limit_repaid_by(available: Int, policy: Policy) -> Int:
    """The limit whose repayment at full use takes ``available`` a month (n,), minor units, rounded down.

    The rate is a float; amounts up to LARGEST_MINOR are exact in one, so the result is at
    most one minor unit off before it is rounded down to the grid.
    """
    affordable = np.floor(np.maximum(available, 0) / policy.repayment.monthly_rate_of_limit)
    return np.minimum(affordable, float(UNBOUNDED)).astype(np.int64)


def seen_obligations(portfolio: Portfolio) -> Int:
    """Monthly payments to other lenders in the cash flow: the mean over all observed months, rounded down."""
    flow = portfolio.cash_flow
    months = np.maximum(flow.observed.sum(axis=1), 1)
    return np.asarray((flow.obligations * flow.observed).sum(axis=1) // months, dtype=np.int64)


def unseen_obligations(portfolio: Portfolio) -> Int:
    """Monthly payments to other lenders that a credit check knows of and the cash flow does not show."""
    checked = np.maximum(portfolio.outside_monthly_payment, 0)
    return np.asarray(np.maximum(checked - seen_obligations(portfolio), 0), dtype=np.int64)


def newest_year(portfolio: Portfolio) -> Iterator[tuple[Int, Bool]]:
    """Month by month, newest first: the inflow (n,), and for whom it is among the newest YEAR observed months (n,).

    By months and not by rows, for months are few and users many.
    """
    flow = portfolio.cash_flow
    inflow, observed = np.ascontiguousarray(flow.inflow.T), np.ascontiguousarray(flow.observed.T)
    counted = np.zeros(len(portfolio), dtype=np.int64)
    for month in reversed(range(len(inflow))):
        seen = observed[month] & (counted < YEAR)
        counted += seen
        yield inflow[month], seen


def income_of_newest_year(portfolio: Portfolio) -> tuple[Int, Int]:
    """How many observed months there are in the newest YEAR of them, and the sum of their inflow: each (n,)."""
    months, total = np.zeros((2, len(portfolio)), dtype=np.int64)
    for inflow, seen in newest_year(portfolio):
        months += seen
        total += inflow * seen
    return months, total
