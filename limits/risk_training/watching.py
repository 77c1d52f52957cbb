"""Monitoring from the log: how the users of past reviews scored, and what became of those whose horizon is over.

Nobody is scored anew: what counts is what the log says that the model said when it was decided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limits.errors import InputError
from limits.portfolio import Int
from limits.risk import Scorecard
from limits.risk.names import Real
from limits.risk_training.evaluating import percents, tenths
from limits.risk_training.metrics import Counted, Judged, judge
from limits.risk_training.observed import months_later
from limits.risk_training.stability import Drift, Expected, calibration_drifts, from_card, points_drift
from limits.store import scored
from limits.store.db import Connection
from limits.store.outcomes import read_outcomes
from limits.store.scored import ScoredReview, Spread


@dataclass(frozen=True)
class Watched:
    """How the users of one review scored. ``share``: of the parts of the points that the card has, the fewest first.

    ``drift``: None where the card does not say how its users were spread. ``bands``: users by band, the best first.
    """

    review: ScoredReview
    users: int
    expected: float
    share: Real
    drift: Drift | None
    bands: dict[str, int]


@dataclass(frozen=True)
class Became:
    """What became of the users of a review until its horizon was over: figures, by tenths of the probability too."""

    review: ScoredReview
    until: dt.date
    scored: int
    figures: Judged
    calibration: dict[str, Judged]
    drifts: list[Drift]


@dataclass(frozen=True)
class Monitored:
    """Everything that the log says of a model. ``became``: None where no horizon is over or nothing was to be seen.

    ``trouble``: why nothing can be said of stability; empty where it can.
    """

    expected: Expected | None
    trouble: str
    reviews: list[Watched]
    became: Became | None


def watch(
    conn: Connection, model: Scorecard, *, last: int, today: dt.date, most: int, times: int, seed: int = 0
) -> Monitored:
    """The newest ``last`` reviews that the model scored; outcomes of ``most`` users of one of them at most."""
    try:
        expected, trouble = from_card(model), ""
    except InputError as error:
        expected, trouble = None, str(error)
    found = scored.reviews(conn, model.model_hash, last=last)
    rows = scored.spread(conn, found)
    reviews = [_watched(model, expected, one, rows) for one in found if (rows.review_id == one.review_id).any()]
    over = (one.review for one in reviews if months_later(one.review.as_of, model.horizon_months) <= today)
    newest = next(over, None)
    became = None if newest is None else _became(conn, model, newest, most=most, times=times, seed=seed)
    return Monitored(expected, trouble, reviews, became)


def _watched(model: Scorecard, expected: Expected | None, review: ScoredReview, rows: Spread) -> Watched:
    here = rows.review_id == review.review_id
    points, ppm, users = rows.points[here], rows.ppm[here], rows.users[here]
    total = int(users.sum())
    names = [band.name for band in model.bands]
    cuts = np.array([band.points_from for band in model.bands[:-1]], dtype=np.int64)
    place = (points[:, None] < cuts).sum(axis=1, dtype=np.int64)
    bands = np.bincount(place, weights=users, minlength=len(names)).astype(int).tolist()
    share = np.zeros(0, dtype=np.float64)
    if expected is not None:
        share = _share(expected.point_edges, points, users)
    drift = points_drift(expected, share) if expected is not None else None
    chance = float((ppm * users).sum()) / total / 1_000_000
    return Watched(review, total, chance, share, drift, dict(zip(names, bands, strict=True)))


def _share(edges: Sequence[float], points: Int, users: Int) -> Real:
    place = np.searchsorted(edges, points, side="right")
    counts = np.bincount(place, weights=users, minlength=len(edges) + 1).astype(np.float64)
    return counts / counts.sum()


def _became(
    conn: Connection, model: Scorecard, review: ScoredReview, *, most: int, times: int, seed: int
) -> Became | None:
    until = months_later(review.as_of, model.horizon_months)
    said = scored.scores(conn, review, most=most)
    known, missed = read_outcomes(conn, said.user_id, review.as_of, until)
    if not len(known):
        return None
    rows = np.isin(said.user_id, known)
    points, ppm = said.points[rows], said.ppm[rows]

    def of(here: slice | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Judged:
        return judge(Counted.of(points[here], ppm[here], missed[here]), times=times, seed=seed)

    figures = of(slice(None))
    parts = {percents(ppm[here]): of(here) for here in tenths(ppm)}
    return Became(review, until, len(said.user_id), figures, parts, calibration_drifts(figures))
