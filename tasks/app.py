"""The Celery application: made from the settings, never at import, with JSON messages that carry ids only."""

from __future__ import annotations

import contextlib
import functools
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from limits.errors import BrokerError
from limits.settings import Settings
from limits.store import queue as database_queue
from limits.store.db import Database, Role

#: Name of the one kind of message: review REVIEW_ID has work.
WORK = "limits.work"

#: How long one message is worked on before the worker looks for another one, in seconds.
TASK_SECONDS = 60.0

#: After this long an unacknowledged message is delivered again, at least; see ``visibility_seconds``.
VISIBILITY_SECONDS = 600

#: How long a sender waits for the broker to say that a message is safe. A broker that is out of memory or
#: disk, or a quorum queue without its majority, never says so.
CONFIRM_SECONDS = 5.0

#: A queue on a broker that nobody has used for so long is removed by the broker.
QUEUE_EXPIRES_MS = 7 * 24 * 3600 * 1000

#: Wake-ups sent for one review at a time, at most: more workers than that find their way by the next ones.
MOST_WAKES = 16


class StopFlag:
    """One byte shared with the children of the pool, who are forked after it was made."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """From now on everybody is to stop. May be called by a signal handler."""
        self._memory[0] = 1

    def __call__(self) -> bool:
        return self._memory[0] != 0


@dataclass
class Context:
    """What the tasks of one process work with; children of the pool have it from their parent."""

    database: Database
    settings: Settings
    name: str
    stop: StopFlag = field(default_factory=StopFlag)
    leaving: bool = False  # whether this process alone is to end

    def stopping(self) -> bool:
        """Whether work is to be put down as soon as it can be."""
        return self.leaving or self.stop()


def make_app(settings: Settings, database: Database, *, role: Role = "worker") -> Celery:
    """The application for the broker of the settings; for the database's own queue where none is set."""
    app = Celery("limits", set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Not every broker has broadcast: heartbeats and cancelling are rows.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=5,
        broker_heartbeat=20,
        task_create_missing_queues=False,
        enable_utc=True,
    )
    app.conf.update(_of_broker(settings, database, role))
    return app


def visibility_seconds(settings: Settings) -> int:
    """Where the broker counts time (Redis, the database's queue): longer than any task lasts.

    A task ends ``TASK_SECONDS`` after it began, and the chunk that it is in then. The statements of
    that chunk wait for a lock no longer than a lease lasts, and are tried again a few times.
    """
    return max(VISIBILITY_SECONDS, int(TASK_SECONDS + 10 * settings.lease_seconds))


def _of_broker(settings: Settings, database: Database, role: Role) -> dict[str, Any]:
    """What depends on the kind of broker."""
    # A sender gives up soon: the sweeper sends again, or does the work itself.
    options: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
    if settings.broker_url is None:
        pool = functools.partial(database_queue.pool, database, role)
        options |= {
            "pool": pool,
            "init_extension": False,
            "wait_time_seconds": 0,
            "use_notify": True,
            "listen": functools.partial(database_queue.listening, database),
            "polling_interval": 0.2,
            "visibility_timeout": visibility_seconds(settings),
        }
        return {
            "broker_url": "pgmq://localhost",
            "broker_transport": "tasks.transport:Transport",
            "broker_transport_options": options,
            **_queues("limits", {}),
        }
    with database.connect(role, "limits queue name") as conn:
        name = f"limits-{database_queue.database_tag(conn)}"
    if settings.broker_url.startswith("redis"):
        options |= {
            "global_keyprefix": f"{name}:",  # what is not acknowledged is kept apart from that of others too
            "visibility_timeout": visibility_seconds(settings),
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 20,
        }
        return {"broker_url": settings.broker_url, "broker_transport_options": options, **_queues(name, {})}
    options["confirm_publish"] = True
    return {
        "broker_url": settings.broker_url,
        "broker_transport_options": options,
        # A quorum queue refuses a prefetch count that holds for a whole channel ("global"): one per consumer.
        "worker_detect_quorum_queues": True,
        "task_default_queue_type": "quorum",
        **_queues(name, {"x-queue-type": "quorum", "x-expires": QUEUE_EXPIRES_MS}),
    }


def _queues(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    exchange = Exchange(name, type="direct")
    return {
        "task_queues": [Queue(name, exchange, routing_key=name, queue_arguments=arguments)],
        "task_default_queue": name,
        "task_default_exchange": name,
        "task_default_routing_key": name,
    }


def wake(app: Celery, review_id: int, count: int = 1) -> None:
    """Sends a wake-up for as many workers as find work in a review; BrokerError when it cannot be sent.

    A broker that takes a message and does not confirm it within ``CONFIRM_SECONDS`` has not been sent it.
    """
    with _broker_trouble(), app.producer_pool.acquire(block=True) as producer:
        try:
            for _ in range(min(count, MOST_WAKES)):
                app.send_task(
                    WORK, args=[review_id], retry=False, ignore_result=True, producer=producer,
                    confirm_timeout=CONFIRM_SECONDS,
                )  # fmt: skip
        except BaseException:
            # A late answer must not be taken for that to another message; and to close politely would
            # wait for a broker that has stopped to listen.
            producer.connection.collect()
            raise


def probe(app: Celery) -> str:
    """The kind of broker that answers; BrokerError when none does."""
    with _broker_trouble(), app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        return str(connection.transport.driver_type)


@contextlib.contextmanager
def _broker_trouble() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # kombu raises its own errors and those of each transport's client.
        words = " ".join(str(error).split()) or type(error).__name__
        raise BrokerError(f"the broker cannot be reached ({words}); see what is wrong: limits doctor") from error
