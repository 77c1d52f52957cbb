"""How each kind of change takes effect under each consent mode, and what the user is told by when."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from limits.capacity import Capacity, Method
from limits.ceilings import URGENT
from limits.decision import decide
from limits.dispositions import Disposition, Notice, dispose
from limits.portfolio import UNKNOWN
from limits.reasons import Reason
from limits.risk import Risk
from tests.policies import changed, yuan
from tests.portfolios import AS_OF, make_portfolio

OFFER = {"consent.raises": "offer", "consent.offer_days": 10}
NOTICE = {"consent.raises": "notice", "consent.raise_notice_days": 20}
CUTS = {"consent.cuts": "notice", "consent.cut_notice_days": 45}
PAST_DUE = {"days_past_due": 30}


def disposed(user: dict[str, Any], **changes: Any) -> tuple[Any, ...]:
    """Disposition, limit after, proposed, days until it takes effect, notice and days until that is due."""
    portfolio = make_portfolio([user])
    p10, p50 = np.array([1_300_000]), np.array([1_400_000])
    policy = changed(**changes)
    capacity = Capacity(p10, p50, p50, np.array([Method.POOLED]), np.array([12]), p50)
    made = decide(portfolio, capacity, Risk.none(1), policy)
    found = dispose(portfolio, made, policy)
    assert len(found) == 1 and found.effective_on.dtype == found.notice_due_on.dtype == np.dtype("datetime64[D]")

    def days(when: Any) -> int | None:
        day: dt.date | None = when[0].item()
        return None if day is None else (day - AS_OF).days

    return (
        Disposition(found.disposition[0]).name, int(found.limit_after[0]), int(found.proposed[0]),
        days(found.effective_on), Notice(found.notice[0]).name, days(found.notice_due_on),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("user", "changes", "expected"),
    [
        ({}, {}, ("AT_ONCE", 2_400_000, UNKNOWN, None, "RAISED", 0)),
        ({}, OFFER, ("OFFERED", 2_000_000, 2_400_000, 10, "OFFERED", 0)),
        ({}, NOTICE, ("ANNOUNCED", 2_000_000, 2_400_000, 20, "ANNOUNCED", 0)),
        ({}, {"consent.raises": "on_request"}, ("AT_ONCE", 2_000_000, UNKNOWN, None, "NONE", None)),
        (PAST_DUE, {}, ("AT_ONCE", 1_400_000, UNKNOWN, None, "LOWERED", 30)),
        (PAST_DUE, {**CUTS, **OFFER}, ("ANNOUNCED", 2_000_000, 1_400_000, 45, "ANNOUNCED", 0)),
        ({"days_past_due": 1}, CUTS, ("AT_ONCE", 2_000_000, UNKNOWN, None, "NONE", None)),
        # What does not wait: the law, fraud, false documents.
        ({"confirmed_fraud": True}, CUTS, ("AT_ONCE", 1_400_000, UNKNOWN, None, "LOWERED", 30)),
        ({}, {**CUTS, "maximum.product": yuan(19_000)}, ("AT_ONCE", 1_900_000, UNKNOWN, None, "LOWERED", 30)),
        # Another reason cuts further than the law asks: one change, at once.
        (PAST_DUE, {**CUTS, "maximum.product": yuan(19_000)}, ("AT_ONCE", 1_400_000, UNKNOWN, None, "LOWERED", 30)),
        # A maximum that is not passed makes nothing urgent.
        (PAST_DUE, {**CUTS, "maximum.product": yuan(20_000)}, ("ANNOUNCED", 2_000_000, 1_400_000, 45, "ANNOUNCED", 0)),
        # Requests.
        ({"requested_limit": 2_300_000}, OFFER, ("AT_ONCE", 2_300_000, UNKNOWN, None, "RAISED", 0)),
        ({"requested_limit": 2_300_000}, NOTICE, ("AT_ONCE", 2_300_000, UNKNOWN, None, "RAISED", 0)),
        ({"requested_limit": 2_300_050}, {}, ("AT_ONCE", 2_300_000, UNKNOWN, None, "RAISED", 0)),
        ({"requested_limit": 2_500_000}, OFFER, ("AT_ONCE", 2_400_000, UNKNOWN, None, "REFUSED", 30)),
        (
            {"requested_limit": 2_500_000, "days_past_due": 1},
            {"notices.adverse_action_days": 7},
            ("AT_ONCE", 2_000_000, UNKNOWN, None, "REFUSED", 7),
        ),
        ({"requested_limit": 2_000_050}, {}, ("AT_ONCE", 2_000_000, UNKNOWN, None, "REFUSED", 30)),
        ({"requested_limit": 1_000_000}, {}, ("AT_ONCE", 2_000_000, UNKNOWN, None, "NONE", None)),
        ({"requested_limit": 2_500_000, **PAST_DUE}, {}, ("AT_ONCE", 1_400_000, UNKNOWN, None, "LOWERED", 30)),
        ({"requested_limit": 2_500_000, **PAST_DUE}, CUTS, ("ANNOUNCED", 2_000_000, 1_400_000, 45, "ANNOUNCED", 0)),
    ],
)  # fmt: skip
def test_a_change_takes_effect_as_the_policy_says(
    user: dict[str, Any], changes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert disposed(user, **changes) == expected


def test_what_is_urgent_is_known() -> None:
    assert sorted(reason.name.lower() for reason in URGENT) == [
        "confirmed_fraud", "false_documents", "industry_maximum", "product_maximum", "segment_maximum",
        "statutory_maximum",
    ]  # fmt: skip
    assert Reason.LINKED_FRAUD not in URGENT


def test_numbers_keep_their_meaning() -> None:
    """They stand in the log and in the tables of notices."""
    assert [(d.name, int(d)) for d in Disposition] == [("AT_ONCE", 0), ("OFFERED", 1), ("ANNOUNCED", 2)]
    names = ["NONE", "RAISED", "LOWERED", "OFFERED", "ANNOUNCED", "REFUSED", "WITHDRAWN"]
    assert [n.name for n in sorted(Notice)] == names
