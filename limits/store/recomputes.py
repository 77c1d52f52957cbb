"""Recomputes of one user as rows: a review of its own with one shard, begun, decided and over in one transaction."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row, scalar_row

from limits.errors import ErasureRefused, NotFound
from limits.store import approvals
from limits.store.db import Connection
from limits.store.queries import query
from limits.store.reviews import Lease


@dataclass(frozen=True)
class OfKey:
    """What was done under an idempotency key."""

    review_id: int
    business_date: dt.date
    reason: str
    actor: str
    user_id: int | None
    entry_id: int | None


@dataclass(frozen=True)
class Facts:
    """What a decision that is not logged shows in place of what the log would hold."""

    session_role: str
    exponent: int
    decided_at: dt.datetime


def last_decided(conn: Connection, user_id: int) -> dt.date | None:
    """The newest date that a decision about the user was made for.

    NotFound when there is no such user, ErasureRefused for one who was erased.
    """
    found = conn.execute(query("user_last_decided"), {"user_id": user_id}).fetchone()
    if found is None:
        raise NotFound(f"there is no user {user_id}")
    if found[3] is not None:
        raise ErasureRefused(f"user {user_id} was erased on {found[3]}: nothing is decided about that user any more")
    last: dt.date | None = found[2]
    return last


def of_key(conn: Connection, key: str) -> OfKey | None:
    """What was done under the key, or None."""
    with conn.cursor(row_factory=class_row(OfKey)) as cursor:
        return cursor.execute(query("recompute_of_key"), {"key": key}).fetchone()


def begin(
    conn: Connection,
    *,
    user_id: int,
    as_of: dt.date,
    policy_hash: bytes,
    actor: str,
    reason: str,
    key: str,
    request_id: int | None = None,
    change_id: int | None = None,
) -> Lease | None:
    """A review of one user with its shard leased, inside the caller's transaction.

    ``request_id`` and ``change_id``: the request that it answers, the change that it carries
    out. None when another call with the same key was quicker; that one has committed by then.
    PolicyNotApproved unless the policy is approved to decide.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        parameters = {
            "user_id": user_id, "as_of": as_of, "policy_hash": policy_hash, "actor": actor, "reason": reason,
            "key": key, "request_id": request_id, "change_id": change_id,
        }  # fmt: skip
        with approvals.in_words():
            review_id = cursor.execute(query("recompute_begin"), parameters).fetchone()
    return None if review_id is None else Lease(review_id, 0, 1, 1, 1)


def entry_of(conn: Connection, review_id: int, user_id: int, as_of: dt.date) -> int | None:
    """The number of the log entry that a recompute made."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        parameters = {"review_id": review_id, "user_id": user_id, "as_of": as_of}
        return cursor.execute(query("recompute_entry"), parameters).fetchone()


def facts(conn: Connection, currency: str) -> Facts:
    """Who is connected, how amounts are written, and what time it is."""
    with conn.cursor(row_factory=class_row(Facts)) as cursor:
        found = cursor.execute(query("decision_facts"), {"currency": currency}).fetchone()
    if found is None:
        raise NotFound(f"currency {currency} is not known; limits.currencies lists those that are")
    return found
