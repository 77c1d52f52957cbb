"""What the one function that changes limits asks of its caller: who it is, how it sees, and what it says of itself."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from limits import engine
from limits.settings import Settings
from limits.store import gates, policies, reviews
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tests import builders, invariants
from tests.integration.test_gate import AS_OF, Login
from tests.integration.test_gate import held as held  # noqa: PLC0414 (the fixture)
from tests.integration.test_gate import users as users  # noqa: PLC0414 (the fixture)
from tests.integration.test_shard_guards import BEFORE, ONE, lease, limits_of


def apply(
    conn: Connection,
    review_id: int,
    *,
    token: int = 1,
    digest: bytes | None = None,
    code: str = "'x'",
    model: str = "sha256('m')",
    root: LiteralString = builders.root(ONE),
) -> None:
    """A decision that raises user 1 thirtyfold, as somebody hands it in who speaks SQL; digest None: of a recompute."""
    digest = builders.keep_snapshot(conn, review_id) if digest is None else digest
    conn.execute(
        f"SELECT * FROM limits.apply_decisions(%s, 0, %s, {code}, 'CNY', %s, {model}, {root}, ARRAY[{ONE}])".encode(),
        (review_id, token, digest),
    )


def begin(conn: Connection) -> int:
    """A review of user 1 alone, which the caller's transaction has to end."""
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    found = conn.execute(
        "SELECT limits.begin_recompute(1, %s, %s, 'x', 'x', 'x', NULL, NULL)", (AS_OF, policy_hash)
    ).fetchone()
    assert found is not None
    return int(found[0])


def test_operations_applies_nothing_of_a_review_of_a_schedule(
    database: Database, settings: Settings, conn: Connection, held: ReviewRow, login: Login
) -> None:
    """The token of a lease can be read, so who holds the lease has to be a worker too."""
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    worker, thief = login("limits_test_two", "worker"), login("limits_test_one", "operations")
    mine = lease(worker, held)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="limits_test_one is no worker"):
        apply(thief, held.review_id, token=mine.token, digest=mine.snapshot_digest)
    assert limits_of(conn) == BEFORE
    assert reviews.give_back(worker, mine)
    assert engine.work(database, settings, held.review_id, worker="test").finished is not None
    invariants.check(conn)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_nothing_is_applied_on_what_was_true_when_a_transaction_began(
    conn: Connection, login: Login, level: LiteralString
) -> None:
    """The user took back the consent to raises since; the caller's one snapshot does not show it."""
    reviews.ensure_month(conn, AS_OF)
    one = login("limits_test_one", "operations")
    with pytest.raises(psycopg.Error, match="read committed, and this one is") as refused, one.transaction():
        one.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        one.execute("SELECT FROM limits.reviews")
        conn.execute("SELECT limits.set_consent(1, 'raises', 'withdrawn', %s, 'Max', 'called')", (AS_OF,))
        apply(one, begin(one))
    assert refused.value.sqlstate == "LM003"
    assert limits_of(conn) == BEFORE


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"root": "sha256('r')"}, "the root is not that of the entry"),
        ({"root": "NULL"}, "the root is not that of the entry"),
        ({"model": "NULL"}, "digest of the model"),
        ({"model": "'m'"}, "digest of the model"),
        ({"code": "NULL"}, "version of the code"),
        ({"code": "''"}, "version of the code"),
        ({"code": "repeat('x', 201)"}, "version of the code"),
        ({"code": r"E'a\x1b[2J'"}, "version of the code"),
    ],
    ids=str,
)
def test_the_record_of_one_decision_is_one_that_can_be_signed(
    conn: Connection, login: Login, said: dict[str, LiteralString], why: str
) -> None:
    """A batch that no sealer can sign stays in the log for ever, and the log never verifies again."""
    reviews.ensure_month(conn, AS_OF)
    one = login("limits_test_one", "operations")
    with pytest.raises(psycopg.Error, match=why) as refused, one.transaction():
        apply(one, begin(one), **said)  # type: ignore[arg-type]
    assert refused.value.sqlstate == "LM003"
    assert limits_of(conn) == BEFORE
    with one.transaction():
        apply(one, begin(one))
    invariants.check(conn)


ASIDE = "INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason) VALUES (%s, 1, 'skipped', 'x')"


def test_who_was_put_aside_is_not_applied_as_well(conn: Connection, held: ReviewRow, login: Login) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    worker = login("limits_test_two", "worker")
    mine = lease(worker, held)
    worker.execute(ASIDE, (held.review_id,))
    with pytest.raises(psycopg.Error, match="contradicts itself") as refused:
        apply(worker, held.review_id, token=mine.token, digest=mine.snapshot_digest)
    assert refused.value.sqlstate == "LM003"
    assert limits_of(conn) == BEFORE


def test_who_is_being_applied_is_not_put_aside_as_well(conn: Connection, held: ReviewRow, login: Login) -> None:
    """Neither of two transactions sees what the other is about to commit, so one waits for the shard."""
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    worker, other = login("limits_test_two", "worker"), login("limits_test_two", "worker")
    mine = lease(worker, held)
    with worker.transaction():
        apply(worker, held.review_id, token=mine.token, digest=mine.snapshot_digest)
        other.execute("SET lock_timeout = '0.5s'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(ASIDE, (held.review_id,))
    with pytest.raises(psycopg.Error, match="before they are decided"):
        other.execute(ASIDE, (held.review_id,))
    invariants.check(conn)
