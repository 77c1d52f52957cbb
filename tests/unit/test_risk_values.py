"""Values of features as people write and read them."""

from __future__ import annotations

import math

import pytest

from limits.errors import InputError
from limits.risk import FEATURES
from limits.risk.values import parse, told


@pytest.mark.parametrize(
    ("name", "text", "value", "words"),
    [
        ("balance_now", "186503", 18_650_300, "186,503.00 TWD"),
        ("balance_now", "-0.50 TWD", -50, "-0.50 TWD"),
        ("repaid_largest", "8060.5", 806_050, "8,060.50 TWD"),
        ("utilisation_now", "0.6660821429", 0.6660821429, "66.6%"),
        ("utilisation_now", "20%", 0.2, "20.0%"),
        ("utilisation_trend", "-0.1", -0.1, "-10.0%"),
        ("days_past_due_now", "30", 30, "30"),
        ("delay_weighted", "10.5", 10.5, "10.5"),
    ],
)
def test_an_amount_is_in_the_currency_and_a_share_in_percent(name: str, text: str, value: float, words: str) -> None:
    found = parse(name, text, "TWD")
    assert math.isclose(found, value) and told(name, found, "TWD") == words


def test_what_is_not_known() -> None:
    assert all(math.isnan(parse(name, "unknown", "TWD")) for name in FEATURES)
    assert told("balance_now", 18_650_300, None) == "18,650,300"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("balance_now=1000 CNY", "the user's amounts are in TWD; write balance_now= and 2000 or 2000 TWD, or unknown"),
        ("balance_now=1.005", "has 3 decimals; TWD has 2"),
        ("balance_now=", "is not an amount"),
        ("balance_now=1e5", "is not an amount"),
        ("balance_now=9999999999999999", "is too large"),
        ("repaid_largest=-1", "it is never below 0"),
        ("paid_share=-20%", "it is never below 0"),
        ("utilisation_now=nan", "it is not a number of it"),
        ("days_past_due_now=3%", "it is not a number of it"),
    ],
)
def test_what_cannot_be_a_value_is_said(text: str, words: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(InputError) as caught:
        parse(name, value, "TWD")
    assert words in str(caught.value) and str(caught.value).startswith(f"{text} cannot be used")
