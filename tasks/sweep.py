"""Wake-ups for reviews that are not finished, sent again and again: any message may be lost."""

from __future__ import annotations

import structlog
from celery import Celery

from limits.store import reviews
from limits.store.db import Connection
from limits.store.reviews import Unfinished
from tasks.app import wake

log = structlog.get_logger()


def sweep(conn: Connection, app: Celery, *, most: int) -> list[Unfinished]:
    """Sends up to ``most`` wake-ups for each review with work that nobody holds; returns those reviews.

    BrokerError when they cannot be sent.
    """
    waiting = [review for review in reviews.unfinished(conn) if review.work]
    for review in waiting:
        wake(app, review.review_id, min(review.work, most))
        log.debug("wake-up sent", review_id=review.review_id, free=review.free, leased=review.leased)
    return waiting
