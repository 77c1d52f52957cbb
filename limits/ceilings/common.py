"""What the rules are made of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from limits.policy import ALL_BPS, Policy
from limits.portfolio import UNBOUNDED, Bool, CashFlow, Dates, Int, Portfolio

if TYPE_CHECKING:
    from limits.capacity.reading import Habits


def no_raise(portfolio: Portfolio, barred: Bool) -> Int:
    """The current limit for those barred from a raise, no bound for the others."""
    return np.where(barred, portfolio.credit_limit, UNBOUNDED)


def share_of(amount: Int, bps: int) -> Int:
    """A share of an amount, rounded down: exact in int64 for amounts up to money.LARGEST_MINOR."""
    whole = amount // ALL_BPS
    rest = amount - whole * ALL_BPS
    return np.asarray(whole * bps + rest * bps // ALL_BPS, dtype=np.int64)


def cut_back(portfolio: Portfolio, whom: Bool, bps: int) -> Int:
    """A share of the current limit for ``whom``, no bound for the others: a share is taken of few."""
    bounds = np.full(len(portfolio), UNBOUNDED, dtype=np.int64)
    rows = np.flatnonzero(whom)
    bounds[rows] = share_of(portfolio.credit_limit[rows], bps)
    return bounds


def ladder(value: Int, limit: Int, steps: Sequence[tuple[int, int]]) -> Int:
    """The share of the limit at the highest step that ``value`` has reached; no bound below the first.

    The steps ascend. Most users have reached none, so that a share is taken of few.
    """
    bounds = np.full(len(limit), UNBOUNDED, dtype=np.int64)
    for step, bps in steps:
        reached = np.flatnonzero(value >= step)
        bounds[reached] = share_of(limit[reached], bps)
    return bounds


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


class ReadOnce(CashFlow):
    """A cash flow that keeps what rules have read from it, for as long as a decision lasts."""

    @classmethod
    def of(cls, flow: CashFlow) -> Self:
        """The flow itself where it is one already, else one with the same arrays."""
        if isinstance(flow, cls):
            return flow
        return cls(**{f.name: getattr(flow, f.name) for f in dataclasses.fields(CashFlow)})

    @functools.cached_property
    def habits(self) -> Habits:
        """What is read from the months, all at once."""
        from limits.capacity.reading import habits  # here, for it loads the kernels and not everybody decides

        return habits(self)


def habits_of(portfolio: Portfolio) -> Habits:
    """What the cash flow says of each user's income and obligations."""
    return ReadOnce.of(portfolio.cash_flow).habits


def last_repaid(portfolio: Portfolio) -> Dates:
    """The last day of the newest whole month in which something was repaid (n,); NaT without one."""
    flow = portfolio.cash_flow
    never = np.full(len(portfolio), np.datetime64("NaT", "D"))
    paid = flow.observed & (flow.repaid > 0)
    if not paid.size:
        return never
    newest = paid.shape[1] - 1 - paid[:, ::-1].argmax(axis=1)
    ends = (flow.months + 1).astype("datetime64[D]") - 1
    return np.where(paid.any(axis=1), ends[newest], never)


def unseen_obligations(portfolio: Portfolio) -> Int:
    """Monthly payments to other lenders that a credit check knows of and the cash flow does not show."""
    checked = np.maximum(portfolio.outside_monthly_payment, 0)
    return np.asarray(np.maximum(checked - habits_of(portfolio).obligations, 0), dtype=np.int64)
