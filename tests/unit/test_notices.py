"""What a user is told: letters that a person can read (tests/notices), and what no letter may hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits.notices import Facts, Kind, fees_protected_until, principal_reasons, render
from limits.policy import Policy
from limits.reasons import LANGUAGES, NOT_PRINCIPAL, TEXT, USER_TEXT, Reason
from limits.store.policies import read_pack

LETTERS = Path(__file__).resolve().parents[1] / "notices"
AS_OF = dt.date(2026, 6, 30)
TOLD_ON = dt.date(2026, 7, 2)
IN_A_MONTH = dt.date(2026, 7, 30)

#: Reasons that name a rule by which fraud is found, and words that would give it away.
CONFIDENTIAL = {Reason.LINKED_FRAUD, Reason.CONFIRMED_FRAUD, Reason.PROBING}
REVEALING = re.compile("fraud|device|phone|shares|repeated|欺诈|设备|电话|关联|反复", re.IGNORECASE)


def policy(**consent: Any) -> Policy:
    """The standard pack with other terms of consent."""
    standard = read_pack("standard")[0]
    most = consent.pop("principal_reasons", 4)
    return standard.model_copy(
        update={
            "consent": standard.consent.model_copy(update=consent),
            "notices": standard.notices.model_copy(update={"principal_reasons": most}),
        }
    )


CUT = Facts(
    entry_id=1001, kind=Kind.LOWERED, as_of=AS_OF, currency="CNY", before=2_000_000, after=1_400_000,
    reasons=(
        (Reason.PAST_DUE, 1_400_000), (Reason.ABILITY_TO_PAY, 1_650_000), (Reason.MANY_LENDERS, 1_800_000),
        (Reason.NO_CONSENT, 2_000_000), (Reason.STEP_CAP, 2_400_000),
    ),
)  # fmt: skip
HELD = dataclasses.replace(
    CUT, kind=Kind.REFUSED, after=2_000_000, asked=2_500_000,
    reasons=(
        (Reason.INCOME_STALE, 2_000_000), (Reason.TOO_NEW, 2_000_000), (Reason.STEP_CAP, 2_400_000),
        (Reason.ASKED_AMOUNT, 2_500_000),
    ),
)  # fmt: skip

ANNOUNCED_ON = dt.date(2026, 5, 31)
ANSWERED = {"answers": "announced", "answered_as_of": ANNOUNCED_ON, "answered_from": 2_000_000}
#: A cut from 20,000 to 14,000 was announced, and nothing calls for it any longer.
WITHDRAWN = dataclasses.replace(
    CUT, kind=Kind.WITHDRAWN, after=2_000_000, asked=1_400_000, answers="announced", answered_as_of=ANNOUNCED_ON,
    answered_from=2_000_000, reasons=((Reason.NO_CONSENT, 2_000_000), (Reason.STEP_CAP, 2_400_000)),
)  # fmt: skip

#: name -> what happened, and the terms of the policy that decided.
CASES: dict[str, tuple[Facts, dict[str, Any]]] = {
    "raised": (dataclasses.replace(CUT, kind=Kind.RAISED, after=2_400_000), {}),
    "raised_on_request": (
        dataclasses.replace(CUT, kind=Kind.RAISED, after=2_400_000, asked=2_400_000, currency="JPY"), {},
    ),
    "lowered": (CUT, {"automation_may_be_refused": False}),
    "lowered_with_fee_protection": (CUT, {"fee_protection_days": 45, "principal_reasons": 2}),
    "offered": (
        dataclasses.replace(CUT, kind=Kind.OFFERED, after=2_000_000, proposed=2_400_000, effective_on=IN_A_MONTH), {},
    ),
    "offer_over": (
        dataclasses.replace(
            CUT, kind=Kind.OFFERED, after=2_000_000, proposed=2_400_000, effective_on=IN_A_MONTH, state="suppressed"
        ),
        {},
    ),
    "announced_raise": (
        dataclasses.replace(CUT, kind=Kind.ANNOUNCED, after=2_000_000, proposed=2_400_000, effective_on=IN_A_MONTH), {},
    ),
    "announced_cut": (
        dataclasses.replace(CUT, kind=Kind.ANNOUNCED, after=2_000_000, proposed=1_400_000, effective_on=IN_A_MONTH),
        {"fee_protection_days": 60},
    ),
    "refused": (HELD, {}),
    "granted_in_part": (
        dataclasses.replace(HELD, after=2_400_000, reasons=((Reason.STEP_CAP, 2_400_000), HELD.reasons[3])), {},
    ),
    "accepted_offer_in_part": (
        dataclasses.replace(
            HELD, answers="offer", after=2_400_000, reasons=((Reason.ABILITY_TO_PAY, 2_430_000), HELD.reasons[3])
        ),
        {},
    ),
    "withdrawn_raise": (
        dataclasses.replace(WITHDRAWN, asked=2_500_000, reasons=((Reason.PAST_DUE, 2_000_000), HELD.reasons[3])), {},
    ),
    "withdrawn_cut": (WITHDRAWN, {}),
    "withdrawn_cut_after_another": (
        dataclasses.replace(WITHDRAWN, before=1_200_000, after=1_200_000), {"automation_may_be_refused": False},
    ),
    "withdrawn_a_person_decides": (
        dataclasses.replace(WITHDRAWN, reasons=((Reason.AUTOMATION_REFUSED, 2_000_000),)), {},
    ),
    "raised_in_place_of_a_cut": (dataclasses.replace(WITHDRAWN, kind=Kind.RAISED, after=2_400_000), {}),
    "lowered_in_place_of_a_raise": (
        dataclasses.replace(WITHDRAWN, kind=Kind.LOWERED, asked=2_500_000, after=1_400_000, reasons=CUT.reasons), {},
    ),
    "announced_raise_in_part": (
        dataclasses.replace(
            HELD, answers="announced", answered_as_of=ANNOUNCED_ON, answered_from=2_000_000, after=2_400_000,
            reasons=((Reason.ABILITY_TO_PAY, 2_430_000), HELD.reasons[3]),
        ),
        {},
    ),
    "announced_cut_takes_effect": (
        dataclasses.replace(
            CUT, answers="announced", asked=1_400_000, answered_as_of=ANNOUNCED_ON, answered_from=2_000_000
        ),
        {},
    ),
    "refused_too_little_missing": (
        dataclasses.replace(HELD, asked=2_050_000, reasons=((Reason.ASKED_AMOUNT, 2_050_000),)), {},
    ),
    "refused_a_person_decides": (
        dataclasses.replace(HELD, reasons=((Reason.AUTOMATION_REFUSED, 2_000_000), HELD.reasons[3])), {},
    ),
    "refused_details_unconfirmed": (
        dataclasses.replace(
            HELD, reasons=((Reason.CONFIRMED_FRAUD, 0), (Reason.LINKED_FRAUD, 2_000_000), (Reason.PROBING, 2_000_000))
        ),
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_letters_read_as_they_did(name: str, language: str) -> None:
    facts, terms = CASES[name]
    assert render(facts, policy(**terms), TOLD_ON)[language] == (LETTERS / f"{name}.{language}.txt").read_text()


def test_every_letter_kept_is_compared() -> None:
    assert {path.name for path in LETTERS.iterdir()} == {f"{name}.{lang}.txt" for name in CASES for lang in LANGUAGES}


# Which reasons -----------------------------------------------------------------------------


def test_reasons_come_in_the_order_in_which_they_bind_and_no_more_than_the_policy_names() -> None:
    assert principal_reasons(CUT, 4) == (Reason.PAST_DUE, Reason.ABILITY_TO_PAY, Reason.MANY_LENDERS)
    assert principal_reasons(CUT, 2) == (Reason.PAST_DUE, Reason.ABILITY_TO_PAY)
    assert principal_reasons(dataclasses.replace(CUT, kind=Kind.RAISED, after=2_400_000), 4) == ()


def test_a_cut_is_not_explained_by_what_merely_bars_a_raise() -> None:
    assert Reason.NO_CONSENT not in principal_reasons(CUT, 10)
    at_the_limit = dataclasses.replace(CUT, reasons=(CUT.reasons[0], (Reason.TOO_NEW, CUT.before)))
    assert principal_reasons(at_the_limit, 10) == (Reason.PAST_DUE,)


def test_own_arrangements_are_named_only_where_there_is_nothing_else() -> None:
    own = ((Reason.PORTFOLIO_BUDGET, 2_000_000), (Reason.LINKED_FRAUD, 2_000_000))
    assert principal_reasons(dataclasses.replace(HELD, reasons=own), 4) == (own[0][0], own[1][0])
    assert principal_reasons(dataclasses.replace(HELD, reasons=(*own, HELD.reasons[0])), 4) == (Reason.INCOME_STALE,)


def test_a_cut_without_a_reason_is_not_told() -> None:
    with pytest.raises(ValueError, match="entry 1001 lowers the limit and names no reason"):
        render(dataclasses.replace(CUT, reasons=()), policy(), TOLD_ON)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.OFFERED},
        {"kind": Kind.ANNOUNCED, "proposed": 1_400_000},
        {"kind": Kind.OFFERED, "proposed": 1_400_000, "effective_on": IN_A_MONTH},
        {"kind": Kind.ANNOUNCED, "proposed": 2_000_000, "effective_on": IN_A_MONTH},
        {"kind": Kind.RAISED},
        {"kind": Kind.LOWERED, "after": 2_000_000},
        {"kind": Kind.REFUSED, "asked": 2_500_000},
        {"kind": Kind.WITHDRAWN, "after": 2_000_000},
        {"kind": Kind.WITHDRAWN, "after": 2_000_000, "asked": 1_400_000, "answered_from": 2_000_000},
        {"kind": Kind.WITHDRAWN, "after": 2_000_000, "asked": 1_400_000, **ANSWERED, "answers": "offer"},
        {"kind": Kind.WITHDRAWN, "after": 1_400_000, "asked": 1_400_000, **ANSWERED},
        {"kind": Kind.WITHDRAWN, "after": 2_400_000, "asked": 1_400_000, **ANSWERED},
        {"kind": Kind.WITHDRAWN, "after": 2_000_000, "asked": 2_000_000, **ANSWERED},
    ],
    ids=str,
)
def test_facts_of_another_kind_are_not_told(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="entry 1001"):
        render(dataclasses.replace(CUT, **change), policy(), TOLD_ON)


# Days --------------------------------------------------------------------------------------


def test_fee_protection_counts_from_the_notice_or_from_a_later_cut() -> None:
    terms = policy(fee_protection_days=45)
    assert fees_protected_until(CUT, terms, TOLD_ON) == TOLD_ON + dt.timedelta(days=45)
    announced = dataclasses.replace(CUT, kind=Kind.ANNOUNCED, after=CUT.before, proposed=1, effective_on=IN_A_MONTH)
    assert fees_protected_until(announced, terms, TOLD_ON) == IN_A_MONTH + dt.timedelta(days=45)
    assert fees_protected_until(CUT, policy(fee_protection_days=0), TOLD_ON) is None
    assert fees_protected_until(CASES["raised"][0], terms, TOLD_ON) is None


def test_an_offer_can_be_accepted_on_its_last_day_and_not_on_the_next() -> None:
    offer = CASES["offered"][0]
    assert "Accept the offer" in render(offer, policy(), IN_A_MONTH)["en"]
    late = render(offer, policy(), IN_A_MONTH + dt.timedelta(days=1))["en"]
    assert "Accept the offer" not in late and "can no longer be accepted" in late


# What holds for every letter ---------------------------------------------------------------


@st.composite
def decisions(draw: st.DrawFn) -> Facts:
    """Any decision that a notice can be about."""
    kind = draw(st.sampled_from(Kind))
    before = draw(st.integers(0, 10**9))
    reasons = draw(st.lists(st.sampled_from(Reason), unique=True))
    bounds = sorted(draw(st.lists(st.integers(0, 2 * 10**9), min_size=len(reasons), max_size=len(reasons))))
    amount = draw(st.integers(0, 10**9))
    waits = kind in (Kind.OFFERED, Kind.ANNOUNCED)
    stays = waits or kind is Kind.WITHDRAWN
    answers = draw(st.sampled_from(("request", "offer", "announced")))
    answered = answers != "request"
    return Facts(
        entry_id=draw(st.integers(1, 10**9)),
        kind=kind,
        as_of=AS_OF,
        currency=draw(st.sampled_from(("CNY", "JPY", "KWD"))),
        before=before,
        after=before if stays else amount,
        reasons=tuple(zip(reasons, bounds, strict=True)),
        proposed=amount if waits else None,
        effective_on=IN_A_MONTH if waits else None,
        asked=draw(st.none() | st.integers(1, 10**9)),
        answers=answers,
        answered_as_of=ANNOUNCED_ON if answered else None,
        answered_from=draw(st.just(before) | st.integers(0, 10**9)) if answered else None,
        state=draw(st.sampled_from(("open", "applied", "expired", "declined", "suppressed"))),
    )


@given(facts=decisions(), protected=st.integers(0, 60), most=st.integers(1, 10), refusable=st.booleans())
def test_no_letter_reveals_how_fraud_is_found(facts: Facts, protected: int, most: int, refusable: bool) -> None:
    terms = policy(fee_protection_days=protected, principal_reasons=most, automation_may_be_refused=refusable)
    try:
        letters = render(facts, terms, TOLD_ON)
    except ValueError:
        return  # facts that contradict each other are not told at all
    assert letters == render(facts, terms, TOLD_ON)
    assert list(letters) == list(LANGUAGES)
    named = principal_reasons(facts, most)
    assert len(named) <= most
    assert set(named) <= {reason for reason, _ in facts.reasons}
    assert set(named) <= NOT_PRINCIPAL or not set(named) & NOT_PRINCIPAL
    for language, letter in letters.items():
        assert not REVEALING.search(letter), letter
        assert not any(TEXT[reason][language] in letter for reason in CONFIDENTIAL)
        lines = letter.split("\n")
        assert all(lines.count(f"- {USER_TEXT[reason][language]}") == 1 for reason in named), letter
        assert not re.search(r"[<>{}\r\t]|None|\n\n\n", letter), letter


def test_what_is_told_reveals_nothing_either() -> None:
    """Also where a reason is added later: its text for users is looked at here."""
    for reason in Reason:
        for language in LANGUAGES:
            assert not REVEALING.search(USER_TEXT[reason][language]), reason
