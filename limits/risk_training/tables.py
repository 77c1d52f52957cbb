"""The tables of all characteristics, fitted at once: a penalised logistic regression with one number for each bin.

Neighbouring bins are drawn together, every bin is drawn to zero, and a step against the direction of its feature is
penalised, so that a table follows the data where there are many users and stays smooth where there are few. The
penalised likelihood is convex: it has one maximum, which scipy's L-BFGS finds without any chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import optimize, sparse

from limits.errors import InputError
from limits.portfolio import Bool, Int
from limits.risk.names import Real
from limits.risk_training.recipe import Recipe

#: Times that isotonic regression goes along both features of a table, and what an empty cell weighs in it.
_TURNS, _SOME = 3, 0.1


@dataclass(frozen=True, slots=True)
class Shape:
    """The bins of one table: the known bins and one not known of each feature, and the direction of each feature."""

    bins: tuple[int, ...]
    direction: tuple[int, ...]

    @property
    def cells(self) -> int:
        """How many numbers the table has."""
        return int(np.prod(self.bins))

    def steps(self, axis: int) -> Any:
        """Differences of neighbouring known bins along one feature (steps, cells), as a sparse matrix."""
        parts = [sparse.eye(bins, format="csr") for bins in self.bins]
        bins = self.bins[axis]
        parts[axis] = sparse.diags([-1.0, 1.0], [0, 1], shape=(max(bins - 2, 0), bins), format="csr")
        return parts[0] if len(parts) == 1 else sparse.kron(*parts, format="csr")


@dataclass(frozen=True, slots=True)
class Fit:
    """tables: for each characteristic its log-odds by bin, as places of ``Shape``; constant: the log-odds of all."""

    tables: tuple[Real, ...]
    constant: float

    def columns(self, places: list[Int]) -> Real:
        """What each characteristic says of each user (n, characteristics), log-odds."""
        return np.stack([table[place] for table, place in zip(self.tables, places, strict=True)], axis=1)


def fit_tables(places: list[Int], shapes: list[Shape], missed: Bool, recipe: Recipe) -> Fit:
    """The tables of users whose bins are ``places``, one (n,) for each characteristic."""
    starts = np.cumsum([0, *(shape.cells for shape in shapes)])
    users, cells = len(missed), int(starts[-1])
    which = np.stack([place + start for place, start in zip(places, starts, strict=False)], axis=1).ravel()
    rows = np.arange(users + 1) * len(places)
    told = sparse.csr_matrix((np.ones(len(which)), which, rows), shape=(users, cells))
    penalty, directed = _penalties(shapes, recipe)
    problem = _Problem(told, missed.astype(np.float64), penalty, directed, recipe.one_way)
    found = problem.solve()
    tables = tuple(
        one_way(found[low:high], shape, problem.users[low:high])
        for shape, (low, high) in zip(shapes, pairwise(starts.tolist()), strict=True)
    )
    return Fit(tables, float(found[-1]))


def one_way(table: Real, shape: Shape, users: Real) -> Real:
    """The table with every step against a direction taken back: what the penalty has left of them.

    By isotonic regression along each feature in turn, cells by their users; whatever is still left, by the middle
    between the nearest tables above and below.
    """
    found = table.reshape(shape.bins).copy()
    weight = users.reshape(shape.bins) + _SOME
    axes = [axis for axis, direction in enumerate(shape.direction) if direction]
    for _ in range(_TURNS if len(axes) > 1 else 1):
        for axis in axes:
            lines, weights = (np.moveaxis(one, axis, 0)[:-1] for one in (found, weight))
            against = (shape.direction[axis] * np.diff(lines, axis=0) < 0).any(axis=0)
            for place in map(tuple, np.argwhere(against)):
                at = (slice(None), *place)
                fitted = optimize.isotonic_regression(
                    lines[at], weights=weights[at], increasing=shape.direction[axis] > 0
                )
                lines[at] = fitted.x
    above, below = found.copy(), found.copy()
    for axis in axes:
        rises = shape.direction[axis] > 0
        for one, largest in ((above, True), (below, False)):
            known = np.moveaxis(one, axis, 0)[:-1]
            along = known if rises == largest else known[::-1]
            along[:] = np.maximum.accumulate(along, axis=0) if largest else np.minimum.accumulate(along, axis=0)
    return ((above + below) / 2).ravel()


def _penalties(shapes: list[Shape], recipe: Recipe) -> tuple[Any, Any]:
    """The quadratic penalty, and the steps that must not be below zero."""
    quadratic, directed = [], []
    for shape in shapes:
        one = recipe.shrinkage * sparse.eye(shape.cells, format="csr")
        ways = [sparse.csr_matrix((0, shape.cells))]
        for axis, direction in enumerate(shape.direction):
            steps = shape.steps(axis)
            one = one + recipe.smoothness * (steps.T @ steps)
            if direction:
                ways.append(direction * steps)
        quadratic.append(one)
        directed.append(sparse.vstack(ways))
    return sparse.block_diag(quadratic, format="csr"), sparse.block_diag(directed, format="csr")


class _Problem:
    """Minus the penalised log-likelihood, with unknowns scaled by what is known of each."""

    def __init__(self, told: Any, missed: Real, penalty: Any, one_way: Any, weight: float) -> None:
        self.told, self.missed, self.penalty, self.one_way, self.weight = told, missed, penalty, one_way, weight
        self.told_back, self.one_way_back = told.T.tocsr(), one_way.T.tocsr()
        rate = missed.mean()
        self.users: Real = np.asarray(told.sum(axis=0)).ravel()
        self.scale = 1.0 / np.sqrt(rate * (1 - rate) * self.users + penalty.diagonal())
        self.constant = float(np.log(rate / (1 - rate)))

    def solve(self) -> Real:
        """The log-odds of every cell, and the constant last. InputError where they do not settle."""
        start = np.append(np.zeros(len(self.scale)), self.constant)
        options = {"maxiter": 1000, "maxcor": 20, "ftol": 1e-8, "gtol": 1e-3}
        found = optimize.minimize(self.value, start, jac=True, method="L-BFGS-B", options=options)
        if not found.success:
            raise InputError(f"the points did not settle: {found.message}; train on more users, or on other ones")
        return np.append(found.x[:-1] * self.scale, found.x[-1])

    def value(self, unknown: Real) -> tuple[float, Real]:
        """The value and its slope."""
        table = unknown[:-1] * self.scale
        odds = self.told @ table + unknown[-1]
        drawn, against = self.penalty @ table, np.minimum(self.one_way @ table, 0.0)
        likelihood = np.logaddexp(0.0, odds).sum() - self.missed @ odds
        value = likelihood + 0.5 * (table @ drawn) + 0.5 * self.weight * (against @ against)
        error = 1.0 / (1.0 + np.exp(-odds)) - self.missed
        slope = self.told_back @ error + drawn + self.weight * (self.one_way_back @ against)
        return float(value), np.append(slope * self.scale, error.sum())
