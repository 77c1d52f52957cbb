"""Real workers, one of them killed, while half of the users are decided again: no breaker is overshot, nobody lost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from limits import engine
from limits.settings import Settings, make_settings
from limits.store import failpoints, gates, reviews
from limits.store.db import Connection, Database
from tasks.app import make_app, wake
from tests import builders, invariants
from tests.faults.processes import is_done, started, until
from tests.packs import write_pack

pytestmark = pytest.mark.slow

AS_OF = builders.AS_OF
USERS = 40
#: Whom nobody raises at first; the others are just as many as one review may raise.
BLOCKED = range(2, USERS + 1, 2)
SLOW = {failpoints.VARIABLE: "again.decided=sleep:0.2"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, chunk_users=1, shard_users=5,
        lease_seconds=4, heartbeat_seconds=1, concurrency=2,
    )  # fmt: skip


@pytest.fixture
def policy(conn: Connection, tmp_path: Path) -> str:
    for user_id in range(1, USERS + 1):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    set_status(conn, "blocked", 2)
    builders.refresh(conn)
    return write_pack(conn, tmp_path, breakers__raised_bps="5000")


def set_status(conn: Connection, status: str, days_ago: int) -> None:
    for user_id in BLOCKED:
        builders.add_profile(conn, user_id, effective_on=AS_OF - dt.timedelta(days=days_ago), status=status)


def raised(conn: Connection, review_id: int) -> int:
    statement = "SELECT count(*) FROM limits.adjustment_log WHERE review_id = %s AND action > 0"
    found = conn.execute(statement, (review_id,)).fetchone()
    assert found is not None
    return int(found[0])


def test_two_workers_and_one_killed(database: Database, settings: Settings, conn: Connection, policy: str) -> None:
    app = make_app(settings, database)
    gates.set_switch(conn, True, actor="Ann", reason="decide first")
    review_id = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=policy).review_id
    assert engine.work(database, settings, review_id, worker="test").state == "busy"
    assert reviews.get(conn, review_id).stage == "apply"
    gates.set_switch(conn, False, actor="Bo", reason="decided")
    for user_id in BLOCKED:
        engine.recompute(database, settings, user_id, reason="x", actor="Cy", as_of=AS_OF, apply=True, policy=policy)
    set_status(conn, "active", 1)
    with started(settings, ("worker",), ("worker",), **SLOW) as (first, second):
        wake(app, review_id, 4)
        until(lambda: reviews.get(conn, review_id).released_shards > 1)
        first.kill()
        until(lambda: wake(app, review_id, 1) or reviews.get(conn, review_id).state == "held")
        assert "users raised: 52.50%, more than 50.00%" in str(reviews.get(conn, review_id).error)
        assert raised(conn, review_id) <= USERS // 2
        invariants.check(conn)
        gates.release(conn, review_id, actor="Bo", reason="blocked by mistake")
        until(lambda: wake(app, review_id, 1) or is_done(conn, review_id))
        assert second.stop() == 0
    assert raised(conn, review_id) == reviews.get(conn, review_id).users_raised == USERS
    invariants.check(conn)
