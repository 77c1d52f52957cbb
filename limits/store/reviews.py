"""Reviews and their shards as rows: what is owed, who works on what, and what is finished.

PostgreSQL holds the truth about a review; a message is only a wake-up. Every function here
is one transaction or one statement on the caller's connection (autocommit).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from psycopg.rows import RowMaker, class_row, dict_row, scalar_row

from limits.breakers import shard_sizes
from limits.errors import LeaseLost, NotFound
from limits.store import approvals, cash_flow
from limits.store.columns import array_cursor
from limits.store.queries import query

Connection = psycopg.Connection[Any]

LOST = "LM002"  # what the database says of a lease that somebody else has by now

#: States in which a review is over.
FINAL = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class ReviewRow:
    """A review. The counts and sums are known once it is done."""

    review_id: int
    kind: str
    schedule: str | None
    business_date: dt.date
    state: str
    policy_hash: bytes
    actor: str
    reason: str
    idempotency_key: str | None
    users_total: int | None
    users_raised: int | None
    users_held: int | None
    users_lowered: int | None
    users_quarantined: int | None
    users_skipped: int | None
    exposure_before_minor: int | None
    exposure_after_minor: int | None
    error: str | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    stage: str = "decide"
    released_shards: int = 0
    risk_model: bytes | None = None  # None: nobody is scored
    created: bool = False  # not a column: whether the call that returned this row made it

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in FINAL


@dataclass(frozen=True)
class Progress:
    """How far a review has come, at the instant ``seen_at`` of the database's clock."""

    review_id: int
    kind: str
    schedule: str | None
    business_date: dt.date
    state: str
    error: str | None
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    seen_at: dt.datetime
    users_total: int | None
    shards: int
    shards_done: int
    shards_leased: int
    raised: int
    held: int
    lowered: int
    quarantined: int
    skipped: int
    users_done: int

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to the review."""
        return self.state in FINAL

    @property
    def seconds(self) -> float:
        """How long the review has run, or ran."""
        if self.started_at is None:
            return 0.0
        return max(((self.finished_at or self.seen_at) - self.started_at).total_seconds(), 0.0)


@dataclass(frozen=True)
class Unfinished:
    """The oldest unfinished review of a schedule, with shards free to lease and shards leased."""

    review_id: int
    schedule: str
    business_date: dt.date
    state: str
    free: int
    leased: int

    @property
    def work(self) -> int:
        """How many workers would find something to do."""
        return 1 if self.state == "owed" else self.free


@dataclass(frozen=True)
class Lease:
    """A shard that this worker may work on while the token is the newest one."""

    review_id: int
    shard: int
    token: int
    attempts: int
    users_total: int
    stage: str = "apply"
    snapshot_digest: bytes | None = None


@dataclass(frozen=True)
class ReviewException:
    """A user of a review who got no decision, and why."""

    user_id: int
    outcome: Literal["quarantined", "skipped"]
    reason: str
    detail: str = ""


# Reading -----------------------------------------------------------------------------------


def find(conn: Connection, review_id: int) -> ReviewRow | None:
    """The review of that number, or None."""
    return _one(conn, "review_get", review_id=review_id)


def get(conn: Connection, review_id: int) -> ReviewRow:
    """The review of that number; NotFound names it."""
    row = find(conn, review_id)
    if row is None:
        raise NotFound(f"there is no review {review_id}; `limits review list` shows those there are")
    return row


def of_date(conn: Connection, schedule: str, business_date: dt.date) -> ReviewRow | None:
    """The review of a schedule for a business date, or None."""
    return _one(conn, "review_of_date", schedule=schedule, business_date=business_date)


def later(conn: Connection, schedule: str, business_date: dt.date) -> ReviewRow | None:
    """A review of the schedule for a later date that has begun or is done, or None."""
    return _one(conn, "review_later", schedule=schedule, business_date=business_date)


def list_reviews(
    conn: Connection,
    *,
    limit: int = 20,
    schedule: str | None = None,
    recomputes: bool = False,
    state: str | None = None,
    before: int | None = None,
) -> list[ReviewRow]:
    """The newest reviews first; ``before`` is the last one of the page before."""
    with conn.cursor(row_factory=_review_row) as cursor:
        parameters = {
            "limit": limit, "schedule": schedule, "recomputes": recomputes, "state": state, "before": before,
        }  # fmt: skip
        return cursor.execute(query("review_list"), parameters).fetchall()


def progress(conn: Connection, review_id: int) -> Progress:
    """How far the review has come; NotFound names it."""
    with conn.cursor(row_factory=class_row(Progress)) as cursor:
        found = cursor.execute(query("review_progress"), {"review_id": review_id}).fetchone()
    if found is None:
        raise NotFound(f"there is no review {review_id}; `limits review list` shows those there are")
    return found


def exceptions(conn: Connection, review_id: int, *, limit: int | None = None) -> list[dict[str, Any]]:
    """Users of the review who got no decision: user_id, outcome, reason, detail, at; all of them without a limit."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("review_exceptions"), {"review_id": review_id, "limit": limit}).fetchall()


def binding_reasons(conn: Connection, review: ReviewRow) -> list[dict[str, Any]]:
    """How many users each ceiling bound, by action: action, binding (reason number), users."""
    with conn.cursor(row_factory=dict_row) as cursor:
        parameters = {"review_id": review.review_id, "as_of": review.business_date}
        return cursor.execute(query("review_reasons"), parameters).fetchall()


def unfinished(conn: Connection) -> list[Unfinished]:
    """Of each schedule the oldest unfinished review: the only one whose turn it is."""
    with conn.cursor(row_factory=class_row(Unfinished)) as cursor:
        return cursor.execute(query("review_unfinished")).fetchall()


def count_users(conn: Connection) -> int:
    """How many users there are."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(query("users_count")).fetchone() or 0)


def users_after(conn: Connection, after: int, *, limit: int) -> list[int]:
    """The next ``limit`` users in the order of their ids."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("users_after"), {"after": after, "limit": limit}).fetchall()


# Owing and planning ------------------------------------------------------------------------


def owe_review(conn: Connection, *, schedule: str, business_date: dt.date, policy_hash: bytes, actor: str) -> ReviewRow:
    """The review of that schedule and date; ``created`` says whether this call made it. Callers may race.

    PolicyNotApproved unless the policy is approved to decide.
    """
    parameters = {"schedule": schedule, "business_date": business_date, "policy_hash": policy_hash, "actor": actor}
    with approvals.in_words():
        created = conn.execute(query("review_owe"), parameters).fetchone() is not None
    row = of_date(conn, schedule, business_date)
    assert row is not None, "the row was there or has just been made, and reviews are never deleted"
    return dataclasses.replace(row, created=created)


def plan(conn: Connection, review_id: int, *, shard_users: int) -> Literal["planned", "waits", "nothing"]:
    """Cuts an owed review into shards of at most ``shard_users`` users and lets it run.

    ``waits``: an earlier date of the same schedule is not finished yet. ``nothing``: it was
    planned already or is over. Several workers may call this at once: one plans.
    """
    row = find(conn, review_id)
    if row is None or row.state != "owed":
        return "nothing"
    if _waits(conn, review_id):
        return "waits"
    ensure_month(conn, row.business_date)
    refresh_cash_flow(conn)
    with conn.transaction():
        row = lock(conn, review_id)
        if row is None or row.state != "owed":
            return "nothing"
        if _waits(conn, review_id):
            return "waits"
        sizes = shard_sizes(count_users(conn), shard_users)
        starts = list(itertools.accumulate(sizes[:-1], initial=1))
        counted = conn.execute(query("shard_plan"), {"review_id": review_id, "starts": starts}).fetchone()
        assert counted is not None
        conn.execute(query("review_start"), {"review_id": review_id, "users_total": counted[0]})
        _complete(conn, row)  # a review of nobody is done at once
    return "planned"


def ensure_month(conn: Connection, as_of: dt.date) -> None:
    """Makes the part of the log that decisions as of a date go to, unless it is there."""
    conn.execute(query("log_ensure_month"), {"as_of": as_of})


def refresh_cash_flow(conn: Connection) -> int:
    """Brings the monthly cash flow up to date, one caller at a time; returns users refreshed."""
    with conn.transaction():
        conn.execute(query("refresh_lock"))
        return cash_flow.refresh(conn)


def lock(conn: Connection, review_id: int) -> ReviewRow | None:
    """The review, locked until the caller's transaction ends."""
    return _one(conn, "review_lock", review_id=review_id)


def undecided(conn: Connection, review_id: int) -> bool:
    """Whether a shard of the review is not decided yet."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("review_undecided"), {"review_id": review_id}).fetchone())


def fail(conn: Connection, review_id: int, error: str) -> None:
    """The review cannot go on, for the reason given."""
    conn.execute(query("review_fail"), {"review_id": review_id, "error": error})


# Shards -------------------------------------------------------------------------------------


def lease(conn: Connection, review_id: int, *, worker: str, seconds: float) -> Lease | None:
    """A free shard of a running review, or None when there is none now."""
    with conn.cursor(row_factory=class_row(Lease)) as cursor:
        parameters = {"review_id": review_id, "worker": worker, "seconds": seconds}
        return cursor.execute(query("shard_lease"), parameters).fetchone()


def others_at_it(conn: Connection, review_id: int) -> bool:
    """Whether somebody holds a shard of what a running review is about."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("shard_others"), {"review_id": review_id}).fetchone())


def extend(conn: Connection, held: Lease, *, seconds: float) -> bool:
    """The heartbeat of a lease; False when it is lost."""
    return conn.execute(query("shard_extend"), {**_key(held), "seconds": seconds}).fetchone() is not None


def give_back(conn: Connection, held: Lease, *, error: str | None = None) -> bool:
    """Ends a lease before its time; False when it was lost already."""
    return conn.execute(query("shard_give_back"), {**_key(held), "error": error}).fetchone() is not None


def remaining(conn: Connection, held: Lease, as_of: dt.date) -> list[int]:
    """Users of the shard that have neither a decision nor an exception yet, in order."""
    done = accounted(conn, held)
    if done == held.users_total:
        return []
    # Looking each user up costs more than all the rest where nobody or everybody is done.
    parameters = {"review_id": held.review_id, "shard": held.shard, "as_of": as_of}
    with conn.cursor(row_factory=scalar_row, binary=True) as cursor:
        return cursor.execute(query("shard_remaining" if done else "shard_users"), parameters).fetchall()


def accounted(conn: Connection, held: Lease) -> int:
    """How many users of the shard have a decision or an exception."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(query("shard_accounted"), {"review_id": held.review_id, "shard": held.shard}).fetchone()
    return int(found or 0)


def decided_later(conn: Connection, user_ids: Sequence[int], as_of: dt.date) -> dict[int, dt.date]:
    """Those of the users who have a decision as of a later date, and that date."""
    parameters = {"user_ids": np.array(user_ids, dtype=np.int64), "as_of": as_of}
    with array_cursor(conn) as cursor:
        return dict(cursor.execute(query("users_decided_later"), parameters, prepare=False).fetchall())


def record_exceptions(conn: Connection, held: Lease, as_of: dt.date, rows: Sequence[ReviewException]) -> None:
    """Writes down users who get no decision; fenced like a decision."""
    if not rows:
        return
    with conn.transaction():
        check_held(conn, held)
        parameters = {
            "review_id": held.review_id,
            "as_of": as_of,
            "user_ids": [row.user_id for row in rows],
            "outcomes": [row.outcome for row in rows],
            "reasons": [row.reason for row in rows],
            "details": [row.detail for row in rows],
        }
        conn.execute(query("shard_exceptions"), parameters)


def finish(conn: Connection, held: Lease, review: ReviewRow) -> tuple[bool, ReviewRow | None]:
    """Ends a shard whose every user is accounted for, and the review with the last one.

    Returns whether the shard is done, and the review when this call finished it.
    """
    with conn.transaction():
        conn.execute(query("review_finisher"))
        total = check_held(conn, held)
        if accounted(conn, held) != total:
            return False, None
        conn.execute(query("shard_finish"), _key(held))
        return True, _complete(conn, review)


def decided(conn: Connection, held: Lease, *, snapshot_digest: bytes | None, tally: Mapping[str, int]) -> None:
    """Ends the deciding of a shard inside the caller's transaction; LeaseLost when somebody else has it."""
    parameters = {**_key(held), "snapshot_digest": snapshot_digest, "tally": json.dumps(tally)}
    if conn.execute(query("shard_decided"), parameters).fetchone() is None:
        raise _lost(held)


def begin_again(conn: Connection, held: Lease, user_ids: Sequence[int]) -> None:
    """Some users of a shard whose parts are applied are about to be read and decided anew; LeaseLost when it is lost.

    What was decided about them meanwhile counts no longer, and what comes in from now on is news.
    """
    with refused_when_lost():
        conn.execute(query("shard_again"), {**_key(held), "user_ids": list(user_ids)})


@contextlib.contextmanager
def refused_when_lost() -> Iterator[None]:
    """LeaseLost in place of what the database says of a lease that is lost."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate == LOST:
            raise LeaseLost(error.diag.message_primary or str(error)) from error
        raise


def check_held(conn: Connection, held: Lease) -> int:
    """Locks the shard of a lease until the transaction ends; LeaseLost when it is lost. Users of the shard."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        total = cursor.execute(query("shard_held"), _key(held)).fetchone()
    if total is None:
        raise _lost(held)
    return int(total)


def _lost(held: Lease) -> LeaseLost:
    return LeaseLost(f"lease {held.token} on shard {held.shard} of review {held.review_id} is no longer held")


def _complete(conn: Connection, review: ReviewRow) -> ReviewRow | None:
    return _one(conn, "review_complete", review_id=review.review_id)


def _waits(conn: Connection, review_id: int) -> bool:
    return conn.execute(query("review_waits_for"), {"review_id": review_id}).fetchone() is not None


def _key(held: Lease) -> dict[str, int]:
    return {"review_id": held.review_id, "shard": held.shard, "token": held.token}


def _one(conn: Connection, name: str, **parameters: Any) -> ReviewRow | None:
    with conn.cursor(row_factory=_review_row) as cursor:
        return cursor.execute(query(name), parameters).fetchone()


_FIELDS = frozenset(field.name for field in dataclasses.fields(ReviewRow))


def _review_row(cursor: psycopg.Cursor[Any]) -> RowMaker[ReviewRow]:
    """Columns that a newer schema adds are passed over: workers are never all replaced at once."""
    names = [column.name for column in cursor.description or ()]

    def make(values: Sequence[Any]) -> ReviewRow:
        return ReviewRow(**{name: value for name, value in zip(names, values, strict=True) if name in _FIELDS})

    return make
