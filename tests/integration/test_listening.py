"""A message in the database's queue is taken when it comes, and not at the next look into the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from limits.settings import Settings
from limits.store.db import Connection, Database
from tasks.app import make_app, wake
from tests.faults.processes import until

#: Far longer than a test waits for a message.
LOOK_SECONDS = 600.0


class Listener:
    """A consumer as a worker's, which looks into the queue once at its start and then waits to be told.

    It ends by itself with the last of ``messages``: told to end from outside, it might do so before that one.
    """

    def __init__(self, app: Celery, messages: int) -> None:
        self.got: list[Any] = []
        self._messages = messages
        self._thread = threading.Thread(target=self._run, args=(app,), daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self, app: Celery) -> None:
        def take(body: Any, message: Any) -> None:
            self.got.append(body[0][0])
            message.ack()

        with app.connection_for_read() as connection, connection.channel() as channel:
            channel.qos.prefetch_count = 1
            queues = list(app.amqp.queues.consume_from.values())
            with app.amqp.Consumer(channel, queues=queues, callbacks=[take], accept=["json"]):
                while len(self.got) < self._messages:
                    # Celery's loop looks anew every two seconds: here it waits as long as there is no message.
                    connection.transport.drain_events(connection, timeout=LOOK_SECONDS)


@pytest.fixture
def app(database: Database, settings: Settings) -> Iterator[Celery]:
    made = make_app(settings, database)
    made.conf.broker_transport_options["polling_interval"] = LOOK_SECONDS
    yield made
    made.close()


def listening(conn: Connection) -> int | None:
    """The server process of the session that listens, once it does."""
    row = conn.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'").fetchone()
    return row[0] if row else None


def test_whoever_listens_is_told_of_a_message(app: Celery, conn: Connection) -> None:
    with Listener(app, 3) as listener:
        until(lambda: listening(conn) is not None)
        for review_id in (1, 2):
            time.sleep(0.3)  # by now it waits
            wake(app, review_id)
            until(lambda review_id=review_id: review_id in listener.got, 5)  # type: ignore[misc]
        wake(app, 3)
    assert listener.got == [1, 2, 3]


def test_a_session_that_was_ended_listens_again(app: Celery, conn: Connection) -> None:
    with Listener(app, 2) as listener:
        until(lambda: listening(conn) is not None)
        before = listening(conn)
        time.sleep(0.3)
        conn.execute("SELECT pg_terminate_backend(%s)", (before,))
        until(lambda: listening(conn) not in (None, before))
        time.sleep(0.3)
        wake(app, 1)
        until(lambda: listener.got == [1], 5)
        wake(app, 2)
    assert listener.got == [1, 2]
