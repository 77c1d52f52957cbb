"""A worker: Celery's, with a pool of forked processes, and a heart."""

from __future__ import annotations

import os
import threading
import time
import warnings
from typing import Any

import structlog
from celery import signals
from celery.platforms import SecurityWarning

from limits import capacity
from limits.errors import BrokerError
from limits.settings import Settings
from limits.store import workers
from limits.store.db import Connection, Database
from tasks import jobs
from tasks.app import Context, make_app
from tasks.heart import Heart
from tasks.logs import set_up
from tasks.sweep import sweep

log = structlog.get_logger()

#: How long a worker may take to stop: shorter than what service managers wait before they kill.
SHUTDOWN_SECONDS = 20.0


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load_forecast() -> None:
    """Loads the forecast's kernels once, so that the processes forked later find them in memory."""
    began = time.monotonic()
    capacity.warm(lambda: log.info("compiling the forecast, once on this machine: some 15 seconds"))
    log.info("forecast loaded", seconds=round(time.monotonic() - began, 1))


def _leave(name: str) -> None:
    """Ends a process whose broker's client does not come to an end.

    By now every child has put its work down, and what was leased is given back or runs out.
    """
    log.warning("the broker's client did not stop in time; leaving without it", worker=name)
    os._exit(0)


def run_worker(database: Database, settings: Settings, *, concurrency: int | None = None) -> int:
    """Works until SIGTERM (or Ctrl-C): then what is leased is given back and the exit code returned."""
    set_up(settings.log_level)
    _load_forecast()
    count = concurrency or settings.concurrency or cores()
    context = Context(database, settings, workers.name("worker"))
    app = make_app(settings, database)
    jobs.register(app, context)

    def stop(**_: Any) -> None:
        if not context.stop():
            context.stop.set()
            watchdog = threading.Timer(SHUTDOWN_SECONDS, _leave, [context.name])
            watchdog.daemon = True
            watchdog.start()

    def keep_logging(**_: Any) -> None:
        """Celery leaves logging alone when somebody listens to this signal."""

    def sweep_too(conn: Connection) -> None:
        # So that a worker alone, without a scheduler, takes up what another one left.
        try:
            sweep(conn, app, most=count)
        except BrokerError as error:
            log.warning("no wake-ups sent", error=str(error))

    # Its reason is pickle, and only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.worker_shutting_down.connect(stop, weak=False)
    signals.setup_logging.connect(keep_logging, weak=False)
    with Heart(context, "worker", doing=f"{count} processes", also=sweep_too):
        worker = app.Worker(
            concurrency=count,
            pool="prefork",
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
