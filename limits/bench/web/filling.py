"""A made-up log: rows as the nightly apply leaves them, of many reviews over a year, made by the server itself."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from limits.bench.nightly import generator
from limits.bench.nightly.generator import Load
from limits.bench.nightly.mixture import Scene
from limits.store import policies
from limits.store.db import Connection, Database
from limits.store.queries import query

#: Days with reviews, three days apart: a year.
DAYS = 120
RECOMPUTES = 4
#: Users with a line and cash flow of their own, for pages about one user.
USERS = 500
#: Bytes of disk that an entry takes with its indexes.
DISK_BYTES = 1_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made."""

    rows: int
    days: int
    users: int
    first_day: dt.date
    last_day: dt.date
    seconds: float


def fill(database: Database, rows: int, *, today: dt.date, threads: int, progress: Progress) -> Filled:
    """Fills the log with about ``rows`` entries, the newest as of yesterday."""
    began = time.monotonic()
    users = max(rows // DAYS - RECOMPUTES, 1)
    first_day = today - dt.timedelta(days=3 * (DAYS - 1) + 1)
    names = {"users": users, "days": DAYS, "first_day": first_day, "day": first_day}
    with database.connect("owner", "limits bench") as conn:
        _unguarded(conn)
        conn.execute(query("bench_web_policies"), names | {"body": policies.read_shipped("standard")[0].body})
        conn.execute(query("bench_web_reviews"), names)
        for day in range(DAYS):
            month = first_day + dt.timedelta(days=3 * day)
            conn.execute(query("log_ensure_month"), {"as_of": month})
    # Users with everything that a decision rests on, for pages about one user; the newest limit is not the log's.
    scene = Scene(today.replace(day=1) - dt.timedelta(days=1), 24, 12)
    generator.load(database, Load(USERS, 1, scene), threads=1)
    done = [0]
    lock = threading.Lock()

    def some(days: Sequence[int]) -> None:
        with database.connect("owner", "limits bench") as conn:
            conn.execute("SET synchronous_commit = off")
            for day in days:
                conn.execute(
                    query("bench_web_entries"), names | {"day": day, "first_entry": 1 + day * (users + RECOMPUTES)}
                )
                with lock:
                    done[0] += users + RECOMPUTES
                    progress(done[0], rows)

    # Whole halves of the year, so that each thread writes months of its own.
    half = -(-DAYS // threads)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(some, range(at, min(at + half, DAYS))) for at in range(0, DAYS, half)]:
            future.result()
    with database.connect("owner", "limits bench") as conn:
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")
    last_day = first_day + dt.timedelta(days=3 * (DAYS - 1))
    return Filled(DAYS * (users + RECOMPUTES), DAYS, users, first_day, last_day, time.monotonic() - began)


def _unguarded(conn: Connection) -> None:
    conn.execute("SET session_replication_role = replica")
    conn.execute(query("bench_web_unguard"))
