"""What a sample says nothing of: the columns of a portfolio for users of whom nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from limits.portfolio import FACTS, UNBOUNDED, UNKNOWN, Documents, Identity, Income, Status

NUMBERS = {
    "credit_limit": 0, "version": 0, "balance": UNKNOWN, "average_balance": UNKNOWN, "days_past_due": 0,
    "missed_payments": 0, "worst_days_past_due": 0, "statements_seen": 0, "status": Status.ACTIVE,
    "identity": Identity.UNVERIFIED, "income": Income.UNVERIFIED, "active_lenders": UNKNOWN, "inquiries": UNKNOWN,
    "outside_debt": UNKNOWN, "outside_monthly_payment": UNKNOWN, "requested_limit": UNBOUNDED, "requests_90d": 0,
    "minimum_only_payments": 0, "statements_12m": 0, "balances_12m": 0, "repaid_12m": 0,
    "documents": Documents.UNKNOWN, "fraud_links": 0, "limit_before_cut": UNKNOWN, "override_cap": UNBOUNDED,
    "override_floor": 0, "budget_limit": UNBOUNDED,
}  # fmt: skip
DATES = (
    "opened_on", "last_raise_on", "last_cut_on", "last_used_on", "last_event_on", "identity_checked_on",
    "income_verified_on", "checked_on", "documents_valid_until",
)  # fmt: skip
FLAGS = ("raise_consent", "opted_out", "automation_refused", "confirmed_fraud", "change_pending")
TEXTS = {"segment": "retail", "industry": "", "jurisdiction": ""}


def not_known(users: int) -> dict[str, Any]:
    """Every column (n,) but the user's number, as it stands where nothing is known."""
    found = {
        **{name: np.full(users, int(value), dtype=np.int64) for name, value in NUMBERS.items()},
        **{name: np.full(users, "NaT", dtype="datetime64[D]") for name in DATES},
        **{name: np.zeros(users, dtype=np.bool_) for name in FLAGS},
        **{name: np.full(users, value) for name, value in TEXTS.items()},
    }
    assert {*found, "user_id"} == set(FACTS), "a column of portfolios is missing here, or no longer one"
    return found
