"""The gate as rows: what a review decided and applied so far, what happened to it, and the kill switch.

The functions of the database check who may do what; this module calls them, and turns what
they refuse into the product's errors.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from psycopg.rows import class_row, scalar_row

from limits.budget import Raises
from limits.errors import ReviewRefused
from limits.portfolio import Int
from limits.reasons import Reason
from limits.store import approvals, reviews
from limits.store.queries import query
from limits.store.reviews import Lease

Connection = psycopg.Connection[Any]

#: What the database says of a review that cannot be moved so.
_CANNOT = "LM021"


@dataclass(frozen=True)
class Event:
    """What happened to a review between deciding and applying, and who did it."""

    event_id: int
    review_id: int
    at: dt.datetime
    what: Literal["passed", "canary", "held", "released", "cancelled", "resumed"]
    actor: str
    session_role: str
    reason: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Applied:
    """The released shards of a review: what of them was decided, and what was applied. Amounts in minor units."""

    shards: int
    leases: int
    decided_users: int
    decided_aside: int
    decided_change_minor: int
    users: int
    change_minor: int
    aside: int
    renewed: int
    budgeted: int


@dataclass(frozen=True)
class BudgetRow:
    """What the raises of a review were allowed to add, in minor units, and the price at which that was used up."""

    exposure_minor: int | None
    loss_minor: int | None
    wished_minor: int
    granted_minor: int
    users: int
    users_cut: int
    price: float
    mix: float


@dataclass(frozen=True)
class Shift:
    """By what a review differs from what the gate let through, summed as in a tally; and the figures of the gate.

    waved: a person has released the review after it was held for what was decided again.
    """

    shifted: dict[str, int]
    let_through: dict[str, int]
    waved: bool


@dataclass(frozen=True)
class Switch:
    """The kill switch as it is, and who turned it last."""

    engaged: bool
    actor: str
    reason: str
    changed_at: dt.datetime


@dataclass(frozen=True)
class Turn:
    """Once that somebody turned the kill switch."""

    at: dt.datetime
    engaged: bool
    actor: str
    session_role: str
    reason: str


@dataclass(frozen=True)
class InTheWay:
    """A session that keeps another one waiting."""

    pid: int
    login: str | None
    application: str | None


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        with approvals.in_words():
            yield
    except psycopg.Error as error:
        if error.sqlstate == _CANNOT:
            raise ReviewRefused(error.diag.message_primary or str(error)) from error
        raise


def tally(conn: Connection, review_id: int) -> tuple[dict[str, int], int]:
    """What the shards of a review decided, added up; and the users of the review before it, 0 for none."""
    found = conn.execute(query("gate_tally"), {"review_id": review_id}).fetchone()
    assert found is not None, "one row, whatever there is"
    return {key: int(value) for key, value in found[0].items()}, int(found[1] or 0)


def awaits_comparison(conn: Connection, review_id: int) -> bool:
    """Whether all shards that were released are applied, and there are others."""
    found = conn.execute(query("gate_awaits"), {"review_id": review_id}).fetchone()
    return bool(found and found[0])


def applied(conn: Connection, review_id: int) -> Applied:
    """How applying the released shards went. Reads what they logged."""
    with conn.cursor(row_factory=class_row(Applied)) as cursor:
        found = cursor.execute(
            query("gate_applied"), {"review_id": review_id, "budget": int(Reason.PORTFOLIO_BUDGET)}
        ).fetchone()
    assert found is not None, "the caller has locked the review"
    return found


def write_raises(conn: Connection, lease: Lease, raises: Raises) -> None:
    """Keeps the raises of a shard for the gate, inside the transaction that keeps its decisions."""
    if not len(raises):
        return
    body = b"".join(column.astype("<i8").tobytes() for column in _columns(raises))
    parameters = {"review_id": lease.review_id, "shard": lease.shard, "users": len(raises), "body": body}
    conn.execute(query("gate_raises_write"), parameters)


def raises(conn: Connection, review_id: int) -> list[tuple[int, Raises]]:
    """The raises of a review by shard, in order."""
    rows = conn.execute(query("gate_raises"), {"review_id": review_id}, binary=True).fetchall()
    return [(shard, _raises(body)) for shard, _, body in rows]


def grant(conn: Connection, review_id: int, shard: int, granted: Int) -> None:
    """Keeps what the budget left of the raises of a shard."""
    parameters = {"review_id": review_id, "shard": shard, "granted": granted.astype("<i8").tobytes()}
    conn.execute(query("gate_grant"), parameters)


def granted(conn: Connection, lease: Lease) -> tuple[Raises, Int]:
    """The raises of a shard, and what the budget left of each, in minor units (n,)."""
    parameters = {"review_id": lease.review_id, "shard": lease.shard}
    found = conn.execute(query("gate_granted"), parameters, binary=True).fetchone()
    if found is None:
        return _raises(b""), np.empty(0, dtype=np.int64)
    return _raises(found[1]), np.frombuffer(found[2], dtype="<i8").astype(np.int64)


def write_budget(conn: Connection, review_id: int, row: BudgetRow) -> None:
    """Keeps what the raises of a review may add, once."""
    conn.execute(query("gate_budget_write"), {"review_id": review_id, **dataclasses.asdict(row)})


def shift(conn: Connection, lease: Lease, by: Mapping[str, int]) -> Shift:
    """Adds to what a review decided otherwise while it is applied, inside the transaction that applies it.

    Whoever else adds to it waits for the end of that. LeaseLost when another worker holds the shard by now.
    """
    parameters = {
        "review_id": lease.review_id, "shard": lease.shard, "token": lease.token, "by": json.dumps(by),
    }  # fmt: skip
    with reviews.refused_when_lost():
        found = conn.execute(query("gate_shift"), parameters).fetchone()
    assert found is not None, "one row, whatever there is"
    shifted, let_through, waved = found
    return Shift({key: int(value) for key, value in shifted.items()}, let_through, waved)


def budget(conn: Connection, review_id: int) -> BudgetRow | None:
    """What the raises of a review were allowed to add; None without a budget, or before the gate."""
    with conn.cursor(row_factory=class_row(BudgetRow)) as cursor:
        return cursor.execute(query("gate_budget"), {"review_id": review_id}).fetchone()


def _columns(raises: Raises) -> tuple[Int, Int, Int, Int]:
    return raises.user_id, raises.delta, raises.value, raises.loss


def _raises(body: bytes) -> Raises:
    return Raises(*np.frombuffer(body, dtype="<i8").astype(np.int64).reshape(4, -1))


def let_on(conn: Connection, review_id: int, *, actor: str, figures: Mapping[str, int]) -> int:
    """The review goes on to its next stage; how many shards may be applied now. ReviewRefused when it is not there."""
    return int(_one(conn, "gate_pass", review_id=review_id, actor=actor, figures=json.dumps(figures)))


def hold(conn: Connection, review_id: int, *, actor: str, reason: str, figures: Mapping[str, int]) -> None:
    """The review stops until somebody releases or cancels it."""
    _one(conn, "gate_hold", review_id=review_id, actor=actor, reason=reason, figures=json.dumps(figures))


def release(conn: Connection, review_id: int, *, actor: str, reason: str) -> None:
    """A held review goes on by what was decided.

    ReviewRefused when it is not held, or was decided more than 24 hours ago; ApprovalRefused for the person
    or login that asked for it; PolicyNotApproved when its policy was withdrawn.
    """
    _one(conn, "gate_release", review_id=review_id, actor=actor, reason=reason)


def cancel(conn: Connection, review_id: int, *, actor: str, reason: str) -> bool:
    """Nothing more of a review is applied once this returns; False when it was cancelled before.

    ReviewRefused when it is done; ApprovalRefused for a held one and the person or login that asked for it.
    """
    return bool(_one(conn, "gate_cancel", review_id=review_id, actor=actor, reason=reason))


def resume(conn: Connection, review_id: int, *, actor: str, reason: str) -> bool:
    """A failed review is tried again; False when it goes on already. ReviewRefused, PolicyNotApproved."""
    return bool(_one(conn, "gate_resume", review_id=review_id, actor=actor, reason=reason))


def events(conn: Connection, review_id: int) -> list[Event]:
    """What happened to a review, oldest first."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(query("gate_events"), {"review_id": review_id}).fetchall()


def switch(conn: Connection) -> Switch:
    """The kill switch as it is."""
    with conn.cursor(row_factory=class_row(Switch)) as cursor:
        found = cursor.execute(query("gate_switch")).fetchone()
    assert found is not None, "the migration made its one row"
    return found


def set_switch(conn: Connection, engaged: bool, *, actor: str, reason: str) -> bool:
    """Turns the kill switch; False when it was so before. Engaged: nothing is being applied when this returns.

    ApprovalRefused when who engaged it wants to disengage it too.
    """
    return bool(_one(conn, "gate_switch_set", engaged=engaged, actor=actor, reason=reason))


def in_the_way(conn: Connection, pid: int) -> list[InTheWay]:
    """The sessions that the session with that process id waits for."""
    with conn.cursor(row_factory=class_row(InTheWay)) as cursor:
        return cursor.execute(query("gate_in_the_way"), {"pid": pid}).fetchall()


def turns(conn: Connection, *, limit: int = 20) -> list[Turn]:
    """Each time that somebody turned the kill switch, newest first."""
    with conn.cursor(row_factory=class_row(Turn)) as cursor:
        return cursor.execute(query("gate_switch_events"), {"limit": limit}).fetchall()


def _one(conn: Connection, name: str, **parameters: Any) -> Any:
    with _in_words(), conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query(name), parameters).fetchone()
