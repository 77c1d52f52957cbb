"""What people hold: overrides, users who want a person to decide, and changes that wait. Only the law passes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from limits.capacity import Capacity, Method
from limits.decision import Decisions, decide
from limits.portfolio import Income
from limits.risk import Risk
from tests.policies import changed, yuan
from tests.portfolios import make_portfolio

#: Ninety days past due and nothing owed: alone it cuts by 30%, the most that one review may.
LATE = {"days_past_due": 95, "balance": 0}
HELD = (
    {"automation_refused": True},
    {"change_pending": True},
    {"override_cap": 2_000_000, "override_floor": 2_000_000},
)
LAW = {"maximum.statutory": yuan(18_050), "maximum.product": yuan(18_050)}


def decided(user: dict[str, Any], **changes: Any) -> Decisions:
    p50 = np.array([1_400_000])
    capacity = Capacity(p50, p50, p50, np.array([Method.POOLED]), np.array([12]), p50)
    return decide(make_portfolio([user]), capacity, Risk.none(1), changed(**changes))


def limit(user: dict[str, Any], **changes: Any) -> int:
    return int(decided(user, **changes).limit_after[0])


def test_without_a_hold_the_limit_moves_both_ways() -> None:
    assert (limit(LATE), limit({})) == (1_400_000, 2_400_000)


@pytest.mark.parametrize("hold", HELD, ids=lambda hold: next(iter(hold)))
def test_a_hold_neither_raises_nor_cuts(hold: dict[str, Any]) -> None:
    assert limit(hold) == limit({**LATE, **hold}) == 2_000_000
    assert limit({**hold, "requested_limit": 2_500_000}) == 2_000_000
    made = decided({**LATE, **hold})
    assert made.floor[0] == 2_000_000 and made.lowest_ceiling[0] == 0
    # A limit between two steps of the grid does not move either.
    odd = {name: 2_000_050 if value == 2_000_000 else value for name, value in hold.items()}
    assert limit({**LATE, **odd, "credit_limit": 2_000_050}) == 2_000_050


@pytest.mark.parametrize("hold", HELD, ids=lambda hold: next(iter(hold)))
def test_a_hard_maximum_passes_a_hold_and_takes_no_more_than_it_must(hold: dict[str, Any]) -> None:
    """To 18,000.00, which is the point of the grid below 18,050.00, though another rule asks for nothing at all."""
    assert limit({**LATE, **hold}, **LAW) == 1_800_000


@pytest.mark.parametrize("false", [{"confirmed_fraud": True}, {"income": Income.FALSE}], ids=["fraud", "documents"])
def test_what_is_false_does_not_wait_for_an_open_change(false: dict[str, Any]) -> None:
    """The cut is that of who has nothing open. A wish for a person holds it off: then a person decides."""
    assert limit({**false, "balance": 0, "change_pending": True}) == limit({**false, "balance": 0}) == 1_400_000
    assert limit({**false, "balance": 0, "automation_refused": True}) == 2_000_000


def test_the_floor_of_an_override_softens_a_cut_and_raises_nobody() -> None:
    assert limit({**LATE, "override_floor": 1_655_000}) == 1_660_000
    assert limit({**LATE, "override_floor": 9_000_000}) == 2_000_000
    assert limit({**LATE, "override_floor": 1_900_000}, **LAW) == 1_800_000
    assert limit({**LATE, "override_floor": 1_000_000}) == 1_400_000
    assert limit({"raise_consent": False, "override_floor": 9_000_000}) == 2_000_000


def test_the_cap_of_an_override_cuts_within_what_one_review_may() -> None:
    assert limit({"override_cap": 1_600_000}) == 1_600_000
    assert limit({"override_cap": 100}) == 1_400_000
    assert limit({"override_cap": 100, "balance": 1_900_000}) == 2_000_000  # the balance and 5%
    assert limit({"override_cap": 2_205_000}) == 2_200_000
    assert limit({"override_cap": 1_700_000, "override_floor": 1_700_000, **LATE}) == 1_700_000


def test_who_wants_a_person_to_decide_is_cut_to_what_people_set_and_no_further() -> None:
    refused = {**LATE, "automation_refused": True}
    assert limit({**refused, "override_cap": 1_805_000}) == 1_800_000
    assert limit({**refused, "override_cap": 100}) == 1_400_000  # as far as one cut may go
    assert limit({**refused, "override_cap": 2_500_000}) == 2_000_000
    assert limit({**refused, "override_cap": 1_800_000, "override_floor": 1_800_000}) == 1_800_000
    assert limit({**refused, "override_cap": 1_800_000, "change_pending": True}) == 2_000_000


def test_what_the_policy_does_not_let_users_refuse_holds_nothing() -> None:
    policy = {"consent.automation_may_be_refused": False}
    assert limit({"automation_refused": True}, **policy) == 2_400_000
    assert limit({**LATE, "automation_refused": True}, **policy) == 1_400_000


def test_a_link_to_a_fraud_holds_against_raises_and_not_against_cuts() -> None:
    assert limit({"fraud_links": 3}) == 2_000_000
    assert limit({**LATE, "fraud_links": 3}) == 1_400_000
