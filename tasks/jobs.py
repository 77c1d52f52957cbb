"""What a message sets off. The work itself is in limits.engine; nothing is decided here."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import structlog
from celery import Celery

from limits import engine
from limits.errors import BrokerError, DatabaseError
from limits.store.db import TROUBLE
from tasks.app import TASK_SECONDS, WORK, Context, wake

log = structlog.get_logger()

#: The largest number that a review can have.
LARGEST_ID = 2**63 - 1


def register(app: Celery, context: Context) -> None:
    """Adds the tasks to the application."""

    @app.task(name=WORK)
    def work(review_id: Any = None, *args: Any, **kwargs: Any) -> None:
        """Works on a review for a while. Messages may be forged, so the id is looked at."""
        if type(review_id) is not int or not 0 < review_id <= LARGEST_ID or args or kwargs:
            log.warning("message without a review's number ignored", got=repr(review_id)[:100])
            return
        with _put_down_on_sigterm(context):
            work_on(app, context, review_id)


def leave_in_order(**_: Any) -> None:
    """A process of the pool that has nothing to do leaves by way of Python when SIGTERM comes.

    Of one that is killed outright Celery's pool may not hear, and wait for it when the worker stops.
    """
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> None:
    raise SystemExit(0)


@contextlib.contextmanager
def _put_down_on_sigterm(context: Context) -> Iterator[None]:
    """A service manager may send SIGTERM to the children of the pool too: the lease is given back first."""

    def leave(*_: object) -> None:
        context.leaving = True

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if context.leaving:
            # A little later: the pool has to hear first that the message was dealt with.
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()


def work_on(app: Celery, context: Context, review_id: int, *, seconds: float = TASK_SECONDS) -> None:
    """Works on a review until nothing is left or time is up; then somebody is woken for what is left."""
    try:
        worked = engine.work(
            context.database,
            context.settings,
            review_id,
            worker=f"{context.name}/{os.getpid()}",
            seconds=seconds,
            stop=context.stopping,
            wake=lambda review, count: _wake(app, review, count),
        )
    except (*TROUBLE, DatabaseError) as error:
        # Leases run out by themselves, and the sweeper sends the wake-up again.
        log.warning("gave up for now: the database", review_id=review_id, error=" ".join(str(error).split()))
        return
    if worked.state == "more":
        _wake(app, review_id, 1)


def _wake(app: Celery, review_id: int, count: int) -> None:
    try:
        wake(app, review_id, count)
    except BrokerError as error:
        log.warning("no wake-up sent; the sweeper will", review_id=review_id, error=str(error))
