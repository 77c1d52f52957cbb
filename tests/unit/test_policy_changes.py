"""Two policies compared: every key, in words, and the way it goes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from limits.policy import ArrearsStep, Freeze, Group, LenderStep, PastDueStep
from limits.policy_changes import BAND_KEYS, KEYS, LADDERS, Direction, PolicyChange, policy_changes, values
from limits.store.policies import pack_names, read_pack
from tests.policies import STANDARD, changed, yuan
from tests.risks import RULES

NOBODY: frozenset[str] = frozenset()


def only(**changes: Any) -> PolicyChange:
    found = policy_changes(STANDARD, changed(**changes))
    assert len(found) == 1, found
    return found[0]


def test_every_value_of_a_policy_has_words() -> None:
    assert set(dict(values(STANDARD)) | dict(values(RULES, ("risk",)))) == set(KEYS)
    assert set(dict(values(RULES.band[0]))) - {"name"} == set(BAND_KEYS)
    tables = {name for name in type(STANDARD).model_fields if isinstance(getattr(STANDARD, name), tuple)}
    assert {name for name in LADDERS if "." not in name} | {"segment", "industry", "freeze"} == tables
    inner = {
        f"exposure.{name}" for name in type(STANDARD.exposure).model_fields
        if isinstance(getattr(STANDARD.exposure, name), tuple)
    }  # fmt: skip
    assert inner == {name for name in LADDERS if "." in name}


@pytest.mark.parametrize("name", pack_names())
def test_a_policy_is_as_itself(name: str) -> None:
    for policy in read_pack(name):
        assert policy_changes(policy, policy.with_body("# another text\n" + policy.body)) == []


@pytest.mark.parametrize(
    ("change", "key", "old", "new", "direction", "words"),
    [
        ({"raises.months_on_book": 12}, "raise.months_on_book", "6 months", "12 months", "STRICTER",
         "a raise needs 12 months on book instead of 6 months"),
        ({"raises.months_on_book": 1}, "raise.months_on_book", "6 months", "1 month", "LOOSER",
         "a raise needs 1 month on book instead of 6 months"),
        ({"repayment.share_of_capacity_bps": 3333}, "repayment.share_of_capacity_bps", "40%", "33.33%", "STRICTER",
         "repayment may take 33.33% of capacity instead of 40%"),
        ({"maximum.product": yuan(160_000)}, "maximum.product", "150,000.00 CNY", "160,000.00 CNY", "LOOSER",
         "the product allows 160,000.00 CNY instead of 150,000.00 CNY"),
        ({"debt.credit_check": True}, "debt.credit_check", "no", "yes", "STRICTER", "a raise needs a credit check"),
        ({"raises.income": False}, "raise.income", "yes", "no", "LOOSER", "a raise needs no proof of income"),
        ({"cut.step_bps": 5000}, "cut.step_bps", "30%", "50%", "STRICTER",
         "one review cuts by at most 50% instead of 30%"),
        ({"capacity.horizon_months": 3}, "capacity.horizon_months", "6 months", "3 months", "NEITHER",
         "the forecast covers 3 months instead of 6 months"),
        ({"repayment.minimum_payment_bps": 300}, "repayment.minimum_payment_bps", "5%", "3%", "NEITHER",
         "the minimum payment is 3% of the balance instead of 5%"),  # counts by another basis only
        ({"repayment.basis": "minimum_payment"}, "repayment.basis", "amortising", "minimum_payment", "LOOSER",
         "repayment at full use is reckoned by minimum_payment instead of amortising"),
        ({"consent.raises": "offer"}, "consent.raises", "at_once", "offer", "NEITHER",
         "raises take effect: offer instead of at_once"),
        ({"integrity.restricted_industries": STANDARD.integrity.restricted_industries | {"mining"}},
         "integrity.restricted_industries", None, "mining", "STRICTER", "the industry mining is restricted"),
        ({"segment": (Group(name="student", most=yuan(30_000)),)}, "segment[student]", None, "30,000.00 CNY",
         "STRICTER", "the highest limit of the segment student is 30,000.00 CNY instead of that of the product"),
        ({"freeze": (Freeze(first_day=dt.date(2026, 7, 1), last_day=dt.date(2026, 7, 9), segments=NOBODY,
                            industries=frozenset({"mining"}), jurisdictions=NOBODY),)},
         "freeze", None, "2026-07-01 to 2026-07-09 (industries mining)", "STRICTER",
         "no raises from 2026-07-01 to 2026-07-09 (industries mining)"),
    ],
)  # fmt: skip
def test_one_change_in_words(
    change: dict[str, Any], key: str, old: str | None, new: str | None, direction: str, words: str
) -> None:
    found = only(**change)
    assert found == PolicyChange(key, old, new, Direction[direction], words)
    back = policy_changes(changed(**change), STANDARD)[0]
    assert (back.old, back.new, back.direction) == (new, old, -found.direction)


def test_ladders_are_compared_step_by_step() -> None:
    steps = tuple(
        PastDueStep(days_past_due=d, limit_bps=b) for d, b in ((1, 10_000), (15, 9_000), (30, 7_000), (90, 0))
    )
    found = policy_changes(STANDARD, changed(past_due=steps))
    assert [(c.key, c.old, c.new, c.direction, c.words) for c in found] == [
        ("past_due[15]", None, "90%", 1, "from 15 days past due on at most 90% of the limit instead of no raise"),
        ("past_due[60]", "40%", None, -1,
         "from 60 days past due on at most 70% of the limit instead of at most 40% of the limit"),
    ]  # fmt: skip
    arrears = (ArrearsStep(missed_payments=4, limit_bps=9000), ArrearsStep(missed_payments=6, limit_bps=7000))
    assert [c.words for c in policy_changes(STANDARD, changed(arrears=arrears))] == [
        "from 3 missed payments on no bound instead of at most 90% of the limit",
        "the step at 4 missed payments goes and comes without an effect: at most 90% of the limit there",
    ]
    lenders = (LenderStep(active_lenders=3, limit_bps=10_000), *STANDARD.exposure.lenders)
    found = policy_changes(STANDARD, changed(**{"exposure.lenders": lenders}))
    assert [(c.key, c.direction) for c in found] == [("exposure.lenders[3]", 1)]
