"""Terms of a change: what the user agreed to, how long ago the last one was, and what people have set."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from limits.capacity import Capacity
from limits.ceilings.common import asked, no_raise, wants_a_person, within
from limits.policy import Policy
from limits.portfolio import Bool, Int, Portfolio, Status, Text
from limits.risk import Risk


def account_blocked(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise of an account that is not active."""
    return no_raise(portfolio, portfolio.status != Status.ACTIVE)


def no_consent(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise the user has not agreed to; to ask for one is to agree to it."""
    return no_raise(portfolio, ~portfolio.raise_consent & ~asked(portfolio) & policy.raises.consent)


def opted_out(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who does not want to be raised, unless the user asks for one."""
    return no_raise(portfolio, portfolio.opted_out & ~asked(portfolio))


def not_asked_for(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Where the policy raises on request only: no raise that nobody asked for."""
    return no_raise(portfolio, ~asked(portfolio) & (policy.consent.raises == "on_request"))


def automation_refused(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise for who wants a person to decide; the floor sees to it that there is no cut either."""
    return no_raise(portfolio, wants_a_person(portfolio, policy))


def change_pending(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise while an offered or announced change is open; the floor sees to it that there is no cut either."""
    return no_raise(portfolio, portfolio.change_pending)


def override(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """The highest limit that a person has set for the user, for a time."""
    return portfolio.override_cap


def macro_freeze(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise on days on which raises are suspended, for whom that concerns.

    A freeze that names segments, industries and jurisdictions concerns users who are in one
    of each; a list that is empty leaves nobody out.
    """
    frozen = np.zeros(len(portfolio), dtype=np.bool_)
    for freeze in policy.freeze:
        if freeze.first_day <= portfolio.as_of <= freeze.last_day:
            frozen |= (
                _among(portfolio.segment, freeze.segments)
                & _among(portfolio.industry, freeze.industries)
                & _among(portfolio.jurisdiction, freeze.jurisdictions)
            )
    return no_raise(portfolio, frozen)


def _among(values: Text, names: Set[str]) -> Bool:
    return np.isin(values, sorted(names)) if names else np.ones(len(values), dtype=np.bool_)


def too_new(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise in the first months on book."""
    return no_raise(portfolio, portfolio.months_on_book < policy.raises.months_on_book)


def cool_off_after_raise(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise so soon after a raise."""
    days = policy.raises.cool_off_after_raise_days
    return no_raise(portfolio, within(portfolio, portfolio.last_raise_on, days))


def cool_off_after_cut(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """No raise so soon after a cut."""
    days = policy.raises.cool_off_after_cut_days
    return no_raise(portfolio, within(portfolio, portfolio.last_cut_on, days))
