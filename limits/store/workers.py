"""Heartbeats of worker, scheduler and sealer processes, as rows, and which clock leads."""

from __future__ import annotations

import datetime as dt
import os
import socket
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.store.queries import query

Connection = psycopg.Connection[Any]
Kind = Literal["worker", "scheduler", "sealer"]

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


def with_processes(count: int) -> str:
    """What a worker says that it is doing; ``processes`` reads it."""
    return f"{count} processes"


def processes(conn: Connection) -> int:
    """How many processes the workers that are alive have, by what they say; 0 where none is known."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(query("worker_processes"), {"max_age": ALIVE_SECONDS}).fetchone() or 0)


def lead(conn: Connection) -> bool:
    """Whether this connection leads the clock: the lock is held as long as the connection lives."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("clock_lead")).fetchone())
