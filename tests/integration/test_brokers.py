"""What is promised of the brokers, asked of the brokers themselves: RabbitMQ on a node of the tests' own, and Redis."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest

from limits.errors import BrokerError
from limits.settings import Settings, make_settings
from limits.store.db import Connection, Database
from tasks import app as application
from tasks.app import TASK_SECONDS, make_app, probe, visibility_seconds, wake
from tests import conftest, rabbit
from tests.faults.processes import Process, alive, started, until

pytestmark = pytest.mark.slow
PROCESSES = 3


@pytest.fixture(scope="module")
def node(scratch: Path) -> Iterator[rabbit.Node]:
    """A RabbitMQ that a test may hurt, as long as it heals it again."""
    if rabbit.script("rabbitmq-server") is None:
        reason = "there is no rabbitmq-server on this machine"
        if conftest.REQUIRED:
            pytest.fail(f"{reason}; LIMITS_REQUIRE_BROKERS is set, so it may not be left out", pytrace=False)
        pytest.skip(reason)
    # A folder of its own each time: tests move between processes, and the node is then set up again.
    made = rabbit.Node(Path(tempfile.mkdtemp(prefix="rabbitmq", dir=scratch)))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def with_rabbit(settings: Settings, node: rabbit.Node, database: Database) -> Iterator[Settings]:
    """Settings with the node as broker; the queue is removed at the end."""
    made = make_settings(
        database_url=settings.database_url, broker_url=node.url, home=settings.home, concurrency=PROCESSES
    )
    name = make_app(made, database).conf.task_default_queue
    yield made
    with amqp.Connection(f"127.0.0.1:{node.port}", "guest", "guest") as connection:
        connection.channel().queue_delete(name)


@pytest.fixture
def worker(with_rabbit: Settings, node: rabbit.Node, conn: Connection) -> Iterator[Process]:
    """A worker of three processes that listens to the node."""
    with started(with_rabbit, ("worker",)) as (process,):
        until(lambda: alive(conn, [process]))
        until(lambda: bool(node.ctl("list_consumers")))
        yield process


def test_the_queue_is_a_quorum_queue_and_no_other_is_made(
    node: rabbit.Node, worker: Process, with_rabbit: Settings, database: Database
) -> None:
    name = make_app(with_rabbit, database).conf.task_default_queue
    mine = {row["name"]: row for row in node.ctl("list_queues", "name", "type", "durable")}
    assert mine[name] == {"name": name, "type": "quorum", "durable": True}
    # Celery makes 28 queues of its own beside a quorum queue, for messages with an ETA. Here is no such message.
    assert not [other for other in mine if other.startswith("celery")]


def test_each_process_holds_one_message_and_nothing_holds_for_a_channel(node: rabbit.Node, worker: Process) -> None:
    (consumer,) = node.ctl("list_consumers", "prefetch_count", "ack_required")
    assert consumer == {"prefetch_count": PROCESSES, "ack_required": True}
    assert {row["global_prefetch_count"] for row in node.ctl("list_channels", "global_prefetch_count")} == {0}


def test_no_message_is_taken_that_no_process_has_time_for(
    node: rabbit.Node, worker: Process, with_rabbit: Settings, database: Database
) -> None:
    """More wake-ups than processes, and processes that are stopped: the rest waits in the queue, for other machines."""
    app = make_app(with_rabbit, database)
    worker.signal_all(19)  # SIGSTOP
    wake(app, 1, 10)
    until(lambda: _of_queue(node, app, "messages") == 10)
    assert _of_queue(node, app, "messages_unacknowledged") == PROCESSES
    assert _of_queue(node, app, "messages_ready") == 10 - PROCESSES
    worker.signal_all(18)  # SIGCONT
    until(lambda: _of_queue(node, app, "messages") == 0)


def _of_queue(node: rabbit.Node, app: Any, column: str) -> Any:
    """A column of the operator's listing, which is up to five seconds old."""
    rows = node.ctl("list_queues", "name", column)
    return next((row[column] for row in rows if row["name"] == app.conf.task_default_queue), None)


def _waiting(node: rabbit.Node, app: Any) -> int:
    """Messages that nobody has taken, counted now."""
    with amqp.Connection(f"127.0.0.1:{node.port}", "guest", "guest") as connection:
        return int(connection.channel().queue_declare(app.conf.task_default_queue, passive=True).message_count)


def test_a_sender_waits_for_the_confirmation(node: rabbit.Node, with_rabbit: Settings, database: Database) -> None:
    app = make_app(with_rabbit, database)
    wake(app, 1)
    assert [row["confirm"] for row in node.ctl("list_channels", "confirm")] == [True]
    app.close()


def test_what_was_confirmed_is_there_after_a_kill_of_the_broker(
    node: rabbit.Node, with_rabbit: Settings, database: Database
) -> None:
    app = make_app(with_rabbit, database)
    wake(app, 1, 2)
    time.sleep(3.0)  # RabbitMQ 3.10 writes down that there is a new queue only some time after it was declared
    wake(app, 1, 3)
    node.kill()
    with pytest.raises(BrokerError, match="the broker cannot be reached"):
        wake(app, 1)
    node.start()
    until(lambda: _waiting(node, app) == 5)  # the log of the queue is read again
    wake(app, 1)  # and the sender finds it again by itself
    assert _waiting(node, app) == 6
    app.close()


def test_a_broker_that_confirms_nothing_keeps_no_sender(
    node: rabbit.Node, with_rabbit: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory it takes a message and says nothing. Without a bound the scheduler would wait with it."""
    monkeypatch.setattr(application, "CONFIRM_SECONDS", 1.0)
    app = make_app(with_rabbit, database)
    wake(app, 1)
    node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        until(lambda: "memory" in node.ctl("status").lower().partition("alarms")[2][:200])
        for _ in range(2):  # also on the connection that comes after
            assert _seconds_until_refused(app) < 4.0
    finally:
        node.ctl("set_vm_memory_high_watermark", "absolute", "4GB")
    until(lambda: _sent(app))
    app.close()


def _seconds_until_refused(app: Any) -> float:
    """In a thread, so that a sender that waits for ever fails the test and does not stop it."""
    took: list[float] = []

    def send() -> None:
        began = time.monotonic()
        with pytest.raises(BrokerError):
            wake(app, 1)
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(20.0)
    assert took, "the sender still waits"
    return took[0]


def _sent(app: Any) -> bool:
    try:
        wake(app, 1)
    except BrokerError:
        return False
    return True


def test_of_several_brokers_the_next_one_is_taken(node: rabbit.Node, with_rabbit: Settings, database: Database) -> None:
    """Nodes of one cluster are written one after the other, with a semicolon between them."""
    several = with_rabbit.model_copy(update={"broker_url": f"amqp://guest:guest@127.0.0.1:1//;{node.url}"})
    app = make_app(several, database)
    assert probe(app) == "amqp"
    wake(app, 1)
    assert _waiting(node, app) == 1
    app.close()


def test_a_classic_queue_of_that_name_is_said_and_the_review_goes_on(
    node: rabbit.Node, with_rabbit: Settings, database: Database
) -> None:
    """Somebody declared it by hand: RabbitMQ refuses, and docs/scale.md says how to move."""
    app = make_app(with_rabbit, database)
    name = app.conf.task_default_queue
    with amqp.Connection(f"127.0.0.1:{node.port}", "guest", "guest") as connection:
        connection.channel().queue_declare(name, durable=True, auto_delete=False)
        with pytest.raises(BrokerError, match="PRECONDITION_FAILED"):
            wake(app, 1)
        connection.channel().queue_delete(name)
    wake(app, 1)
    assert _waiting(node, app) == 1
    app.close()


def test_no_result_is_kept_and_no_broadcast_sent(settings: Settings, database: Database) -> None:
    app = make_app(settings, database)
    assert app.conf.result_backend is None
    assert app.backend.__class__.__name__ == "DisabledBackend"
    assert (app.conf.task_acks_late, app.conf.worker_prefetch_multiplier) == (True, 1)
    assert not app.conf.worker_enable_remote_control


@pytest.mark.parametrize("lease", [1.0, 30.0, 3600.0])
def test_a_message_is_invisible_for_longer_than_a_task_lasts(settings: Settings, lease: float) -> None:
    """At the end of its time a task is in one chunk more, which may wait for a lock five times."""
    assert visibility_seconds(settings.model_copy(update={"lease_seconds": lease})) > TASK_SECONDS + 6 * lease


@pytest.mark.broker("redis")
def test_on_redis_a_message_stays_taken_for_as_long(
    settings: Settings, database: Database, services: dict[str, str]
) -> None:
    of_redis = settings.model_copy(update={"broker_url": services["redis"], "lease_seconds": 300.0})
    app = make_app(of_redis, database)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        assert channel.visibility_timeout == visibility_seconds(of_redis) == 3060
        assert channel.global_keyprefix == f"{app.conf.task_default_queue}:"
