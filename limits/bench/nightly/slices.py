"""Many made-up users on a small disk: slice by slice loaded, packed by the product, and rid of what only packing reads.

A review reads a user whose facts have not changed from the packed row, the credit line and a few small tables
(``limits.store.packing``). The rows that the packed row was made from are four fifths of all that is loaded; here they
are there for one slice of users at a time. ``bench_drop_sources`` names their tables; before they are emptied every
user of the slice must have a packed row that a review reads, so that nobody is looked for in an empty table.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import numpy as np

from limits.bench.nightly import generator, mixture
from limits.bench.nightly.generator import Counter, Load
from limits.errors import LimitsError
from limits.store import packing
from limits.store.db import Connection, Database
from limits.store.packing import record
from limits.store.queries import query

#: Users of a slice, whole blocks of the mixture: their rows take some 1.5 GB while they are there.
SLICE = 10 * mixture.BLOCK

#: Bytes of disk, measured with 400,000 users and with some to spare: whatever their number, of which 2.2 GB are WAL; of
#: each user at the greatest, which is while the floor is measured (5,010; 4,400 after the second review); of each
#: between loading and the first review; of each of a slice before its rows go.
DISK_BYTES_FIXED = 3_000_000_000
DISK_BYTES = 5_500
DISK_BYTES_KEPT = 1_900
DISK_BYTES_LOADED = 7_500

Progress = Callable[[int, int], None]


def load(database: Database, what: Load, *, threads: int, progress: Progress) -> tuple[float, float]:
    """Loads and packs all users, and leaves the tables as a night's vacuum would; seconds of loading, of packing.

    LimitsError when a user of a slice could not be read from the packed row. Emptying the tables and the vacuum at the
    end count as loading.
    """
    began, packed = time.monotonic(), 0.0
    done = Counter(what.users, progress)
    with database.connect("owner", "limits bench") as conn:
        generator.make_months(conn, what)
        conn.execute(query("bench_load_begin"))
        for first in range(1, what.users + 1, SLICE):
            last = min(first + SLICE - 1, what.users)
            generator.load_rows(database, what, first, last, threads, done)
            conn.execute(query("bench_slice_seen"))
            generator.verify(conn, first, last)
            started = time.monotonic()
            _pack(database, what.scene.as_of, first, last, threads)
            packed += time.monotonic() - started
            drop_sources(conn, what.scene.as_of, first, last)
            conn.execute(query("bench_slice_kept"))
        conn.execute(query("bench_load_end"))
        conn.execute("VACUUM (ANALYZE)")
        conn.execute("CHECKPOINT")
    return time.monotonic() - began - packed, packed


def _pack(database: Database, as_of: dt.date, first: int, last: int, threads: int) -> None:
    """The product packs users between two ids, inclusive, by several connections at once."""
    parts = np.array_split(np.arange(first, last + 1, dtype=np.int64), threads)
    done = Counter(last + 1 - first, lambda done, total: None)

    def pack(user_ids: np.ndarray) -> None:
        with database.connect("worker", "limits bench") as conn:
            packing.refresh(conn, as_of, user_ids=user_ids, progress=lambda packed, due: done.add(0))

    generator.in_threads(pack, [part for part in parts if len(part)], done)


def drop_sources(conn: Connection, as_of: dt.date, first: int, last: int) -> None:
    """Empties the tables that packed rows were made from; LimitsError when a user between two ids needs them still."""
    parameters = {
        "first": first, "last": last, "as_of": as_of, "format": record.code_format(), "width": record.FACTS.itemsize,
    }  # fmt: skip
    found = conn.execute(query("bench_unpacked"), parameters).fetchone()
    assert found is not None, "a count is one row"
    if found[0]:
        raise LimitsError(
            f"{found[0]:,} users from {first} to {last} are not read from a packed row, so that their rows cannot go"
        )
    conn.execute(query("bench_drop_sources"))


def disk_bytes(users: int) -> int:
    """Bytes of disk that a run takes at its greatest, temporary files included."""
    slice_bytes = DISK_BYTES_LOADED * min(users, SLICE)
    return DISK_BYTES_FIXED + max(DISK_BYTES * users, DISK_BYTES_KEPT * users + slice_bytes)
