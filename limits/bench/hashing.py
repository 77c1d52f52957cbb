"""What it costs that the log is tamper-evident: the parts of one review applied with and without, in turn, in one run.

Without: an entry of one byte in place of its bytes, and a root of zeros; all else is as always. What comes of it is
no log, and goes with the database of the benchmark.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

import numpy as np

from limits import engine
from limits.bench.nightly import generator, home, measuring, running
from limits.bench.nightly.measuring import Bar
from limits.engine import shards
from limits.errors import LimitsError
from limits.merkle import HASH_BYTES
from limits.settings import Settings
from limits.store import entries, packing, reviews
from limits.store import rows as decision_rows
from limits.store.db import Database
from limits.store.entries import Batch
from limits.store.rows import Rows

#: Users of a part: small enough that there are many parts to take the middle of.
PART_USERS = 5_000

#: With, without, without, with: a part's place in its shard tells for neither.
_TURNS = (True, False, False, True)


@dataclass(frozen=True, slots=True)
class Hashing:
    """Microseconds a user of applying a part, the middle one of ``parts`` of each kind."""

    users: int
    parts: int
    with_hashing: float
    without_hashing: float
    making: float  # of this, what reading the rows, encoding, hashing and the tree take in the worker

    @property
    def ratio(self) -> float:
        """With over without."""
        return self.with_hashing / self.without_hashing

    def as_dict(self) -> dict[str, float]:
        """For a machine: microseconds a user."""
        return {
            "users": self.users,
            "parts": self.parts,
            "apply_us": round(self.with_hashing, 2),
            "apply_without_us": round(self.without_hashing, 2),
            "entries_us": round(self.making, 2),
            "ratio": round(self.ratio, 3),
        }

    def rows(self) -> list[tuple[str, str]]:
        """For a person."""
        return [
            ("with entries hashed", f"{self.with_hashing:.2f}"),
            ("without", f"{self.without_hashing:.2f}"),
            ("making entries and root in the worker", f"{self.making:.2f}"),
            ("with over without", f"{self.ratio:.3f}"),
        ]


@dataclass(slots=True)
class _Meter:
    """Times each part from before it is taken to after its commit."""

    honest: Callable[[Rows], Batch]
    parts: int = 0
    began: float = 0.0
    users: int = 0
    times: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    making: list[float] = field(default_factory=list)

    @property
    def hashes(self) -> bool:
        return _TURNS[self.parts % len(_TURNS)]

    def reach(self, name: str) -> None:
        """In place of the failpoints."""
        if name == "apply.part":
            self.began = time.perf_counter()
        elif name == "apply.committed" and self.users == PART_USERS:
            self.times[self.hashes].append((time.perf_counter() - self.began) / self.users)
            self.parts += 1

    def batch(self, rows: Rows) -> Batch:
        """In place of making the entries."""
        self.users = len(rows)
        if not self.hashes:
            extra = np.ones(len(rows), dtype=np.uint8)
            return Batch(decision_rows.with_field(rows, extra, np.arange(len(rows) + 1)), bytes(HASH_BYTES))
        began = time.perf_counter()
        made = self.honest(rows)
        self.making.append((time.perf_counter() - began) / len(rows))
        return made


def measure(users: int, *, as_of: dt.date, seed: int, bar: Bar) -> Hashing:
    """Reviews made-up users in a database of its own. LimitsError when there are too few parts to compare."""
    run = measuring.Run(users, 24, 1, seed, as_of, lean=True, sample=0)
    with home.home(run.disk_bytes, keep=False) as folder:
        settings = home.settings(folder).model_copy(update={"chunk_users": PART_USERS})
        with home.database(settings) as database:
            running.approve(database, settings.policy)
            with bar(f"loading {users:,} users") as progress:
                generator.load(database, run.load, threads=1, progress=progress)
            with bar("packing") as progress, database.connect("worker", "limits bench") as conn:
                packing.refresh(conn, as_of, progress=progress)
            meter = _Meter(entries.batch)
            with bar("reviewing") as progress:
                _review(database, settings, as_of, meter, progress)
    with_hashing, without = meter.times[True], meter.times[False]
    if min(len(with_hashing), len(without)) < 3:
        raise LimitsError(f"{users:,} users are {meter.parts} parts of {PART_USERS:,}, too few to compare; take more")
    middle = statistics.median
    return Hashing(
        users, meter.parts, 1e6 * middle(with_hashing), 1e6 * middle(without), 1e6 * middle(meter.making[1:])
    )


def _review(
    database: Database, settings: Settings, as_of: dt.date, meter: _Meter, progress: Callable[[int, int], None]
) -> None:
    row = engine.request_review(
        database, settings, as_of=as_of, actor=running.ACTOR, schedule="bench", policy=settings.policy
    )
    with mock.patch.object(shards, "reach", meter.reach), mock.patch.object(entries, "batch", meter.batch):
        while engine.work(database, settings, row.review_id, worker="bench", seconds=5.0).state not in (
            "over",
            "waits",
        ):
            with database.connect("worker", "limits bench") as conn:
                at = reviews.progress(conn, row.review_id)
            progress(at.users_done, at.users_total or 0)
