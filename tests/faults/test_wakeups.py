"""Wake-ups that are never sent, or come late, doubled and in no order: the database knows what is to be done."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from limits import engine
from limits.store import reviews, schedules
from tasks.app import make_app, wake
from tests import invariants
from tests.faults.nights import AS_OF, LIMIT_SECONDS, Nights
from tests.faults.processes import Process, is_done, started, until

pytestmark = pytest.mark.slow


def test_a_scheduler_killed_between_owing_a_review_and_the_wake_up(a_night: Nights) -> None:
    with a_night(plan=False) as night:
        schedules.add_schedule(
            night.conn,
            "nightly",
            pack=night.settings.policy,
            run_at=dt.time(0),
            time_zone="UTC",
            starts_on=dt.date(2026, 1, 1),
        )
        with started(
            night.settings, ("scheduler",), LIMITS_TEST_FAILPOINTS="sql:clock_lead=sleep:3,sql:worker_list=kill"
        ) as (first,):
            assert first.wait(LIMIT_SECONDS) == -9
        (row,) = reviews.list_reviews(night.conn)
        assert row.state == "owed"
        assert night.conn.execute("SELECT count(*) FROM pgmq.q_limits").fetchone() == (0,)
        with started(night.settings, ("scheduler",), ("worker", "--concurrency", "1")):
            until(lambda: is_done(night.conn, row.review_id), LIMIT_SECONDS)
        assert [found.review_id for found in reviews.list_reviews(night.conn)] == [row.review_id]
        assert reviews.get(night.conn, row.review_id).users_total == 48
        invariants.check(night.conn)


def test_whoever_asks_is_killed_before_the_wake_up(a_night: Nights) -> None:
    """A worker alone takes it up: it sweeps too. Messages come doubled, of other reviews first, and after the end."""
    with a_night(plan=False) as night:
        asked = Process(
            night.settings, "review", "run", "--as-of", str(AS_OF), LIMITS_TEST_FAILPOINTS="sql:worker_list=kill"
        )
        assert asked.wait(LIMIT_SECONDS) == -9, asked.said()
        (first,) = reviews.list_reviews(night.conn)
        assert night.conn.execute("SELECT count(*) FROM pgmq.q_limits").fetchone() == (0,)
        others = [
            engine.request_review(night.database, night.settings, as_of=day, actor="test", schedule=schedule).review_id
            for schedule, day in (("manual", AS_OF + dt.timedelta(days=1)), ("other", AS_OF), ("other", AS_OF))
        ]
        ids = {first.review_id, *others}
        assert len(ids) == 3
        messages = [*ids] * 4 + [max(ids) + 1]
        random.Random(5).shuffle(messages)
        app = make_app(night.settings, night.database)
        for review_id in messages:
            wake(app, review_id)
        with started(night.settings, ("worker",)) as (worker,):
            for review_id in ids:
                until(lambda review_id=review_id: is_done(night.conn, review_id), LIMIT_SECONDS)  # type: ignore[misc]
            for review_id in ids:
                wake(app, review_id)
            until(lambda: night.conn.execute("SELECT count(*) FROM pgmq.q_limits").fetchone() == (0,))
            assert worker.stop() == 0
        counted = night.conn.execute("SELECT count(*) FROM limits.adjustment_log GROUP BY review_id").fetchall()
        assert counted == [(47,)] * 3
        assert len(reviews.list_reviews(night.conn)) == 3
        invariants.check(night.conn)
