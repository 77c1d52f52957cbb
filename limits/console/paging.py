"""Pages of long lists: a cursor is where the next page begins, and stays right however many rows come in before it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from limits.console.problems import Problem

Item = TypeVar("Item")

#: Rows of a page, and where it begins, as every list takes them.
Limit = Annotated[int, Query(ge=1, le=500, description="Rows of the page, at most.")]
Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


def cursor_of(*place: int | str) -> str:
    """Where a page begins, as the caller gets it: opaque, and nothing that could not be seen anyway."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """What ``cursor_of`` was given; None for the first page. Problem 422 for what it never made."""
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        place = None
    fits = isinstance(place, list) and [type(part) for part in place] == list(kinds)
    if not fits or any(isinstance(part, int) and abs(part) >= 2**63 for part in place):
        raise Problem(422, "cursor-unknown", "this cursor is not one of this list; begin without")
    return tuple(place)


def page_of(rows: Sequence[Any], limit: int, make: Callable[[Any], Any], place: Callable[[Any], str]) -> dict[str, Any]:
    """``rows`` holds one row more than the page where there is a next one."""
    shown = rows[:limit]
    return {"items": [make(row) for row in shown], "next": place(shown[-1]) if len(rows) > limit else None}
