"""The floor of a review: its bytes out, its log rows in, its limits updated, by as many processes; nothing computed."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limits.bench.nightly import generator
from limits.bench.nightly.generator import Counter, Progress
from limits.errors import LimitsError
from limits.store import replay
from limits.store.db import Connection, Database
from limits.store.replay import Change, Shard

#: The floor is measured so often; the middle one counts.
RUNS = 3
BARRIER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Floor:
    """``seconds`` from when all processes are connected until the last is done, the middle of ``runs``."""

    seconds: float
    runs: list[float]
    bytes_read: int
    bytes_logged: int
    limits_updated: int
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """One process's share of the shards, with the file of logged rows and the changed limits of each."""

    url: str
    as_of: dt.date
    reads: tuple[str, ...]
    columns: list[str]
    shards: list[tuple[Shard, Path, Change]]


def measure(
    database: Database,
    review_id: int,
    as_of: dt.date,
    processes: int,
    *,
    runs: int = RUNS,
    progress: Progress = lambda done, total: None,
) -> Floor:
    """Replays a review that is done, on tables beside the product's own.

    ``progress`` is of what takes longest, saving what the review logged to files: shards done, and all.
    """
    with tempfile.TemporaryDirectory(prefix="limits-floor-") as folder:
        with database.connect("owner", "limits bench") as conn:
            parts = _parts(database, conn, review_id, as_of, processes, Path(folder), progress)
            found = [_once(conn, parts) for _ in range(runs)]
        shards = [one for part in parts for one in part.shards]
        return Floor(
            seconds=statistics.median(seconds for seconds, _ in found),
            runs=[seconds for seconds, _ in found],
            bytes_read=found[0][1],
            bytes_logged=sum(logged.stat().st_size for _, logged, _ in shards),
            limits_updated=sum(len(change.user_ids) for _, _, change in shards),
            reads=parts[0].reads,
        )


def clear(database: Database) -> None:
    """Gives the disk of the floor's tables back."""
    with database.connect("owner", "limits bench") as conn:
        replay.clear(conn)


def _parts(
    database: Database,
    conn: Connection,
    review_id: int,
    as_of: dt.date,
    processes: int,
    folder: Path,
    progress: Progress,
) -> list[_Part]:
    reads, columns, shards = replay.reads(conn), replay.log_columns(conn), replay.shards(conn, review_id)
    done = Counter(len(shards), progress)
    # One after the other in turn, as workers lease them: so are their rows in the log.
    parts = [_Part(database.url, as_of, reads, columns, []) for _ in range(min(processes, len(shards)))]

    def save(at: int) -> None:
        with database.connect("owner", "limits bench") as own:
            for shard in shards[at :: len(parts)]:
                logged = folder / f"{shard.shard}.copy"
                change = replay.save(own, review_id, as_of, shard, columns, logged)
                parts[at].shards.append((shard, logged, change))
                done.add(1)

    generator.in_threads(save, range(len(parts)), done)
    return parts


def _once(conn: Connection, parts: list[_Part]) -> tuple[float, int]:
    """Seconds and bytes read of one replay on new tables."""
    replay.prepare(conn)
    conn.execute("CHECKPOINT")
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(parts)), context.SimpleQueue()
    children = [context.Process(target=_replay, args=(part, barrier, results), daemon=True) for part in parts]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise LimitsError("a process of the floor failed; what it said stands above")
    found = [results.get() for _ in children]
    return max(end for _, end, _ in found) - min(begin for begin, _, _ in found), sum(size for _, _, size in found)


def _replay(part: _Part, barrier: Any, results: Any) -> None:
    """One process: connects, waits for the others, and replays its shards."""
    with Database(part.url).connect("owner", "limits bench floor") as conn:
        barrier.wait(BARRIER_SECONDS)
        begin = time.monotonic()  # one clock for all processes of a machine
        size = sum(
            replay.replay(conn, shard, part.reads, part.columns, logged, change, part.as_of)
            for shard, logged, change in part.shards
        )
        results.put((begin, time.monotonic(), size))
