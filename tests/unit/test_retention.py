"""How long a record is kept: whole months, to the same day or the last one there is."""

from __future__ import annotations

import datetime as dt

import pytest

from limits.policy import Notices
from limits.retention import kept_until


@pytest.mark.parametrize(
    ("day", "months", "until"),
    [
        ("2026-06-30", 25, "2028-07-30"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2027-01-31", 13, "2028-02-29"),
        ("2026-12-31", 12, "2027-12-31"),
        ("2026-11-30", 1, "2026-12-30"),
    ],
)
def test_whole_months_later(day: str, months: int, until: str) -> None:
    rules = Notices(adverse_action_days=30, principal_reasons=4, retention_months=months)
    assert kept_until(rules, dt.date.fromisoformat(day)) == dt.date.fromisoformat(until)
