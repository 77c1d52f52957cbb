"""Large imports: bad rows of every kind among a hundred thousand, kill -9 half way, and several at once."""

from __future__ import annotations

import datetime as dt
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from limits.store.db import Connection, Database
from limits.store.importing import COLUMNS, ImportCounts, import_file

TODAY = dt.date(2026, 6, 30)
OPENED = dt.date(2023, 1, 15)
ROOT = Path(__file__).resolve().parents[2]
USERS = 2000
ROWS = 100_000
KINDS = ("income", "essential", "discretionary", "fee", "penalty", "obligation")
TABLES = ("events", "event_keys", "quarantine", "dirty_months")

Row = list[str]
Rng = random.Random


@pytest.fixture
def many_users(ops: Connection, tmp_path: Path) -> None:
    states = [f"{user},{OPENED},active,,,CZK,,{OPENED},,,,,,,,1000".encode() + b"\n" for user in range(1, USERS + 1)]
    assert load(ops, "users", write(tmp_path / "users.csv", "users", states)).new == USERS


def write(file: Path, kind: str, lines: list[bytes]) -> Path:
    file.write_bytes(b"".join([",".join(COLUMNS[kind]).encode() + b"\n", *lines]))
    return file


def load(conn: Connection, kind: str, file: Path, source: str = "bank") -> ImportCounts:
    return import_file(conn, kind, file, source=source, actor="tester", progress=lambda done, total: None, today=TODAY)


def counted(conn: Connection) -> dict[str, int]:
    return {table: conn.execute(f"SELECT count(*) FROM limits.{table}").fetchone()[0] for table in TABLES}


# Bad rows of every kind ---------------------------------------------------------------------


def good(rng: Rng, number: int) -> Row:
    day = OPENED + dt.timedelta(days=rng.randrange((TODAY - OPENED).days + 1))
    when = f"{day}T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"
    amount = f"{rng.randrange(1, 10**7)}.{rng.randrange(100):02}"
    return [f"t{number}", str(rng.randrange(1, USERS + 1)), when, rng.choice(KINDS), amount, "CZK"]


def put(place: int, *values: str) -> Callable[[Rng, Row], bytes]:
    """A row with one field replaced."""
    return lambda rng, row: ",".join([*row[:place], rng.choice(values), *row[place + 1 :]]).encode()


def later(days: int) -> str:
    return f"{TODAY + dt.timedelta(days=days)}T00:00:00Z"


MAKERS: dict[str, Callable[[Rng, Row], bytes]] = {
    "amount_not_positive": put(4, "0", "-1", "-0.01", "0.00"),
    "not_a_number": put(4, "NaN", "nan", "Infinity", "-Infinity", "1e9", "12,5".replace(",", ";"), "abc"),
    "too_many_decimals": put(4, "1.005", "0.001"),
    "amount_too_large": put(4, "10000000000000.01", "9" * 40),
    "unknown_user": put(1, str(USERS + 1), "9223372036854775807"),
    "unknown_kind": put(3, "salary", "INCOME"),
    "wrong_currency": put(5, "EUR", "USD"),
    "unknown_currency": put(5, "KCS", "czk"),
    "in_future": put(2, later(1), later(4000)),
    "before_account": put(2, f"{OPENED - dt.timedelta(days=1)}T23:59:59Z", "1999-12-31T00:00:00Z"),
    "not_an_instant": put(2, "yesterday", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00"),
    "missing_field": lambda rng, row: put(rng.randrange(6), "")(rng, row),
    "broken_utf8": lambda rng, row: ",".join(row).encode() + b"\xff",
    "nul_byte": lambda rng, row: ",".join(row).encode().replace(b"C", b"\0"),
    "unprintable_character": put(3, "inc\u202eome", "in\x07come"),
    "too_few_fields": lambda rng, row: ",".join(row[: rng.randrange(1, 6)]).encode(),
    "too_many_fields": lambda rng, row: ",".join([*row, "x"]).encode(),
    "unbalanced_quotes": put(3, '"income', 'in"come'),
    "field_too_long": put(3, "x" * 201),
    "line_too_long": put(3, "x" * 40_000),
}


@dataclass
class Generated:
    """A file, what must become of its lines, and how many are good."""

    lines: list[bytes] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)  # reason by line
    new: int = 0
    known: int = 0
    total_minor: int = 0


def generate(seed: int) -> Generated:
    """Good rows, and one in a hundred bad, every kind as often as the next; a few come twice."""
    rng, result = random.Random(seed), Generated()
    kinds = [*MAKERS, "duplicate_id_other_content"]
    bad_rows = set(rng.sample(range(10, ROWS), ROWS // 100))
    earlier: list[Row] = []
    for number in range(ROWS):
        row = good(rng, number)
        if number in bad_rows:
            reason = kinds[len(result.bad) % len(kinds)]
            if reason == "duplicate_id_other_content":
                line = ",".join([rng.choice(earlier)[0], *row[1:4], "0.01", "CZK"]).encode()
            else:
                line = MAKERS[reason](rng, row)
            result.bad[number + 2] = reason
        elif number % 1000 == 999:
            line = ",".join(rng.choice(earlier)).encode()
            result.known += 1
        else:
            line = ",".join(row).encode()
            earlier.append(row)
            result.new += 1
            result.total_minor += int(row[4].replace(".", ""))
        result.lines.append(line + rng.choice([b"\n", b"\r\n"]))
    return result


def test_a_hundred_thousand_rows_with_bad_ones_of_every_kind(ops: Connection, many_users: None, tmp_path: Path) -> None:
    made = generate(seed=2026)
    assert len(made.bad) == ROWS // 100 and len(Counter(made.bad.values())) == len(MAKERS) + 1
    file = write(tmp_path / "events.csv", "events", made.lines)

    started = time.monotonic()
    first = load(ops, "events", file)
    seconds = time.monotonic() - started
    assert (first.total, first.new, first.known, first.quarantined) == (ROWS, made.new, made.known, len(made.bad))
    found = ops.execute("SELECT line, reason FROM limits.quarantine").fetchall()
    assert dict(found) == made.bad and len(found) == len(made.bad)
    assert ops.execute("SELECT count(*), sum(amount_minor) FROM limits.events").fetchone() == (
        made.new,
        made.total_minor,
    )
    assert ops.execute("SELECT count(*) FROM limits.events WHERE source_id IN "
                       "(SELECT split_part(raw, ',', 1) FROM limits.quarantine WHERE reason = 'in_future')"
                       ).fetchone() == (0,)  # fmt: skip
    longest = ops.execute("SELECT max(length(detail)), max(length(raw)) FROM limits.quarantine").fetchone()
    assert longest is not None and longest[0] <= 200 and longest[1] < 1100

    before = counted(ops)
    again = load(ops, "events", file)
    assert (again.new, again.known, again.quarantined) == (0, made.new + made.known, len(made.bad))
    assert counted(ops) == before
    assert seconds < 60, f"{ROWS} rows took {seconds:.0f} s"


# Killed half way ----------------------------------------------------------------------------

CHILD = """
import datetime as dt, sys, time
from pathlib import Path
from limits.store.db import Database
from limits.store.importing import import_file
url, file, where = sys.argv[1:]

def stop(reached):
    if reached:
        print("here", flush=True)
        time.sleep(600)

conn = Database(url).connect("operations", "limits test child")
with conn.transaction():
    import_file(conn, "events", Path(file), source="bank", actor="child", today=dt.date(2026, 6, 30),
                progress=lambda done, total: stop(where == "reading" and done > total / 2))
    stop(where == "written")
"""


@pytest.mark.parametrize("where", ["reading", "written"])
def test_an_import_killed_leaves_nothing_and_a_rerun_completes(
    ops: Connection, database: Database, many_users: None, tmp_path: Path, where: str
) -> None:
    rng = random.Random(7)
    lines = [",".join(good(rng, number)).encode() + b"\n" for number in range(20_000)]
    file = write(tmp_path / "events.csv", "events", [*lines, b"bad\n"])
    before, imports = counted(ops), ops.execute("SELECT count(*) FROM limits.imports").fetchone()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database.url, str(file), where], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == b"here\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert counted(ops) == before
    assert ops.execute("SELECT count(*) FROM limits.imports").fetchone() == imports
    counts = load(ops, "events", file)
    assert (counts.new, counts.quarantined) == (20_000, 1)


# Several at once ----------------------------------------------------------------------------


def test_imports_at_once_double_nothing_and_wait_for_no_deadlock(
    ops: Connection, database: Database, many_users: None, tmp_path: Path
) -> None:
    """Three of one file, two of another source: all need the same new months."""
    rng = random.Random(11)
    rows = [",".join(good(rng, number)).encode() + b"\n" for number in range(3000)]
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    write(one, "events", [*rows, b"bad\n"])
    write(other, "events", [*reversed(rows), b"bad\n"])
    barrier, results, errors = threading.Barrier(5), [], []

    def run(file: Path, source: str) -> None:
        try:
            with database.connect("operations", "limits test") as conn:
                barrier.wait()
                results.append((source, load(conn, "events", file, source)))
        except BaseException as error:
            errors.append(error)

    jobs = [(one, "bank")] * 3 + [(other, "card")] * 2
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors
    for source, times in (("bank", 3), ("card", 2)):
        news = sorted(counts.new for name, counts in results if name == source)
        assert news == [0] * (times - 1) + [3000]
    assert counted(ops)["events"] == counted(ops)["event_keys"] == 6000
    assert counted(ops)["quarantine"] == 2


def test_users_imported_at_once_are_founded_once(ops: Connection, database: Database, tmp_path: Path) -> None:
    lines = [f"{user},{OPENED},active,,,CZK,,{OPENED},,,,,,,,1000\n".encode() for user in range(1, 500)]
    file = write(tmp_path / "users.csv", "users", lines)
    results: list[Any] = []

    def run(source: str) -> None:
        with database.connect("operations", "limits test") as conn:
            results.append(load(conn, "users", file, source).new)

    threads = [threading.Thread(target=run, args=(source,)) for source in ("crm", "crm", "branch")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(results) == [0, 0, 499]
