"""Does partitioning credit lines and packed users by user pay? make bench-partitions.

The same rows stand in three schemas of a server made for this run: plain tables, tables in hash
partitions of user_id, tables in range partitions of user_id. Each round takes one shard, the
same for all three, and times what a review does with it, on the client's clock:

    range   the shard read by its range of ids, in their order, packed rows joined with credit lines,
            with the bounds said of both tables
    list    the same by the list of its ids, with no bounds
    update  one user in five gets another limit, in one joined UPDATE with the bounds, committed
    users   ``LOOKUPS`` single users read, one statement each

The three take turns inside each round and change places from round to round, so that whatever
else the machine does falls on all of them. Medians; ratios are to the plain tables.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from limits.store.db import Connection, Database
from limits.store.embedded import Embedded
from limits.store.queries import query
from limits.terminal import note, print_json, say, table

KINDS = ("plain", "hash", "range")
STEPS = ("range", "list", "update", "users")
LOOKUPS = 200
#: For each kind and step: seconds, one entry per round.
Times = dict[str, dict[str, list[float]]]


def _enter(conn: Connection, kind: str, users: int, partitions: int) -> None:
    conn.execute(query("trial_settings"), {"kind": kind, "users": str(users), "partitions": str(partitions)})


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _round(conn: Connection, first: int, shard: int, dice: np.random.Generator) -> dict[str, float]:
    """Seconds of each step on the shard of ``shard`` users that begins at user ``first``."""
    ids = list(range(first, first + shard))
    some = sorted(int(user) for user in dice.choice(ids, shard // 5, replace=False))
    lookups = [int(user) for user in dice.choice(ids, LOOKUPS)]

    def look_up() -> None:
        for user in lookups:
            conn.execute(query("trial_user"), {"user_id": user}).fetchone()

    bounds = {"first": ids[0], "last": ids[-1]}
    return {
        "range": _seconds(lambda: conn.execute(query("trial_range"), bounds).fetchone()),
        "list": _seconds(lambda: conn.execute(query("trial_list"), {"user_ids": ids}).fetchone()),
        "update": _seconds(lambda: conn.execute(query("trial_update"), bounds | {"user_ids": some})),
        "users": _seconds(look_up),
    }


def measure(url: str, *, users: int, shard: int, partitions: int, rounds: int, seed: int = 0) -> Times:
    """Makes the tables in the empty database and takes the times; the first round only warms."""
    times: Times = {kind: {step: [] for step in STEPS} for kind in KINDS}
    with Database(url).connect("owner", "limits bench partitions") as conn:
        conn.execute(query("trial_schema"))
        for kind in KINDS:
            note(f"making {users:,} users, {kind}")
            _enter(conn, kind, users, partitions)
            conn.execute(query("trial_make"))
        conn.execute(query("trial_settle"))
        for number in range(rounds + 1):
            first = 1 + int(np.random.default_rng((seed, number)).integers(users // shard)) * shard
            for step in range(len(KINDS)):
                kind = KINDS[(step + number) % len(KINDS)]
                _enter(conn, kind, users, partitions)
                taken = _round(conn, first, shard, np.random.default_rng((seed, number, 1)))
                for name, seconds in taken.items():
                    if number:
                        times[kind][name].append(seconds)
    return times


def report(times: Times) -> dict[str, dict[str, float]]:
    """Medians in milliseconds as ``kind.step``, and their ratios to the plain tables."""
    medians = {kind: {step: statistics.median(times[kind][step]) * 1000 for step in STEPS} for kind in KINDS}
    return {
        kind: {
            **{f"{step}_ms": round(medians[kind][step], 2) for step in STEPS},
            **{f"{step}_ratio": round(medians[kind][step] / medians["plain"][step], 2) for step in STEPS},
        }
        for kind in KINDS
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m limits.bench.partitions", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--shard", type=int, default=20_000, help="users in one shard")
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if not 5 <= given.shard <= given.users or given.partitions < 1 or given.rounds < 1:
        parser.error("--shard must be 5 or more and at most --users; --partitions and --rounds 1 or more")
    with tempfile.TemporaryDirectory(prefix="limits-partitions-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # as root the server runs as another user, who has to pass through
        with Embedded(Path(folder) / "home") as server:
            found = report(
                measure(
                    server.url(), users=given.users, shard=given.shard, partitions=given.partitions, rounds=given.rounds
                )
            )
    if given.json:
        print_json(found)
        return
    say(f"{given.users:,} users, shards of {given.shard:,}, {given.partitions} partitions: milliseconds (ratio)")
    rows = [
        [kind, *(f"{found[kind][f'{s}_ms']:.1f} ({found[kind][f'{s}_ratio']:.2f})" for s in STEPS)] for kind in KINDS
    ]
    table(["tables", *STEPS], rows, numbers=STEPS)


if __name__ == "__main__":
    main()
