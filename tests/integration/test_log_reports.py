"""The standing reports find one of each, from what the entries hold, with the rights of an auditor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from limits import engine
from limits.cli.log_report import Name
from limits.settings import Settings
from limits.store import reports
from limits.store.db import Connection, Database, Role
from limits.store.reports import REPORTS, Result
from tests import builders
from tests.integration.test_reconciling import LOG, tamper

AS_OF = builders.AS_OF
TODAY = AS_OF + dt.timedelta(days=90)
RAISED, SILENT, HELD = 1, 3, 4
Login = Callable[[str, Role], Connection]


@pytest.fixture
def world(database: Database, settings: Settings, conn: Connection) -> Connection:
    """Two users are raised, one has nothing to forecast from, one is held where it is."""
    for user_id in (RAISED, 2):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    builders.add_user(conn, SILENT)
    builders.add_steady_user(conn, HELD, credit_limit=6_000_000)
    builders.refresh(conn)
    asked = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
    assert engine.work(database, settings, asked.review_id, worker="test").finished is not None
    return conn


def read(
    conn: Connection, name: str, *, since: dt.date | None = None, until: dt.date | None = None, limit: int = 20
) -> Result:
    (report,) = [one for one in REPORTS if one.name == name]
    return reports.run(conn, report, today=TODAY, since=since, until=until, limit=limit)


def test_the_command_knows_every_report() -> None:
    assert [name.value for name in Name] == [report.name for report in REPORTS]


def test_a_world_that_nobody_touched_has_none_that_must_be_none(world: Connection, login: Login) -> None:
    auditor = login("limits_test_auditor", "auditor")
    found = {report.name: read(auditor, report.name) for report in REPORTS}
    assert all(result.ok for result in found.values())
    assert {name: result.total for name, result in found.items() if result.report.must_be_none} == {
        "raises-without-income-evidence": 0, "ceiling-breaches": 0,
    }  # fmt: skip
    actions = world.execute("SELECT action FROM limits.adjustment_log ORDER BY user_id").fetchall()
    assert actions == [(1,), (1,), (0,), (0,)]


def test_notices_that_are_overdue(world: Connection) -> None:
    world.execute("DELETE FROM limits.notices")
    tamper(
        world,
        f"""INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
            SELECT entry_id, review_id, user_id, 'raised', as_of, as_of + user_id::int FROM {LOG} WHERE user_id <= 2""",
    )
    found = read(world, "overdue-notices")
    assert [(row["user_id"], row["days_late"]) for row in found.rows] == [(1, 89), (2, 88)]
    assert (found.total, found.ok) == (2, True)
    assert read(world, "overdue-notices", limit=1).total == 2, "all are counted"
    assert read(world, "overdue-notices", since=TODAY).total == 0
    tamper(world, "UPDATE limits.notices SET body = '{}', delivered_at = now(), delivered_to = 'x' WHERE user_id = 1")
    assert read(world, "overdue-notices").total == 1


@pytest.mark.parametrize(
    "change",
    ["capacity_method = 2", "capacity_method = 3", "capacity_method = 5", "months_observed = 2",
     "ceilings_minor[5] = NULL", "ceilings_minor[24] = 10000000", "ceilings_minor[26] = 10000000",
     "ceilings_minor[16] = 10000000", "ceilings_minor[17] = 10000000", "policy_hash = sha256('unreadable')"],
)  # fmt: skip
def test_raises_without_evidence_of_income(world: Connection, change: str) -> None:
    tamper(world, f"UPDATE {LOG} SET {change} WHERE user_id IN ({RAISED}, {HELD})")
    found = read(world, "raises-without-income-evidence")
    assert [row["user_id"] for row in found.rows] == [RAISED], "a hold needs no evidence"
    assert not found.ok
    (row,) = found.rows
    assert row["raised_to_minor"] > row["limit_before_minor"] == 300_000
    assert (row["months_asked_for"] is None) == change.startswith("policy")
    assert read(world, "raises-without-income-evidence", until=AS_OF - dt.timedelta(days=1)).ok


def test_raises_that_are_offered_need_evidence_too(world: Connection) -> None:
    offered = "disposition = 1, proposed_minor = limit_before_minor + 1, lowest_ceiling_minor = 90000000"
    tamper(world, f"UPDATE {LOG} SET {offered}, months_observed = 1 WHERE user_id = {HELD}")
    assert [row["user_id"] for row in read(world, "raises-without-income-evidence").rows] == [HELD]


def test_overrides_by_person(world: Connection) -> None:
    builders.add_override(world, RAISED, "hold", starts_on=TODAY, expires_on=TODAY + dt.timedelta(days=5))
    builders.add_override(world, RAISED, "cap", 5, state="rejected", checker="c h e c k e r")
    builders.add_override(world, 2, "cap", 5, state="proposed")
    builders.add_override(world, 2, "hold", starts_on=AS_OF, expires_on=TODAY)
    world.execute("UPDATE limits.overrides SET maker = 'Checker', checker = 'Mia' WHERE user_id = 2 AND kind = 'hold'")
    found = read(world, "overrides")
    wanted = ("person", "proposed", "approved", "rejected", "waiting", "in_force", "users", "decided")
    assert [tuple(row[key] for key in wanted) for row in found.rows] == [
        ("maker", 3, 1, 1, 1, 1, 2, 0),
        ("Checker", 1, 1, 0, 0, 0, 1, 2),
        ("Mia", 0, 0, 0, 0, 0, 0, 1),
    ]


@pytest.mark.parametrize(
    "change", ["ceilings_minor[1] = limit_after_minor - 1", "ceilings_minor = array_fill(NULL::bigint, ARRAY[52])"]
)
def test_a_raise_above_a_ceiling(world: Connection, change: str) -> None:
    tamper(world, f"UPDATE {LOG} SET {change} WHERE user_id IN ({RAISED}, {HELD})")
    found = read(world, "ceiling-breaches")
    assert [row["user_id"] for row in found.rows] == [RAISED], "whatever the entry says is the lowest"
    assert not found.ok


@pytest.mark.parametrize("by", ["entry", "change"])
def test_a_raise_that_waits_above_a_ceiling(world: Connection, by: str) -> None:
    above = "greatest((SELECT min(bound) FROM unnest(ceilings_minor) bound), limit_before_minor) + 1"
    entry = f"""UPDATE {LOG} SET disposition = 1, proposed_minor = {above}, lowest_ceiling_minor = 90000000
                 WHERE user_id = {HELD}"""
    change = f"""INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                                     proposed_minor, effective_on)
                 SELECT entry_id, review_id, user_id, 'offer', as_of, currency, limit_before_minor, {above}, as_of
                   FROM {LOG} WHERE user_id = {HELD}"""
    tamper(world, entry if by == "entry" else change)
    found = read(world, "ceiling-breaches")
    assert [row["user_id"] for row in found.rows] == [HELD]
    (row,) = found.rows
    assert row["raised_to_minor"] > row["ceiling_minor"]


def test_decisions_without_a_forecast(world: Connection) -> None:
    found = read(world, "model-fallback")
    (row,) = found.rows
    assert (row["review_id"], row["decisions"], row["decided"], row["schedule"]) == (1, 1, 4, "manual")
    assert row["capacity_method"] == "no_evidence"
    tamper(world, f"UPDATE {LOG} SET capacity_method = 5 WHERE user_id <= 2")
    assert [(one["capacity_method"], one["decisions"]) for one in read(world, "model-fallback").rows] == [
        ("no_evidence", 1), ("not_converged", 2),
    ]  # fmt: skip
    assert read(world, "model-fallback").ok, "an observation, and no fault"
