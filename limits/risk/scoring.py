"""Points of many users at once: bins by counting edges, then sums of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from limits.capacity.kernels import kernel
from limits.portfolio import Int
from limits.risk.record import Real

#: Users scored at a time, so that their features stay near the processor; changes no result.
BLOCK_USERS = 8_192


class Plan(NamedTuple):
    """The tables of a scorecard as flat arrays. An axis is a feature with its edges, however many tables read it.

    feature      (axes,) row of the feature
    starts       (axes + 1,) where the edges of each axis begin in ``edges``
    first, second
                 (tables,) the axes of each table, -1 where there is no second
    begins       (tables,) where the points of each table begin in ``points``
    """

    feature: Int
    starts: Int
    edges: Real
    first: Int
    second: Int
    begins: Int
    points: Int


def make_plan(
    features: Sequence[str], tables: Sequence[tuple[Sequence[str], Sequence[Sequence[float]], Sequence[int]]]
) -> Plan:
    """The plan of tables given by their features, edges and points; ``features`` says the row of each feature."""
    axes: dict[tuple[str, tuple[float, ...]], int] = {}
    sides: list[list[int]] = []
    for names, edges, _ in tables:
        keys = [(name, tuple(cuts)) for name, cuts in zip(names, edges, strict=True)]
        sides.append([axes.setdefault(key, len(axes)) for key in keys])
    return Plan(
        np.array([features.index(name) for name, _ in axes], dtype=np.int64),
        np.cumsum([0, *(len(cuts) for _, cuts in axes)], dtype=np.int64),
        np.array([cut for _, cuts in axes for cut in cuts], dtype=np.float64),
        np.array([side[0] for side in sides], dtype=np.int64),
        np.array([side[1] if len(side) > 1 else -1 for side in sides], dtype=np.int64),
        np.cumsum([0, *(len(points) for _, _, points in tables)], dtype=np.int64)[:-1],
        np.array([point for _, _, points in tables for point in points], dtype=np.int64),
    )


def add_points(features: Real, plan: Plan, total: Int) -> None:
    """Add to ``total`` (n,) the points of users with these features (features, n)."""
    _add(np.ascontiguousarray(features), *plan, total)


@kernel
def _add(
    features: Real, feature: Int, starts: Int, edges: Real, first: Int, second: Int, begins: Int, points: Int,
    total: Int,
) -> None:  # fmt: skip
    axes = len(feature)
    place = np.empty(axes, np.int64)
    for user in range(features.shape[1]):
        for axis in range(axes):
            value = features[feature[axis], user]
            at = 0
            for edge in range(starts[axis], starts[axis + 1]):
                at += value >= edges[edge]
            if np.isnan(value):
                at = starts[axis + 1] - starts[axis] + 1
            place[axis] = at
        whole = 0
        for table in range(len(first)):
            at = place[first[table]]
            other = second[table]
            if other >= 0:
                at = at * (starts[other + 1] - starts[other] + 2) + place[other]
            whole += points[begins[table] + at]
        total[user] += whole
