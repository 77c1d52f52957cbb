"""Many independent databases against one: make bench-scale. A simulation on one machine, and it says so.

The users of one lender are cut into K slices. Each slice has a PostgreSQL server of its own, which
knows nothing of the others, and the whole review runs on each: import, plan, decide, apply. The
servers run one after the other, so that each has the machine to itself, as a machine of its own
would be. A server with all the users does the same. Then

    cost         CPU time (client and server) per user of the first K slices, for each K: flat, if
                 a slice costs the same whatever stands beside it
    decisions    each user's are the same on a slice as on the server that holds everybody
    sums         what the gate looks at (counts and exposure) is the sum over the slices, and that sum
                 trips the same breakers as the whole
    two workers  one review by one worker process and by two, on this machine's cores

What it cannot show: the network, and a coordinator. Nothing of a review passes between slices but
the sums. ``load`` is who makes the users, so that another generator can take its place.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import datetime as dt
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limits import breakers, capacity, engine
from limits.bench import scaling
from limits.errors import InputError, ReviewRefused
from limits.settings import Settings, make_settings
from limits.store import approvals, gates, log, migrate, policies, reviews
from limits.store.db import Database
from limits.store.embedded import Embedded
from limits.store.importing import COLUMNS, import_file
from limits.store.queries import query
from limits.terminal import note, print_json, say, table
from tasks.logs import set_up

AS_OF = dt.date(2026, 6, 30)
PACK, SOURCE, CURRENCY = "standard", "bench", "CNY"
MONTHS = 24
#: Slices that the users of one lender are cut into; the costs of the first 1, 2, 4 ... of them are compared.
SLICES = 8
ARITHMETIC = (
    "users", "shards", "core_hours", "grown_gb_per_night", "wal_gb_per_night", "stored_tb", "servers", "bottleneck",
)  # fmt: skip
SHARDS = 4  #: of each slice's review
#: Fills an empty database with the users of a range of ids. A user must not depend on who else is loaded.
Load = Callable[[Database, range], None]
#: Of a user: limit before and after, and the reasons, as the log has them.
Decisions = dict[int, tuple[int, int, tuple[str, ...]]]


@dataclass(frozen=True)
class Outcome:
    """One review of one database. Seconds on the clock, and of processors: ours and the server's."""

    users: int
    seconds: float
    cpu_seconds: float
    counts: breakers.Counts
    decisions: Decisions
    kept: dict[str, float]  #: bytes per user of each table before the review, rows and indexes
    grown: dict[str, float]  #: bytes per user that the review added to each
    wal: float  #: bytes per user that the review wrote to the WAL


# Users ---------------------------------------------------------------------------------------


def load_some(database: Database, users: range) -> None:
    """Small and seeded: wages and spending of ``MONTHS`` months, statements and repayments, through the import."""
    months = [_month(back) for back in range(MONTHS, 0, -1)]
    with (
        tempfile.TemporaryDirectory(prefix="limits-slice-") as folder,
        database.connect("operations", "limits bench scale") as conn,
    ):
        for kind, rows in (
            ("users", _users(users, months[0])),
            ("events", _events(users, months)),
            ("statements", _statements(users, months)),
            ("repayments", _repayments(users, months)),
        ):
            file = Path(folder) / f"{kind}.csv"
            with file.open("w", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerows([COLUMNS[kind], *rows])
            counts = import_file(
                conn, kind, file, source=SOURCE, actor=SOURCE, progress=lambda done, total: None, today=AS_OF
            )
            assert counts.quarantined == 0, f"{counts.quarantined} rows of {kind} were not let in"


def _month(back: int) -> dt.date:
    """The first day of the month that lies ``back`` months before the one after ``AS_OF``."""
    number = AS_OF.year * 12 + AS_OF.month - back
    return dt.date(number // 12, number % 12 + 1, 1)


def _dice(user: int) -> np.random.Generator:
    return np.random.default_rng((7, user))


def _limit(user: int) -> int:
    return int(_dice(user).integers(20, 200)) * 100


def _users(users: range, opened: dt.date) -> Iterator[list[Any]]:
    for user in users:
        limit = _limit(user)
        yield [user, opened, "active", "retail", "", CURRENCY, "CN", opened, opened, AS_OF, "verified", opened,
               "verified", opened, "yes", limit]  # fmt: skip


def _events(users: range, months: Sequence[dt.date]) -> Iterator[list[Any]]:
    for user in users:
        dice = _dice(user)
        income = dice.uniform(3_000, 20_000) * dice.lognormal(0, dice.uniform(0.02, 0.4), MONTHS)
        for n, month in enumerate(months):
            for kind, day, amount in (("income", 10, income[n]), ("essential", 15, income[n] * dice.uniform(0.3, 0.9))):
                yield [f"{user}-{n}-{kind}", user, f"{month.replace(day=day)}T09:00:00Z", kind, f"{amount:.2f}",
                       CURRENCY]  # fmt: skip


def _statements(users: range, months: Sequence[dt.date]) -> Iterator[list[Any]]:
    for user in users:
        for n, month in enumerate(months):
            due = _limit(user) * 6 // 10
            yield [f"{user}-{n}", user, month, month.replace(day=21), due, due, due // 10, CURRENCY]


def _repayments(users: range, months: Sequence[dt.date]) -> Iterator[list[Any]]:
    """One user in twelve missed the newest three."""
    for user in users:
        for n, month in enumerate(months[:-3] if user % 12 == 0 else months):
            yield [f"{user}-{n}", user, month.replace(day=15), _limit(user) * 6 // 10, CURRENCY]


# Servers and reviews -----------------------------------------------------------------------------


def prepare(home: Path) -> None:
    """A server with the schema and an approved policy and nothing else, stopped again, to be copied."""
    with Embedded(home) as server:
        database = Database(server.url())
        migrate.apply(database)
        policy = engine.policy_for(PACK, AS_OF)
        with database.connect("owner", "limits bench scale") as conn:
            policies.store_policy(conn, policy, SOURCE)
            number = approvals.propose(conn, policy, role="champion", actor="Bench Maker", reason="bench")
            approvals.decide(conn, number, "approve", actor="Bench Checker", reason="bench")


def copy(home: Path, to: Path) -> Path:
    """The same server once more; it must be stopped."""
    subprocess.run(["cp", "-a", str(home), str(to)], check=True)
    return to


def review(home: Path, users: range, shard_users: int, *, load: Load | None, workers: int = 1) -> Outcome:
    """Starts the server of ``home``, loads the users (None: they are there), reviews them, and stops it."""
    with Embedded(home) as server:
        database = Database(server.url())
        if load is not None:
            load(database, users)
        settings = make_settings(
            database_url=database.url, broker_url=None, home=home, policy=PACK, shard_users=shard_users
        )
        before, wal = _sizes(database)
        cpu, began = _cpu(home), time.perf_counter()
        row = engine.request_review(database, settings, as_of=AS_OF, actor=SOURCE, policy=PACK)
        if workers == 1:
            _work(settings, row.review_id)
        else:
            context = multiprocessing.get_context("fork")
            pool = [context.Process(target=_work, args=(settings, row.review_id)) for _ in range(workers)]
            for process in pool:
                process.start()
            for process in pool:
                process.join()
        seconds, cpu_seconds = time.perf_counter() - began, _cpu(home) - cpu
        after, wal_after = _sizes(database)
        done = engine.finished(database, row.review_id)
        assert done.state == "done", f"the review ended as {done.state}: {done.error}"
        with database.connect("auditor", "limits bench scale") as conn:
            entries = list(log.stream(conn, log.LogFilter(review_id=row.review_id)))
    counts = breakers.Counts(
        users=done.users_total or 0, raised=done.users_raised or 0, lowered=done.users_lowered or 0,
        quarantined=done.users_quarantined or 0, fallback=sum("model_fell_back" in _reasons(e) for e in entries),
        exposure_before=done.exposure_before_minor or 0, exposure_after=done.exposure_after_minor or 0,
    )  # fmt: skip
    decisions = {e.user_id: (e.limit_before_minor, e.limit_after_minor, _reasons(e)) for e in entries}
    kept = {name: size / len(users) for name, size in before.items()}
    grown = {name: (size - before.get(name, 0)) / len(users) for name, size in after.items()}
    return Outcome(
        len(users), seconds, cpu_seconds, counts, decisions, kept, grown, (wal_after - wal) / len(users)
    )  # fmt: skip


def _sizes(database: Database) -> tuple[dict[str, int], int]:
    """Bytes of each table with its indexes, and of the WAL so far."""
    with database.connect("owner", "limits bench scale") as conn:
        rows = conn.execute(query("bench_sizes")).fetchall()
    return {name: heap + index for name, heap, index, _ in rows}, int(rows[0][3])


def _reasons(entry: log.LogEntry) -> tuple[str, ...]:
    return tuple(str(reason) for reason in entry.reasons)


def _work(settings: Settings, review_id: int) -> None:
    """What a worker process does: work on the review until it is over.

    A few made-up users may well trip a breaker; then a second person lets the review through.
    """
    database = Database(settings.database_url or "")
    while engine.work(database, settings, review_id, worker=f"bench/{os.getpid()}").state != "over":
        with database.connect("operations", "limits bench scale") as conn:
            if reviews.get(conn, review_id).state == "held":
                with contextlib.suppress(ReviewRefused):  # another process has just done so
                    gates.release(conn, review_id, actor="Bench Checker", reason="a benchmark")
        time.sleep(0.02)


def _cpu(home: Path) -> float:
    """Seconds of processor time so far: this process, children that ended, the server of ``home`` and its backends."""
    postmaster = (home / "database" / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
    total = sum(os.times()[:4])
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile, and its parent counts it
            continue
        if stat.parent.name == postmaster:
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        elif fields[1] == postmaster:
            total += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return total


# What it comes to ----------------------------------------------------------------------------------


def combined(parts: Sequence[breakers.Counts]) -> breakers.Counts:
    """What a gate over all slices sees: the sums, and nothing else of any slice."""
    return breakers.Counts(
        users=sum(c.users for c in parts), raised=sum(c.raised for c in parts), lowered=sum(c.lowered for c in parts),
        quarantined=sum(c.quarantined for c in parts), fallback=sum(c.fallback for c in parts),
        exposure_before=sum(c.exposure_before for c in parts), exposure_after=sum(c.exposure_after for c in parts),
    )  # fmt: skip


def agree(parts: Sequence[Outcome], whole: Outcome) -> breakers.Counts:
    """The sums over the parts; AssertionError unless users, sums and breakers are those of the whole."""
    decided = {user: decision for part in parts for user, decision in part.decisions.items()}
    assert sum(len(part.decisions) for part in parts) == len(decided), "a user was decided on two slices"
    assert decided == whole.decisions, "a user is decided otherwise on a slice"
    sums = combined([part.counts for part in parts])
    assert sums == whole.counts, f"the sums differ: {sums} and {whole.counts}"
    rules = engine.policy_for(PACK, AS_OF).breakers
    assert breakers.tripped(rules, sums) == breakers.tripped(rules, whole.counts)
    return sums


def measure(users_per_slice: int, *, slices: int = SLICES, load: Load = load_some) -> dict[str, Any]:
    """Runs everything; what ``make bench-scale BENCH_ARGS=--json`` prints.

    Times are CPU microseconds per user. Raises AssertionError when a slice decides otherwise than the whole.
    """
    everybody = range(1, slices * users_per_slice + 1)
    shard = -(-users_per_slice // SHARDS)
    capacity.warm()
    with tempfile.TemporaryDirectory(prefix="limits-scale-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root the server runs as another user, who has to pass through
        prepare(folder / "empty")
        review(copy(folder / "empty", folder / "warm"), range(1, 101), shard, load=load)
        parts = []
        for number in range(slices):
            note(f"slice {number + 1} of {slices}, a server of its own")
            ids = everybody[number * users_per_slice : (number + 1) * users_per_slice]
            parts.append(review(copy(folder / "empty", folder / f"slice{number}"), ids, shard, load=load))
        note("all users on one server, one worker; then two workers")
        with Embedded(copy(folder / "empty", folder / "whole")) as server:
            load(Database(server.url()), everybody)
        copy(folder / "whole", folder / "again")
        whole = review(folder / "whole", everybody, shard, load=None)
        two = review(folder / "again", everybody, shard, load=None, workers=2)
    together = agree(parts, whole)
    agree([two], whole)
    return _report(parts, whole, two, together)


def _report(parts: Sequence[Outcome], whole: Outcome, two: Outcome, together: breakers.Counts) -> dict[str, Any]:
    def micro(outcomes: Sequence[Outcome], field: str) -> float:
        return round(1e6 * sum(getattr(o, field) for o in outcomes) / sum(o.users for o in outcomes), 1)

    sizes = [size for size in (1, 2, 4, 8, 16, 32) if size <= len(parts)]
    return {
        "simulated": f"{len(parts)} servers on {os.cpu_count()} cores of one machine, one after the other",
        "users": whole.users,
        "users_per_slice": parts[0].users,
        "cpu_us_per_user": {str(size): micro(parts[:size], "cpu_seconds") for size in sizes},
        "cpu_us_per_user_whole": micro([whole], "cpu_seconds"),
        "slice_seconds": [round(part.seconds, 3) for part in parts],
        "seconds_one_worker": round(whole.seconds, 3),
        "seconds_two_workers": round(two.seconds, 3),
        "speedup_of_two_workers": round(whole.seconds / two.seconds, 2),
        "decisions_equal": True,
        "sums_equal": True,
        "kept_bytes_per_user": _large(whole.kept),
        "grown_bytes_per_user": _large(whole.grown),
        "wal_bytes_per_user": round(whole.wal, 1),
        "raised": together.raised,
        "lowered": together.lowered,
    }


def _large(sizes: dict[str, float]) -> dict[str, float]:
    """Tables that grow with the users; a page or two of the others is nothing per user."""
    return {name: round(size, 1) for name, size in sorted(sizes.items(), key=lambda i: -i[1]) if size >= 1.0}


def show_arithmetic(found: dict[str, Any], machine: scaling.Machine) -> None:
    """The table to a billion users."""
    inputs = scaling.inputs_of(found)
    say(
        f"One user and night: {inputs.cpu_us:,.0f} us CPU, {inputs.grown_bytes:,.0f} bytes that stay, "
        f"{inputs.wal_bytes:,.0f} bytes of WAL; {inputs.kept_bytes:,.0f} bytes were there before."
    )
    say(f"A server: {machine}.")
    rows = []
    for size in scaling.SIZES:
        row = scaling.arithmetic(inputs, machine, size, shard_users=make_settings().shard_users)
        rows.append([f"{row[name]:,}" if name != "bottleneck" else row[name] for name in ARITHMETIC])
    table(ARITHMETIC, rows, numbers=ARITHMETIC[:-1])


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m limits.bench.shared_nothing", description="Slices against one.")
    parser.add_argument("--users", type=int, default=500, help="users of each slice")
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--inputs", type=Path, help="a file that --json wrote: only the arithmetic, from its figures")
    for field in dataclasses.fields(scaling.Machine):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default, help="of a server, or asked of it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        machine = scaling.Machine(**{f.name: getattr(given, f.name) for f in dataclasses.fields(scaling.Machine)})
        if given.inputs is not None:
            show_arithmetic(json.loads(given.inputs.read_text()), machine)
            return
    except (OSError, ValueError, InputError) as error:
        parser.error(f"{given.inputs}: {error}" if not isinstance(error, InputError) else str(error))
    if given.users < SHARDS or given.slices < 1:
        parser.error(f"--users must be {SHARDS} or more, --slices 1 or more")
    set_up("warning")
    found = measure(given.users, slices=given.slices)
    if given.json:
        print_json(found)
        return
    say(f"Simulated: {found['simulated']}.")
    rows = [[f"{size} of {given.slices} slices", f"{us:,.0f}"] for size, us in found["cpu_us_per_user"].items()]
    table(
        ["databases", "CPU us/user"], [*rows, ["one with all", f"{found['cpu_us_per_user_whole']:,.0f}"]],
        numbers=["CPU us/user"],
    )  # fmt: skip
    say(f"Each of {found['users']:,} users is decided as on the server that holds all; the sums are the same.")
    say(
        f"One worker {found['seconds_one_worker']} s, two workers {found['seconds_two_workers']} s: "
        f"{found['speedup_of_two_workers']} times as fast."
    )
    show_arithmetic(found, machine)


if __name__ == "__main__":
    main()
