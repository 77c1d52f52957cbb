"""Reason codes, their texts, and amounts: numbers that must keep their meaning for years."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from limits.ceilings import CEILINGS
from limits.money import EXPONENTS, LARGEST_MINOR, Money, major, parse_money
from limits.reasons import LANGUAGES, TEXT, Reason

SQL = Path(__file__).resolve().parents[2] / "sql"

#: What each number has meant since the first log row. Add at the end; never change a line.
NUMBERS = [
    "statutory_maximum", "product_maximum", "step_cap", "asked_amount", "ability_to_pay", "past_due",
    "missed_payments", "many_lenders", "many_inquiries", "utilisation_low", "utilisation_high", "dormant",
    "restricted_industry", "identity_unverified", "identity_mismatch", "income_unverified", "income_stale",
    "false_documents", "account_blocked", "no_consent", "too_new", "cool_off_after_raise", "cool_off_after_cut",
    "history_short", "data_stale", "model_fell_back", "forecast_falling", "forecast_uncertain", "repeated_arrears",
    "minimum_payments", "persistent_debt", "income_unstable", "debt_ratio", "residual_income", "obligations_unknown",
    "over_limit", "borrower_maximum", "segment_maximum", "industry_maximum", "documents_missing",
    "documents_expired", "probing", "linked_fraud", "confirmed_fraud", "opted_out", "automation_refused",
    "not_asked_for", "macro_freeze", "portfolio_budget", "restoration", "change_pending", "override",
    "risk_band", "risk_maximum", "risk_unknown",
]  # fmt: skip


def test_numbers_keep_their_meaning() -> None:
    assert [reason.name.lower() for reason in sorted(Reason)] == NUMBERS
    assert [int(reason) for reason in sorted(Reason)] == list(range(len(NUMBERS)))
    assert max(Reason) < 63, "one bit each in a bigint"


def test_every_reason_has_a_rule_and_every_rule_a_reason() -> None:
    assert sorted(ceiling.reason for ceiling in CEILINGS) == sorted(Reason)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_text_of_its_own(language: str) -> None:
    texts = [TEXT[reason][language] for reason in Reason]
    assert all(texts) and len(set(texts)) == len(texts)
    chinese = [bool(re.search("[\u4e00-\u9fff]", text)) for text in texts]
    assert all(chinese) if language == "zh" else not any(chinese)


def test_the_database_knows_the_same_currencies() -> None:
    rows = re.findall(r"\('([A-Z]{3})', (\d)\)", (SQL / "migrations" / "0002_tables.sql").read_text())
    assert {currency: int(exponent) for currency, exponent in rows} == dict(EXPONENTS)


@pytest.mark.parametrize(
    ("text", "minor"),
    [("500 CNY", 50_000), ("500.5 CNY", 50_050), ("0.05 EUR", 5), ("7 JPY", 7), ("1.234 KWD", 1234)],
)
def test_amounts_are_read_exactly(text: str, minor: int) -> None:
    assert parse_money(text) == Money(minor, text[-3:])


@pytest.mark.parametrize("text", ["500", "CNY 500", "-1 CNY", "1e3 CNY", "NaN CNY", "1.5 JPY", "1 XXX", "٣ CNY", ""])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|currency"):
        parse_money(text)


def test_an_absurd_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        parse_money(f"{LARGEST_MINOR} CNY")


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [(3_027_600, 2, "30,276.00"), (-5, 2, "-0.05"), (0, 0, "0"), (1234, 3, "1.234"), (-1_000, 0, "-1,000")],
)
def test_amounts_are_written_for_people(minor: int, exponent: int, text: str) -> None:
    assert major(minor, exponent) == text
