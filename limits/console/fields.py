"""Texts that people and machines write into forms and bodies: what each kind may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a character that cannot be printed")
    return text


def _words(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("write something")
    return _printable(text)


#: Of a text: what can be printed, and not nothing.
printable = AfterValidator(_words)

_WHY = Field(description="Why, as the record shall say.", examples=["customer called"])

#: Why somebody does something, 1 to 500 characters as they are sent.
Reason = Annotated[str, Field(min_length=1, max_length=500), printable, _WHY]

#: The same of acts on one user: trimmed before its characters are counted, as programs that send those may rely on.
TrimmedReason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_printable), _WHY
]


class Why(BaseModel, extra="forbid"):
    """What somebody does needs a reason."""

    reason: Reason
