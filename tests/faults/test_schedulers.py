"""Real scheduler processes that are killed at the worst moment, or were not there for days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from limits.settings import Settings, make_settings
from limits.store import reviews, schedules
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.faults.processes import Process, started, until

pytestmark = pytest.mark.slow

USERS = 12
#: A review has to be over so many seconds after the fault has ended (invariant I6).
LIMIT_SECONDS = 60.0
DAY = dt.timedelta(days=1)

KILLED = {
    # The row is there and nobody was told of it.
    "after_the_commit": """
import os, signal
from limits import engine
look = engine.Owing.look
def killed(self, *args, **given):
    if any(owed.reviews for owed in look(self, *args, **given)):
        os.kill(os.getpid(), signal.SIGKILL)
engine.Owing.look = killed""",
    # The row was written, in a transaction that does not come to its end.
    "before_the_commit": """
import os, signal
from limits.store import reviews
owe_review = reviews.owe_review
def killed(*args, **given):
    owe_review(*args, **given)
    os.kill(os.getpid(), signal.SIGKILL)
reviews.owe_review = killed""",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, chunk_users=5, shard_users=2,
        lease_seconds=4, heartbeat_seconds=1, tick_seconds=1, concurrency=1,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def users(conn: Connection) -> Iterator[None]:
    for user_id in range(1, USERS + 1):
        builders.add_user(conn, user_id, credit_limit=100_000 + 1_000 * user_id)
        builders.add_monthly_income(conn, user_id, [900_000, 910_000, 905_000, 930_000])
    builders.refresh(conn)
    yield
    invariants.check(conn)


def today(conn: Connection) -> dt.date:
    return schedules.now(conn).astimezone(dt.UTC).date()


def add(conn: Connection, name: str, *, catch_up: schedules.CatchUp = "all", missed: int = 0) -> None:
    assert schedules.add_schedule(
        conn, name, pack="standard", run_at=dt.time(0), time_zone="UTC", starts_on=today(conn) - missed * DAY,
        catch_up=catch_up,
    )  # fmt: skip


def all_done(conn: Connection, number: int) -> bool:
    states = [row.state for row in reviews.list_reviews(conn)]
    return states == ["done"] * number


@pytest.mark.parametrize("moment", KILLED)
def test_a_scheduler_killed_between_the_insert_and_the_wake_up(
    database: Database, settings: Settings, conn: Connection, moment: str
) -> None:
    add(conn, "nightly")
    killed = Process(settings, "scheduler", before=KILLED[moment])
    try:
        until(lambda: not killed.process.is_alive())
    finally:
        killed.kill()
    assert killed.process.exitcode == -9, killed.said()
    assert [row.state for row in reviews.list_reviews(conn)] == (["owed"] if moment == "after_the_commit" else [])
    assert conn.execute("SELECT count(*) FROM pgmq.q_limits").fetchone() == (0,), "somebody was told"
    with started(settings, ("scheduler",), ("worker",)):
        until(lambda: all_done(conn, 1), LIMIT_SECONDS)
    (row,) = reviews.list_reviews(conn)
    assert (row.schedule, row.business_date, row.users_total) == ("nightly", today(conn), USERS)
    counted = conn.execute("SELECT count(*), count(DISTINCT user_id) FROM limits.adjustment_log").fetchone()
    assert counted == (USERS, USERS)


def test_a_scheduler_that_was_down_for_three_days(database: Database, settings: Settings, conn: Connection) -> None:
    add(conn, "each", catch_up="all", missed=2)
    add(conn, "newest", catch_up="latest", missed=2)
    with started(settings, ("scheduler",), ("scheduler",), ("worker",)):
        until(lambda: all_done(conn, 4), LIMIT_SECONDS)
    now = today(conn)
    assert [row.business_date for row in reviews.list_reviews(conn, schedule="newest")] == [now]
    assert [one.business_date for one in schedules.passed(conn, "newest")] == [now - DAY, now - 2 * DAY]
    assert [row.business_date for row in reviews.list_reviews(conn, schedule="each")] == [now, now - DAY, now - 2 * DAY]
    ends = conn.execute("SELECT finished_at FROM limits.reviews WHERE schedule = 'each' ORDER BY business_date")
    finished = [at for (at,) in ends]
    assert finished == sorted(finished), "oldest first"
