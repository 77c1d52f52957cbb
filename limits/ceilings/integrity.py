"""Integrity: who the user is, and whether what was handed in is true."""

from __future__ import annotations

import numpy as np

from limits.capacity import Capacity
from limits.ceilings.common import cut_back, no_raise, within
from limits.policy import Policy
from limits.portfolio import Documents, Identity, Income, Int, Portfolio
from limits.risk import Risk


def restricted_industry(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Industries the lender does not want to lend more to."""
    inside = np.isin(portfolio.industry, sorted(policy.integrity.restricted_industries))
    return cut_back(portfolio, inside, policy.integrity.restricted_limit_bps)


def identity_unverified(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise before identity is verified."""
    return no_raise(portfolio, (portfolio.identity == Identity.UNVERIFIED) & policy.raises.identity)


def identity_mismatch(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Identity details that contradict each other."""
    mismatch = portfolio.identity == Identity.MISMATCH
    return cut_back(portfolio, mismatch, policy.integrity.identity_mismatch_limit_bps)


def income_unverified(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise without proof of income."""
    return no_raise(portfolio, (portfolio.income == Income.UNVERIFIED) & policy.raises.income)


def income_stale(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise on a proof of income that is too old, or of unknown age."""
    old = ~within(portfolio, portfolio.income_verified_on, policy.raises.income_max_age_days)
    return no_raise(portfolio, (portfolio.income == Income.VERIFIED) & old & policy.raises.income)


def false_documents(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Documents that were found to be false."""
    false = portfolio.income == Income.FALSE
    return cut_back(portfolio, false, policy.integrity.false_documents_limit_bps)


def documents_missing(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise before the documents are complete, where the policy asks for them; without a record they are not."""
    return no_raise(portfolio, (portfolio.documents != Documents.COMPLETE) & policy.raises.documents)


def documents_expired(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise on documents after the last day on which they are valid, where the policy asks for them."""
    until = portfolio.documents_valid_until
    expired = ~np.isnat(until) & (until < np.datetime64(portfolio.as_of, "D"))
    return no_raise(portfolio, (portfolio.documents == Documents.COMPLETE) & expired & policy.raises.documents)


def confirmed_fraud(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Fraud of the user that was confirmed."""
    return cut_back(portfolio, portfolio.confirmed_fraud, policy.integrity.confirmed_fraud_limit_bps)


def linked_fraud(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who shares a device, phone, address or card with a confirmed fraud, before a person has looked.

    An association alone never cuts: family members and former tenants share these too.
    """
    return no_raise(portfolio, portfolio.fraud_links >= policy.integrity.fraud_links)


def probing(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who asks again and again in a short time, trying how far it goes."""
    return no_raise(portfolio, portfolio.requests_90d >= policy.raises.probing_requests)
