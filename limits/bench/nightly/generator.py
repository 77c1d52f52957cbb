"""Loading made-up users into a database: blocks of ``mixture.BLOCK`` users, several at a time.

Rows come from arrays by binary COPY (``tables``), acting as the database's owner. Keys to other tables are
not checked row by row on the way in, which would take longer than all the rest; ``verify`` counts
afterwards that every row has its user.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from limits.bench.nightly import mixture, tables
from limits.bench.nightly.mixture import Scene
from limits.errors import DatabaseError, LimitsError
from limits.store import arrays
from limits.store.db import Connection, Database
from limits.store.queries import query

#: Bytes of disk that a user takes at most: 11,300 loaded (7,200 lean), of which 4,800 are months; some 800 for each
#: review, 1,700 packed, and 1,600 for what the floor reads and writes.
DISK_BYTES = 19_000
DISK_BYTES_LEAN = 13_000

#: What ``slices`` does not keep, in words; bench_drop_sources names the tables.
SOURCES = "monthly cash flow, statements, repayments, credit checks and cash events"

Progress = Callable[[int, int], None]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Load:
    """What to load. ``lean`` leaves out what docs/performance.md says, so that more users fit a disk.

    ``packed_only``, beside ``lean``: the rows that packed rows were made from do not stay (``slices``).
    """

    users: int
    seed: int
    scene: Scene
    lean: bool = False
    packed_only: bool = False

    @property
    def left_out(self) -> list[str]:
        """What is left out, in words; nothing unless ``lean``."""
        if not self.lean:
            return []
        found = [
            f"statements and repayments older than {self.scene.recent} months", "digests of imported lines",
            "the reviews with new facts and of the next day",
        ]  # fmt: skip
        if self.packed_only:
            found += [
                f"once packed, the rows that only packing reads ({SOURCES})",
                f"all but the first {mixture.BLOCK:,} users in the loop over users",
            ]
        return found


def load(database: Database, what: Load, *, threads: int = 2, progress: Progress = lambda done, total: None) -> float:
    """Loads the users, and leaves the tables as a night's vacuum would; seconds."""
    began = time.monotonic()
    with database.connect("owner", "limits bench") as conn:
        make_months(conn, what)
        load_rows(database, what, 1, what.users, threads, Counter(what.users, progress))
        conn.execute("VACUUM (ANALYZE)")  # before anything is asked of tables that the planner takes for empty
        verify(conn, 1, what.users)
        conn.execute("CHECKPOINT")
    return time.monotonic() - began


def make_months(conn: Connection, what: Load) -> None:
    """The partitions that events of the users are in."""
    for month in (*what.scene.calendar.tolist(), what.scene.this_month.tolist()):
        conn.execute(query("bench_events_month"), {"month": month})


def load_rows(database: Database, what: Load, first: int, last: int, threads: int, done: Counter) -> None:
    """The rows of users between two ids, inclusive, by several threads."""
    blocks = list(range(first - (first - 1) % mixture.BLOCK, last + 1, mixture.BLOCK))
    # One half of the ids for each thread: the indexes of either grow at one place.
    half = -(-len(blocks) // threads)
    parts = [blocks[at : at + half] for at in range(0, len(blocks), half)]
    in_threads(lambda part: _load_blocks(database, what, part, (first, last), done), parts, done)


def in_threads(work: Callable[[Part], None], parts: Sequence[Part], done: Counter) -> None:
    """Does each part in a thread of its own. Where one fails, or the command is ended, all end at their next count."""
    with ThreadPoolExecutor(len(parts)) as pool:
        try:
            for future in [pool.submit(work, part) for part in parts]:
                future.result()
        except BaseException:
            done.end()
            raise


class Counter:
    """What all threads have done, of a total."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress
        self._ended = False

    def add(self, more: int) -> None:
        """LimitsError after ``end``, so that nobody waits for a thread whose work nobody wants."""
        with self._lock:
            if self._ended:
                raise LimitsError("ended before it was done")
            self._done += more
            self._progress(self._done, self._total)

    def end(self) -> None:
        self._ended = True


def _load_blocks(
    database: Database, what: Load, blocks: list[int], between: tuple[int, int], done: Counter
) -> None:  # fmt: skip
    with database.connect("owner", "limits bench") as conn:
        conn.execute("SET synchronous_commit = off")
        for block in blocks:
            with conn.transaction():
                count = _load_block(conn, what, block, between)
            done.add(count)


def _load_block(
    conn: Connection, what: Load, block: int, between: tuple[int, int], *, only: str | None = None
) -> int:  # fmt: skip
    """Users of a block between two ids, inclusive; how many. ``only``: of one table.

    Of a block some or all: who a user is does not depend on how many are asked for.
    """
    first, last = between
    who = mixture.users(what.seed, block, what.scene)
    conn.execute("SET LOCAL session_replication_role = replica")
    for table, rows in tables.rows(what.seed, who, what.scene, lean=what.lean):
        if only not in {None, table}:
            continue
        if table in tables.WITH_TRIGGERS:
            conn.execute("SET LOCAL session_replication_role = origin")
        ids = rows["user_id"].values
        wanted = (ids >= first) & (ids <= last)
        arrays.copy_in(conn, table, rows if wanted.all() else {name: one.take(wanted) for name, one in rows.items()})
    return int(((who.user_id >= first) & (who.user_id <= last)).sum())


def load_months_again(database: Database, what: Load) -> int:
    """The monthly cash flow of the first block of users anew, where it did not stay; how many users these are."""
    with database.connect("owner", "limits bench") as conn:
        with conn.transaction():
            conn.execute(query("bench_load_begin"))
            count = _load_block(conn, what, 1, (1, what.users), only="monthly_cash_flow")
            conn.execute(query("bench_load_end"))
        conn.execute("VACUUM (ANALYZE) limits.monthly_cash_flow")
    return count


def verify(conn: Connection, first: int, last: int) -> None:
    """DatabaseError when a row of a user between two ids, inclusive, refers to one who is not there."""
    found = conn.execute(query("bench_orphans"), {"first": first, "last": last}).fetchall()
    orphans = {table: count for table, count in found if count}
    if orphans:
        raise DatabaseError(f"made-up rows without their user: {orphans}; a fault of the generator")
