"""Values of features as people write and read them: amounts in their currency, shares in percent."""

from __future__ import annotations

import math
import re

from limits.errors import InputError
from limits.money import EXPONENTS, money, parse_money
from limits.risk.features import FEATURES

UNKNOWN = "unknown"
#: How each unit is written.
EXAMPLES = {"amount": "2000", "share": "0.5 or 50%", "count": "3"}
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,17})?")


def told(name: str, value: float, currency: str | None) -> str:
    """A value of a feature in words; amounts as minor units where the currency is not known."""
    unit = FEATURES[name].unit
    if unit == "amount" and currency is not None and currency in EXPONENTS:
        return money(round(value), EXPONENTS[currency], currency)
    return f"{value:.1%}" if unit == "share" else f"{value:,.10g}"


def parse(name: str, text: str, currency: str) -> float:
    """The value that is written so, NaN for "unknown"; InputError in one sentence for what cannot be one.

    Amounts are written in the currency, as in ``2000`` or ``2000.50 TWD``, shares as ``0.5`` or ``50%``.
    """
    feature = FEATURES[name]
    if text == UNKNOWN:
        return math.nan
    try:
        value = _amount(text, currency) if feature.unit == "amount" else _number(text, feature.unit)
    except ValueError as error:
        example = EXAMPLES[feature.unit] + (f" or {EXAMPLES['amount']} {currency}" if feature.unit == "amount" else "")
        raise InputError(f"{name}={text} cannot be used: {error}; write {name}= and {example}, or {UNKNOWN}") from None
    if value < 0 and not feature.signed:
        raise InputError(f"{name}={text} cannot be used: it is never below 0")
    return value


def _amount(text: str, currency: str) -> float:
    sign, size = (-1, text[1:]) if text.startswith("-") else (1, text)
    found = parse_money(size if size[-1:].isalpha() else f"{size} {currency}")
    if found.currency != currency:
        raise ValueError(f"the user's amounts are in {currency}")
    return float(sign * found.minor)


def _number(text: str, unit: str) -> float:
    percent = unit == "share" and text.endswith("%")
    number = text.removesuffix("%") if percent else text
    if not _NUMBER.fullmatch(number):
        raise ValueError("it is not a number of it")
    return float(number) / (100 if percent else 1)
