"""Risk: how likely a user misses a payment, as a scorecard says it, and what the policy lets users of each band have.

A policy without [risk] bounds nobody here. The bands of a policy are those of the scorecard, in its order
(``limits.risk.fitting`` sees to it), so that a user's band is a place in both.
"""

from __future__ import annotations

import numpy as np

from limits.capacity import FORECASTS, Capacity
from limits.ceilings.common import cut_back, no_raise, unseen_obligations
from limits.policy import Policy
from limits.portfolio import UNBOUNDED, Int, Portfolio
from limits.risk import Risk


def risk_band(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """A band of which nobody is raised, or of which part of the limit is taken back."""
    bounds = np.full(len(portfolio), UNBOUNDED, dtype=np.int64)
    for place, band in enumerate(policy.risk.band if policy.risk else ()):
        if not band.raises:
            bounds = np.minimum(bounds, cut_back(portfolio, risk.band == place, band.limit_bps))
    return bounds


def risk_maximum(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """What a band may be raised to: so many months of expected capacity (p50), and no more than its maximum.

    Capacity is what is left of it after payments to other lenders that only a credit check shows. It
    bars a raise and never calls for a cut. Where there is no forecast, other rules bar the raise.
    """
    bounds = np.full(len(portfolio), UNBOUNDED, dtype=np.int64)
    if policy.risk is None:
        return bounds
    available = np.maximum(capacity.p50 - unseen_obligations(portfolio), 0)
    for place, band in enumerate(policy.risk.band):
        of_capacity = np.where(FORECASTS[capacity.method], available * band.months_of_capacity, UNBOUNDED)
        most = np.maximum(np.minimum(of_capacity, band.most.minor), portfolio.credit_limit)
        np.copyto(bounds, most, where=risk.band == place)
    return bounds


def risk_unknown(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise of whom no scorecard has scored, where the policy asks for a score."""
    return no_raise(portfolio, ~risk.scored & (policy.risk is not None and policy.risk.required))
