"""Real processes, hurt in the middle of a review: it is finished, once for every user."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from limits import engine
from limits.settings import Settings, make_settings
from limits.store import approvals, failpoints, policies, reviews, schedules, workers
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tasks.app import WORK, make_app, wake
from tests import builders, governance, invariants
from tests.faults.processes import Process, alive, decided, is_done, started, until

pytestmark = pytest.mark.slow

AS_OF = builders.AS_OF
USERS = 120
#: A review has to be over so many seconds after the fault has ended (invariant I6).
LIMIT_SECONDS = 60.0
SLOW = {failpoints.VARIABLE: "apply.part=sleep:0.3,again.decided=sleep:0.3"}

BROKERS = [
    pytest.param(None, id="pgmq"),
    pytest.param("rabbitmq", id="rabbitmq", marks=pytest.mark.broker("rabbitmq")),
    pytest.param("redis", id="redis", marks=pytest.mark.broker("redis")),
]


@pytest.fixture(params=BROKERS)
def settings(request: pytest.FixtureRequest, settings: Settings, services: dict[str, str]) -> Iterator[Settings]:
    """Settings with leases that end soon, for each kind of broker; its queue is removed at the end."""
    made = make_settings(
        database_url=settings.database_url,
        broker_url=services[request.param] if request.param else None,
        home=settings.home,
        chunk_users=5,
        shard_users=15,
        lease_seconds=4,
        heartbeat_seconds=1,
        tick_seconds=1,
        concurrency=2,
    )
    yield made
    if request.param:
        _clear(make_app(made, Database(made.database_url or "")), made.broker_url or "")


def _clear(app: Any, url: str) -> None:
    """Removes from the broker what this database's messages left there."""
    name = app.conf.task_default_queue
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(f"{name}:*"):
                client.delete(key)
        return
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(name)
        connection.default_channel.exchange_delete(name)


@pytest.fixture(autouse=True)
def users(conn: Connection) -> Iterator[None]:
    """Users with a short history: there is much to interrupt, and little to compute."""
    for user_id in range(1, USERS + 1):
        builders.add_user(conn, user_id, credit_limit=100_000 + 1_000 * user_id)
        builders.add_monthly_income(conn, user_id, [900_000, 910_000, 905_000, 930_000])
        builders.add_statement(conn, user_id, dt.date(2026, 6, 1), balance=50_000)
        builders.add_repayment(conn, user_id, dt.date(2026, 6, 11))
    builders.refresh(conn)
    yield
    invariants.check(conn)


def ask(database: Database, settings: Settings) -> ReviewRow:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="test")
    wake(make_app(settings, database), row.review_id, 2)
    return row


def assert_everybody_once(conn: Connection, review_id: int) -> None:
    row = reviews.get(conn, review_id)
    assert (row.state, row.users_total) == ("done", USERS)
    counted = conn.execute(
        "SELECT count(*), count(DISTINCT user_id) FROM limits.adjustment_log WHERE review_id = %s", (review_id,)
    ).fetchone()
    assert counted == (USERS, USERS)


def test_a_worker_killed_in_the_middle(database: Database, settings: Settings, conn: Connection) -> None:
    row = ask(database, settings)
    with started(settings, ("worker",), **SLOW) as (first,):
        until(lambda: decided(conn, row.review_id) >= 10)
        first.kill()
    left = USERS - decided(conn, row.review_id)
    assert left > 0, "it was not in the middle"
    with started(settings, ("worker",)) as (second,):
        until(lambda: alive(conn, [second]))
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
        assert second.stop() == 0
    assert_everybody_once(conn, row.review_id)


def test_a_child_of_the_pool_killed_in_the_middle(database: Database, settings: Settings, conn: Connection) -> None:
    row = ask(database, settings)
    with started(settings, ("worker",), **SLOW) as (worker,):
        until(lambda: decided(conn, row.review_id) >= 10)
        os.kill(worker.children()[0], signal.SIGKILL)
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
    assert_everybody_once(conn, row.review_id)


def test_a_worker_paused_past_its_lease_commits_nothing(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = ask(database, settings)
    with started(settings, ("worker",), **SLOW) as (paused,):
        until(lambda: decided(conn, row.review_id) >= 10)
        paused.signal_all(signal.SIGSTOP)
        with started(settings, ("worker",)) as (other,):
            until(lambda: alive(conn, [other]))
            until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
            assert_everybody_once(conn, row.review_id)
            before = conn.execute("SELECT count(*), max(entry_id) FROM limits.adjustment_log").fetchone()
            paused.signal_all(signal.SIGCONT)
            seen = conn.execute("SELECT clock_timestamp()").fetchone()
            assert seen is not None
            until(lambda: _beat_since(conn, paused, seen[0]))
            assert conn.execute("SELECT count(*), max(entry_id) FROM limits.adjustment_log").fetchone() == before


def _beat_since(conn: Connection, process: Process, moment: dt.datetime) -> bool:
    rows = workers.list_workers(conn, "worker")
    return any(row.pid == process.pid and row.heartbeat_at > moment + dt.timedelta(seconds=2) for row in rows)


@pytest.mark.parametrize("everybody", [False, True], ids=["politely", "with_its_children"])
def test_a_worker_that_is_stopped_gives_its_lease_back(
    database: Database, settings: Settings, conn: Connection, everybody: bool
) -> None:
    row = ask(database, settings)
    with started(settings, ("worker",), **SLOW) as (worker,):
        until(lambda: decided(conn, row.review_id) >= 10)
        if everybody:
            worker.signal_all(signal.SIGTERM)
        assert worker.stop() == 0
        said = worker.said()
    assert decided(conn, row.review_id) < USERS, "it was not in the middle"
    leased = conn.execute("SELECT count(*) FROM limits.shards WHERE state = 'leased'").fetchone()
    assert leased == (0,), said
    assert not workers.list_workers(conn, "worker")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_children_killed_while_they_wait_for_work_are_replaced(
    database: Database, settings: Settings, conn: Connection, number: int
) -> None:
    """One of them waits under a lock of the pool, which must not be lost with it."""
    with started(settings, ("worker",)) as (worker,):
        until(lambda: alive(conn, [worker]) and len(worker.children()) >= 2)
        time.sleep(1)  # until they wait for work
        before = worker.children()
        for pid in before:
            os.kill(pid, number)
        until(lambda: len(worker.children()) >= 2 and not set(before) & set(worker.children()))
        row = ask(database, settings)
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
        assert worker.stop() == 0
        # (Celery's other pool, that of Redis and RabbitMQ, may wait for whom it lost until the watchdog ends it.)
        assert settings.broker_url is not None or "did not stop in time" not in worker.said()
    assert_everybody_once(conn, row.review_id)
    assert not workers.list_workers(conn, "worker")


@pytest.mark.parametrize("settings", BROKERS[:1], indirect=True)
def test_a_policy_withdrawn_in_the_middle_ends_the_review_and_wakes_nobody(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = ask(database, settings)
    (one,) = (one for one in approvals.history(conn, "standard") if one.state == "approved")
    with started(settings, ("worker",), **SLOW) as (worker,):
        until(lambda: decided(conn, row.review_id) >= 10)
        approvals.decide(conn, one.approval_id, "withdraw", actor="Dora", reason="stop")
        applied = decided(conn, row.review_id)
        until(lambda: reviews.get(conn, row.review_id).state == "failed", LIMIT_SECONDS)
        assert decided(conn, row.review_id) == applied < USERS
        assert reviews.unfinished(conn) == []
        governance.approve(conn, policies.read_pack("standard")[0])
        ask(database, settings)
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
        assert worker.stop() == 0
    assert_everybody_once(conn, row.review_id)


def test_two_schedulers_and_three_workers(database: Database, settings: Settings, conn: Connection) -> None:
    schedules.add_schedule(
        conn, "nightly", pack="standard", run_at=dt.time(0), time_zone="UTC", starts_on=dt.date(2026, 1, 1)
    )
    one = ("worker", "--concurrency", "1")
    with started(settings, ("scheduler",), ("scheduler",), one, one, one) as processes:
        until(lambda: alive(conn, processes), 90)
        until(lambda: any(r.state == "done" for r in reviews.list_reviews(conn)), LIMIT_SECONDS)
        # Whoever leads is killed; the other one takes over and owes nothing twice.
        for scheduler in processes[:1]:
            scheduler.kill()
        until(lambda: "this scheduler leads" in processes[1].said(), LIMIT_SECONDS)
    (row,) = reviews.list_reviews(conn)
    today = conn.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()
    assert (row.schedule, row.created_at.astimezone(dt.UTC).date()) == ("nightly", row.business_date)
    assert today is not None
    assert_everybody_once(conn, row.review_id)


#: What a message of ours never says, and Celery would believe: some of it ended the worker.
FORGED_HEADERS: list[dict[str, Any]] = [
    {"timelimit": 5}, {"timelimit": ["a", "b"]}, {"timelimit": [0.001, None]}, {"eta": "garbage"},
    {"expires": {"a": 1}}, {"retries": "x"}, {"stamped_headers": 5}, {"called_directly": True}, {"id": "x" * 100_000},
]  # fmt: skip


def test_messages_may_be_forged_unknown_doubled_and_late(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = ask(database, settings)
    app = make_app(settings, database)
    bad: list[Any] = [
        [],
        [0],
        [-1],
        [2**63],
        [2**70],
        ["1; DROP TABLE users"],
        [None],
        [1.5],
        [True],
        [{"a": 1}],
        [1, 2],
    ]
    for args in bad:
        app.send_task(WORK, args=args)
    app.send_task(WORK, args=[999_999])
    app.send_task(WORK, kwargs={"review_id": row.review_id, "more": 1})
    app.send_task("limits.no_such_task", args=[row.review_id])
    _send_no_task(app)
    if settings.broker_url is None:
        odd = {
            "body": "e30=", "content-encoding": "utf-8", "content-type": "application/json",
            "headers": {"id": 5, "task": ["x"], "eta": "9999-12-31T00:00:00"},
            "properties": {"delivery_tag": "a", "delivery_info": {}, "body_encoding": "nope"},
        }  # fmt: skip
        encoded = {**odd, "properties": {"delivery_tag": "a", "delivery_info": {}, "body_encoding": "base64"}}
        for raw in ({}, [], "text", {"properties": {}}, {"body": 5, "properties": {"delivery_tag": "x"}}, odd, encoded):
            conn.execute("SELECT pgmq.send('limits', %s::jsonb)", (json.dumps(raw),))
    for headers in FORGED_HEADERS:
        app.send_task(WORK, args=[row.review_id], headers=headers)
    app.send_task(WORK, args=[row.review_id], chain=[{"task": WORK, "args": [1], "kwargs": {}, "options": {}}])
    app.send_task(WORK, args=["x" * 20_000])
    for name in ("celery.map", "celery.chord_unlock", "celery.backend_cleanup"):
        app.send_task(name, args=[row.review_id])
    for _ in range(8):
        wake(app, row.review_id, 3)
    with started(settings, ("worker",)) as (worker,):
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
        wake(app, row.review_id, 5)
        second = engine.request_review(database, settings, as_of=AS_OF + dt.timedelta(days=1), actor="test")
        wake(app, second.review_id, 5)
        until(lambda: is_done(conn, second.review_id), LIMIT_SECONDS)
        assert worker.stop() == 0
    assert_everybody_once(conn, row.review_id)
    assert_everybody_once(conn, second.review_id)
    assert len(reviews.list_reviews(conn, recomputes=True)) == 2


def _send_no_task(app: Any) -> None:
    """What is no task at all: other content types, and broken JSON."""
    with app.connection_for_write() as connection, connection.Producer() as producer:
        where = {
            "exchange": app.conf.task_default_exchange,
            "routing_key": app.conf.task_default_routing_key,
            "retry": False,
        }
        producer.publish("not JSON", content_type="application/json", content_encoding="utf-8", **where)
        pickled = base64.b64decode("gASVEQAAAAAAAACMBGV4aXSUk5QpUpQu")
        headers = {"id": str(uuid.uuid4()), "task": WORK}
        producer.publish(
            pickled, content_type="application/x-python-serialize", content_encoding="binary", headers=headers, **where
        )


@pytest.mark.parametrize("settings", [None], indirect=True, ids=["pgmq"])
def test_a_worker_whose_broker_client_does_not_stop_leaves_without_it(
    database: Database, settings: Settings, conn: Connection
) -> None:
    """The client hangs for ever; the review it was in the middle of is finished by the next worker."""
    row = ask(database, settings)
    hang = """
import time
import celery.worker.consumer.consumer as consumer
import tasks.worker
consumer.Consumer.stop = lambda self: time.sleep(3600)
tasks.worker.SHUTDOWN_SECONDS = 2.0"""
    worker = Process(settings, "worker", before=hang, **SLOW)
    try:
        until(lambda: decided(conn, row.review_id) > 0)
        children = worker.children()
        assert children
        assert worker.stop() == 0
        assert "did not stop in time; leaving without it" in worker.said()
        assert not workers.list_workers(conn, "worker"), "it says so itself that it is gone"
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    finally:
        worker.kill()
    assert not is_done(conn, row.review_id), "nothing was in the middle"
    with started(settings, ("worker",)):
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
    assert_everybody_once(conn, row.review_id)


@pytest.mark.parametrize("settings", [None], indirect=True, ids=["pgmq"])
def test_a_login_that_may_do_what_a_worker_may_and_nothing_else(
    database: Database, settings: Settings, conn: Connection
) -> None:
    name = f"limits_app_{uuid.uuid4().hex[:8]}"
    conn.execute(f"CREATE ROLE {name} LOGIN IN ROLE limits_worker".encode())
    try:
        parts = urlsplit(database.url)
        url = parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}").geturl()
        narrow = settings.model_copy(update={"database_url": url})
        row = engine.request_review(database, settings, as_of=AS_OF, actor="test")
        with started(narrow, ("worker",), ("scheduler",)) as processes:
            until(lambda: alive(conn, processes))
            until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
            doctor = Process(narrow, "doctor", "--json")
            assert doctor.wait(60) == 0, doctor.said()
    finally:
        conn.execute(f"DROP ROLE {name}".encode())
    assert_everybody_once(conn, row.review_id)
    roles = conn.execute("SELECT DISTINCT session_role FROM limits.adjustment_log").fetchall()
    assert roles == [(name,)]


@pytest.mark.parametrize("settings", [None], indirect=True, ids=["pgmq"])
def test_with_the_broker_down_the_scheduler_works_itself(
    database: Database, settings: Settings, conn: Connection
) -> None:
    down = settings.model_copy(update={"broker_url": "amqp://guest:guest@127.0.0.1:1//"})
    row = engine.request_review(database, down, as_of=AS_OF, actor="test")
    with started(down, ("scheduler",)) as (scheduler,):
        until(lambda: is_done(conn, row.review_id), LIMIT_SECONDS)
        assert scheduler.stop() == 0
    assert_everybody_once(conn, row.review_id)
