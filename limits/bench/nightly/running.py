"""A review by real worker processes: asked for as `limits review run` does, seen through, and timed by the database."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from limits import engine
from limits.engine import governing
from limits.errors import LimitsError
from limits.settings import Settings
from limits.store import workers as worker_rows
from limits.store.db import Connection, Database
from limits.store.queries import query
from limits.store.reviews import ReviewRow
from tasks.app import make_app
from tasks.sweep import sweep

ACTOR = "limits bench"
MAKER, CHECKER = "Bench Maker", "Bench Checker"
START_SECONDS, STOP_SECONDS = 120.0, 60.0
SWEEP_SECONDS = 5.0
#: The stages of a review, each with the instant that ends it, in order.
STAGES = {
    "plan": "started_at", "decide": "decided_at", "gate": "released_at", "apply": "applied_at", "finish": "finished_at",
}  # fmt: skip

Start = Callable[[Settings, int, Path], "subprocess.Popen[bytes]"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Review:
    """What one review came to. Seconds of wall time by the database's clock; ``cpu`` of the worker processes."""

    row: ReviewRow
    seconds: float
    stages: dict[str, float]
    cpu_seconds: float


class Workers:
    """A worker with its pool of processes, as long as it lives."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output
        self._peak: dict[int, int] = {}

    @property
    def pids(self) -> list[int]:
        """The processes of the pool."""
        with contextlib.suppress(FileNotFoundError):
            place = Path("/proc", str(self.process.pid), "task", str(self.process.pid), "children")
            return [int(pid) for pid in place.read_text().split()]
        return []

    def look(self) -> None:
        """Notes the greatest memory that each process has had; LimitsError when the worker has ended."""
        if self.process.poll() is not None:
            raise LimitsError(f"the worker ended: {self.last_line()}")
        for pid in self.pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for line in Path("/proc", str(pid), "status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self._peak[pid] = max(self._peak.get(pid, 0), int(line.split()[1]))

    @property
    def peak_mib(self) -> list[float]:
        """Peak resident memory of each process of the pool so far, MiB, greatest first; empty without /proc."""
        return sorted((round(kib / 1024, 1) for kib in self._peak.values()), reverse=True)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the pool so far, user and system."""
        ticks = 0
        for pid in self.pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def last_line(self) -> str:
        lines = self._output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def workers(database: Database, settings: Settings, start: Start, count: int, output: Path) -> Iterator[Workers]:
    """A worker with ``count`` processes, alive before anything is asked of it, and gone afterwards."""
    process = start(settings, count, output)
    made = Workers(process, output)
    try:
        until = time.monotonic() + START_SECONDS
        while not _alive(database, process.pid):
            made.look()
            if time.monotonic() > until:
                raise LimitsError(f"the worker was not ready within {START_SECONDS:.0f} seconds: {made.last_line()}")
            time.sleep(0.2)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _alive(database: Database, pid: int) -> bool:
    with database.connect("operations", "limits bench") as conn:
        return pid in {row.pid for row in worker_rows.list_workers(conn, max_age=worker_rows.ALIVE_SECONDS)}


def watch_stages(conn: Connection) -> None:
    """Lets the database write down when stages change."""
    conn.execute(query("bench_watch"))


def approve(database: Database, policy: str) -> None:
    """The policy, proposed by one person and approved by another, as every review needs."""
    for made in governing.propose_policy(database, policy, role="champion", actor=MAKER, reason="bench"):
        if made.approval.state == "proposed":
            governing.decide_policy(database, made.approval.approval_id, "approve", actor=CHECKER, reason="bench")


def review(
    database: Database, settings: Settings, pool: Workers, *, as_of: dt.date, schedule: str, progress: Progress
) -> Review:
    """Asks for a review and waits for its end. LimitsError when it fails, or is held for somebody to look at."""
    app = make_app(settings, database, role="operations")
    with database.connect("owner", "limits bench") as conn:
        conn.execute("CHECKPOINT")
        cpu = pool.cpu_seconds
        asked = engine.request_review(
            database, settings, as_of=as_of, actor=ACTOR, schedule=schedule, policy=settings.policy
        )
        swept = float("-inf")
        for seen in engine.watch(database, asked.review_id):
            pool.look()
            if seen.state in ("held", "failed", "cancelled"):
                raise LimitsError(f"the review is {seen.state} and measures nothing: {seen.error or 'no reason given'}")
            progress(seen.users_done, seen.users_total or 0)
            if not seen.is_final and time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                sweep(conn, app, most=len(pool.pids) or 1)
        cpu = pool.cpu_seconds - cpu
        row = engine.finished(database, asked.review_id)
        instants = conn.execute(query("bench_times"), {"review_id": row.review_id})
        names = [column.name for column in instants.description or ()]
        found = instants.fetchone()
    assert found is not None and row.finished_at is not None, "a review that is done has its times"
    stages = _stages(dict(zip(names, found, strict=True)))
    return Review(row, (row.finished_at - row.created_at).total_seconds(), stages, cpu)


def _stages(instants: dict[str, dt.datetime | None]) -> dict[str, float]:
    """Seconds of each stage. One that the engine does not have counts with the next."""
    before = instants["created_at"]
    assert before is not None, "every review was made at some time"
    found = {}
    for name, end in STAGES.items():
        at = instants[end]
        if at is not None:
            found[name] = (at - before).total_seconds()
            before = at
    return found
