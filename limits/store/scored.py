"""What risk models said of users in reviews that are over, as the adjustment log has it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg.rows import class_row

from limits.portfolio import Int
from limits.store.columns import read
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class ScoredReview:
    """A review whose users a model scored."""

    review_id: int
    as_of: dt.date


class Spread(NamedTuple):
    """How many users of reviews had which points: columns of one length."""

    review_id: Int
    points: Int
    ppm: Int
    users: Int


class Scores(NamedTuple):
    """Points and probabilities of users by ascending number."""

    user_id: Int
    points: Int
    ppm: Int


def reviews(conn: Connection, model_hash: bytes, *, last: int) -> list[ScoredReview]:
    """The newest reviews of everybody that a model scored, the newest first."""
    with conn.cursor(row_factory=class_row(ScoredReview)) as cursor:
        return cursor.execute(query("risk_reviews"), {"model_hash": model_hash, "last": last}).fetchall()


def spread(conn: Connection, found: Sequence[ScoredReview]) -> Spread:
    """How the users of some reviews scored; of archived ones there is nothing."""
    parameters = {"review_ids": [one.review_id for one in found], "dates": [one.as_of for one in found]}
    columns = read(conn, "risk_spread", **parameters)
    return Spread(*(columns[name] for name in Spread._fields))


def scores(conn: Connection, review: ScoredReview, *, most: int) -> Scores:
    """What users of a review scored, ``most`` of them at most."""
    columns = read(conn, "risk_scores", review_id=review.review_id, as_of=review.as_of, most=most)
    order = columns["user_id"].argsort()
    return Scores(*(columns[name][order] for name in Scores._fields))
