"""Reconciling and reporting from the command line, and by whoever is there after a worker was killed."""

from __future__ import annotations

import json

import pytest

from limits import engine
from limits.cli import doctor
from limits.settings import Settings
from limits.store import gates, reconciling
from limits.store.db import Connection, Database
from tasks.app import Context, StopFlag
from tasks.reconciler import Reconciler
from tests import builders
from tests.commands import answer, limits
from tests.integration.test_governance_cli import refused
from tests.integration.test_reconciling import review, tamper

AS_OF = builders.AS_OF


@pytest.fixture
def done(database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> str:
    """A review that is done, by a worker that did not live to reconcile it."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    builders.refresh(conn)
    with monkeypatch.context() as patched:
        patched.setattr("limits.engine.running.reconcile_owed", lambda conn: [])
        return str(review(database, settings, AS_OF).review_id)


def test_the_log_is_reconciled(settings: Settings, conn: Connection, done: str) -> None:
    assert limits(settings, "log", "reconcile").stdout == "all adds up: 2 users and 1 review\n"
    assert limits(settings, "log", "reconcile", "--user", "1").stdout == "all adds up: 1 user\n"
    assert answer(settings, "log", "reconcile", "--review", done) == {
        "ok": True, "users": 2, "reviews": 1, "mismatches": 0, "archives": [], "first": [],
    }  # fmt: skip
    assert "exclude each other" in refused(settings, "log", "reconcile", "--user", "1", "--review", done, code=2)
    assert "no review 99" in refused(settings, "log", "reconcile", "--review", "99", code=2)
    assert "no user 99" in refused(settings, "log", "reconcile", "--user", "99", code=2)
    tamper(conn, "UPDATE limits.credit_lines SET version = 4 WHERE user_id = 2")
    wrong = limits(settings, "log", "reconcile")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines() == [
        "1 thing does not add up, looking at 2 users and 1 review; amounts without a currency are in minor units",
        "  user 2: the version is 4, and the changes in the log are 1",
    ]
    told = limits(settings, "log", "reconcile", "--json")
    assert told.returncode == 1
    (first,) = json.loads(told.stdout)["first"]
    assert (first["what"], first["user_id"], first["said"], first["counted"]) == ("version", 2, 4, 1)


def test_a_review_says_whether_it_adds_up(settings: Settings, conn: Connection, done: str) -> None:
    assert "reconciled not yet" in limits(settings, "review", "show", done).stdout
    assert answer(settings, "review", "show", done)["reconciled"] == {
        "ok": None, "at": None, "mismatches": 0, "known": 0, "first": [],
    }  # fmt: skip
    assert reconciling.troubles(conn) == [], "it was over a moment ago"
    conn.execute("UPDATE limits.reconciliations SET owed_at = owed_at - interval '1 hour'")
    (late,) = doctor._reconciled(conn)
    assert late.state == "warn" and "nobody has reconciled it yet" in late.says
    conn.execute("UPDATE limits.credit_lines SET limit_minor = 5 WHERE user_id = 2")
    engine.reconcile_owed(conn)
    shown = limits(settings, "review", "show", done).stdout
    assert (
        "reconciled 1 thing does not add up, " in shown
        and "user 2: the limit is 0.05 CNY, and by the log it is " in shown
    )
    found = answer(settings, "review", "show", done)["reconciled"]
    assert (found["ok"], found["mismatches"], len(found["first"])) == (False, 1, 1)
    (wrong,) = doctor._reconciled(conn)
    assert wrong.state == "warn" and f"review {done} did not add up" in wrong.says and "user 2" in wrong.says
    assert limits(settings, "review", "run", "--as-of", str(AS_OF)).returncode == 1
    gates.set_switch(conn, False, actor="Bo", reason="known")
    conn.execute("ALTER TABLE limits.reconciliations DISABLE TRIGGER ALL")
    conn.execute("UPDATE limits.reconciliations SET ok = NULL, at = NULL, mismatches = 0, detail = ''")
    engine.reconcile_owed(conn)
    assert "all adds up but for 1 known before" in limits(settings, "review", "show", done).stdout
    (known,) = doctor._reconciled(conn)
    assert known.state == "warn" and "known before and let pass" in known.says


def test_the_scheduler_reconciles_what_a_worker_left(
    settings: Settings, database: Database, conn: Connection, done: str
) -> None:
    reconciler = Reconciler(Context(database, settings, "test", StopFlag()))
    try:
        reconciler.tick()
        reconciler.tick()
    finally:
        reconciler.close()
    found = reconciling.outcome(conn, int(done))
    assert found is not None and found.ok
    (fine,) = doctor._reconciled(conn)
    assert fine.state == "ok" and "added up, as reconciled when each was over; limits log reconcile looks" in fine.says
    assert not gates.switch(conn).engaged


def test_the_reports(settings: Settings, conn: Connection, done: str) -> None:
    shown = limits(settings, "log", "report")
    assert shown.returncode == 0, shown.stderr
    assert "Raises above a ceiling: 0" in shown.stdout and "Overrides by person: 0" in shown.stdout
    found = answer(settings, "log", "report")
    assert found["ok"] and found["reports"][0]["report"] == "overdue-notices"
    (one,) = answer(settings, "log", "report", "model-fallback")["reports"]
    assert (one["total"], one["must_be_none"]) == (0, False)
    tamper(conn, "UPDATE limits.adjustment_log_2026_06 SET months_observed = 1")
    wrong = limits(settings, "log", "report", "raises-without-income-evidence", "--limit", "1")
    assert wrong.returncode == 1
    title, heads, row = wrong.stdout.splitlines()
    assert title == "Raises without evidence of income: 2: must be none"
    assert dict(zip(heads.split("\t"), row.split("\t"), strict=True))["limit before"] == "3,000.00"
    assert "and 1 more" in wrong.stderr
    assert limits(settings, "log", "report").returncode == 1, "one of all"
    told = limits(settings, "log", "report", "--json")
    assert told.returncode == 1 and json.loads(told.stdout)["ok"] is False
    assert limits(settings, "log", "report", "--to", "2020-01-01").returncode == 0
    assert "lies after" in refused(settings, "log", "report", "--from", "2026-02-01", "--to", "2026-01-01", code=2)
    assert "overdue" in refused(settings, "log", "report", "nonsense", code=2)
