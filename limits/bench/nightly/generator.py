"""Loading made-up users into a database: blocks of ``mixture.BLOCK`` users, several at a time.

Rows come from arrays by binary COPY (``tables``), acting as the database's owner. Keys to other tables are
not checked row by row on the way in, which would take longer than all the rest; ``verify`` counts
afterwards that every row has its user.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from limits.bench.nightly import mixture, tables
from limits.bench.nightly.mixture import Scene
from limits.errors import DatabaseError
from limits.store import arrays
from limits.store.db import Connection, Database
from limits.store.queries import query

#: Bytes of disk that a user takes at most: 11,300 loaded (7,200 lean), of which 4,800 are months; some 800 for each
#: review, 1,700 packed, and 1,600 for what the floor reads and writes.
DISK_BYTES = 19_000
DISK_BYTES_LEAN = 13_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What to load. ``lean`` leaves out what docs/performance.md says, so that more users fit a disk."""

    users: int
    seed: int
    scene: Scene
    lean: bool = False

    @property
    def left_out(self) -> list[str]:
        """What ``lean`` leaves out, in words."""
        return [
            f"statements and repayments older than {self.scene.recent} months", "digests of imported lines",
            "the reviews with new facts and of the next day",
        ]  # fmt: skip


def load(database: Database, what: Load, *, threads: int = 2, progress: Progress = lambda done, total: None) -> float:
    """Loads the users, and leaves the tables as a night's vacuum would; seconds."""
    began = time.monotonic()
    firsts = list(range(1, what.users + 1, mixture.BLOCK))
    with database.connect("owner", "limits bench") as conn:
        for month in (*what.scene.calendar.tolist(), what.scene.this_month.tolist()):
            conn.execute(query("bench_events_month"), {"month": month})
    # One half of the ids for each thread: the indexes of either grow at one place.
    half = -(-len(firsts) // threads)
    done = _Counter(what.users, progress)
    with ThreadPoolExecutor(threads) as pool:
        parts = [firsts[at : at + half] for at in range(0, len(firsts), half)]
        for future in [pool.submit(_load_blocks, database, what, part, done) for part in parts]:
            future.result()
    with database.connect("owner", "limits bench") as conn:
        conn.execute("VACUUM (ANALYZE)")  # before anything is asked of tables that the planner takes for empty
        verify(conn)
        conn.execute("CHECKPOINT")
    return time.monotonic() - began


class _Counter:
    """Users done by all threads."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress

    def add(self, users: int) -> None:
        with self._lock:
            self._done += users
            self._progress(self._done, self._total)


def _load_blocks(database: Database, what: Load, firsts: list[int], done: _Counter) -> None:
    with database.connect("owner", "limits bench") as conn:
        conn.execute("SET synchronous_commit = off")
        for first in firsts:
            count = min(mixture.BLOCK, what.users - first + 1)
            with conn.transaction():
                _load_block(conn, what, first)
            done.add(count)


def _load_block(conn: Connection, what: Load, first: int) -> None:
    """A block as a whole, or its first users: which users there are does not depend on how many are asked for."""
    who = mixture.users(what.seed, first, what.scene)
    conn.execute("SET LOCAL session_replication_role = replica")
    for table, rows in tables.rows(what.seed, who, what.scene, lean=what.lean):
        if table in tables.WITH_TRIGGERS:
            conn.execute("SET LOCAL session_replication_role = origin")
        wanted = rows["user_id"].values <= what.users
        arrays.copy_in(conn, table, rows if wanted.all() else {name: one.take(wanted) for name, one in rows.items()})


def verify(conn: Connection) -> None:
    """DatabaseError when a row refers to a user who is not there."""
    orphans = {table: count for table, count in conn.execute(query("bench_orphans")).fetchall() if count}
    if orphans:
        raise DatabaseError(f"made-up rows without their user: {orphans}; a fault of the generator")
