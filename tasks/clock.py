"""The clock: a process that owes the reviews whose time has come and sees to it that each is finished.

Several may run. Each owes what is due: the unique key of a review's row decides between them.
One leads, by a lock that the database drops with the connection, and sweeps and carries out changes.
"""

from __future__ import annotations

import datetime as dt
import signal
import threading
import time
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from celery import Celery

from limits import engine
from limits.engine.asking import today
from limits.errors import BrokerError, DatabaseError
from limits.settings import Settings
from limits.store import reviews, schedules, workers
from limits.store.db import TROUBLE, Connection, Database
from tasks import jobs
from tasks.app import Context, make_app, probe
from tasks.courier import Courier
from tasks.heart import Heart
from tasks.logs import set_up
from tasks.reconciler import Reconciler
from tasks.sweep import sweep
from tasks.worker import cores

log = structlog.get_logger()

#: Who owes the reviews of schedules and carries out changes that fall due, as the log shall say.
ACTOR = "scheduler"

#: How soon a change that could not be carried out is tried again, in seconds.
RETRY_SECONDS = 60.0


#: A scheduler whose clock has not come round for so long, in seconds, gives no heartbeat: another one is needed.
STANDS_SECONDS = 2 * 60.0

#: Dates that have come are looked for at least so often, in seconds, however seldom a tick is.
OWE_SECONDS = 60.0


class Ower:
    """Owes the reviews that are due, beside the clock's ticks: those may last. Leads or not, for racing is safe."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._owing = engine.Owing()
        self._conn: Connection | None = None
        self._round_at = time.monotonic()

    def ticks(self) -> bool:
        """Whether it came round lately."""
        seconds = STANDS_SECONDS + min(self._context.settings.tick_seconds, OWE_SECONDS)
        return time.monotonic() - self._round_at < seconds

    def tick(self) -> None:
        """Settles the dates of all schedules that have come. Trouble is for the next tick."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._context.database.connect("worker", "limits scheduler owes")
            self._owing.look(self._conn, now=schedules.now(self._conn), actor=ACTOR)
        except (*TROUBLE, DatabaseError) as error:
            log.warning("nothing owed: the database", error=" ".join(str(error).split()))
            self.close()
        self._round_at = time.monotonic()

    def close(self) -> None:
        """Gives up the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()


class Clock:
    """What happens at every tick."""

    def __init__(self, context: Context, app: Celery) -> None:
        self._context = context
        self._app = app
        self._conn: Connection | None = None
        self._leads = False
        self._carried_to = 0  # the change to go on after
        self._pause_until = 0.0

    def tick(self) -> None:
        """Carries out changes and sweeps, when this clock leads. Trouble is for the next tick."""
        try:
            conn = self._lead()
            if conn is not None:
                self._carry_out()
                self._sweep(conn)
        except (*TROUBLE, DatabaseError) as error:
            log.warning("tick failed: the database", error=" ".join(str(error).split()))
            self.close()

    def close(self) -> None:
        """Gives up the connection and with it the lead."""
        conn, self._conn, self._leads = self._conn, None, False
        if conn is not None:
            conn.close()

    def _lead(self) -> Connection | None:
        """The connection that holds the lock; None while another clock has it."""
        if self._conn is None or self._conn.closed:
            self._leads = False
            self._conn = self._context.database.connect("worker", "limits scheduler")
        if not self._leads:
            self._leads = workers.lead(self._conn)
            if self._leads:
                log.info("this scheduler leads", scheduler=self._context.name)
        return self._conn if self._leads else None

    def _carry_out(self) -> None:
        """Applies announced changes whose day has come and ends offers past theirs, for as long as a tick."""
        if time.monotonic() < self._pause_until:
            return
        run = engine.due_changes(
            self._context.database,
            today(),
            actor=ACTOR,
            role="worker",
            snapshot_store=self._context.settings.snapshot_store,
            after=self._carried_to,
            seconds=self._context.settings.tick_seconds,
            stop=self._context.stopping,
        )
        self._carried_to = run.after
        if run.waiting and not run.after:
            self._pause_until = time.monotonic() + RETRY_SECONDS
        if run.applied or run.suppressed or run.expired:
            log.info("changes carried out", applied=run.applied, suppressed=run.suppressed, expired=run.expired)

    def _sweep(self, conn: Connection) -> None:
        try:
            alive = workers.list_workers(conn, "worker", max_age=workers.ALIVE_SECONDS)
            if alive:
                sweep(conn, self._app, most=len(alive) * cores())
            else:
                probe(self._app)  # without workers messages would only pile up
        except BrokerError as error:
            log.warning("no wake-ups sent; working on what is left myself", error=str(error))
            self._work_myself(conn)

    def _work_myself(self, conn: Connection) -> None:
        for review in reviews.unfinished(conn):
            if review.work and not self._context.stopping():
                jobs.work_on(self._app, self._context, review.review_id, seconds=self._context.settings.tick_seconds)


def run_scheduler(database: Database, settings: Settings) -> int:
    """Ticks until SIGTERM or Ctrl-C."""
    set_up(settings.log_level)
    context = Context(database, settings, workers.name("scheduler"))
    app = make_app(settings, database)
    clock, ower, reconciler = Clock(context, app), Ower(context), Reconciler(context)
    scheduler = BlockingScheduler(
        timezone=dt.UTC,
        # Delivering waits for whoever takes the messages, reconciling reads for a while; the clock does neither.
        executors={name: ThreadPoolExecutor(1) for name in ("default", "owing", "reconciler", "courier")},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    scheduler.add_job(
        ower.tick, "interval", seconds=min(settings.tick_seconds, OWE_SECONDS), id="owe", executor="owing",
        next_run_time=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    scheduler.add_job(
        clock.tick, "interval", seconds=settings.tick_seconds, id="tick", next_run_time=dt.datetime.now(dt.UTC)
    )
    scheduler.add_job(
        reconciler.tick, "interval", seconds=settings.tick_seconds, id="reconcile", executor="reconciler",
        next_run_time=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    if settings.outbox is not None:
        courier = Courier(context, settings.outbox)
        scheduler.add_job(
            courier.tick, "interval", seconds=settings.tick_seconds, id="deliver", executor="courier",
            next_run_time=dt.datetime.now(dt.UTC),
        )  # fmt: skip

    def stop(*_: Any) -> None:
        context.stop.set()
        # Not in the handler itself: shutting down takes locks that the interrupted code may hold.
        threading.Thread(target=scheduler.shutdown, name="shutdown").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with Heart(context, "scheduler", doing="clock", moves=ower.ticks):
        log.info("scheduler ready", scheduler=context.name, tick_seconds=settings.tick_seconds)
        scheduler.start()
    clock.close()
    ower.close()
    reconciler.close()
    log.info("scheduler stopped", scheduler=context.name)
    return 0
