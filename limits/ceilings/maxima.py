"""Maxima: of the law, the product, a group of users, one review."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from limits.capacity import Capacity
from limits.ceilings.common import share_of, within
from limits.policy import Group, Policy
from limits.portfolio import UNBOUNDED, UNKNOWN, Int, Portfolio, Text
from limits.risk import Risk


def statutory_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What the law allows one borrower."""
    return np.full(len(portfolio), policy.maximum.statutory.minor, dtype=np.int64)


def product_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What the product allows."""
    return np.full(len(portfolio), policy.maximum.product.minor, dtype=np.int64)


def segment_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What the lender allows users of a segment."""
    return _of_group(portfolio.segment, policy.segment)


def industry_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What the lender allows users of an industry."""
    return _of_group(portfolio.industry, policy.industry)


def _of_group(names: Text, groups: Iterable[Group]) -> Int:
    ceiling = np.full(len(names), UNBOUNDED, dtype=np.int64)
    for group in groups:
        ceiling[names == group.name] = group.most.minor
    return ceiling


def borrower_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What all lenders together may lend one borrower without security: this limit is what is left of it.

    Debts elsewhere count as far as a credit check knows of them. It bars a raise and never
    calls for a cut, for what other lenders do later is not the user's doing here.
    """
    elsewhere = np.maximum(portfolio.outside_debt, 0)
    return np.asarray(np.maximum(policy.debt.borrower_most.minor - elsewhere, portfolio.credit_limit), dtype=np.int64)


def step_cap(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The largest raise of one review: a share of the limit, between a least and a most."""
    step = share_of(portfolio.credit_limit, policy.raises.step_bps)
    return portfolio.credit_limit + np.clip(step, policy.raises.step_least.minor, policy.raises.step_most.minor)


def asked_amount(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Nobody gets more than was asked for; an amount below the limit is no request to cut it."""
    return np.maximum(portfolio.requested_limit, portfolio.credit_limit)


def restoration(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """After a cut, for a time, a raise gives back a share of what was cut and never more than was cut.

    Within that time nobody is raised above the limit from which the cut was made.
    """
    before = portfolio.limit_before_cut
    missing = np.maximum(before - portfolio.credit_limit, 0)
    ceiling = portfolio.credit_limit + share_of(missing, policy.raises.restore_bps)
    recent = within(portfolio, portfolio.last_cut_on, policy.raises.restore_days)
    return np.where((before != UNKNOWN) & recent, ceiling, UNBOUNDED)


def portfolio_budget(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What a budget for the whole portfolio leaves for the user; it cuts nobody."""
    return np.maximum(portfolio.budget_limit, portfolio.credit_limit)
