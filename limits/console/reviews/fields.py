"""What people and machines write into requests about reviews and schedules: each kind with its bounds."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, Field

from limits.console.fields import printable

#: Number of a review.
ReviewId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of the review.")]

#: A name of a schedule, also of one that only reviews by hand count under.
Name = Annotated[str, Field(min_length=1, max_length=100, description="A name of a schedule."), printable]

#: A business date.
Day = Annotated[dt.date, Field(ge=dt.date(1970, 1, 1), le=dt.date(2199, 12, 31), description="A business date.")]


def _without_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it holds a character that cannot be printed")
    return text.strip()


#: What a list is filtered by; empty is nothing.
Filter = Annotated[str, Field(max_length=100), AfterValidator(_without_controls)]
