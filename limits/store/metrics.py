"""Counts and states, for whoever may see no user (role ``monitor``). Nothing here writes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from limits.errors import DatabaseError
from limits.store import workers
from limits.store.db import Connection, Database, first_line
from limits.store.queries import query


@dataclass(frozen=True)
class ReviewState:
    """A review of a schedule that is not over, or was within a week."""

    review_id: int
    schedule: str
    business_date: dt.date
    state: str
    stage: str
    complains: bool
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    users_total: int | None
    users_raised: int | None
    users_held: int | None
    users_lowered: int | None
    users_quarantined: int | None
    users_skipped: int | None
    shards: int
    shards_decided: int
    shards_done: int
    shards_leased: int
    shards_stuck: int
    shards_complaining: int
    age_seconds: float


@dataclass(frozen=True)
class ScheduleCounts:
    """Schedules there are, those that are on, and dates passed over within a week."""

    there: int
    running: int
    passed: int


@dataclass(frozen=True)
class ProcessCounts:
    """Processes of a kind ("worker", "scheduler"), those that are alive, and the age of the newest heartbeat."""

    kind: str
    alive: int
    known: int
    age_seconds: float


@dataclass(frozen=True)
class Waiting:
    """What waits, how much of it, and since how many seconds; None where that is not known."""

    what: str
    waiting: int
    oldest_at: dt.datetime | None
    seconds: float | None


@dataclass(frozen=True)
class SwitchState:
    """The kill switch."""

    engaged: bool
    changed_at: dt.datetime


@dataclass(frozen=True)
class CheckpointState:
    """The newest checkpoint of the log."""

    checkpoint_id: int
    tree_size: int
    entries: int
    made_at: dt.datetime
    age_seconds: float


@dataclass(frozen=True)
class Everything:
    """All of it, read at one time."""

    reviews: list[ReviewState]
    schedules: ScheduleCounts
    processes: dict[str, ProcessCounts]
    waiting: dict[str, Waiting]
    switch: SwitchState
    checkpoint: CheckpointState | None


def everything(database: Database) -> Everything:
    """All counts and states, by a connection of its own. DatabaseError where it cannot be read."""
    with database.connect("monitor", "limits metrics") as conn:
        try:
            return Everything(
                reviews(conn), schedules(conn), processes(conn), waiting(conn), switch(conn), checkpoint(conn)
            )
        except psycopg.Error as error:
            raise DatabaseError(f"counts and states cannot be read: {first_line(error)}") from None


def reviews(conn: Connection) -> list[ReviewState]:
    """Reviews that are not over, or were within a week, oldest first."""
    with conn.cursor(row_factory=class_row(ReviewState)) as cursor:
        return cursor.execute(query("metrics_reviews")).fetchall()


def schedules(conn: Connection) -> ScheduleCounts:
    """How many schedules there are."""
    with conn.cursor(row_factory=class_row(ScheduleCounts)) as cursor:
        found = cursor.execute(query("metrics_schedules")).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


def processes(conn: Connection) -> dict[str, ProcessCounts]:
    """Processes by kind; a kind that was never seen is left out."""
    with conn.cursor(row_factory=class_row(ProcessCounts)) as cursor:
        found = cursor.execute(query("metrics_processes"), {"alive_seconds": workers.ALIVE_SECONDS}).fetchall()
    return {row.kind: row for row in found}


def waiting(conn: Connection) -> dict[str, Waiting]:
    """What waits, by name."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return {row.what: row for row in cursor.execute(query("metrics_waiting")).fetchall()}


def switch(conn: Connection) -> SwitchState:
    """The kill switch as it is."""
    with conn.cursor(row_factory=class_row(SwitchState)) as cursor:
        found = cursor.execute(query("metrics_kill_switch")).fetchone()
    assert found is not None, "the switch is one row"
    return found


def checkpoint(conn: Connection) -> CheckpointState | None:
    """The newest checkpoint; None before the first."""
    with conn.cursor(row_factory=class_row(CheckpointState)) as cursor:
        return cursor.execute(query("metrics_checkpoint")).fetchone()
