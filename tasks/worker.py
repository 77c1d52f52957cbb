"""A worker: Celery's, with a pool of forked processes, and a heart."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import structlog
from celery import signals
from celery.platforms import SecurityWarning
from celery.worker import consumer, state

from limits.engine.asking import today
from limits.engine.warming import warm
from limits.errors import BrokerError, DatabaseError
from limits.settings import Settings
from limits.store import packing, workers
from limits.store.db import TROUBLE, Connection, Database
from tasks import jobs
from tasks.app import Context, make_app
from tasks.heart import Heart
from tasks.intake import is_wake_up
from tasks.logs import set_up
from tasks.pool import TaskPool
from tasks.sweep import sweep

log = structlog.get_logger()

#: How long a worker may take to stop: shorter than what service managers wait before they kill.
SHUTDOWN_SECONDS = 20.0


class _Consumer(consumer.Consumer):
    """Celery's, for wake-ups alone.

    Without the 28 queues for messages with an ETA that it makes beside a quorum queue: none has one.
    """

    class Blueprint(consumer.Consumer.Blueprint):
        """The steps of a consumer's start."""

        default_steps = [  # noqa: RUF012  as Celery has it
            step for step in consumer.Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        ]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """What is done with each message: one that is no wake-up goes no further."""
        handle = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> None:
            if is_wake_up(message):
                handle(message)
                return
            log.warning("message that is no wake-up removed", headers=repr(message.headers)[:200])
            message.reject_log_error(log, self.connection_errors)

        return take


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(database: Database) -> None:
    """Loads all compiled code once, so that the processes forked later find it in memory."""
    began = time.monotonic()
    warm(lambda: log.info("compiling the forecast, once on this machine: some 20 seconds"))
    try:
        with database.connect("worker", "limits worker") as conn:
            packing.warm(conn, today())
    except (*TROUBLE, DatabaseError) as error:  # the first shard loads it then
        log.warning("nothing packed to try", error=" ".join(str(error).split()))
    log.info("forecast loaded", seconds=round(time.monotonic() - began, 1))


def _leave(name: str, heart: Heart) -> None:
    """Ends a process whose broker's client does not come to an end.

    By now every child has put its work down, and what was leased is given back or runs out.
    """
    log.warning("the broker's client did not stop in time; leaving without it", worker=name)
    heart.stop(3)
    os._exit(0)


def run_worker(database: Database, settings: Settings, *, concurrency: int | None = None) -> int:
    """Works until SIGTERM (or Ctrl-C): then what is leased is given back and the exit code returned."""
    set_up(settings.log_level)
    _load(database)
    count = concurrency or settings.concurrency or cores()
    context = Context(database, settings, workers.name("worker"))
    app = make_app(settings, database)
    jobs.register(app, context)

    def stop(**_: Any) -> None:
        if not context.stop():
            context.stop.set()
            watchdog = threading.Timer(SHUTDOWN_SECONDS, _leave, [context.name, heart])
            watchdog.daemon = True
            watchdog.start()

    def keep_logging(**_: Any) -> None:
        """Celery leaves logging alone when somebody listens to this signal."""

    def sweep_too(conn: Connection) -> None:
        # So that a worker alone, without a scheduler, takes up what another one left. Only for processes
        # that have nothing to do: wake-ups of many busy machines would pile up all night.
        idle = count - len(state.reserved_requests)
        if idle <= 0:
            return
        try:
            sweep(conn, app, most=idle)
        except BrokerError as error:
            log.warning("no wake-ups sent", error=str(error))

    # Its reason is pickle, and only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.worker_shutting_down.connect(stop, weak=False)
    signals.setup_logging.connect(keep_logging, weak=False)
    signals.worker_process_init.connect(jobs.leave_in_order, weak=False)
    heart = Heart(context, "worker", doing=workers.with_processes(count), also=sweep_too)
    with heart:
        worker = app.Worker(
            concurrency=count,
            pool=TaskPool,
            consumer_cls=_Consumer,
            hostname=f"{context.name}@limits",
            loglevel=settings.log_level.upper(),
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        log.info("worker ready", worker=context.name, processes=count)
        worker.start()
    stop()
    log.info("worker stopped", worker=context.name)
    return int(worker.exitcode or 0)
