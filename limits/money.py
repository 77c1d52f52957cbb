"""Amounts: minor units inside, major units with their currency for people and policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

#: Decimals of each currency we know (ISO 4217); the table limits.currencies holds the same.
_BY_EXPONENT = {
    0: "JPY KRW VND",
    2: "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR INR MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD ZAR",
    3: "BHD KWD",
}
EXPONENTS: Mapping[str, int] = MappingProxyType(
    {currency: exponent for exponent, listed in _BY_EXPONENT.items() for currency in listed.split()}
)

#: The largest amount that is let in anywhere, minor units. Sums over months and products
#: with basis points stay inside int64, and floats hold it exactly.
LARGEST_MINOR = 10**15

_AMOUNT = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,4}))? ([A-Z]{3})")


class Money(NamedTuple):
    """An amount in minor units with its currency."""

    minor: int
    currency: str


def parse_money(text: str) -> Money:
    """``"500.00 CNY"`` as Money(50000, "CNY"); ValueError says what is wrong and how to write it."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not an amount; write it like "2000 CNY" or "2000.50 CNY"')
    whole, part, currency = match.groups()
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise ValueError(f"{currency} is not a currency known here; there are {', '.join(sorted(EXPONENTS))}")
    if part and len(part) > exponent:
        raise ValueError(f"{text!r} has {len(part)} decimals; {currency} has {exponent}")
    minor = int(whole) * 10**exponent + (int(part.ljust(exponent, "0")) if part else 0)
    if minor > LARGEST_MINOR:
        raise ValueError(f"{text!r} is too large; the largest amount is {money(LARGEST_MINOR, exponent, currency)}")
    return Money(minor, currency)


def major(minor: int, exponent: int) -> str:
    """The amount in major units, grouped by thousands: 3027600 with exponent 2 is 30,276.00."""
    sign, digits = ("-" if minor < 0 else ""), abs(minor)
    whole, part = divmod(digits, 10**exponent)
    return f"{sign}{whole:,}" + (f".{part:0{exponent}d}" if exponent else "")


def money(minor: int, exponent: int, currency: str) -> str:
    """The amount with its currency: 30,276.00 CZK."""
    return f"{major(minor, exponent)} {currency}"
