"""Champion beside challengers: what each did in the newest reviews, and what happened to the users later."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from limits.errors import NotFound
from limits.store.queries import query

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Beside:
    """A review that a challenger was tried beside, and the policy that decided it."""

    review_id: int
    as_of: dt.date
    schedule: str | None
    policy_hash: bytes
    pack: str
    effective_on: dt.date


@dataclass(frozen=True)
class Group:
    """Decisions that champion and challenger made alike: 1 raised, 0 held, -1 lowered.

    ``with_statement``: those whose user had a minimum due later, up to yesterday; ``missed``:
    those whose user missed one. A user counts once for each review.
    """

    policy_hash: bytes
    pack: str
    effective_on: dt.date
    currency: str
    exponent: int
    champion: int
    challenger: int
    decisions: int
    before_minor: int
    champion_after_minor: int
    challenger_after_minor: int
    with_statement: int
    missed: int


@dataclass(frozen=True)
class Binding:
    """How often a ceiling was the lowest, by its reason number."""

    policy_hash: bytes
    binding: int
    champion: int
    challenger: int


@dataclass(frozen=True)
class Failure:
    """Users that a challenger decided nothing about, and the newest error."""

    policy_hash: bytes
    pack: str
    effective_on: dt.date
    users: int
    error: str


@dataclass(frozen=True)
class Comparison:
    """All there is to compare; of each challenger its groups, ceilings and failures."""

    reviews: list[Beside]
    groups: list[Group]
    bindings: list[Binding]
    failures: list[Failure]


def compare(conn: Connection, *, last: int, today: dt.date) -> Comparison:
    """The newest ``last`` reviews with a challenger; NotFound when there is none."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = _rows(conn, Beside, query("compare_reviews"), last=last)
        if not found:
            raise NotFound(
                "no review had a challenger yet; propose one (limits policy propose FILE --role challenger), let "
                "another person approve it, and run a review"
            )
        wanted = [one.review_id for one in found]
        return Comparison(
            found,
            _rows(conn, Group, query("compare_groups"), review_ids=wanted, today=today),
            _rows(conn, Binding, query("compare_reasons"), review_ids=wanted),
            _rows(conn, Failure, query("compare_failures"), review_ids=wanted),
        )


def _rows(conn: Connection, kind: type[Any], statement: LiteralString, **parameters: Any) -> list[Any]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement, parameters).fetchall()
