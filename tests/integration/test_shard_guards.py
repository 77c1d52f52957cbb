"""Between deciding and applying: what one login alone cannot slip past the gate, whichever role it has."""

from __future__ import annotations

import psycopg
import pytest

from limits import engine
from limits.errors import DecidedTooLongAgo, PartDamaged
from limits.settings import Settings
from limits.store import gates, parts, policies, record, reviews
from limits.store.db import Connection, Database, Role
from limits.store.reviews import Lease, ReviewRow
from tests import builders, invariants
from tests.integration.test_gate import AS_OF, USERS, Login
from tests.integration.test_gate import held as held  # noqa: PLC0414 (the fixture)
from tests.integration.test_gate import users as users  # noqa: PLC0414 (the fixture)


def limits_of(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT limit_minor FROM limits.credit_lines ORDER BY user_id")]


BEFORE = [300_000 * user_id for user_id in range(1, USERS + 1)]


# Operations has no hand in it --------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids) VALUES (1, 99, 1, 1, '{1}')",
        "UPDATE limits.shards SET tally = '{}'",
        "UPDATE limits.shards SET state = 'done'",
        "UPDATE limits.shards SET decided_at = NULL",
        "UPDATE limits.shards SET decided_at = now()",
        "DELETE FROM limits.shard_parts",
        "INSERT INTO limits.shard_parts SELECT review_id, shard, 99, users, root, body FROM limits.shard_parts",
        "UPDATE limits.shard_parts SET body = ''",
        "DELETE FROM limits.shard_shadows",
        "UPDATE limits.shard_raises SET granted = NULL",
        "INSERT INTO limits.review_budgets VALUES (1, NULL, NULL, 0, 0, 0, 0, 0, 0)",
        "DELETE FROM limits.decided_meanwhile",
        "INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason) VALUES (1, 1, 'skipped', 'x')",
        "UPDATE limits.reviews SET state = 'done'",
        "UPDATE limits.reviews SET users_raised = 0",
        "SELECT limits.pass_gate(1, 'gate', '{}')",
        "SELECT limits.hold_review(1, 'gate', 'x', '{}')",
        "SELECT limits.end_recompute(1)",
        "SELECT limits.release_next(1)",
    ],
)
def test_operations_touches_nothing_that_was_decided(
    conn: Connection, held: ReviewRow, login: Login, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        login("limits_test_one", "operations").execute(statement.encode())


@pytest.mark.parametrize("role", ["worker", "operations"])
def test_no_review_of_a_user_is_made_by_hand(conn: Connection, login: Login, role: Role) -> None:
    """It would be behind the gate, with whoever it likes on its list."""
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    intruder = login("limits_test_one", role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        intruder.execute(
            """INSERT INTO limits.reviews (kind, business_date, state, policy_hash, actor, stage, released_shards)
               VALUES ('recompute', %s, 'running', %s, 'x', 'apply', 1)""",
            (AS_OF, policy_hash),
        )
    with pytest.raises(psycopg.Error, match="one of a user by"):
        intruder.execute(
            "INSERT INTO limits.reviews (kind, business_date, policy_hash, actor) VALUES ('recompute', %s, %s, 'x')",
            (AS_OF, policy_hash),
        )


@pytest.mark.parametrize("role", ["worker", "operations"])
def test_a_review_of_a_user_is_over_in_its_transaction_or_never_was(conn: Connection, login: Login, role: Role) -> None:
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    intruder = login("limits_test_one", role)
    with pytest.raises(psycopg.Error, match="not decided in one transaction") as refused:
        intruder.execute("SELECT limits.begin_recompute(1, %s, %s, 'x', 'x', 'x', NULL, NULL)", (AS_OF, policy_hash))
    assert refused.value.sqlstate == "LM003"
    assert reviews.list_reviews(conn, recomputes=True) == []


ROW = """{user}, {before}, 9000000, 0, 0, 0, ARRAY[9000000]::bigint[], 9000000, 0, 1, 1, 1, 0,
         12, 0, NULL, NULL, 0, NULL, 0"""
ONE = builders.decision(ROW.format(user=1, before=300_000))
OTHER = builders.decision(ROW.format(user=2, before=600_000))


@pytest.mark.parametrize(
    ("rows", "digest", "why"),
    [
        (f"ARRAY[{ONE}, {OTHER}]", "x", "about one user"),
        (f"ARRAY[{OTHER}]", "x", "contradicts itself, its plan"),
        (f"ARRAY[{ONE}]", "y", "is not kept"),
        ("'{}'", "x", "counts from 1"),
        ("NULL", "x", "counts from 1"),
        (f"ARRAY[ARRAY[{ONE}]]", "x", "counts from 1"),
        (f"('[2:2]=' || ARRAY[{ONE}]::text)::limits.decision_row[]", "x", "counts from 1"),
    ],
    ids=["two users", "another user", "no snapshot", "nobody", "null", "two dimensions", "from 2"],
)
def test_a_recompute_applies_one_decision_about_its_user(
    conn: Connection, login: Login, rows: str, digest: str, why: str
) -> None:
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    reviews.ensure_month(conn, AS_OF)
    intruder = login("limits_test_one", "operations")
    with pytest.raises(psycopg.Error, match=why) as refused, intruder.transaction():
        begun = intruder.execute(
            "SELECT limits.begin_recompute(1, %s, %s, 'x', 'x', 'x', NULL, NULL)", (AS_OF, policy_hash)
        ).fetchone()
        assert begun is not None
        builders.keep_snapshot(intruder, begun[0])
        intruder.execute(
            f"""SELECT * FROM limits.apply_decisions(%s, 0, 1, 'x', 'CNY', sha256(%s), sha256('m'), sha256('r'),
                                                     {rows})""".encode(),
            (begun[0], digest.encode()),
        )
    assert refused.value.sqlstate == "LM003"
    assert limits_of(conn) == BEFORE


@pytest.mark.parametrize(
    ("column", "value"),
    [("business_date", "infinity"), ("business_date", "9999-12-31"),
     ("schedule", ""), ("schedule", "x" * 101), ("schedule", "a\nb"), ("actor", ""), ("actor", "\u200b"),
     ("actor", "x" * 501), ("actor", "a\x1b[2J")],
)  # fmt: skip
def test_what_a_review_says_of_itself_can_be_shown(conn: Connection, login: Login, column: str, value: str) -> None:
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    told = {"schedule": "x", "business_date": AS_OF.isoformat(), "actor": "Ann", column: value}
    with pytest.raises(psycopg.DatabaseError, match=r"reviews_|has not come"):
        login("limits_test_one", "operations").execute(
            """INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor)
               VALUES ('scheduled', %(schedule)s, %(business_date)s, %(policy_hash)s, %(actor)s)""",
            {**told, "policy_hash": policy_hash},
        )


def test_who_may_only_read_keeps_nobody_waiting(
    database: Database, settings: Settings, conn: Connection, login: Login
) -> None:
    """What one does at a time is a row's lock, which takes more than the right to read it."""
    auditor = login("limits_test_one", "auditor")
    with auditor.transaction():
        for name in ("limits.refresh", "limits.review.finish"):
            auditor.execute("SELECT pg_advisory_lock(hashtextextended(%s, n)) FROM generate_series(0, 9) n", (name,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege), auditor.transaction():
            auditor.execute("SELECT FROM limits.turns FOR UPDATE")
        row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
        engine.work(database, settings, row.review_id, worker="test")
        assert reviews.get(conn, row.review_id).state == "done"


# A worker does with a shard what workers do ------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.shards SET tally = '{}'",
        "UPDATE limits.shards SET decided_at = now()",
        "UPDATE limits.shards SET snapshot_digest = sha256('x')",
        "UPDATE limits.shards SET stage = 'decide'",
        "UPDATE limits.shards SET state = 'done'",
        "UPDATE limits.shards SET token = token + 1",
        "UPDATE limits.shards SET state = 'leased'",
        """INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)
           SELECT review_id, 99, 1, 1, '{1}', 1 FROM limits.reviews""",
        "DELETE FROM limits.shard_parts",
        "INSERT INTO limits.shard_parts SELECT review_id, shard, 99, users, root, body FROM limits.shard_parts LIMIT 1",
    ],
)
def test_what_is_held_stays_as_it_was_decided(conn: Connection, held: ReviewRow, login: Login, statement: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        login("limits_test_one", "worker").execute(statement.encode())
    assert refused.value.sqlstate in ("LM021", "LM002")


def lease(conn: Connection, row: ReviewRow, seconds: float = 60) -> Lease:
    found = reviews.lease(conn, row.review_id, worker="test", seconds=seconds)
    assert found is not None
    return found


def test_a_shard_to_apply_is_not_done_before_its_users_are(conn: Connection, held: ReviewRow, login: Login) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    worker = login("limits_test_one", "worker")
    mine = lease(worker, held)
    for statement in ("UPDATE limits.shards SET state = 'done' WHERE shard = %s",
                      "UPDATE limits.shards SET tally = '{}' WHERE shard = %s",
                      "UPDATE limits.shards SET token = token + 1 WHERE shard = %s",
                      "UPDATE limits.shards SET leased_by = 'me' WHERE shard = %s"):  # fmt: skip
        with pytest.raises(psycopg.Error, match="cannot become") as refused:
            worker.execute(statement.encode(), (mine.shard,))
        assert refused.value.sqlstate == "LM021"
    assert reviews.extend(worker, mine, seconds=60)
    assert reviews.give_back(worker, mine)


def test_when_a_shard_was_decided_is_for_the_database_to_say(
    database: Database, settings: Settings, conn: Connection, login: Login
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
    worker = login("limits_test_one", "worker")
    assert reviews.plan(worker, row.review_id, shard_users=10) == "planned"
    mine = lease(worker, row)
    worker.execute(
        """UPDATE limits.shards SET state = 'pending', stage = 'apply', decided_at = '2099-01-01', decided_by = 'boss'
            WHERE review_id = %s AND shard = %s""",
        (row.review_id, mine.shard),
    )
    found = conn.execute(
        "SELECT decided_at <= clock_timestamp(), decided_by FROM limits.shards WHERE shard = %s", (mine.shard,)
    ).fetchone()
    assert found == (True, "test")


def test_what_nobody_knows_when_it_was_decided_is_not_applied(conn: Connection, held: ReviewRow) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    conn.execute("UPDATE limits.shards SET decided_at = NULL")
    mine = lease(conn, held)
    part = parts.take(conn, mine, 0)
    assert part is not None and mine.snapshot_digest is not None
    with pytest.raises(DecidedTooLongAgo, match="unknown time"):
        record.apply_decisions(
            conn, mine, part, currency="CNY", input_digest=mine.snapshot_digest, made_by=engine.made_by()
        )
    assert limits_of(conn) == BEFORE


@pytest.mark.parametrize(
    "change",
    [
        "body = overlay(body placing '\\xff' from length(body))",
        "body = substr(body, 1, 20)",
        "body = '\\xffffffffffffff7f' || substr(body, 9)",
        "body = ''",
        "root = sha256('x')",
        "users = users + 1",
    ],
)
def test_a_part_that_is_not_what_was_decided_is_not_applied(
    database: Database, settings: Settings, conn: Connection, held: ReviewRow, change: str
) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    conn.execute(f"UPDATE limits.shard_parts SET {change} WHERE shard = 0".encode())
    with conn.transaction(force_rollback=True), pytest.raises(PartDamaged, match="is damaged"):
        parts.take(conn, lease(conn, held), 0)
    assert engine.work(database, settings, held.review_id, worker="test").state == "waits"
    assert limits_of(conn) == BEFORE
    told = conn.execute("SELECT state, error FROM limits.shards WHERE shard = 0").fetchone()
    assert told is not None and told[0] == "pending" and "is damaged" in told[1]
    assert gates.cancel(conn, held.review_id, actor="Bo", reason="damaged")
    invariants.check(conn)


def test_a_lease_that_ran_out_takes_no_part(conn: Connection, held: ReviewRow, login: Login) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    worker = login("limits_test_one", "worker")
    mine = lease(worker, held, seconds=-1)
    with pytest.raises(psycopg.Error, match="what was decided stays as it is") as refused:
        parts.take(worker, mine, 0)
    assert refused.value.sqlstate == "LM002"
