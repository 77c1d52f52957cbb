"""One run: load, review, check, floor, review again, the obvious design; all on one database."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from limits.bench.nightly import checks, floor, generator, home, naive, running, slices
from limits.bench.nightly.figures import Machine, Nightly
from limits.bench.nightly.generator import Load
from limits.bench.nightly.mixture import Scene
from limits.bench.nightly.running import Start
from limits.settings import Settings
from limits.store import packing
from limits.store.db import Database
from limits.store.health import server
from limits.store.queries import query

#: A progress bar for something: gives what to call with (done, total).
Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]

#: Whole months that a review reads, at most; statements of these many months are loaded.
RECENT, RECENT_LEAN = 12, 3


@dataclass(frozen=True, slots=True)
class Run:
    """What to measure. ``sample``: users of the obvious design; 0 leaves it out. ``packed_only`` implies ``lean``."""

    users: int
    months: int
    workers: int
    seed: int
    as_of: dt.date
    lean: bool = False
    packed_only: bool = False
    keep: bool = False
    sample: int = 200

    @property
    def load(self) -> Load:
        lean = self.mode != "full"
        recent = min(self.months, RECENT_LEAN if lean else RECENT)
        return Load(self.users, self.seed, Scene(self.as_of, self.months, recent), lean, self.packed_only)

    @property
    def mode(self) -> str:
        """In words."""
        return "packed only" if self.packed_only else "lean" if self.lean else "full"

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk that the run takes at its greatest, with some to spare."""
        if self.packed_only:
            return slices.disk_bytes(self.users)
        per_user = generator.DISK_BYTES_LEAN if self.lean else generator.DISK_BYTES
        return 1_500_000_000 + per_user * self.users


def usual_date(today: dt.date) -> dt.date:
    """The newest 15th that has a day after it which has come: the same for a month, and far from both its ends."""
    day = today.replace(day=15)
    return day if today > day else (today.replace(day=1) - dt.timedelta(days=1)).replace(day=15)


def measure(run: Run, *, start: Start, bar: Bar, kept: Callable[[Path], None] = lambda folder: None) -> Nightly:
    """Measures everything once, in a database of its own. LimitsError when a result is not right."""
    with home.home(run.disk_bytes, keep=run.keep) as folder:
        settings = home.settings(folder)
        with home.database(settings) as database:
            result = _measure(run, database, settings, folder, start, bar)
        if run.keep:
            kept(folder)
    return result


def _measure(run: Run, database: Database, settings: Settings, folder: Path, start: Start, bar: Bar) -> Nightly:
    with database.connect("owner", "limits bench") as conn:
        running.watch_stages(conn)
        postgres = server(conn).version
    running.approve(database, settings.policy)
    load_seconds, pack_seconds = _load(database, run, bar)
    with running.workers(database, settings, start, run.workers, folder / "worker.log") as pool:

        def review(what: str, schedule: str, as_of: dt.date) -> running.Review:
            with bar(what) as progress:
                done = running.review(database, settings, pool, as_of=as_of, schedule=schedule, progress=progress)
            with bar("checking the review") as progress, database.connect("owner", "limits bench") as conn:
                checks.check(conn, done.row.review_id, progress)
            return done

        def compare(one: running.Review, other: running.Review) -> checks.Compared:
            with bar("comparing the decisions") as progress, database.connect("owner", "limits bench") as conn:
                return checks.compare(conn, one.row.review_id, other.row.review_id, run.as_of, progress)

        first = review("reviewing", "bench", run.as_of)
        with bar("measuring the floor") as progress:
            runs = 1 if run.load.lean else floor.RUNS
            ground = floor.measure(
                database, first.row.review_id, run.as_of, run.workers, runs=runs, progress=progress
            )  # fmt: skip
            floor.clear(database)
        again = review("reviewing again", "bench again", run.as_of)
        compared = compare(first, again)
        anew = next_day = None
        if not run.load.lean:
            with database.connect("owner", "limits bench") as conn:
                conn.execute(query("bench_all_dirty"))
            anew = review("reviewing with new facts of everybody", "bench anew", run.as_of)
            compare(again, anew)
            next_day = review("reviewing the next day", "bench", run.as_of + dt.timedelta(days=1))
        peak = pool.peak_mib
    obvious = None
    if run.sample:
        with _quietly(bar, "measuring the design that loops over users"):
            among = generator.load_months_again(database, run.load) if run.packed_only else run.users
            obvious = naive.measure(database, run.as_of, sample=run.sample, months=run.months, among=among)
    return Nightly(
        run.users, run.months, run.workers, run.seed, run.as_of, run.mode, run.load.left_out,
        load_seconds, pack_seconds, first, ground, again, compared, anew, next_day, obvious, peak, machine(), postgres,
    )  # fmt: skip


@contextlib.contextmanager
def _quietly(bar: Bar, what: str) -> Iterator[None]:
    with bar(what):
        yield


def _load(database: Database, run: Run, bar: Bar) -> tuple[float, float]:
    """Seconds of loading the users, and of packing them."""
    with bar(f"loading {run.users:,} users") as progress:
        if run.packed_only:
            return slices.load(database, run.load, threads=run.workers, progress=progress)
        load_seconds = generator.load(database, run.load, threads=run.workers, progress=progress)
    return load_seconds, _pack(database, run.as_of, bar)


def _pack(database: Database, as_of: dt.date, bar: Bar) -> float:
    """Packs everybody beforehand, as the nights before would have; seconds."""
    began = time.monotonic()
    with bar("packing") as progress, database.connect("worker", "limits bench") as conn:
        packing.refresh(conn, as_of, progress=progress)
    seconds = time.monotonic() - began
    with database.connect("owner", "limits bench") as conn:
        conn.execute("VACUUM (ANALYZE) limits.packed_users")  # as the nights before would have left them
    return seconds


def machine() -> Machine:
    """The cores that this process may use, and what they are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return Machine(cores, model)
