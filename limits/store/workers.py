"""Heartbeats of worker and scheduler processes, and the schedules that the clock follows, as rows."""

from __future__ import annotations

import datetime as dt
import os
import socket
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import NotFound
from limits.store.queries import query

Connection = psycopg.Connection[Any]
Kind = Literal["worker", "scheduler"]

#: A process whose last heartbeat is older than this is taken for dead.
ALIVE_SECONDS = 15.0


@dataclass(frozen=True)
class WorkerRow:
    """A process as its heartbeats show it."""

    worker: str
    kind: str
    host: str
    pid: int
    started_at: dt.datetime
    heartbeat_at: dt.datetime
    doing: str
    age_seconds: float

    @property
    def alive(self) -> bool:
        """Its last heartbeat is recent."""
        return self.age_seconds < ALIVE_SECONDS


@dataclass(frozen=True)
class Schedule:
    """When reviews are owed, and by which policy pack. ``newest``: its newest review's business date."""

    schedule: str
    pack: str
    run_at: dt.time
    time_zone: str
    paused: bool
    starts_on: dt.date
    newest: dt.date | None


def name(kind: Kind) -> str:
    """The name of this process: kind:host:pid."""
    return f"{kind}:{socket.gethostname()}:{os.getpid()}"


def beat(conn: Connection, kind: Kind, doing: str = "") -> None:
    """The heartbeat of this process."""
    parameters = {"worker": name(kind), "kind": kind, "host": socket.gethostname(), "pid": os.getpid(), "doing": doing}
    conn.execute(query("worker_beat"), parameters)


def leave(conn: Connection, kind: Kind) -> None:
    """This process is about to end."""
    conn.execute(query("worker_leave"), {"worker": name(kind)})


def list_workers(conn: Connection, kind: Kind | None = None, *, max_age: float | None = None) -> list[WorkerRow]:
    """Processes with a heartbeat no older than ``max_age`` seconds, the liveliest first."""
    with conn.cursor(row_factory=class_row(WorkerRow)) as cursor:
        return cursor.execute(query("worker_list"), {"kind": kind, "max_age": max_age}).fetchall()


def list_schedules(conn: Connection) -> list[Schedule]:
    """Every schedule."""
    with conn.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(query("schedule_list")).fetchall()


def add_schedule(
    conn: Connection, schedule: str, *, pack: str, run_at: dt.time, time_zone: str, starts_on: dt.date
) -> bool:
    """Adds a schedule (role operations); False when one of that name is there."""
    parameters = {
        "schedule": schedule,
        "pack": pack,
        "run_at": run_at,
        "time_zone": time_zone,
        "starts_on": starts_on,
    }
    return conn.execute(query("schedule_add"), parameters).fetchone() is not None


def pause_schedule(conn: Connection, schedule: str, *, paused: bool) -> None:
    """Pauses a schedule or lets it go on (role operations); NotFound when there is none of that name."""
    if conn.execute(query("schedule_pause"), {"schedule": schedule, "paused": paused}).fetchone() is None:
        raise NotFound(f"there is no schedule {schedule!r}; `limits schedule list` shows those there are")


def lead(conn: Connection) -> bool:
    """Whether this connection leads the clock: the lock is held as long as the connection lives."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("clock_lead")).fetchone())
