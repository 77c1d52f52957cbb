"""What a run measured: as JSON, and as the rows of a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limits.bench.nightly.checks import Compared
from limits.bench.nightly.floor import Floor
from limits.bench.nightly.naive import Naive
from limits.bench.nightly.running import Review

#: What the stages are, for the table.
WORDS = {
    "plan": "plan: refresh what changed, cut shards",
    "decide": "decide: read, forecast, decide, keep",
    "gate": "gate: the review as a whole",
    "apply": "apply: limits, log, messages, notices",
    "finish": "finish: counts and sums",
}
Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    cores: int
    cpu: str


@dataclass(frozen=True, slots=True)
class Nightly:
    """Figures of one run. Seconds are of wall time; ``peak_mib`` of each worker process, greatest first.

    ``mode``: full, lean or packed only; ``left_out`` says what the last two do without.
    """

    users: int
    months: int
    workers: int
    seed: int
    as_of: dt.date
    mode: str
    left_out: list[str]
    load_seconds: float
    pack_seconds: float
    first: Review
    floor: Floor
    again: Review
    compared: Compared
    anew: Review | None
    next_day: Review | None
    naive: Naive | None
    peak_mib: list[float]
    machine: Machine
    postgres: str

    @property
    def users_per_second(self) -> float:
        return self.users / self.first.seconds

    @property
    def microseconds_per_user(self) -> float:
        """Wall time of a user, all processes at work."""
        return 1e6 * self.first.seconds / self.users

    @property
    def ratio_to_floor(self) -> float:
        return self.first.seconds / self.floor.seconds

    @property
    def naive_users_per_second(self) -> float | None:
        """With as many processes as the review has, taken as if none stood in another's way."""
        return None if self.naive is None else self.naive.users_per_second * self.workers

    @property
    def speedup_vs_naive(self) -> float | None:
        naive = self.naive_users_per_second
        return None if naive is None else self.users_per_second / naive

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        row, naive = self.first.row, self.naive
        return {
            "users": self.users, "months": self.months, "workers": self.workers, "seed": self.seed,
            "as_of": self.as_of.isoformat(), "mode": self.mode, "left_out": self.left_out,
            "seconds": _round(self.first.seconds), "users_per_second": round(self.users_per_second, 1),
            "microseconds_per_user": round(self.microseconds_per_user, 2),
            "stages": {name: _round(seconds) for name, seconds in self.first.stages.items()},
            "worker_cpu_seconds": _round(self.first.cpu_seconds), "peak_rss_mib": max(self.peak_mib, default=None),
            "peak_rss_mib_by_process": self.peak_mib,
            "floor_seconds": _round(self.floor.seconds), "ratio_to_floor": round(self.ratio_to_floor, 3),
            "floor": {
                "runs": [_round(seconds) for seconds in self.floor.runs], "bytes_read": self.floor.bytes_read,
                "bytes_logged": self.floor.bytes_logged, "limits_updated": self.floor.limits_updated,
                "reads": list(self.floor.reads),
            },
            "naive_users_per_second": _round(self.naive_users_per_second),
            "naive_users_per_second_one_process": None if naive is None else _round(naive.users_per_second),
            "naive_sample": None if naive is None else naive.sample,
            "speedup_vs_naive": None if self.speedup_vs_naive is None else round(self.speedup_vs_naive, 1),
            "rereview_seconds": _round(self.again.seconds),
            "rereview_ratio": round(self.again.seconds / self.first.seconds, 3),
            "rereview_stages": {name: _round(seconds) for name, seconds in self.again.stages.items()},
            "rereview_compared": self.compared.users, "rereview_different": self.compared.different,
            "anew_seconds": None if self.anew is None else _round(self.anew.seconds),
            "rereview_of_anew": None if self.anew is None else round(self.again.seconds / self.anew.seconds, 3),
            "next_day_seconds": None if self.next_day is None else _round(self.next_day.seconds),
            "decisions": {
                "raised": row.users_raised, "held": row.users_held, "lowered": row.users_lowered,
                "quarantined": row.users_quarantined, "skipped": row.users_skipped,
            },
            "load_seconds": _round(self.load_seconds), "pack_seconds": _round(self.pack_seconds),
            "machine": {"cores": self.machine.cores, "cpu": self.machine.cpu}, "postgres": self.postgres,
        }  # fmt: skip

    def stage_rows(self) -> list[tuple[str, str, str, str]]:
        """Stage, seconds, microseconds for each user, share of the whole."""
        rows = [(WORDS[name], seconds) for name, seconds in self.first.stages.items()]
        rows.append(("all of it, from asked for to done", self.first.seconds))
        return [
            (name, f"{seconds:.2f}", f"{1e6 * seconds / self.users:.2f}", f"{100 * seconds / self.first.seconds:.0f}%")
            for name, seconds in rows
        ]

    def rows(self) -> list[Row]:
        """What else is worth knowing, each with its words."""
        naive = self.naive_users_per_second
        found = [
            ("users a second", f"{self.users_per_second:,.0f}"),
            (f"the floor, {_reads(self.floor.reads)}, seconds", f"{self.floor.seconds:.2f}"),
            ("times the floor", f"{self.ratio_to_floor:.2f}"),
            ("processor seconds of the workers", f"{self.first.cpu_seconds:.1f}"),
            ("greatest memory of a worker process, MiB", f"{max(self.peak_mib):.0f}" if self.peak_mib else "not known"),
            ("reviewed again, seconds", f"{self.again.seconds:.2f}"),
            ("reviewed again, of the first time", f"{self.again.seconds / self.first.seconds:.2f}"),
            ("decisions compared, all the same", f"{self.compared.users:,}"),
        ]
        if self.anew is not None:
            found += [
                ("reviewed when all users have new facts, seconds", f"{self.anew.seconds:.2f}"),
                ("reviewed again, of that", f"{self.again.seconds / self.anew.seconds:.2f}"),
            ]
        if self.next_day is not None:
            found.append(("reviewed the next day, seconds", f"{self.next_day.seconds:.2f}"))
        if naive is not None and self.naive is not None and self.speedup_vs_naive is not None:
            found += [
                ("a loop over users, users a second of one process", f"{self.naive.users_per_second:.1f}"),
                (f"a loop over users, times {self.workers} processes", f"{naive:.1f}"),
                ("times faster than that", f"{self.speedup_vs_naive:,.0f}"),
            ]
        return [
            *found,
            ("loading the users, seconds", f"{self.load_seconds:.0f}"),
            ("packing all of them, seconds", f"{self.pack_seconds:.1f}"),
        ]

    def heading(self) -> str:
        """What was measured, and where."""
        text = (
            f"{self.users:,} users, {self.months} months, {self.workers} worker processes, as of {self.as_of}, seed "
            f"{self.seed}; PostgreSQL {self.postgres}, {self.machine.cores} cores ({self.machine.cpu})"
        )
        return text + (f"; {self.mode}, without {', '.join(self.left_out)}" if self.left_out else "")


STAGE_COLUMNS = ("stage", "seconds", "microseconds a user", "share")
SIZE_COLUMNS = ("users", "seconds", "microseconds a user", "floor, seconds", "times the floor", "peak MiB", "again")


def size_rows(found: Sequence[Nightly]) -> list[tuple[str, ...]]:
    """One row for each size: whether a user costs the same however many there are."""
    return [
        (
            f"{one.users:,}", f"{one.first.seconds:.2f}", f"{one.microseconds_per_user:.2f}",
            f"{one.floor.seconds:.2f}", f"{one.ratio_to_floor:.2f}",
            f"{max(one.peak_mib):.0f}" if one.peak_mib else "", f"{one.again.seconds:.2f}",
        )
        for one in found
    ]  # fmt: skip


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a page of documentation: the first column are words, the others numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _reads(names: tuple[str, ...]) -> str:
    return "packed rows" if any("packed" in name for name in names) else "the source's rows"
