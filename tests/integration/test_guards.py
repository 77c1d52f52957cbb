"""Who may not: attacks on limits and log by the application's own roles, all refused by the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psycopg
import pytest

from limits.errors import PolicyError
from limits.store import policies
from limits.store.db import Connection, Database, Role
from tests import builders, invariants

ROLES: list[Role] = ["worker", "operations", "auditor"]
DECISION = builders.decision("""%(user)s, 500000, %(after)s, 0, %(binding)s, 0, %(ceilings)s::bigint[], %(lowest)s,
                                %(floor)s, 1, 1, 1, 0, 12, 0, NULL, NULL, 0, NULL, 0""")
APPLY = f"""
    SELECT * FROM limits.apply_decisions(%(review)s, 0, 1, 'test', %(currency)s, sha256('x'), sha256('m'),
                                         {builders.root(DECISION)}, ARRAY[{DECISION}])"""
HONEST = {
    "user": 1, "currency": builders.CURRENCY, "after": 600_000, "binding": 0, "ceilings": [600_000], "lowest": 600_000,
    "floor": 100_000,
}  # fmt: skip


@pytest.fixture
def review(conn: Connection) -> int:
    """A review that runs, with user 1 on its list and its shard leased; user 2 is not on it."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=500_000)
    body = "a policy"
    conn.execute(
        "INSERT INTO limits.policies VALUES (%s, 'p', '2020-01-01', %s, 'test')",
        (hashlib.sha256(body.encode()).digest(), body),
    )
    conn.execute(
        "SELECT limits.propose_policy(policy_hash, 'champion', 'mia', '') FROM limits.policies WHERE pack = 'p'"
    )
    conn.execute("SELECT limits.decide_policy(max(approval_id), 'approve', 'chen', '') FROM limits.policy_approvals")
    row = conn.execute(
        """INSERT INTO limits.reviews (kind, schedule, business_date, state, policy_hash, actor, users_total, stage,
                                       released_shards)
           SELECT 'scheduled', 'test', %s, 'running', policy_hash, 'test', 1, 'apply', 1
             FROM limits.policies WHERE pack = 'p'
           RETURNING review_id""",
        (builders.AS_OF,),
    ).fetchone()
    assert row is not None
    conn.execute(
        """INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total, state, token,
                                      leased_by, leased_until, stage, decided_at)
           VALUES (%s, 0, 1, 1, '{1}', 1, 'leased', 1, 'test', now() + interval '1 hour', 'apply', now())""",
        row,
    )
    builders.keep_snapshot(conn, row[0])
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (builders.AS_OF,))
    return int(row[0])


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    with database.connect("worker", "attack") as conn:
        yield conn


def apply(conn: Connection, review: int, **change: object) -> list[int]:
    rows = conn.execute(APPLY, {"review": review, **HONEST, **change}).fetchall()
    return [row[0] for row in rows]


def limits_of(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT limit_minor FROM limits.credit_lines ORDER BY user_id")]


def test_an_honest_decision_is_applied(conn: Connection, worker: Connection, review: int) -> None:
    assert apply(worker, review) == []
    assert limits_of(conn) == [600_000, 500_000]


@pytest.mark.parametrize(
    "change",
    [
        {"user": 2},
        {"after": 700_000, "lowest": 700_000},
        {"after": 700_000},
        {"ceilings": []},
        {"ceilings": [700_000, 600_000]},
        {"binding": 1},
        {"floor": -5},
        {"floor": 500_001},
        {"after": 50_000, "ceilings": [50_000], "lowest": 50_000},
    ],
    ids=str,
)
def test_a_decision_that_contradicts_itself_or_the_plan_is_refused(
    conn: Connection, worker: Connection, review: int, change: dict[str, object]
) -> None:
    with pytest.raises(psycopg.Error):
        apply(worker, review, **change)
    assert limits_of(conn) == [500_000, 500_000]
    invariants.check(conn)


def test_a_review_of_tomorrow_is_refused(conn: Connection, worker: Connection, review: int) -> None:
    conn.execute("UPDATE limits.reviews SET business_date = current_date + 2")
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', (current_date + 2)::date)")
    with pytest.raises(psycopg.Error, match="the calendar"):
        apply(worker, review)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.adjustment_log SET limit_after_minor = 1",
        "DELETE FROM limits.adjustment_log",
        "TRUNCATE limits.adjustment_log",
        "DELETE FROM limits.{partition}",
        "TRUNCATE limits.{partition}",
        "DROP TABLE limits.{partition}",
        "ALTER TABLE limits.adjustment_log DETACH PARTITION limits.{partition}",
        "INSERT INTO limits.adjustment_log (review_id) VALUES (1)",
        "UPDATE limits.credit_lines SET limit_minor = 1",
        "UPDATE limits.reviews SET policy_hash = sha256('x')",
        "UPDATE limits.shards SET user_ids = '{{1,2}}'",
        "DELETE FROM limits.outbox",
        "SET session_replication_role = replica",
        "SET ROLE limits_owner",
    ],
)
def test_the_roles_of_the_application_may_not(
    database: Database, conn: Connection, review: int, role: Role, statement: str
) -> None:
    # As a login that has the role and nothing else: a superuser who set the role could set another.
    conn.execute(
        "DO $$ BEGIN CREATE ROLE limits_test_intruder LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    conn.execute(f"GRANT limits_{role} TO limits_test_intruder")
    try:
        with database.connect("owner", "attack") as attack:
            attack.execute("SET SESSION AUTHORIZATION limits_test_intruder")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attack.execute(statement.format(partition=f"adjustment_log_{builders.AS_OF:%Y_%m}"))
    finally:
        conn.execute(f"REVOKE limits_{role} FROM limits_test_intruder")


def test_not_even_the_owner_changes_a_row_of_the_log(conn: Connection, worker: Connection, review: int) -> None:
    apply(worker, review)
    for statement in ("UPDATE limits.adjustment_log SET actor = 'x'", "DELETE FROM limits.adjustment_log",
                      f"TRUNCATE limits.adjustment_log_{builders.AS_OF:%Y_%m}"):  # fmt: skip
        with pytest.raises(psycopg.Error, match="append-only"):
            conn.execute(statement)
        with pytest.raises(psycopg.Error, match="append-only"), conn.transaction():
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute(statement)


@pytest.mark.parametrize(
    "trap",
    [
        """CREATE TEMP VIEW pg_class AS
               SELECT c.oid, pg_temp.evil() AS relname, c.relnamespace FROM pg_catalog.pg_class c;
           GRANT SELECT ON pg_temp.pg_class TO public""",
        "CREATE DOMAIN pg_temp.date AS pg_catalog.date CHECK (pg_temp.evil() IS NOT NULL)",
        "CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.evil() IS NOT NULL)",
        "CREATE DOMAIN pg_temp.regclass AS pg_catalog.regclass CHECK (pg_temp.evil() IS NOT NULL)",
    ],
)
def test_a_temporary_object_does_not_run_with_the_owners_rights(
    conn: Connection, worker: Connection, review: int, trap: str
) -> None:
    worker.execute(
        """CREATE FUNCTION pg_temp.evil() RETURNS name LANGUAGE plpgsql AS $$ BEGIN
               UPDATE limits.credit_lines SET limit_minor = 99; RETURN 'adjustment_log'; END $$"""
    )
    worker.execute(trap)
    worker.execute("SELECT limits.ensure_month('limits.adjustment_log', '2031-05-01')")
    assert limits_of(conn) == [500_000, 500_000]


def test_every_function_with_the_owners_rights_searches_temporary_objects_last(conn: Connection) -> None:
    rows = conn.execute(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'limits'::regnamespace"
    ).fetchall()
    assert rows
    for name, config in rows:
        paths = [setting for setting in config or [] if setting.startswith("search_path=")]
        assert paths and paths[0].endswith("pg_temp"), name


@pytest.mark.parametrize("month", ["2027-01-01 BC", "1899-12-31", "2200-01-01", "infinity", None])
def test_months_that_cannot_be_are_refused(worker: Connection, month: str | None) -> None:
    with pytest.raises(psycopg.Error, match="does not lie between"):
        worker.execute("SELECT limits.ensure_month('limits.adjustment_log', %s::date)", (month,))


def test_a_text_under_another_texts_hash_is_refused(conn: Connection, worker: Connection) -> None:
    genuine = hashlib.sha256(b"tomorrow").digest()
    with pytest.raises(psycopg.errors.CheckViolation):
        worker.execute("INSERT INTO limits.policies VALUES (%s, 'p', '2020-01-01', 'forged', 'x')", (genuine,))
    conn.execute("ALTER TABLE limits.policies DROP CONSTRAINT policies_check")
    conn.execute("INSERT INTO limits.policies VALUES (%s, 'p', '2020-01-01', 'forged', 'x')", (genuine,))
    with pytest.raises(PolicyError, match="another text than that hash"):
        policies.load_policy(conn, genuine)
