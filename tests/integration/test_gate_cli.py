"""Held reviews and the kill switch from the command line."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.engine import story
from limits.money import money
from limits.settings import Settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database
from limits.store.status import Unapplied
from tests import builders, governance
from tests.commands import answer, limits
from tests.integration.test_governance_cli import refused
from tests.packs import write_pack

SWITCH = ("kill-switch",)


@pytest.fixture
def held(database: Database, settings: Settings, conn: Connection) -> str:
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", policy="standard")
    engine.work(database, settings, row.review_id, worker="test")
    return str(row.review_id)


def test_a_held_review_says_why_and_what_to_do(settings: Settings, conn: Connection, held: str) -> None:
    shown = limits(settings, "review", "show", held).stdout
    assert "held       users raised: 100.00%, more than 50.00%" in shown
    assert f"limits review release {held} --reason" in shown
    assert "since" in shown
    found = answer(settings, "review", "show", held)
    assert (found["state"], found["gate"][0]["what"], found["gate"][0]["figures"]["raised"]) == ("held", "held", 2)
    seen = limits(settings, "review", "run", "--as-of", str(builders.AS_OF), "--policy", "standard")
    assert seen.returncode == 1, "it waits for nobody"
    assert "held" in seen.stdout
    why = ("--reason", "x", "--actor")
    assert "asked for by Ann, so somebody else" in refused(settings, "review", "release", held, *why, "ann")
    assert answer(settings, "review", "release", held, *why, "Bo")["state"] == "running"
    assert "is running and not held" in refused(settings, "review", "release", held, *why, "Bo")
    assert "did not fail" not in limits(settings, "review", "resume", held, "--actor", "Bo").stderr
    assert answer(settings, "review", "cancel", held, *why, "Bo")["state"] == "cancelled"
    assert answer(settings, "review", "cancel", held, *why, "Bo")["changed"] is False
    assert "there is no review 99" in refused(settings, "review", "cancel", "99", *why, "Bo", code=2)
    assert reviews.get(conn, int(held)).state == "cancelled"


def test_an_entry_says_who_approved_its_policy_and_who_released_its_review(
    database: Database, settings: Settings, conn: Connection, held: str
) -> None:
    assert answer(settings, "review", "release", held, "--reason", "looked at", "--actor", "Bo")["state"] == "running"
    engine.work(database, settings, int(held), worker="test")
    entry, approved = conn.execute(
        """SELECT max(l.entry_id), max(a.decided_at) FROM limits.adjustment_log l
             JOIN limits.policy_approvals a USING (policy_hash)"""
    ).fetchone() or (0, None)
    # Approved once more after the entry was made: that is not what it stood on.
    conn.execute(
        "UPDATE limits.policy_approvals SET state = 'withdrawn', withdrawn_by = 'x', withdrawn_at = clock_timestamp()"
    )
    conn.execute(
        """INSERT INTO limits.policy_approvals (policy_hash, role, state, maker, reason, checker, decided_at)
           SELECT policy_hash, 'champion', 'approved', 'Late', 'x', 'Later', clock_timestamp()
             FROM limits.adjustment_log LIMIT 1"""
    )
    told = answer(settings, "log", "show", str(entry))["consents"]
    assert [(one["what"], one["actor"]) for one in told] == [
        ("proposed", governance.MAKER), ("approved", governance.CHECKER), ("released", "Bo")
    ]  # fmt: skip
    assert told[1]["at"] == approved.isoformat() and told[2]["reason"] == "looked at"
    shown = limits(settings, "log", "show", str(entry)).stdout
    assert f"  Approval   policy proposed by {governance.MAKER} (connected as " in shown
    assert "review released by Bo (connected as " in shown and " UTC: looked at\n" in shown
    assert "审查由 Bo（连接身份" in limits(settings, "log", "show", str(entry), "--lang", "zh").stdout


def test_the_kill_switch(settings: Settings, database: Database) -> None:
    assert answer(settings, *SWITCH, "status") == {"engaged": False, "actor": None, "reason": "", "turns": []}
    on = answer(settings, *SWITCH, "on", "--reason", "limits go wrong", "--actor", "Ann")
    assert (on["engaged"], on["changed"], on["turns"][0]["actor"]) == (True, True, "Ann")
    assert "engaged by Ann, so somebody else" in refused(settings, *SWITCH, "off", "--reason", "x", "--actor", "Ann")
    assert "engaged: nothing is applied" in limits(settings, *SWITCH, "status").stdout
    off = answer(settings, *SWITCH, "off", "--reason", "mended", "--actor", "Bo")
    assert (off["engaged"], [turn["reason"] for turn in off["turns"]]) == (False, ["mended", "limits go wrong"])


def test_the_kill_switch_says_whom_it_waits_for(settings: Settings, database: Database, conn: Connection) -> None:
    """A transaction that applied something and does not end."""
    with contextlib.suppress(psycopg.errors.AdminShutdown), database.connect("owner", "sleeps") as sleeper:
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT engaged FROM limits.kill_switch FOR SHARE")
        pid = sleeper.info.backend_pid

        def end() -> None:
            waits = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
            until = time.monotonic() + 60
            while conn.execute(waits.encode(), (pid,)).fetchone() == (0,) and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(3)
            conn.execute("SELECT pg_terminate_backend(%s)", (pid,))

        ending = threading.Thread(target=end)
        ending.start()
        made = limits(settings, *SWITCH, "on", "--reason", "x", "--actor", "Ann")
        ending.join()
        assert made.returncode == 0
        assert made.stderr.count(f"(process {pid}, sleeps) that holds the switch") == 1
        assert f"pg_terminate_backend({pid})" in made.stderr


def test_who_releases_sees_what_that_lets_through(
    settings: Settings, database: Database, conn: Connection, held: str
) -> None:
    found = answer(settings, "review", "show", held)["decided_not_applied"]
    assert (found["users"], found["raised"], found["held"], found["lowered"], found["waiting"]) == (2, 2, 0, 0, 0)
    before, after = found["exposure_before_minor"], found["exposure_after_minor"]
    assert before == 600_000 < after == found["exposure_wished_minor"]
    shown = limits(settings, "review", "show", held).stdout
    assert "decided    2 users in 2 shards, not applied: 2 raised, 0 held, 0 lowered\n" in shown
    assert f"their limits: 6,000.00 CNY before, {money(after, 2, 'CNY')} after\n" in shown
    status = limits(settings, "review", "status", held).stdout
    assert ": 2 to be raised, 0 lowered" in next(line for line in status.splitlines() if "decided   " in line)
    (seen,) = answer(settings, "review", "status", held)["reviews"]
    assert seen["decided_counts"] == {"raised": 2, "lowered": 0, "waiting": 0}
    assert seen["exposure"]["decided_wished_minor"] == after
    gates.release(conn, int(held), actor="Bo", reason="looked at")
    engine.work(database, settings, int(held), worker="test")
    assert answer(settings, "review", "show", held)["decided_not_applied"]["users"] == 0
    assert "not applied" not in limits(settings, "review", "show", held).stdout


def test_a_held_review_with_a_budget_says_that_the_budget_leaves_less(
    settings: Settings, database: Database, conn: Connection, tmp_path: Path
) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    pack = write_pack(
        conn, tmp_path, breakers__raised_bps="1000", breakers__population_bps="10000\n\n[budget]\nexposure_bps = 500"
    )
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", policy=pack)
    engine.work(database, settings, row.review_id, worker="test")
    assert reviews.get(conn, row.review_id).state == "held"
    for command in ("show", "status"):
        shown = limits(settings, "review", command, str(row.review_id)).stdout
        assert " after; before the budget, which leaves less of the raises\n" in shown, shown
        assert "budget     raises of " in shown
    (seen,) = answer(settings, "review", "status", str(row.review_id))["reviews"]
    assert seen["budget"]["users_cut"] > 0


def test_what_waits_is_apart_in_what_a_release_lets_through() -> None:
    some = Unapplied(1, 10, 3, 2, 1, 1, 0, 1000, 1500, 1900)
    counts, sums = story.unapplied_lines(some, (2, "CNY"))
    assert counts.endswith("3 raised, 4 held, 2 lowered; 1 of these changes are offered or announced")
    assert sums == "their limits: 10.00 CNY before, 15.00 CNY after, 19.00 CNY with what is offered or announced"


def test_what_happened_to_a_review_is_told_in_order(
    settings: Settings, database: Database, conn: Connection, held: str
) -> None:
    gates.release(conn, int(held), actor="Bo", reason="the feed was late")
    engine.work(database, settings, int(held), worker="test")
    shown = limits(settings, "review", "show", held).stdout
    told = shown[shown.index("what happened") : shown.index("lowest ceiling")].splitlines()[1:]
    events = [line for line in told if "UTC  " in line]
    assert [line.split("UTC  ")[1].split(":")[0] for line in events] == [
        "asked for by Ann", "begun", "held by gate", "released by Bo (login limits)",
        "canary compared, goes on by gate", "done",
    ]  # fmt: skip
    assert [line.split("UTC")[0] for line in events] == sorted(line.split("UTC")[0] for line in events)
    assert "held by gate: users raised: 100.00%, more than 50.00%" in events[2]
    assert "released by Bo (login limits): the feed was late" in events[3]
    figures = told[told.index(events[2]) + 1]
    assert "2 users: 2 raised, 0 lowered, 0 quarantined, 0 without a forecast; exposure 6,000.00 CNY before" in figures


def test_a_budget_says_what_it_left(settings: Settings, database: Database, conn: Connection, tmp_path: Path) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    pack = write_pack(conn, tmp_path, breakers__population_bps="10000\n\n[budget]\nexposure_bps = 500")
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", policy=pack)
    engine.work(database, settings, row.review_id, worker="test")
    kept = gates.budget(conn, row.review_id)
    assert kept is not None and kept.users_cut > 0
    found = answer(settings, "review", "show", str(row.review_id))["budget"]
    assert (found["wished_minor"], found["granted_minor"]) == (kept.wished_minor, kept.granted_minor)
    assert (found["users"], found["users_cut"], found["exposure_minor"]) == (3, kept.users_cut, 90_000)
    assert found["price"] == (None if kept.price == float("inf") else kept.price)
    shown = limits(settings, "review", "show", str(row.review_id)).stdout
    wished, granted = (money(n, 2, "CNY") for n in (kept.wished_minor, kept.granted_minor))
    assert f"budget     raises of {wished} wished, {granted} granted; {kept.users_cut} of 3 users get less" in shown
    assert "bound: exposure 900.00 CNY" in shown


def test_a_dry_run_says_what_the_gate_would_do(settings: Settings, conn: Connection, tmp_path: Path) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    tight = write_pack(
        conn,
        tmp_path,
        breakers__exposure_up_bps="100",
        breakers__population_bps="10000\n\n[budget]\nexposure_bps = 500",
    )
    call = ("review", "run", "--as-of", str(builders.AS_OF), "--dry-run", "--policy")
    found = answer(settings, *call, tight)
    assert (found["foreseen"]["held"], found["foreseen"]["breakers"]) == (True, ["exposure_up"])
    assert found["budget"]["exposure_minor"] == 90_000 >= found["budget"]["granted_minor"]
    assert found["foreseen"]["figures"]["exposure_after"] == 1_800_000 + found["budget"]["granted_minor"]
    shown = limits(settings, *call, tight).stdout
    assert "gate       would hold it: exposure grows: " in shown
    assert "budget     raises of " in shown
    assert "those before it; the gate looks at what it leaves" in shown
    assert "gate       would let it through\n" in limits(settings, *call, settings.policy).stdout


def test_a_budget_without_room_has_no_price() -> None:
    nothing = gates.BudgetRow(0, None, 500, 0, 2, 2, float("inf"), 1.0)
    assert story.budget_line(nothing, (2, "CNY")).endswith("bound: exposure 0.00 CNY; nobody gets all")
    found = story.budget_dict(nothing)
    assert found is not None and found["price"] is None, "JSON has no word for infinity"


def test_a_canary_that_differs_says_its_figures() -> None:
    canary = {
        "shards": 1, "leases": 4, "decided_users": 20, "users": 18, "renewed": 3, "aside": 1, "decided_change": 500,
        "change": 400, "budgeted": 0,
    }  # fmt: skip
    assert story.figures_in_words(canary, (2, "CNY")) == (
        "1 shard: 20 users decided, 18 applied, 3 decided again, 1 put aside; limits changed by 4.00 CNY, decided "
        "5.00 CNY; 4 leases more than needed"
    )
    assert story.figures_in_words({}, (2, "CNY")) == "", "decided too long ago: nothing was counted"
