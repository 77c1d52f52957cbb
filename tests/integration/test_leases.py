"""The fencing token: whoever lost a lease writes nothing, whatever it believes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from limits import engine
from limits.engine import gate, shards
from limits.engine.deciding import decide_users, made_by
from limits.engine.lease import LeaseKeeper
from limits.errors import LeaseLost, ReviewRefused
from limits.policy import parse_policy
from limits.settings import Settings
from limits.store import policies, record, reviews, rows, snapshots
from limits.store.db import Connection, Database
from limits.store.reviews import Lease, ReviewException, ReviewRow
from tests import builders, invariants

AS_OF = builders.AS_OF


@pytest.fixture
def asked(database: Database, settings: Settings, conn: Connection) -> ReviewRow:
    """A review of three users that was asked for."""
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    return engine.request_review(database, settings, as_of=AS_OF, actor="test")


@pytest.fixture
def row(conn: Connection, asked: ReviewRow) -> ReviewRow:
    """The review, planned as one shard."""
    reviews.plan(conn, asked.review_id, shard_users=1000)
    conn.execute("UPDATE limits.shards SET user_ids = '{1,2,3}', user_from = 1, user_to = 3, users_total = 3")
    conn.execute("DELETE FROM limits.shards WHERE shard > 0")
    conn.execute("UPDATE limits.shards SET stage = 'apply', decided_at = clock_timestamp()")
    assert gate.advance(conn, asked)
    return reviews.get(conn, asked.review_id)


def take(conn: Connection, row: ReviewRow) -> Lease:
    lease = reviews.lease(conn, row.review_id, worker="test", seconds=30)
    assert lease is not None
    return lease


def run_out(conn: Connection) -> None:
    conn.execute("UPDATE limits.shards SET leased_until = clock_timestamp() - interval '1 second'")


def apply(conn: Connection, row: ReviewRow, lease: Lease) -> list[int]:
    policy = parse_policy(policies.load_policy(conn, row.policy_hash), file="test")
    decided = decide_users(conn, policy, AS_OF, [1, 2, 3])
    with conn.transaction():
        return record.apply_decisions(
            conn,
            lease,
            rows.encode(decided.portfolio, decided.decisions, decided.dispositions),
            currency=policy.currency,
            input_digest=snapshots.store(conn, lease.review_id, lease.shard, decided.portfolio),
            made_by=made_by(),
        )


def set_aside(conn: Connection, row: ReviewRow, lease: Lease) -> None:
    reviews.record_exceptions(conn, lease, AS_OF, [ReviewException(1, "quarantined", "test")])


def finish(conn: Connection, row: ReviewRow, lease: Lease) -> None:
    reviews.finish(conn, lease, row)


WRITES = [apply, set_aside, finish]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("taken_over", [False, True], ids=["run_out", "taken_over"])
def test_whoever_lost_the_lease_writes_nothing(
    conn: Connection, row: ReviewRow, write: Callable[[Connection, ReviewRow, Lease], object], taken_over: bool
) -> None:
    first = take(conn, row)
    assert reviews.lease(conn, row.review_id, worker="other", seconds=30) is None
    run_out(conn)
    if taken_over:
        second = take(conn, row)
        assert second.token == first.token + 1
        assert not reviews.extend(conn, first, seconds=30)
        assert not reviews.give_back(conn, first)
    with pytest.raises(LeaseLost):
        write(conn, row, first)
    for table in ("adjustment_log", "review_exceptions", "outbox"):
        assert conn.execute(f"SELECT count(*) FROM limits.{table}".encode()).fetchone() == (0,)
    if taken_over:
        assert apply(conn, row, second) == []
    invariants.check(conn)


def test_a_cancelled_review_takes_no_decision(conn: Connection, row: ReviewRow) -> None:
    lease = take(conn, row)
    conn.execute("UPDATE limits.reviews SET state = 'cancelled'")
    with pytest.raises(ReviewRefused, match="cancelled"):
        apply(conn, row, lease)
    invariants.check(conn)


def test_a_limit_that_moved_on_is_decided_again(
    database: Database, settings: Settings, conn: Connection, asked: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[int] = []

    def move_one(place: str) -> None:
        """Between deciding and applying, once: somebody changes a limit behind the review's back."""
        if place in ("apply.part", "again.decided") and not moved:
            moved.append(1)
            conn.execute(
                "UPDATE limits.credit_lines SET limit_minor = 500000, opening_limit_minor = 500000 WHERE user_id = 2"
            )

    monkeypatch.setattr(shards, "reach", move_one)
    assert engine.work(database, settings, asked.review_id, worker="test").finished is not None
    logged = conn.execute("SELECT user_id, limit_before_minor FROM limits.adjustment_log ORDER BY 1").fetchall()
    assert logged == [(1, 300_000), (2, 500_000), (3, 900_000)]
    invariants.check(conn)


def test_the_keeper_extends_and_notices_a_loss(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    quick = settings.model_copy(update={"lease_seconds": 2.0, "heartbeat_seconds": 0.1})
    lease = take(conn, row)
    with LeaseKeeper(database, quick) as keeper:
        keeper.hold(lease)
        conn.execute("UPDATE limits.shards SET leased_until = clock_timestamp() + interval '1 second'")
        longer = "SELECT leased_until > clock_timestamp() + interval '1.5 seconds' FROM limits.shards"
        _wait(lambda: conn.execute(longer.encode()).fetchone() == (True,))
        keeper.check()
        conn.execute("UPDATE limits.shards SET token = token + 1")
        _wait(lambda: _lost(keeper))
        keeper.release()
        keeper.check()


def _lost(keeper: LeaseKeeper) -> bool:
    try:
        keeper.check()
    except LeaseLost:
        return True
    return False


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
