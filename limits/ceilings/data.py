"""Data: whether the history and its forecast carry a raise."""

from __future__ import annotations

import numpy as np

from limits.capacity import FEWEST_MONTHS, FORECASTS, Capacity
from limits.ceilings.common import habits_of, last_repaid, no_raise, share_of, within
from limits.policy import ALL_BPS, Policy
from limits.portfolio import Int, Portfolio
from limits.risk import Risk


def history_short(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise on few observed months."""
    return no_raise(portfolio, capacity.months_observed < policy.capacity.minimum_months)


def data_stale(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise when nothing was heard of the user for long.

    Of a user without any event the lender's own books speak: the last day of the newest month in which something was
    repaid. Where there are events, repayments do not make up for a feed that has stopped.
    """
    heard = np.where(np.isnat(portfolio.last_event_on), last_repaid(portfolio), portfolio.last_event_on)
    return no_raise(portfolio, ~within(portfolio, heard, policy.capacity.data_max_age_days))


def model_fell_back(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise without a forecast, for whatever reason there is none."""
    return no_raise(portfolio, ~FORECASTS[capacity.method])


def forecast_falling(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise when capacity is expected to fall well below its past mean (below it at all, where that is negative)."""
    fall = capacity.past - capacity.p50
    far = fall > share_of(np.maximum(capacity.past, 0), policy.capacity.falling_bps)
    return no_raise(portfolio, far & FORECASTS[capacity.method])


def forecast_uncertain(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise when capacity in a bad tenth of cases lies far below what is expected."""
    far = capacity.p50 - capacity.p10 > share_of(np.maximum(capacity.p50, 0), policy.capacity.uncertain_bps)
    return no_raise(portfolio, far & FORECASTS[capacity.method])


def income_unstable(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise when monthly income of the newest observed year varies too much for its mean.

    Standard deviation (of those months, not an estimate from them) over mean, from three
    months on.
    """
    habits = habits_of(portfolio)
    months = habits.months
    # Both are times the number of months: the deviation here, and the total, of which the mean is a part.
    deviation = np.sqrt(habits.squares / np.maximum(months, 1))
    varies = deviation * ALL_BPS > policy.capacity.income_varies_bps * habits.total.astype(np.float64)
    return no_raise(portfolio, varies & (months >= FEWEST_MONTHS))
