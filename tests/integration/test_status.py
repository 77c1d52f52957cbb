"""limits review status: each state of a review as it is made by the engine, and what the look says of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich.console

from limits import engine
from limits.cli import doctor
from limits.cli import status as shown
from limits.cli.working import environment
from limits.engine import gate, shards, standing
from limits.settings import Settings, make_settings
from limits.store import gates, reviews, status
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from limits.store.status import Look
from tests import builders
from tests.commands import answer, limits
from tests.integration.test_governance_cli import refused
from tests.packs import write_pack

AS_OF = builders.AS_OF
#: Users in shards of their own: the canary has two steps, of 1 and 2 shards, before all.
USERS = 12
UNIT = (2, "CNY")
WORKERS = ("worker:north:10", "worker:south:20")


@pytest.fixture
def settings(settings: Settings, database: Database) -> Settings:
    return make_settings(
        database_url=database.url, broker_url=None, home=settings.home, chunk_users=1, shard_users=1, concurrency=1,
        lease_seconds=600,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tests take turns with others, what was done a minute ago is lately."""
    monkeypatch.setattr(status, "LATELY_SECONDS", 600.0)


@pytest.fixture
def row(database: Database, settings: Settings, conn: Connection, tmp_path: Path) -> ReviewRow:
    for user_id in range(1, USERS + 1):
        builders.add_user(conn, user_id)
    builders.refresh(conn)
    policy = write_pack(conn, tmp_path)
    return engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=policy)


@pytest.fixture
def tripped(database: Database, settings: Settings, conn: Connection) -> ReviewRow:
    """A review that raises everybody, more than the standard policy's breakers let through."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    asked = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy="standard")
    engine.work(
        database, settings, asked.review_id, worker="north/1", seconds=600
    )  # the forecast may be compiled first
    return asked


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    with database.connect("operations", "limits test") as opened:
        yield opened


def beat(conn: Connection, *names: str, age: float = 0.0) -> None:
    for name in names:
        conn.execute(
            """INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at)
               VALUES (%s, 'worker', 'x', 1, clock_timestamp() - %s * interval '1 second')
               ON CONFLICT (worker) DO UPDATE SET heartbeat_at = EXCLUDED.heartbeat_at""",
            (name, age),
        )


def text(look: Look) -> str:
    return "\n".join(shown.lines_of(look, UNIT))


class Stopped(BaseException):
    """A worker that ends in the middle; nothing is to blame but the test."""


def work_until(
    database: Database, settings: Settings, row: ReviewRow, monkeypatch: pytest.MonkeyPatch, place: str, after: int,
    worker: str = "worker:north:10/11",
) -> None:  # fmt: skip
    """Works until a place was reached so often, and ends there as a killed worker would."""
    seen = 0

    def reached(name: str) -> None:
        nonlocal seen
        seen += name == place
        if seen > after:
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(shards, "reach", reached)
        with contextlib.suppress(Stopped):
            engine.work(database, settings, row.review_id, worker=worker, seconds=600)
    assert seen > after


# State by state ----------------------------------------------------------------------------------


def test_owed(ops: Connection, conn: Connection, row: ReviewRow) -> None:
    look = status.look(ops, row.review_id)
    assert (look.phase, look.row.users_total, look.seconds_left, look.rests) == ("owed", None, None, False)
    assert (look.deciding, look.applying) == (status.Pace(0, None, None), status.Pace(0, None, None))
    assert "Review 1 as of" in text(look) and text(look).split("\n")[0].endswith(": owed")
    assert "no worker is alive; start one: limits worker" in text(look)
    beat(conn, WORKERS[0])
    look = status.look(ops, row.review_id)
    assert "no worker is alive" not in text(look)
    assert [(one.worker, one.alive, one.shard) for one in look.workers] == [(WORKERS[0], True, None)]
    beat(conn, WORKERS[0], age=3600)
    assert status.look(ops, row.review_id).workers == []


def test_an_owed_review_names_the_one_it_waits_for(
    database: Database, settings: Settings, ops: Connection, conn: Connection, tripped: ReviewRow
) -> None:
    later = reviews.owe_review(
        ops, schedule="manual", business_date=AS_OF + dt.timedelta(days=1), policy_hash=tripped.policy_hash, actor="Ann"
    )
    look = status.look(ops, later.review_id)
    assert (look.row.waits_for, look.row.waits_for_state, look.rests) == (tripped.review_id, "held", True)
    assert f"review {tripped.review_id} of the same schedule, held" in text(look)
    assert status.under_way(ops, limit=5) == [tripped.review_id, later.review_id]
    assert status.under_way(ops, limit=1) == [tripped.review_id]


def test_deciding(
    database: Database, settings: Settings, ops: Connection, conn: Connection, row: ReviewRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    reviews.plan(conn, row.review_id, shard_users=1)
    assert standing.left_words(status.look(ops, row.review_id)) == "unknown: there is no rate yet"
    work_until(database, settings, row, monkeypatch, "decide.commit", 3)
    beat(conn, WORKERS[0])
    look = status.look(ops, row.review_id)
    found = look.row
    assert look.phase == "decide"
    assert (found.decide_pending, found.decide_leased, found.decide_done) == (USERS - 4, 1, 3)
    assert (found.apply_pending, found.apply_leased, found.apply_done) == (3, 0, 0)
    assert (found.decided, found.decided_lately, found.applied, found.extra_leases) == (3, 3, 0, 0)
    (worker,) = look.workers
    assert (worker.worker, worker.shard, worker.stage, worker.applied) == ("worker:north:10/11", 3, "decide", 0)
    assert worker.alive and not worker.lease_ran_out and worker.leased_at is not None
    assert (worker.decided, worker.decided_lately) == (3, 3)
    assert look.deciding.mean is not None and look.seconds_left is not None
    began = found.started_at
    assert began is not None
    assert look.deciding.mean == pytest.approx(3 / (found.seen_at - began).total_seconds())
    assert f"decided    3 of {USERS} users (25%)" in text(look)
    # Nobody goes on, and what was decided was decided long ago: the rate of then promises nothing.
    conn.execute("UPDATE limits.shards SET decided_at = decided_at - interval '1 hour', leased_until = now()")
    still = status.look(ops, row.review_id)
    assert (still.row.run_out, still.deciding.now, still.seconds_left) == (1, 0.0, None)
    assert standing.left_words(still) == "unknown: nothing moves"
    assert "1 ran out and wait for another worker" in text(still)
    assert "ran out at" in shown._worker_cells(still.workers[0], still)[-1]
    reviews.lease(conn, row.review_id, worker="worker:south:20/21", seconds=30)
    assert status.look(ops, row.review_id).row.extra_leases == 1, "the shard was taken over"


def test_at_the_gate(
    database: Database, settings: Settings, ops: Connection, conn: Connection, row: ReviewRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(gate, "advance", lambda *_: False)
    engine.work(database, settings, row.review_id, worker="a/1", seconds=600)
    look = status.look(ops, row.review_id)
    assert (look.phase, look.seconds_left, look.row.stage) == ("gate", None, "decide")
    assert standing.phase_words(look) == "running, decided, at the gate"
    assert (look.deciding.users, look.deciding.now) == (USERS, None)


def test_a_canary(
    database: Database, settings: Settings, ops: Connection, row: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_until(database, settings, row, monkeypatch, "apply.part", 1)
    look = status.look(ops, row.review_id)
    assert (look.phase, look.row.released_shards, look.row.shards) == ("apply", 2, USERS)
    assert standing.phase_words(look) == f"running, applying, 2 of {USERS} shards released (canary)"
    assert (look.row.decided, look.row.applied) == (USERS, 1)
    assert [event.what for event in look.events] == ["passed", "canary"]
    passed, canary = look.events
    later = [dt.timedelta(seconds=n) for n in (10, 3610, 3620)]
    held = dataclasses.replace(canary, what="held", at=passed.at + later[0])
    released = dataclasses.replace(canary, what="released", at=passed.at + later[1])
    seen = dataclasses.replace(look.row, seen_at=passed.at + later[2])
    paused = dataclasses.replace(look, row=seen, events=[passed, held, released])
    assert paused.applying.mean == pytest.approx(1 / 20), "the hour for which it was held does not count"


def test_applying_with_two_workers(
    database: Database, settings: Settings, ops: Connection, conn: Connection, row: ReviewRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Two are in the middle of a shard; a third of the same name went on after its lease had run out."""
    work_until(database, settings, row, monkeypatch, "apply.committed", 4)
    work_until(database, settings, row, monkeypatch, "apply.finished", 2, worker="worker:south:20/21")
    beat(conn, *WORKERS)
    look = status.look(ops, row.review_id)
    north, south = look.workers
    assert (north.worker, north.shard, north.stage, north.applied, north.shards_done) == (
        "worker:north:10/11", 4, "apply", 5, 4,
    )  # fmt: skip
    assert (north.shard_applied, north.shard_users) == (1, 1) and north.leased_at is not None
    assert (south.worker, south.shard, south.applied, south.shards_done) == ("worker:south:20/21", None, 3, 3)
    assert (look.row.applied, look.row.applied_lately) == (8, 8)
    assert (look.row.apply_leased, look.row.apply_done, look.row.apply_pending) == (1, 7, USERS - 8)
    assert look.seconds_left is not None and look.applying.now is not None
    assert look.seconds_left == pytest.approx((USERS - 8) / look.applying.now)
    assert "s of applying" in standing.left_words(look)
    assert 8 * look.row.decided_before_minor == USERS * look.row.applied_before_minor > 0
    found = standing.look_dict(look)
    assert [one["applied"] for one in found["workers"]] == [5, 3]
    assert found["workers"][0]["holds"]["shard"] == 4 and found["workers"][1]["holds"] is None
    assert [one["decided"] for one in found["workers"]] == [USERS, 0]
    assert found["workers"][0]["applied_per_second"] == 5 / status.LATELY_SECONDS
    # A worker that died: its heartbeat grows old, and what it applied of a shard taken over is nobody's.
    beat(conn, WORKERS[0], age=100)
    conn.execute("UPDATE limits.shards SET leased_until = now() - interval '1 minute' WHERE state = 'leased'")
    dead = status.look(ops, row.review_id).workers[0]
    assert (dead.alive, dead.lease_ran_out, dead.run_out) == (False, True, 1)
    assert "taken for dead" in shown._worker_cells(dead, look)[-2]
    assert reviews.lease(conn, row.review_id, worker="worker:south:20/21", seconds=600)
    after = {one.worker: (one.applied, one.shard) for one in status.look(ops, row.review_id).workers}
    assert after == {"worker:north:10/11": (4, None), "worker:south:20/21": (3, 4)}


def test_users_to_decide_again_are_counted(
    database: Database, settings: Settings, ops: Connection, conn: Connection, row: ReviewRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    work_until(database, settings, row, monkeypatch, "apply.part", 5)
    assert (status.look(ops, row.review_id).row.again, status.look(ops, row.review_id).row.meanwhile) == (0, 0)
    conn.execute("UPDATE limits.credit_lines SET limit_minor = 5, opening_limit_minor = 5 WHERE user_id = 6")
    conn.execute("UPDATE limits.shards SET leased_until = now() WHERE state = 'leased'")
    work_until(database, settings, row, monkeypatch, "again.decided", 0)
    look = status.look(ops, row.review_id)
    assert (look.row.again, look.row.applied, look.row.extra_leases) == (1, 5, 1)
    assert "1 user to be decided again" in text(look)


def test_held_released_done(
    database: Database, settings: Settings, ops: Connection, conn: Connection, tripped: ReviewRow
) -> None:
    look = status.look(ops, tripped.review_id)
    assert (look.row.state, look.rests, look.seconds_left) == ("held", True, None)
    said = text(look)
    assert "users raised: 100.00%, more than 50.00%" in said
    assert f"limits review release {tripped.review_id} --reason" in said
    assert "since      " in said and "by the gate" in said
    (finding,) = [one for one in doctor._reviews(conn) if "held" in one.says]
    assert f"limits review release {tripped.review_id} --reason" in finding.mend
    assert "users raised: 100.00%" in finding.says and finding.state == "warn"
    conn.execute("ALTER TABLE limits.gate_events DISABLE TRIGGER append_only_rows")
    conn.execute("UPDATE limits.gate_events SET at = at - interval '1 hour'")
    conn.execute("ALTER TABLE limits.gate_events ENABLE ALWAYS TRIGGER append_only_rows")
    gates.release(conn, tripped.review_id, actor="Bo", reason="looked at")
    engine.work(database, settings, tripped.review_id, worker="north/1", seconds=600)
    done = status.look(ops, tripped.review_id)
    assert (done.row.state, done.phase, done.rests, done.row.applied, done.row.raised) == ("done", "over", True, 2, 2)
    assert done.applying.now is None and done.applying.mean is not None
    assert done.applying.mean > 0.1, "the hour for which it was held does not count"
    assert "held" not in text(done).split("\n")[1]
    assert status.under_way(ops, limit=5) == [tripped.review_id], "the newest that is over"
    assert done.row.applied_after_minor > done.row.applied_before_minor
    assert [one.state for one in doctor._reviews(conn)] == ["ok"]


def test_failed_and_cancelled(ops: Connection, conn: Connection, row: ReviewRow) -> None:
    reviews.plan(conn, row.review_id, shard_users=1)
    reviews.fail(conn, row.review_id, "its policy was withdrawn")
    look = status.look(ops, row.review_id)
    assert (look.row.state, look.phase, look.rests) == ("failed", "over", True)
    assert "its policy was withdrawn" in text(look)
    assert f"limits review resume {row.review_id}" in text(look)
    gates.resume(conn, row.review_id, actor="Bo", reason="mended")
    gates.cancel(conn, row.review_id, actor="Bo", reason="a feed is missing")
    look = status.look(ops, row.review_id)
    assert (look.row.state, look.phase, look.row.again, look.seconds_left) == ("cancelled", "over", 0, None)
    assert "cancelled by Bo: a feed is missing" in text(look)
    assert "wait to be decided again" not in text(look)


def test_the_kill_switch(
    database: Database, settings: Settings, ops: Connection, conn: Connection, row: ReviewRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    work_until(database, settings, row, monkeypatch, "apply.part", 4)
    assert [one.check for one in doctor._switch(conn)] == []
    gates.set_switch(conn, True, actor="Ann", reason="limits go wrong")
    look = status.look(ops, row.review_id)
    assert look.stopped and not look.rests and look.seconds_left is None
    assert "the kill switch is engaged, nothing is applied; by Ann since" in text(look)
    assert "somebody else than Ann" in text(look) and "limits kill-switch off --reason" in text(look)
    assert standing.left_words(look) == "unknown, because the kill switch is engaged"
    assert standing.look_dict(look)["kill_switch"] == {"engaged": True, "actor": "Ann", "reason": "limits go wrong"}
    (finding,) = doctor._switch(conn)
    assert finding.state == "warn" and "by Ann" in finding.says and "limits go wrong" in finding.says
    assert "limits kill-switch off --reason" in finding.mend


def test_a_look_does_not_read_the_log(ops: Connection, row: ReviewRow) -> None:
    for name in ("review_status", "review_status_workers"):
        assert "adjustment_log" not in status.query(name)
    fields = {field.name for field in dataclasses.fields(status.StatusRow)}
    assert fields == {*vars(status.look(ops, row.review_id).row)}


# The command -------------------------------------------------------------------------------------


def test_the_command(settings: Settings, database: Database, conn: Connection, row: ReviewRow) -> None:
    assert limits(settings, "review", "status").stdout.startswith(f"Review {row.review_id} as of {AS_OF}: owed")
    engine.work(database, settings, row.review_id, worker="a/1", seconds=600)
    said = limits(settings, "review", "status", str(row.review_id)).stdout
    assert f"applied    {USERS} of {USERS} users (100%)" in said
    assert "a/1\t" in said, "piped, the workers are separated by tabs"
    (found,) = answer(settings, "review", "status")["reviews"]
    assert (found["state"], found["applied"]["users"], found["shards"]["apply"]["done"]) == ("done", USERS, USERS)
    assert "there is no review 99" in refused(settings, "review", "status", "99", code=2)
    assert "'x' is not a number" in refused(settings, "review", "status", "x", code=2)
    assert "'0' is not a number" in refused(settings, "review", "status", "0", code=2)
    assert "running" not in limits(settings, "review", "list").stdout


def test_without_a_review_it_says_how_to_run_one(settings: Settings) -> None:
    done = limits(settings, "review", "status")
    assert (done.returncode, done.stdout) == (0, "")
    assert "limits review run --as-of" in done.stderr
    assert answer(settings, "review", "status") == {"reviews": []}


def test_the_list_says_how_far(settings: Settings, conn: Connection, row: ReviewRow) -> None:
    reviews.plan(conn, row.review_id, shard_users=1)
    assert "\tdeciding\t" in limits(settings, "review", "list").stdout
    assert f"as of {AS_OF}: running, deciding" in limits(settings, "review", "show", str(row.review_id)).stdout
    conn.execute("UPDATE limits.shards SET stage = 'apply'")
    assert gate.advance(conn, row)
    assert "\tapplying\t" in limits(settings, "review", "list").stdout


def test_watching_ends_with_the_review(
    settings: Settings, database: Database, conn: Connection, row: ReviewRow
) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "limits", "review", "status", "--watch"],
        env=environment(settings), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith(f"review {row.review_id} as of {AS_OF}: owed")
    engine.work(database, settings, row.review_id, worker="a/1", seconds=600)
    rest, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert rest.rstrip().split("\n")[-1].startswith(f"review {row.review_id} as of {AS_OF}: done; decided {USERS}")
    found = limits(settings, "review", "status", "--watch", "--json")
    assert json.loads(found.stdout)["reviews"][0]["state"] == "done"


def test_watching_a_held_review_ends_at_once(settings: Settings, tripped: ReviewRow) -> None:
    seen = limits(settings, "review", "status", str(tripped.review_id), "--watch")
    assert seen.returncode == 1 and "held" in seen.stdout and seen.stdout.count("\n") == 1


def test_at_80_columns_nothing_is_cut(
    database: Database, settings: Settings, ops: Connection, row: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "worker:ip-10-20-30-40.eu-central-1.example:1234567/1234568"
    work_until(database, settings, row, monkeypatch, "apply.part", 1, worker=name)
    look = status.look(ops, row.review_id)
    busy = [dataclasses.replace(one, decided=123_456, applied=123_456, shard_users=20_000, shard_applied=8_123,
                                heartbeat_age_seconds=100.0, run_out=2) for one in look.workers]  # fmt: skip
    console = rich.console.Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(shown._drawn([dataclasses.replace(look, workers=busy)], [UNIT]))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]  (a StringIO)
    assert "\u2026" not in drawn, drawn
    lines = drawn[drawn.index("worker  ") :].splitlines()[2:]
    assert "".join(line[:15].strip() for line in lines) == name, drawn
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert "123,456" in drawn and "heartbeat" in drawn


def test_ctrl_c_ends_the_watching_alone(settings: Settings, ops: Connection, row: ReviewRow) -> None:
    """On a terminal, where the lines are drawn in place."""
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "limits", "review", "status", "--watch"],
        env=environment(settings) | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(theirs)
    said: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 65536):
                said.append(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until = time.monotonic() + 60
    while b"".join(said).count(b"owed") < 2:  # drawn twice
        assert time.monotonic() < until, said
        time.sleep(0.1)
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    assert (watching.returncode, errors) == (0, "no longer watched; the review goes on\n")
    assert b"\x1b[1A" in b"".join(said) or b"\x1b[2K" in b"".join(said), "in place"
    assert status.look(ops, row.review_id).row.state == "owed"
