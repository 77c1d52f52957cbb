"""Users, their forecasts and a policy for properties of the core, drawn by Hypothesis."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from hypothesis import strategies as st

from limits.capacity import Capacity, Method
from limits.policy import Freeze, Group
from limits.portfolio import STATEMENTS, UNKNOWN, Documents, Identity, Income, Portfolio, Status
from tests.policies import changed, yuan
from tests.portfolios import AS_OF, make_portfolio

NOBODY: frozenset[str] = frozenset()
#: The standard pack with every rule switched on that it leaves to the lender.
POLICY = changed(
    **{
        "segment": (Group(name="student", most=yuan(30_000)),),
        "industry": (Group(name="mining", most=yuan(90_000)),),
        "freeze": (
            Freeze(
                first_day=AS_OF, last_day=AS_OF, segments=NOBODY, industries=NOBODY, jurisdictions=frozenset({"FR"})
            ),
        ),
        "debt.credit_check": True,
        "raises.documents": True,
        "exposure.over_limit_bps": 9000,
        "integrity.fraud_links": 2,
    }
)
amounts = st.one_of(st.integers(0, 300), st.integers(0, 40_000_000), st.integers(0, 10**15))
dates = st.none() | st.dates(AS_OF - dt.timedelta(days=900), AS_OF)
unknown = st.just(UNKNOWN)
counts = st.integers(0, 12)
unusual = {
    "balance": st.one_of(unknown, amounts, st.integers(-100_000, -2)),
    "average_balance": st.one_of(unknown, amounts),
    "days_past_due": st.integers(0, 200),
    "missed_payments": counts,
    "statements_seen": st.integers(0, 40),
    "opened_on": st.dates(dt.date(2020, 1, 1), AS_OF),
    "last_raise_on": dates,
    "last_cut_on": dates,
    "last_used_on": dates,
    "last_event_on": dates,
    "status": st.sampled_from(list(Status)),
    "segment": st.sampled_from(["student", "retail"]),
    "industry": st.sampled_from(["gambling", "retail_trade", "mining"]),
    "jurisdiction": st.sampled_from(["FR", "CN"]),
    "identity": st.sampled_from(list(Identity)),
    "income": st.sampled_from(list(Income)),
    "income_verified_on": dates,
    "raise_consent": st.just(False),
    "active_lenders": st.one_of(unknown, st.integers(0, 9)),
    "inquiries": st.one_of(unknown, st.integers(0, 14)),
    "outside_debt": st.one_of(unknown, amounts),
    "outside_monthly_payment": st.one_of(unknown, st.integers(0, 2_000_000)),
    "checked_on": dates,
    "requested_limit": amounts,
    "requests_90d": counts,
    "minimum_only_payments": counts,
    "statements_12m": counts,
    "balances_12m": st.one_of(amounts, st.integers(0, 12 * 10**15)),
    "repaid_12m": st.one_of(amounts, st.integers(0, 12 * 10**15)),
    "documents": st.sampled_from(list(Documents)),
    "documents_valid_until": dates,
    "opted_out": st.just(True),
    "automation_refused": st.just(True),
    "fraud_links": counts,
    "confirmed_fraud": st.just(True),
    "limit_before_cut": st.one_of(unknown, amounts),
    "change_pending": st.just(True),
    "override_cap": amounts,
    "override_floor": amounts,
    "budget_limit": amounts,
    "inflow": st.one_of(st.integers(0, 10**15), st.lists(st.none() | st.integers(0, 4_000_000), max_size=12)),
    "obligations": st.integers(0, 2_000_000),
    "statements": st.lists(
        st.fixed_dictionaries(
            {
                "balance": st.one_of(amounts, st.integers(-100_000, 0)),
                "repaid": amounts,
                "days_past_due": st.one_of(st.just(0), st.integers(0, 200), st.just(20_000)),
            }
        ),
        max_size=STATEMENTS,
    ),
}
#: A user who differs from one that nothing bars in a few columns: with all of them drawn everybody would be barred.
users = st.builds(
    lambda limit, others: {"credit_limit": limit, **others},
    st.one_of(st.just(2_000_000), amounts),
    st.lists(st.sampled_from(sorted(unusual)), max_size=6, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: unusual[name] for name in names})
    ),
)
quantiles = st.tuples(
    st.integers(-10_000_000, 50_000_000),
    st.sampled_from(list(Method)),
    st.one_of(st.integers(0, 36), st.just(24)),
    st.integers(-10_000_000, 50_000_000),
)
portfolios = st.lists(st.tuples(users, quantiles), min_size=1, max_size=6)


def split(drawn: list[tuple[dict[str, Any], tuple[int, Method, int, int]]]) -> tuple[Portfolio, Capacity]:
    """The drawn users as a portfolio, and a capacity for each that no model had to be fitted for."""
    portfolio = make_portfolio([user for user, _ in drawn])
    p10 = np.array([q[0] for _, q in drawn], dtype=np.int64)
    method = np.array([q[1] for _, q in drawn], dtype=np.int64)
    months = np.array([q[2] for _, q in drawn], dtype=np.int64)
    past = np.array([q[3] for _, q in drawn], dtype=np.int64)
    return portfolio, Capacity(p10, p10 + 1000, p10 + 2000, method, months, past)
