"""Champion beside challengers: what each did in the newest reviews, and what happened to the users later."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from limits.errors import InputError, NotFound
from limits.reasons import Reason
from limits.store.log import ACTIONS, reason_code
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


def compare(conn: Connection, *, last: int, today: dt.date, seconds: int | None = None) -> Comparison:
    """The newest ``last`` reviews with a challenger; NotFound when there is none.

    ``seconds``: how long one look may take; InputError where it takes longer.
    """
    try:
        return _compare(conn, last, today, seconds)
    except psycopg.errors.QueryCanceled:
        raise InputError(
            f"{last} reviews take longer than {seconds} s to compare; take fewer, or run limits policy compare"
        ) from None


def _compare(conn: Connection, last: int, today: dt.date, seconds: int | None) -> Comparison:
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if seconds is not None:
            conn.execute(query("statement_seconds"), {"milliseconds": str(1000 * seconds)})
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


def by_challenger(found: Comparison) -> dict[bytes, list[Group]]:
    """The groups of each challenger, by its hash."""
    groups: dict[bytes, list[Group]] = {}
    for group in found.groups:
        groups.setdefault(bytes(group.policy_hash), []).append(group)
    return groups


def actions(groups: list[Group]) -> tuple[Counter[int], Counter[int]]:
    """Decisions by action: of the champion, and of the challenger."""
    champion, challenger = Counter[int](), Counter[int]()
    for group in groups:
        champion[group.champion] += group.decisions
        challenger[group.challenger] += group.decisions
    return champion, challenger


def as_dict(found: Comparison) -> dict[str, Any]:
    """The comparison for a machine; amounts in minor units."""

    def sides(groups: list[Group]) -> dict[str, Any]:
        champion, challenger = actions(groups)
        return {
            "champion": {
                **{ACTIONS[action]: champion[action] for action in ACTIONS},
                "exposure_after_minor": sum(group.champion_after_minor for group in groups),
            },
            "challenger": {
                **{ACTIONS[action]: challenger[action] for action in ACTIONS},
                "exposure_after_minor": sum(group.challenger_after_minor for group in groups),
            },
        }

    return {
        "reviews": [
            {
                "review_id": one.review_id,
                "as_of": one.as_of.isoformat(),
                "schedule": one.schedule,
                "policy_hash": one.policy_hash.hex(),
            }
            for one in found.reviews
        ],
        "challengers": [
            {
                "policy_hash": policy_hash.hex(),
                "pack": groups[0].pack,
                "effective_on": groups[0].effective_on.isoformat(),
                "currency": groups[0].currency,
                "exponent": groups[0].exponent,
                "decisions": sum(group.decisions for group in groups),
                "exposure_before_minor": sum(group.before_minor for group in groups),
                **sides(groups),
                "groups": [
                    {
                        "champion": ACTIONS[group.champion],
                        "challenger": ACTIONS[group.challenger],
                        "decisions": group.decisions,
                        "with_statement_later": group.with_statement,
                        "missed_later": group.missed,
                    }
                    for group in groups
                ],
                "lowest_ceilings": [
                    {
                        "reason": reason_code(Reason(one.binding)),
                        "champion": one.champion,
                        "challenger": one.challenger,
                    }
                    for one in found.bindings
                    if one.policy_hash == policy_hash
                ],
            }
            for policy_hash, groups in by_challenger(found).items()
        ],
        "failures": [
            {"policy_hash": one.policy_hash.hex(), "pack": one.pack, "users": one.users, "error": one.error}
            for one in found.failures
        ],
    }


def _rows(conn: Connection, kind: type[Any], statement: LiteralString, **parameters: Any) -> list[Any]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement, parameters).fetchall()
