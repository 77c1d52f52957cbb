"""The bytes of a packed row, and which version of the code wrote them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np

from limits.portfolio import STATEMENTS
from limits.store.queries import query

#: Dates, as days since 1970; the least 32-bit number is "never".
DATES = (
    "effective_on", "opened_on", "last_used_on", "first_event_on", "last_event_on", "identity_checked_on",
    "income_verified_on", "checked_on", "documents_valid_until",
)  # fmt: skip
#: Numbers of the enums of limits.portfolio.
CODES = ("status", "identity", "income", "documents")
FLAGS = ("watched", "raise_consent", "opted_out", "automation_refused")
COUNTS = (
    "statements_seen", "active_lenders", "inquiries", "days_past_due", "missed_payments", "worst_days_past_due",
    "minimum_only_payments", "statements_12m",
)  # fmt: skip
AMOUNTS = (
    "balance", "average_balance", "outside_debt", "outside_monthly_payment", "balances_12m", "repaid_12m",
)  # fmt: skip
TEXTS = ("segment", "industry", "jurisdiction")

#: The facts of a user. packed_on: as of when; days past due go on from there. months_watched: bit k is set
#: where a window holds month k of those that the row has cells for.
FACTS = np.dtype(
    [(name, "<i8") for name in AMOUNTS]
    + [("months_watched", "<u8"), ("packed_on", "<i4")]
    + [(name, "<i4") for name in (*DATES, *COUNTS, *TEXTS)]
    + [(name, "i1") for name in CODES]
    + [(name, "?") for name in FLAGS]
)

#: Numbers of a payment record, which stand before the months.
OF_RECORD = 3 * STATEMENTS

#: What says how sources become facts. A packed row of other rules is never read.
_RULES = (
    "load_users",
    "load_circumstances",
    "load_habits",
    "load_payments",
    "load_cash_flow",
    "pack_people",
    "pack_statements",
    "pack_statements_in_order",
    "pack_repayments",
    "pack_months",
    "pack_window_days",
    "pack_coming_days",
)
_STORE = Path(__file__).resolve().parents[1]


@functools.cache
def code_format() -> int:
    """A number for this version of the rules: any edit of what makes packed rows gives another."""
    modules = ("record", "writing", "gathering", "paying", "interval", "cells")
    names = (*(f"packing/{name}.py" for name in modules), "load.py", "columns.py")
    files = [_STORE / name for name in names]
    texts = [path.read_bytes() for path in files] + [query(name).encode() for name in _RULES]
    digest = hashlib.sha256(b"\0".join(hashlib.sha256(text).digest() for text in texts)).digest()
    return int.from_bytes(digest[:4], "big", signed=True)
