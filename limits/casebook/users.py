"""The user of a case: every column has a value that bars nothing, and a case changes what it is about."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limits.capacity import Capacity, Method
from limits.portfolio import (
    FACTS,
    STATEMENTS,
    UNBOUNDED,
    UNKNOWN,
    CashFlow,
    Documents,
    Identity,
    Income,
    PaymentRecord,
    Portfolio,
    Status,
)

#: The day that the values below are made for, and the months of cash flow before it.
AS_OF = dt.date(2026, 6, 30)
MONTHS = 12

#: Amounts in minor units.
COLUMNS: Mapping[str, Any] = {
    "user_id": 1,
    "credit_limit": 2_000_000,
    "version": 0,
    "balance": 900_000,
    "average_balance": 1_000_000,
    "days_past_due": 0,
    "missed_payments": 0,
    "worst_days_past_due": 0,
    "statements_seen": 12,
    "opened_on": dt.date(2023, 1, 15),
    "last_raise_on": None,
    "last_cut_on": None,
    "last_used_on": dt.date(2026, 6, 20),
    "last_event_on": dt.date(2026, 6, 29),
    "status": Status.ACTIVE,
    "segment": "retail",
    "industry": "",
    "jurisdiction": "CN",
    "identity": Identity.VERIFIED,
    "identity_checked_on": dt.date(2026, 1, 1),
    "income": Income.VERIFIED,
    "income_verified_on": dt.date(2026, 1, 1),
    "raise_consent": True,
    "active_lenders": 1,
    "inquiries": 0,
    "outside_debt": 0,
    "outside_monthly_payment": 0,
    "checked_on": dt.date(2026, 6, 1),
    "requested_limit": UNBOUNDED,
    "requests_90d": 0,
    "minimum_only_payments": 0,
    "statements_12m": 12,
    "balances_12m": 12_000_000,
    "repaid_12m": 6_000_000,
    "documents": Documents.COMPLETE,
    "documents_valid_until": None,
    "opted_out": False,
    "automation_refused": False,
    "fraud_links": 0,
    "confirmed_fraud": False,
    "limit_before_cut": UNKNOWN,
    "change_pending": False,
    "override_cap": UNBOUNDED,
    "override_floor": 0,
    "budget_limit": UNBOUNDED,
}
FLOWS: Mapping[str, int] = {
    "inflow": 2_000_000,
    "essential_spend": 600_000,
    "discretionary_spend": 300_000,
    "fees": 0,
    "penalties": 0,
    "obligations": 0,
    "amount_due": 0,
    "repaid": 0,
}
#: What a case may say of each of the newest statements, the newest first, as ``statements``; what is missing is zero.
STATEMENT = ("balance", "repaid", "days_past_due")
#: What a case may say of the forecast instead of having it made from the months: amounts a month.
FORECAST = ("p10", "p50", "p90", "past")
DATES = frozenset(name for name in COLUMNS if name.endswith(("_on", "_until")))
FLAGS = frozenset(name for name, value in COLUMNS.items() if isinstance(value, bool))
TEXTS = frozenset({"segment", "industry", "jurisdiction"})
AMOUNTS = frozenset(
    {
        "credit_limit", "balance", "average_balance", "outside_debt", "outside_monthly_payment", "requested_limit",
        "balances_12m", "repaid_12m", "limit_before_cut", "override_cap", "override_floor", "budget_limit",
    }
)  # fmt: skip
WORDS: Mapping[str, Mapping[str, int]] = {
    "status": {s.name.lower(): s for s in Status},
    "identity": {s.name.lower(): s for s in Identity},
    "income": {s.name.lower(): s for s in Income},
    "documents": {s.name.lower(): s for s in Documents},
}


def make_portfolio(
    users: Sequence[Mapping[str, Any]] = ({},), *, as_of: dt.date = AS_OF, currency: str = "CNY", months: int = MONTHS
) -> Portfolio:
    """One user for each mapping of columns and flows; a flow is one number or a list, None in it is not observed.

    ``statements``: of the payment record, a mapping of STATEMENT for each, the newest first; none where it is left out.
    """
    rows = [{**COLUMNS, "user_id": place + 1, **user} for place, user in enumerate(users)]
    columns = {name: _column(name, [row[name] for row in rows]) for name in COLUMNS}
    flow, record = _cash_flow(rows, as_of, months), _payment_record(rows)
    return Portfolio(as_of=as_of, currency=currency, cash_flow=flow, payment_record=record, **columns)


def with_forecasts(capacity: Capacity, users: Sequence[Mapping[str, Any]]) -> Capacity:
    """The capacity, and for users whose case says a forecast that one.

    Of p10, p50 and p90 one is enough: what is missing is as the next one given. The past is as p50.
    """
    given = np.array([any(name in user for name in FORECAST) for user in users], dtype=np.bool_)
    if not given.any():
        return capacity
    told = [_forecast(user) if own else dict.fromkeys(FORECAST, 0) for user, own in zip(users, given, strict=True)]
    amounts = {
        name: np.where(given, [user[name] for user in told], getattr(capacity, name)).astype(np.int64)
        for name in FORECAST
    }
    method = np.where(given, Method.POOLED, capacity.method).astype(np.int64)
    return dataclasses.replace(capacity, method=method, **amounts)


def _forecast(user: Mapping[str, Any]) -> dict[str, int]:
    middle = next(user[name] for name in ("p50", "p10", "p90", "past") if name in user)
    return {name: user.get(name, middle) for name in FORECAST}


def _column(name: str, values: Sequence[Any]) -> Any:
    if name in DATES:
        return np.array(["NaT" if v is None else v for v in values], dtype="datetime64[D]")
    if name in TEXTS:
        return np.array(values, dtype=np.str_)
    return np.array(values, dtype=np.bool_ if name in FLAGS else np.int64)


def _cash_flow(rows: Sequence[Mapping[str, Any]], as_of: dt.date, months: int) -> CashFlow:
    last = np.datetime64(as_of + dt.timedelta(days=1), "M") - 1
    flows = {name: np.zeros((len(rows), months), dtype=np.int64) for name in FLOWS}
    observed = np.ones((len(rows), months), dtype=np.bool_)
    for place, row in enumerate(rows):
        for name, default in FLOWS.items():
            value = row.get(name, default)
            listed = list(value) if isinstance(value, Sequence) else [value] * months
            listed = [None] * (months - len(listed)) + listed
            flows[name][place] = [v or 0 for v in listed]
            observed[place] &= [v is not None for v in listed]
    for name, values in flows.items():
        flows[name] = np.where(observed, values, 0)
    return CashFlow(months=np.arange(last - months + 1, last + 1), observed=observed, **flows)


def _payment_record(rows: Sequence[Mapping[str, Any]]) -> PaymentRecord:
    record = PaymentRecord.none(len(rows))
    for place, row in enumerate(rows):
        told: Sequence[Mapping[str, int]] = row.get("statements", ())
        assert len(told) <= STATEMENTS and all(set(one) <= set(STATEMENT) for one in told), told
        record.held[place] = len(told)
        for name in STATEMENT:
            getattr(record, name)[place, : len(told)] = [one.get(name, 0) for one in told]
    return record


assert set(FACTS) == set(COLUMNS)
