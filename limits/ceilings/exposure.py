"""Exposure: borrowing elsewhere, and how the limit is used."""

from __future__ import annotations

import numpy as np

from limits.capacity import Capacity
from limits.ceilings.common import cut_back, days_since, ladder, no_raise, share_of
from limits.policy import Policy
from limits.portfolio import UNKNOWN, Int, Portfolio
from limits.risk import Risk


def many_lenders(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Borrowing from many lenders at once."""
    steps = [(step.active_lenders, step.limit_bps) for step in policy.exposure.lenders]
    return ladder(portfolio.active_lenders, portfolio.credit_limit, steps)


def many_inquiries(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Many applications for credit in 90 days."""
    steps = [(step.inquiries, step.limit_bps) for step in policy.exposure.inquiries]
    return ladder(portfolio.inquiries, portfolio.credit_limit, steps)


def utilisation_low(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise of a limit that is hardly used. Without a statement nothing is known of its use."""
    used = share_of(portfolio.credit_limit, policy.raises.utilisation_from_bps)
    return no_raise(portfolio, (portfolio.average_balance != UNKNOWN) & (portfolio.average_balance < used))


def utilisation_high(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise of a limit that is used up: it would follow need and not means."""
    full = share_of(portfolio.credit_limit, policy.raises.utilisation_to_bps)
    return no_raise(portfolio, np.maximum(portfolio.average_balance, portfolio.balance) > full)


def dormant(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """A line with statements that has not been used for long is cut back."""
    used_on = np.where(np.isnat(portfolio.last_used_on), portfolio.opened_on, portfolio.last_used_on)
    unused = (portfolio.statements_seen > 0) & (days_since(portfolio, used_on) > policy.exposure.dormant_days)
    return cut_back(portfolio, unused, policy.exposure.dormant_limit_bps)


def over_limit(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """A balance above the limit."""
    over = portfolio.balance > portfolio.credit_limit
    return cut_back(portfolio, over, policy.exposure.over_limit_bps)
