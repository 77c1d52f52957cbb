"""The arithmetic to a billion users: what one user costs a night, times users, against what a machine has.

Everything is a product of measured inputs (``Inputs``, from ``limits.bench.shared_nothing`` or a file of
the nightly benchmark) and of what the reader says about machines (``Machine``). docs/scale.md has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limits.errors import InputError

#: Users that the table is made for.
SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
DAY = 86_400


@dataclass(frozen=True)
class Inputs:
    """What one user costs in one night; bytes are what the review adds, ``kept_bytes`` what was there before it."""

    cpu_us: float  #: processor time, client and server
    grown_bytes: float  #: rows and indexes that stay: the log most of all
    wal_bytes: float
    kept_bytes: float  #: everything stored of a user before the review, cash flow and packed rows included


@dataclass(frozen=True)
class Machine:
    """A database server with its workers, and what is asked of it."""

    window_hours: float = 6.0
    cores: int = 32
    wal_mb_per_second: float = 200.0  #: that its disk takes, and its standby
    disk_tb: float = 15.0
    retention_days: int = 400
    used: float = 0.5  #: share of cores, WAL and disk that a night may fill

    def __post_init__(self) -> None:
        small = min(self.window_hours, self.cores, self.wal_mb_per_second, self.disk_tb, self.retention_days, self.used)
        if small <= 0 or self.used > 1:
            raise InputError("what is said of a machine must be above 0, and the share it may fill at most 1")


def inputs_of(found: Mapping[str, Any]) -> Inputs:
    """Inputs from what ``shared_nothing.measure`` returned; InputError names a key that is missing."""
    try:
        return Inputs(
            cpu_us=float(found["cpu_us_per_user_whole"]),
            grown_bytes=float(sum(found["grown_bytes_per_user"].values())),
            wal_bytes=float(found["wal_bytes_per_user"]),
            kept_bytes=float(sum(found["kept_bytes_per_user"].values())),
        )
    except KeyError as error:
        raise InputError(f"the file has no {error}; make it with: make bench-scale BENCH_ARGS=--json") from None


def arithmetic(inputs: Inputs, machine: Machine, users: int, *, shard_users: int) -> dict[str, Any]:
    """The figures for so many users. ``servers`` is the largest of the needs, ``bottleneck`` its name."""
    window = machine.window_hours * 3600
    core_seconds = users * inputs.cpu_us / 1e6
    wal_mb = users * inputs.wal_bytes / 1e6
    stored_tb = users * (inputs.kept_bytes + inputs.grown_bytes * machine.retention_days) / 1e12
    needs = {
        "processors": core_seconds / (window * machine.cores * machine.used),
        "wal": wal_mb / (window * machine.wal_mb_per_second * machine.used),
        "storage": stored_tb / (machine.disk_tb * machine.used),
    }
    bottleneck = max(needs, key=lambda name: needs[name])
    return {
        "users": users,
        "shards": math.ceil(users / shard_users),
        "core_hours": round(core_seconds / 3600, 2),
        "grown_gb_per_night": round(users * inputs.grown_bytes / 1e9, 2),
        "wal_gb_per_night": round(wal_mb / 1e3, 2),
        "stored_tb": round(stored_tb, 2),
        "servers": max(1, math.ceil(needs[bottleneck])),
        "bottleneck": bottleneck,
        "needs": {name: round(need, 3) for name, need in needs.items()},
    }
