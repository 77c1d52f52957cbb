"""What comes in from forms and bodies about a user, checked: numbers, words, dates, amounts, names of policies."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from limits.console.people import Posted
from limits.console.problems import Problem
from limits.money import EXPONENTS, LARGEST_MINOR, Money, parse_money
from limits.store import policies

#: The largest number a bigint column holds.
LARGEST = 2**63 - 1
#: Dates that a person can mean here.
FIRST, LAST = dt.date(1990, 1, 1), dt.date(2199, 12, 31)

UserId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the user.")]
OverrideId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the override.")]
ChangeId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the offered or announced change.")]
NoticeId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the notice.")]
EntryId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the log entry.")]
OfUser = Annotated[int | None, Query(ge=1, le=LARGEST, description="Only this user.")]


def _pack(name: str) -> str:
    """Only packs that come with the product: a name from outside is never a path on this machine."""
    if name not in policies.pack_names():
        raise ValueError(f"there is no policy of that name; there are {', '.join(policies.pack_names())}")
    return name


Day = Annotated[dt.date, Field(ge=FIRST, le=LAST)]
Pack = Annotated[
    str,
    StringConstraints(max_length=64),
    AfterValidator(_pack),
    Field(
        description="A policy pack that comes with the product, by name.",
        examples=["cz"],
        json_schema_extra={"enum": list(policies.pack_names())},
    ),
]


class Amount(BaseModel, extra="forbid"):
    """An amount: as text with its currency, or in whole minor units beside the currency."""

    amount: str | None = Field(
        None, max_length=40, examples=["95000 CZK"], description="Digits, a space, the currency."
    )
    amount_minor: int | None = Field(None, ge=0, le=LARGEST_MINOR)
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")

    @model_validator(mode="after")
    def _one_way(self) -> Amount:
        minor = self.amount_minor is not None or self.currency is not None
        if self.amount is not None and minor:
            raise ValueError("say amount, or amount_minor and currency, not both")
        if self.amount is not None:
            parse_money(self.amount)
        elif minor and (self.amount_minor is None or self.currency is None):
            raise ValueError("amount_minor and currency go together")
        elif self.currency is not None and self.currency not in EXPONENTS:
            raise ValueError("this currency is not known here")
        return self

    @property
    def money(self) -> Money | None:
        """The amount; None where none is said."""
        if self.amount is not None:
            return parse_money(self.amount)
        if self.amount_minor is None or self.currency is None:
            return None
        return Money(self.amount_minor, self.currency)


Body = TypeVar("Body", bound=BaseModel)


def checked(model: type[Body], /, **values: Any) -> Body:
    """The body that the API would take, from a form; Problem 422 names the first field that does not fit."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the form"
        raise Problem(422, "not-usable", f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def form_day(sent: Posted, name: str) -> dt.date | None:
    """A date of a form, None where the field is empty."""
    return day_of(sent.text(name, longest=10), name)


def day_of(text: str, name: str) -> dt.date | None:
    """A date written YYYY-MM-DD, None for an empty text; Problem 422 names the field."""
    if not text:
        return None
    try:
        found = dt.date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        found = None
    if found is None or not FIRST <= found <= LAST:
        raise Problem(422, "not-a-date", f"{name} is not a date from {FIRST} to {LAST}; write it YYYY-MM-DD")
    return found


def form_pack(sent: Posted, name: str = "policy") -> str | None:
    """A policy pack of a form, None where the field is empty."""
    return pack_of(sent.text(name, longest=64))


def pack_of(text: str) -> str | None:
    """A shipped policy pack by name, None for an empty text; Problem 422 for anything else."""
    try:
        return _pack(text) if text else None
    except ValueError as error:
        raise Problem(422, "policy-unknown", str(error)) from None


def form_amount(sent: Posted, currency: str, name: str = "amount") -> Money | None:
    """An amount of a form; without a currency it is in the user's. None where the field is empty."""
    text = sent.text(name, longest=40)
    if not text:
        return None
    try:
        return parse_money(text if re.search("[A-Za-z]", text) else f"{text} {currency}")
    except ValueError as error:
        raise Problem(422, "not-an-amount", str(error)) from None


def form_choice(sent: Posted, name: str, choices: tuple[str, ...]) -> str:
    """One of the values that a form offers; Problem 422 for another."""
    value = sent.needed(name, longest=40)
    if value not in choices:
        raise Problem(422, "not-a-choice", f"{name} is one of {', '.join(choices)}")
    return value
