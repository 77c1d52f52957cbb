"""How a review stands while it is worked on, as rows: one look, from one snapshot. Nothing here writes.

A look reads the review's shards, batches, exceptions and gate events, and the heartbeats; its cost
grows with the shards and batches and not with the log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import NotFound
from limits.store import gates, workers
from limits.store.gates import BudgetRow, Event, Switch
from limits.store.queries import query
from limits.store.reviews import FINAL

Connection = psycopg.Connection[Any]

#: What was done in so many seconds before a look makes the rate now.
LATELY_SECONDS = 10.0

#: Where a review is: gate where a stage's shards are done and what follows is not released yet.
Phase = Literal["owed", "decide", "gate", "apply", "over"]


@dataclass(frozen=True)
class StatusRow:
    """A review with what its shards add up to at ``seen_at``. Users are counted, amounts in minor units.

    ``applied``: users with a decision in the log. ``lately``: within LATELY_SECONDS. ``again``: users
    who wait to be decided again; ``meanwhile``: users whom somebody decided since the review did.
    ``extra_leases``: beside the two that a shard takes. ``decided_raised`` and ``decided_lowered``
    count changes that wait too, of which there are ``decided_waiting``; what these come to is in
    ``decided_wished_minor``, and not in ``decided_after_minor``. All before a budget.
    """

    review_id: int
    kind: str
    schedule: str | None
    business_date: dt.date
    state: str
    stage: str
    released_shards: int
    actor: str
    error: str | None
    policy_hash: bytes
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    users_total: int | None
    seen_at: dt.datetime
    shards: int
    decide_pending: int
    decide_leased: int
    decide_done: int
    apply_pending: int
    apply_leased: int
    apply_done: int
    released_open: int
    run_out: int
    extra_leases: int
    decided: int
    decided_lately: int
    last_decided_at: dt.datetime | None
    raised: int
    held: int
    lowered: int
    applied: int
    applied_before_minor: int
    applied_after_minor: int
    decided_before_minor: int
    decided_after_minor: int
    decided_wished_minor: int
    decided_raised: int
    decided_lowered: int
    decided_waiting: int
    shard_error: str | None
    applied_lately: int
    last_applied_at: dt.datetime | None
    quarantined: int
    skipped: int
    again: int
    meanwhile: int
    waits_for: int | None
    waits_for_state: str | None


@dataclass(frozen=True)
class Unapplied:
    """What the shards decided that are not applied to the end: what a release lets through. Amounts in minor units.

    ``waiting``: of those raised or lowered, whose change is offered or announced: ``wished_minor`` has
    it, ``after_minor`` has not. Before a budget.
    """

    shards: int
    users: int
    raised: int
    lowered: int
    waiting: int
    quarantined: int
    skipped: int
    before_minor: int
    after_minor: int
    wished_minor: int

    @property
    def held(self) -> int:
        """Users who were decided and whose limit stays."""
        return self.users - self.raised - self.lowered - self.quarantined - self.skipped


@dataclass(frozen=True)
class WorkerStatus:
    """A process of a worker: what it holds of the review since ``leased_at``, and whom it decided and applied of it.

    ``heartbeat_age_seconds``: None when the worker never beat, or left.
    """

    worker: str
    heartbeat_at: dt.datetime | None
    heartbeat_age_seconds: float | None
    shard: int | None
    token: int | None
    stage: str | None
    shard_users: int | None
    shard_applied: int | None
    leased_at: dt.datetime | None
    leased_until: dt.datetime | None
    lease_ran_out: bool
    decided: int
    decided_lately: int
    applied: int
    applied_lately: int
    last_applied_at: dt.datetime | None
    shards_done: int
    run_out: int

    @property
    def alive(self) -> bool:
        """Its worker's last heartbeat is recent."""
        return self.heartbeat_age_seconds is not None and self.heartbeat_age_seconds < workers.ALIVE_SECONDS


@dataclass(frozen=True)
class Pace:
    """What a stage did: users, users a second over the whole stage and lately; None before there is a rate."""

    users: int
    mean: float | None
    now: float | None


@dataclass(frozen=True)
class Look:
    """A review, who works on it, what happened at its gate, the kill switch, and its budget, at one instant."""

    row: StatusRow
    workers: Sequence[WorkerStatus]
    events: Sequence[Event]
    switch: Switch
    budget: BudgetRow | None = None

    @property
    def phase(self) -> Phase:
        """Where the review is, whether it is held or not."""
        row = self.row
        if row.state in FINAL:
            return "over"
        if row.state == "owed":
            return "owed"
        if row.stage == "decide":
            return "gate" if row.decide_done == row.shards else "decide"
        return "apply" if row.released_open or row.released_shards >= row.shards else "gate"

    @property
    def stopped(self) -> bool:
        """The kill switch keeps the review from being applied."""
        return self.switch.engaged and self.row.stage == "apply" and self.row.state in ("running", "held")

    @property
    def rests(self) -> bool:
        """Nothing more happens before a person does something, or ever: it is over or held, or waits for a held one."""
        return self.row.state in FINAL or "held" in (self.row.state, self.row.waits_for_state)

    @property
    def last_held(self) -> Event | None:
        """When and why the review was held last, None when it never was."""
        return next((event for event in reversed(self.events) if event.what == "held"), None)

    @property
    def deciding(self) -> Pace:
        """How deciding goes, or went."""
        row = self.row
        if row.started_at is None:
            return Pace(row.decided, None, None)
        over = row.stage == "apply" or row.decide_done == row.shards
        until = (row.last_decided_at if over else row.finished_at) or row.seen_at
        return _pace(row.decided, row.decided_lately, row.started_at, until, row.seen_at, live=self.phase == "decide")

    @property
    def applying(self) -> Pace:
        """How applying goes, or went; the time for which it was held does not count."""
        row, began = self.row, self._let_through_at()
        if began is None:
            return Pace(row.applied, None, None)
        until = row.finished_at or row.seen_at
        held = held_for([event for event in self.events if event.at >= began], until)
        live = self.phase == "apply" and row.state == "running"
        return _pace(row.applied, row.applied_lately, began + held, until, row.seen_at, live=live)

    @property
    def seconds_left(self) -> float | None:
        """Until the present stage is through, at its rate; None where there is no rate or nothing moves."""
        row, phase = self.row, self.phase
        if row.state != "running" or row.users_total is None or self.stopped or phase not in ("decide", "apply"):
            return None
        pace = self.deciding if phase == "decide" else self.applying
        # A large shard may take longer than what counts as lately; where nobody works, the mean promises nothing.
        works = any(worker.shard is not None and not worker.lease_ran_out for worker in self.workers)
        rate = pace.now or (pace.mean if works else None)
        done = pace.users if phase == "decide" else row.applied + row.quarantined + row.skipped
        return max(row.users_total - done, 0) / rate if rate else None

    def _let_through_at(self) -> dt.datetime | None:
        return next((event.at for event in self.events if event.what in ("passed", "released")), None)


def held_for(events: Sequence[Event], until: dt.datetime) -> dt.timedelta:
    """How long a review waited for people: from each hold to whatever happened next, or until then."""
    held = dt.timedelta()
    since: dt.datetime | None = None
    for event in events:
        if since is not None:
            held += event.at - since
        since = event.at if event.what == "held" else None
    return held + (until - since if since is not None else dt.timedelta())


def _pace(
    users: int, lately: int, began: dt.datetime, until: dt.datetime, seen: dt.datetime, *, live: bool
) -> Pace:  # fmt: skip
    seconds = (until - began).total_seconds()
    mean = users / seconds if users and seconds > 0 else None
    if not live or mean is None:
        return Pace(users, mean, None)
    return Pace(users, mean, lately / min(LATELY_SECONDS, max((seen - began).total_seconds(), 0.001)))


def under_way(conn: Connection, *, limit: int) -> list[int]:
    """The reviews that are owed, running or held, by date; else the newest one that is over; empty before the first."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("review_status_ids"), {"limit": limit}).fetchall()


def unapplied(conn: Connection, review_id: int) -> Unapplied:
    """What a review decided and did not apply; also the auditor may ask."""
    with conn.cursor(row_factory=class_row(Unapplied)) as cursor:
        found = cursor.execute(query("review_unapplied"), {"review_id": review_id}).fetchone()
    assert found is not None, "sums are one row, of whatever there is"
    return found


def population_before(conn: Connection, schedule: str, as_of: dt.date) -> int:
    """Users of the newest review of a schedule before a date that is done; 0 where there is none."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(query("review_population"), {"schedule": schedule, "as_of": as_of}).fetchone() or 0)


def look(conn: Connection, review_id: int) -> Look:
    """How a review stands now; NotFound names it."""
    parameters = {"review_id": review_id, "lately": LATELY_SECONDS, "alive": workers.ALIVE_SECONDS}
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with conn.cursor(row_factory=class_row(StatusRow)) as cursor:
            row = cursor.execute(query("review_status"), parameters).fetchone()
        if row is None:
            raise NotFound(f"there is no review {review_id}; `limits review list` shows those there are")
        with conn.cursor(row_factory=class_row(WorkerStatus)) as cursor:
            found = cursor.execute(query("review_status_workers"), parameters).fetchall()
        return Look(row, found, gates.events(conn, review_id), gates.switch(conn), gates.budget(conn, review_id))
