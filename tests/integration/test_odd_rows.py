"""One odd row by one login stops nobody else's review, and moves no limit."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from limits import engine
from limits.entry import NONE
from limits.errors import ApprovalRefused
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import gates, policies, record, reviews, schedules
from limits.store.db import Connection, Database, Role
from limits.store.reviews import ReviewRow
from tests import builders, invariants

AS_OF = builders.AS_OF
Login = Callable[[str, Role], Connection]


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=500_000)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO limits.schedules (schedule, pack, run_at) VALUES ('s', 'standard', '24:00')",
        "INSERT INTO limits.schedules (schedule, pack, starts_on) VALUES ('s', 'standard', 'infinity')",
        "INSERT INTO limits.schedules (schedule, pack, holidays) VALUES ('s', 'standard', '{infinity}')",
        "INSERT INTO limits.schedules (schedule, pack) VALUES (repeat('s', 101), 'standard')",
        "INSERT INTO limits.schedules (schedule, pack) VALUES (E's\\n', 'standard')",
        """INSERT INTO limits.passed_dates (schedule, business_date, reason, detail, actor)
           VALUES ('nightly', '2040-01-01', 'latest', 'x', 'x')""",
        """INSERT INTO limits.passed_dates (schedule, business_date, reason, detail, actor)
           VALUES ('nightly', '-infinity', 'latest', 'x', 'x')""",
        """INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor)
           SELECT 'scheduled', 'nightly', current_date + 2, policy_hash, 'x' FROM limits.policies LIMIT 1""",
        "INSERT INTO limits.dirty_months (user_id, month) VALUES (1, 'infinity')",
        "INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at) VALUES ('x', 'worker', 'x', 1, 'infinity')",
        "INSERT INTO limits.snapshots (digest, as_of, users, bytes, body) VALUES (sha256('q'), 'infinity', 1, 1, 'x')",
        "INSERT INTO pgmq.q_limits (vt, message, read_ct) VALUES (now(), '{}', 2147483647)",
        "INSERT INTO pgmq.q_limits (vt, message, enqueued_at) VALUES (now(), '{}', 'infinity')",
        "UPDATE limits.turns SET turn = 'x' WHERE turn = 'finish'",
        "UPDATE limits.monthly_cash_flow SET inflow_minor = 900000000",
        "INSERT INTO limits.monthly_cash_flow (user_id, month) VALUES (1, '2026-01-01')",
        "DELETE FROM limits.dirty_months",
        """INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on,
                                            last_raise_on)
           VALUES (9, 'CNY', 1, 1, '2023-01-01', '2190-01-01')""",
        """INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on)
           VALUES (9, 'CNY', 77777, 1, '2023-01-01')""",
    ],
)
def test_what_nobody_of_operations_may_write(conn: Connection, login: Login, statement: str) -> None:
    policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    _add_schedule(conn)
    with pytest.raises(
        (psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation, psycopg.DatabaseError)
    ) as no:
        login("limits_test_one", "operations").execute(statement.encode())
    assert no.value.sqlstate in ("42501", "23514", "LM021", "LM003", "22007"), no.value


def test_when_a_process_was_heard_of_is_for_the_database_to_say(conn: Connection, login: Login) -> None:
    worker = login("limits_test_one", "worker")
    worker.execute("INSERT INTO limits.workers (worker, kind, host, pid) VALUES ('x', 'worker', 'x', 1)")
    worker.execute("UPDATE limits.workers SET heartbeat_at = '2099-01-01'")
    assert conn.execute("SELECT heartbeat_at < now() + interval '1 minute' FROM limits.workers").fetchone() == (True,)


def _add_schedule(conn: Connection) -> None:
    conn.execute(
        "INSERT INTO limits.schedules (schedule, pack, starts_on) VALUES ('nightly', 'standard', '2026-01-01')"
    )


def test_who_may_only_connect_keeps_no_review_from_being_owed(conn: Connection, login: Login) -> None:
    """An advisory lock can be taken and kept by anybody, so none is waited for."""
    _add_schedule(conn)
    stranger = login("limits_test_one", "console")
    worker = login("limits_test_two", "worker")
    worker.execute("SET lock_timeout = '2s'")
    stranger.execute("SELECT pg_advisory_lock(hashtextextended('limits.schedule nightly', 0))")
    schedule = schedules.get(conn, "nightly")
    owed = engine.owe_due(worker, schedule, now=schedules.now(conn), actor="scheduler")
    assert [row.schedule for row in owed.reviews] == ["nightly"]


def _ask(database: Database, settings: Settings, schedule: str = "nightly") -> ReviewRow:
    row = engine.request_review(
        database, settings, as_of=AS_OF, actor="scheduler", schedule=schedule, policy="standard"
    )
    engine.work(database, settings, row.review_id, worker="test")
    with database.connect("owner", "test") as conn:
        row = reviews.get(conn, row.review_id)
    assert row.state == "held"
    return row


def test_who_wrote_the_schedule_does_not_release_its_review(
    database: Database, settings: Settings, conn: Connection, login: Login
) -> None:
    mine, other = login("limits_test_one", "operations"), login("limits_test_two", "operations")
    _add_schedule(mine)
    row = _ask(database, settings)
    with pytest.raises(ApprovalRefused, match="schedule nightly was written on the login limits_test_one"):
        gates.release(mine, row.review_id, actor="Bo", reason="I say so")
    schedules.pause_schedule(other, "nightly", paused=True)  # who pauses it has written it
    with pytest.raises(ApprovalRefused, match="limits_test_two"):
        gates.release(other, row.review_id, actor="Bo", reason="I say so")
    gates.release(mine, row.review_id, actor="Bo", reason="looked at")


@pytest.mark.parametrize("news", ["fraud", "blocked"])
def test_who_turns_bad_while_a_review_is_held_is_not_raised(
    database: Database, settings: Settings, conn: Connection, news: str
) -> None:
    row = _ask(database, settings)
    if news == "fraud":
        conn.execute(
            """INSERT INTO limits.frauds (user_id, source, source_id, confirmed_on, digest)
               VALUES (1, 'x', '1', %s, 'x')""",
            (AS_OF,),
        )
    else:
        builders.add_profile(conn, 1, effective_on=AS_OF, status="blocked")
    gates.release(conn, row.review_id, actor="Bo", reason="x")
    while engine.work(database, settings, row.review_id, worker="test").state == "more":
        pass
    raised = conn.execute("SELECT user_id FROM limits.adjustment_log WHERE action > 0 ORDER BY 1").fetchall()
    assert (1,) not in raised
    invariants.check(conn)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.reviews SET error = 'all is fine, release me'",
        "UPDATE limits.reviews SET users_total = 1",
        "UPDATE limits.reviews SET started_at = 'infinity'",
        """UPDATE limits.shards SET state = 'leased', token = token + 1, leased_by = 'x',
                                    leased_until = now() + interval '1 hour'""",
        "INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason) VALUES (1, 1, 'skipped', 'x')",
    ],
)
def test_a_worker_leaves_a_held_review_alone(
    database: Database, settings: Settings, conn: Connection, login: Login, statement: str
) -> None:
    _ask(database, settings)
    with pytest.raises(psycopg.Error) as refused:
        login("limits_test_one", "worker").execute(statement.encode())
    assert refused.value.sqlstate in ("LM021", "LM002", "23514"), refused.value


def test_a_worker_puts_nobody_aside_whom_a_review_decided(
    database: Database, settings: Settings, conn: Connection, login: Login
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    with pytest.raises(psycopg.Error, match="put aside while their shard is worked on"):
        login("limits_test_one", "worker").execute(
            "INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason) VALUES (%s, 1, 'skipped', 'x')",
            (row.review_id,),
        )
    invariants.check(conn)


def test_a_lease_does_not_last_for_ever(database: Database, settings: Settings, conn: Connection, login: Login) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
    worker = login("limits_test_one", "worker")
    reviews.plan(worker, row.review_id, shard_users=10)
    for until in ("'infinity'", "now() + interval '2 days'"):
        with pytest.raises(psycopg.Error, match=r"cannot become|shards_times"):
            worker.execute(
                f"""UPDATE limits.shards SET state = 'leased', token = token + 1, leased_by = 'x',
                           leased_until = {until} WHERE shard = 0""".encode()
            )


def test_what_the_database_refuses_is_said_and_tried_again(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that no rule foresaw: the shard is free at once for whoever has mended it, and the status says why."""
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")

    def refuse(*_: object, **__: object) -> list[int]:
        raise psycopg.errors.NumericValueOutOfRange("bigint out of range")

    with monkeypatch.context() as broken:
        broken.setattr(record, "apply_decisions", refuse)
        assert engine.work(database, settings, row.review_id, worker="test").state == "waits"
    told = conn.execute("SELECT state, error FROM limits.shards WHERE error IS NOT NULL").fetchall()
    assert told == [("pending", "NumericValueOutOfRange: bigint out of range")]
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None
    invariants.check(conn)


ROW = """1, 500000, {after}, 0, {binding}, {bits}, {ceilings}::bigint[], {after}, 0, {p10}, {p50}, 1, {method},
         {months}, 0, NULL, NULL, 0, NULL, {consent}"""
HONEST = {
    "after": 600_000, "binding": 0, "bits": 0, "ceilings": "'{600000}'", "p10": 1, "p50": 1, "method": 0, "months": 12,
    "consent": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"after": 10**15 + 1, "ceilings": f"'{{{10**15 + 1}}}'"},
        {"binding": 4, "ceilings": "'[5:5]={600000}'"},
        {"binding": -1, "ceilings": "'[0:0]={600000}'"},
        {"bits": -1},
        {"method": 99},
        {"months": 9999},
        {"ceilings": "'{{600000}}'"},
        {"bits": 1 << len(Reason)},
        {"ceilings": f"array_fill(600000::bigint, ARRAY[{len(Reason) + 1}])"},
        {"p10": f"'{NONE}'::bigint"},
        {"p50": f"'{NONE}'::bigint"},
    ],
    ids=str,
)
def test_a_decision_says_nothing_that_the_product_does_not_know(
    conn: Connection, login: Login, change: dict[str, object]
) -> None:
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    reviews.ensure_month(conn, AS_OF)
    one = login("limits_test_one", "operations")

    def decide(number: int, row: str) -> None:
        with one.transaction():
            begun = one.execute(
                "SELECT limits.begin_recompute(1, %s, %s, 'x', 'x', %s, NULL, NULL)", (AS_OF, policy_hash, str(number))
            ).fetchone()
            assert begun is not None
            builders.keep_snapshot(one, begun[0])
            made = builders.decision(row)
            one.execute(
                f"""SELECT * FROM limits.apply_decisions(%s, 0, 1, 'x', 'CNY', sha256('x'), sha256('m'),
                                                         {builders.root(made)}, ARRAY[{made}])""".encode(),
                begun,
            )

    with pytest.raises(psycopg.Error, match="contradicts itself") as refused:
        decide(1, ROW.format(**(HONEST | change)))
    assert refused.value.sqlstate == "LM003"
    every = {"bits": (1 << len(Reason)) - 1, "ceilings": f"array_fill(600000::bigint, ARRAY[{len(Reason)}])"}
    decide(2, ROW.format(**(HONEST | every)))
    invariants.check(conn)
