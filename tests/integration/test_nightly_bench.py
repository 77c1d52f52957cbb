"""limits bench nightly: what it loads, what it measures on, and what it prints. No time is asserted."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from psycopg import sql

from limits import engine
from limits.bench.nightly import checks, floor, generator, home, measuring, mixture, naive, running, slices, tables
from limits.bench.nightly.generator import Load
from limits.bench.nightly.mixture import Scene
from limits.cli import bench
from limits.cli.working import environment
from limits.errors import DatabaseError, InputError, LimitsError
from limits.portfolio import STATEMENTS
from limits.settings import Settings, make_settings
from limits.store import arrays
from limits.store.arrays import Column
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from tests import invariants
from tests.conftest import copy_database, execute

AS_OF = dt.date(2026, 11, 15)
KEYS = {
    "users", "months", "workers", "seconds", "users_per_second", "floor_seconds", "ratio_to_floor",
    "naive_users_per_second", "speedup_vs_naive", "stages", "peak_rss_mib", "rereview_seconds", "rereview_ratio",
    "seed", "machine", "postgres",
}  # fmt: skip


def load(database: Database, users: int = 600, seed: int = 3) -> None:
    generator.load(database, Load(users, seed, Scene(AS_OF)))


def test_arrays_become_rows(conn: Connection) -> None:
    conn.execute("CREATE TABLE limits.t (a int2, b int4, c bigint, d date, e timestamptz, f boolean, g text, h bytea)")
    days = np.array(["1999-12-31", "2026-11-15"], dtype="datetime64[D]")
    there = {
        "a": Column("int2", np.array([-1, 2])),
        "b": Column("int4", np.array([3, -4])),
        "c": Column("int8", np.array([2**40, -5]), np.array([False, True])),
        "d": Column("date", days),
        "e": Column("timestamptz", days.astype("datetime64[us]") + np.timedelta64(1, "us")),
        "f": Column("bool", np.array([True, False])),
        "g": Column("text", np.array([b"ab", b"c"])),
        "h": Column("bytea", np.array([[0, 255], [1, 2]], dtype=np.uint8)),
    }
    assert arrays.copy_in(conn, "t", there) == 2
    found = conn.execute("SELECT a, b, c, d::text, extract(microseconds FROM e)::int, f, g, h FROM limits.t").fetchall()
    assert found == [
        (-1, 3, 2**40, "1999-12-31", 1, True, "ab", b"\0\xff"),
        (2, -4, None, "2026-11-15", 1, False, "c", b"\1\2"),
    ]


def test_a_review_leaves_out_closed_accounts_and_nobody_else(database: Database, conn: Connection) -> None:
    load(database, 2000)
    portfolio, excluded = load_portfolio(conn, AS_OF, mixture.CURRENCY)
    closed = conn.execute("SELECT user_id FROM limits.user_profiles WHERE status = 'closed' ORDER BY 1").fetchall()
    assert Counter((one.outcome, one.reason) for one in excluded) == {("skipped", "closed"): len(closed)}
    assert [(one.user_id,) for one in excluded] == closed and closed
    assert len(portfolio) == 2000 - len(closed)
    for some in (
        portfolio.days_past_due > 0, portfolio.missed_payments > 0, portfolio.minimum_only_payments > 5,
        portfolio.confirmed_fraud, portfolio.documents > 0, portfolio.opted_out, portfolio.override_cap < 2**60,
        portfolio.active_lenders > 0, portfolio.balance == 0, portfolio.balance > 0,
    ):  # fmt: skip
        assert 0 < some.sum() < len(portfolio)
    record = portfolio.payment_record
    assert record.held.max() == STATEMENTS and record.held.min() < 4  # accounts of a few months have fewer
    late = (record.days_past_due > 0).any(axis=1)
    late_now = portfolio.days_past_due > 0
    assert 0.03 < late.mean() < 0.15 and late[late_now].mean() > 0.5 > late[~late_now].mean()
    assert (record.days_past_due > 60).any() and (record.repaid > record.balance // 2).mean() > 0.2
    observed = portfolio.cash_flow.observed
    assert observed.shape[1] == 24 and 0.7 < observed.mean() < 0.95
    assert not conn.execute("SELECT FROM limits.dirty_months").fetchall()


def test_the_same_users_come_whatever_their_number(database: Database, conn: Connection) -> None:
    load(database, 700)
    few = load_portfolio(conn, AS_OF, mixture.CURRENCY, user_ids=list(range(1, 601)))[0]
    conn.execute("SET session_replication_role = replica")
    for table in {table for table, _ in tables.rows(3, mixture.users(3, 1, Scene(AS_OF)), Scene(AS_OF), lean=True)}:
        conn.execute(f"DELETE FROM limits.{table}")
    load(database, 600)
    fewer = load_portfolio(conn, AS_OF, mixture.CURRENCY)[0]
    assert len(few) == len(fewer) > 500
    assert (few.user_id == fewer.user_id).all() and (few.balance == fewer.balance).all()
    assert (few.cash_flow.inflow == fewer.cash_flow.inflow).all()


def test_a_row_without_its_user_is_seen(database: Database, conn: Connection) -> None:
    load(database)
    conn.execute("SET session_replication_role = replica")
    conn.execute("DELETE FROM limits.users WHERE user_id = 5")
    with pytest.raises(DatabaseError, match="without their user"):
        generator.verify(conn, 1, 600)


@pytest.fixture
def reviewed(database: Database, conn: Connection, settings: Settings) -> list[int]:
    """Two reviews of made-up users as of one day."""
    load(database)
    running.watch_stages(conn)
    found = []
    for schedule in ("bench", "bench again"):
        row = engine.request_review(database, settings, as_of=AS_OF, actor="test", schedule=schedule, policy="standard")
        done = settings.model_copy(update={"chunk_users": 100, "shard_users": 200})
        while engine.work(database, done, row.review_id, worker="test").state != "over":
            pass
        found.append(row.review_id)
    return found


def test_a_review_of_them_is_checked_and_reviewing_again_decides_the_same(
    reviewed: list[int], conn: Connection
) -> None:
    first, second = reviewed
    invariants.check(conn)
    checks.check(conn, first)
    checks.check(conn, second)
    compared = checks.compare(conn, first, second, AS_OF)
    assert compared.users > 300 and compared.different == 0
    conn.execute("UPDATE limits.credit_lines SET limit_minor = limit_minor + 1 WHERE user_id = 1")
    with pytest.raises(LimitsError, match="1 limits that are not the opening limit and what was logged since"):
        checks.check(conn, second)


@pytest.mark.parametrize("rule", ["message", "decision"])
def test_what_is_lost_is_noticed(rule: str, reviewed: list[int], conn: Connection) -> None:
    if rule == "message":
        conn.execute("DELETE FROM limits.outbox WHERE outbox_id = (SELECT min(outbox_id) FROM limits.outbox)")
        with pytest.raises(LimitsError, match="1 changed limits without a message"):
            checks.check(conn, reviewed[0])
        return
    conn.execute(
        "DELETE FROM limits.review_exceptions WHERE user_id = (SELECT min(user_id) FROM limits.review_exceptions)"
    )
    with pytest.raises(LimitsError, match="1 users without decision or exception"):
        checks.check(conn, reviewed[0])


def test_a_decision_that_differs_is_noticed(reviewed: list[int], conn: Connection) -> None:
    first, second = reviewed
    with pytest.raises(LimitsError, match="otherwise than review"):
        checks.compare(conn, first, second + 100, AS_OF)


def test_the_floor_writes_the_same_rows_into_tables_of_the_same_make(
    reviewed: list[int], database: Database, conn: Connection
) -> None:
    measured = floor.measure(database, reviewed[0], AS_OF, 2, runs=1)
    assert measured.bytes_read > 600 * 24 * 32 and measured.bytes_logged > 500 * 200 and measured.seconds > 0
    columns = (
        "user_id, review_id, as_of, limit_before_minor, limit_after_minor, ceilings_minor, policy_hash, disposition"
    )
    same = f"""SELECT {columns} FROM limits.adjustment_log WHERE review_id = {reviewed[0]}
               EXCEPT SELECT {columns} FROM bench.floor_adjustment_log"""
    assert conn.execute(same).fetchall() == []
    logged = "SELECT count(*), count(*) FILTER (WHERE action <> 0) FROM limits.adjustment_log WHERE review_id = %s"
    counted = conn.execute(logged, (reviewed[0],)).fetchone()
    assert counted == (conn.execute("SELECT count(*) FROM bench.floor_adjustment_log").fetchone() or (0,)) + (
        measured.limits_updated,
    )
    indexes = "SELECT count(*) FROM pg_indexes WHERE tablename LIKE %s"
    assert (
        conn.execute(indexes, ("adjustment_log%",)).fetchone()
        == conn.execute(indexes, ("floor_adjustment_log%",)).fetchone()
    )
    changed = """SELECT count(*) FROM bench.floor_credit_lines f JOIN limits.adjustment_log l USING (user_id)
                  WHERE l.review_id = %s AND l.action <> 0 AND f.limit_minor = l.limit_after_minor"""
    assert conn.execute(changed, (reviewed[0],)).fetchone() == (measured.limits_updated,)
    invariants.check(conn)


def test_the_loop_over_users_writes_a_line_for_each(database: Database, conn: Connection) -> None:
    load(database)
    running.watch_stages(conn)
    measured = naive.measure(database, AS_OF, sample=8, months=24, among=600)
    assert measured.sample == 8 and measured.users_per_second > 0
    assert conn.execute("SELECT count(DISTINCT user_id) FROM bench.naive_log").fetchone() == (8,)


def quiet(done: int, total: int) -> None:
    """Progress that nobody looks at."""


SMALL = measuring.Run(3000, 24, 2, 5, AS_OF, packed_only=True)


def decisions(database: Database, settings: Settings) -> dict[int, bytes]:
    """The canonical bytes of what a review decides of each user."""
    row = engine.request_review(database, settings, as_of=AS_OF, actor="test", schedule="bench", policy="standard")
    while engine.work(database, settings, row.review_id, worker="test").state != "over":
        pass
    with database.connect("owner", "test") as conn:
        checks.check(conn, row.review_id)
        found = conn.execute("SELECT user_id, entry FROM limits.adjustment_log ORDER BY user_id").fetchall()
    return dict(found)


@pytest.fixture
def other(server_url: str, template: str) -> Iterator[Database]:
    """A second copy of the template."""
    yield copy_database(server_url, template, "limits_other")
    execute(server_url, sql.SQL("DROP DATABASE limits_other WITH (FORCE)"))


def test_packed_only_decides_the_same_to_the_last_byte(
    database: Database, other: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean = dataclasses.replace(SMALL.load, packed_only=False)
    generator.load(database, lean)
    monkeypatch.setattr(slices, "SLICE", 1_300)  # three slices, none of whole blocks
    slices.load(other, SMALL.load, threads=2, progress=quiet)
    with other.connect("owner", "test") as conn:
        packed = conn.execute("SELECT count(*), count(facts) FROM limits.packed_users").fetchone()
        assert packed == (3000, 3000)
        assert conn.execute("SELECT count(*) FROM limits.dirty_users").fetchone() == (0,)
        gone = "SELECT (SELECT count(*) FROM limits.monthly_cash_flow) + (SELECT count(*) FROM limits.statements)"
        assert conn.execute(gone).fetchone() == (0,)
    expected, found = decisions(database, settings), decisions(other, settings)
    assert len(expected) > 2900 and found == expected
    # The loop over users finds the months that it needs.
    assert generator.load_months_again(other, SMALL.load) == 3000
    with other.connect("owner", "test") as conn:
        running.watch_stages(conn)
    assert naive.measure(other, AS_OF, sample=3, months=24, among=3000).sample == 3


def test_rows_of_a_user_who_is_not_packed_do_not_go(database: Database, conn: Connection) -> None:
    slices.load(database, Load(600, 3, Scene(AS_OF, 24, 3), lean=True, packed_only=True), threads=1, progress=quiet)
    conn.execute("DELETE FROM limits.packed_users WHERE user_id IN (5, 6)")
    conn.execute("UPDATE limits.users SET source = 'another' WHERE user_id = 7")  # marks the user
    with pytest.raises(LimitsError, match="3 users from 1 to 600 are not read from a packed row"):
        slices.drop_sources(conn, AS_OF, 1, 600)


def limits(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limits", "bench", "nightly", *arguments],
        env={**os.environ, **extra}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_whole_run_prints_its_figures_and_leaves_nothing(database: Database, conn: Connection, scratch: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="b-", dir=scratch))
    folder.chmod(0o711)
    # Whatever database, outbox and policy the person's settings name stay out of it.
    named = environment(make_settings(database_url=database.url, outbox=f"file:{folder}/outbox", policy="us"))
    done = limits("--users", "2000", "--sample", "10", "--json", TMPDIR=str(folder), **named)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= KEYS
    assert found["users"] == sum(found["decisions"].values()) == 2000
    assert found["decisions"]["raised"] and found["decisions"]["lowered"] and not found["decisions"]["quarantined"]
    assert {"plan", "apply", "finish"} <= set(found["stages"]) and sum(found["stages"].values()) > 0
    assert found["rereview_compared"] > 0 == found["rereview_different"]
    assert found["floor"]["limits_updated"] == found["decisions"]["raised"] + found["decisions"]["lowered"]
    assert list(folder.iterdir()) == []
    assert conn.execute("SELECT count(*) FROM limits.users").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sizes", "10000,x"), "write numbers of at least 500"),
        (("--sizes", "100"), "write numbers of at least 500"),
        (("--sizes", ""), "write numbers of at least 500"),
        (("--sizes", "1000,2000", "--users", "5000"), "--users and --sizes exclude each other"),
        (("--json", "--markdown"), "--json and --markdown exclude each other"),
        (("--as-of", "2999-01-01"), "must be before"),
        (("--users", "999999999"), "GB are needed"),
        (("--users", "999999999", "--packed-only"), "GB are needed"),
    ],
)
def test_bad_input_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = limits(*arguments)
    assert done.returncode != 0 and said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_a_disk_that_is_too_small_is_said_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="GB free"), home.home(10**18, keep=False):
        pass


@pytest.fixture
def ended_by_signals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As in the command: the first SIGTERM ends it, and others come too late. Folders are made in ``tmp_path``."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with bench._ended_by_signals():
        yield


@pytest.mark.usefixtures("ended_by_signals")
def test_a_signal_while_the_folder_is_removed_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        signal.raise_signal(signal.SIGTERM)
        remove(folder)

    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(SystemExit), home.home(0, keep=False) as folder:
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ended_by_signals")
def test_a_signal_while_the_server_starts_waits_and_then_stops_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    done = []

    @contextlib.contextmanager
    def server(settings: Settings) -> Iterator[None]:
        signal.raise_signal(signal.SIGTERM)
        done.append("started")
        yield
        signal.raise_signal(signal.SIGTERM)  # somebody is in a hurry
        done.append("stopped")

    monkeypatch.setattr(home, "open_database", server)
    with pytest.raises(SystemExit), home.database(settings):
        done.append("used")
    assert done == ["started", "stopped"]


def test_threads_end_when_one_of_them_fails() -> None:
    """Else whoever ends a run waits for minutes, and then does not wait."""
    failed = threading.Event()
    counted = []
    done = generator.Counter(10, lambda done, total: counted.append(done))

    def work(part: str) -> None:
        if part == "bad":
            failed.set()
            raise LimitsError("something else")
        assert failed.wait(10)
        for _ in range(1000):
            time.sleep(0.01)
            done.add(1)

    with pytest.raises(LimitsError, match="something else"):
        generator.in_threads(work, ["bad", "good"], done)
    assert len(counted) < 1000
