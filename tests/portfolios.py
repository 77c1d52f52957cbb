"""Portfolios for tests of the core: every column has a value that bars nothing, and a test changes what it is about."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from limits.casebook.users import AS_OF, COLUMNS, DATES, FLAGS, FLOWS, MONTHS, TEXTS, make_portfolio
from limits.portfolio import GROUPS, UNKNOWN, CashFlow, PaymentRecord, Portfolio

__all__ = [
    "AS_OF", "COLUMNS", "DATES", "FLAGS", "FLOWS", "MONTHS", "TEXTS", "UNKNOWN", "assert_same", "facts",
    "make_portfolio",
    "one_by_one",
]  # fmt: skip


def one_by_one(portfolio: Portfolio) -> list[Portfolio]:
    """Each user as a portfolio of length one."""
    return [portfolio.take([row]) for row in range(len(portfolio))]


def facts(portfolio: Portfolio) -> list[dict[str, Any]]:
    """What is known of each user, whoever else is in the portfolio: months from the first one observed on."""
    found = []
    for one in one_by_one(portfolio):
        flow = one.cash_flow
        first = int(flow.observed[0].argmax()) if flow.observed.any() else len(flow.months)
        user = {f.name: getattr(one, f.name) for f in dataclasses.fields(one) if f.name not in GROUPS}
        user = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in user.items()}
        user["months"] = flow.months[first:].tolist()
        flows = [f.name for f in dataclasses.fields(CashFlow) if f.name != "months"]
        user |= {name: getattr(flow, name)[0, first:].tolist() for name in flows}
        record = [f.name for f in dataclasses.fields(PaymentRecord)]
        found.append(user | {f"record_{name}": getattr(one.payment_record, name)[0].tolist() for name in record})
    return found


def assert_same(one: Any, other: Any) -> None:
    """Equal in every field, dtype, shape and layout."""
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(a):
            assert_same(a, b)
        elif isinstance(a, np.ndarray):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
            assert b.flags.c_contiguous and b.flags.writeable, field.name
            np.testing.assert_array_equal(a, b, field.name)
        else:
            assert a == b, field.name
