"""The search for the greatest likelihood against a dense grid: python -m limits.bench.optimum [SERIES] [SEED].

Prints, by number of months, how far the likelihood found lies below the best of 401 ratios,
at most, and how many series miss it by more than 1e-6.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from limits.capacity import local_level
from limits.capacity.kernels import kernel
from limits.capacity.local_level import LOG_2PI, Float

LENGTHS = (4, 6, 9, 12, 24, 36, 60)
#: Ratios of the dense grid beside 0, from a hundredth of the least eigenvalue up.
DENSE = 400
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Gap:
    """By how much the dense grid is better, at most; how many series by more than 1e-6; ratios strictly inside 0..1."""

    months: int
    series: int
    worst: float
    missed: int
    inside: float


@kernel
def _dense(power: Float, inverse: Float, determinant: Float, best: Float) -> None:
    """The best loglikelihood of each row over the grid, with the scale concentrated out."""
    size = power.shape[1]
    for row in range(power.shape[0]):
        best[row] = -np.inf
        for g in range(len(determinant)):
            total = 0.0
            for k in range(size):
                total += power[row, k] * inverse[g, k]
            best[row] = max(best[row], -0.5 * (size * np.log(total / size) + determinant[g]))


def made_up(rows: int, months: int, dice: np.random.Generator) -> Float:
    """Walks beside noise of very different shares, half of it heavy-tailed, three in ten with a step."""
    share = 10.0 ** dice.uniform(-2.5, 1.0, (rows, 1))
    noise = np.where(dice.random((rows, 1)) < 0.5, dice.standard_t(2, (rows, months)), dice.normal(size=(rows, months)))
    series = (dice.normal(size=(rows, months)) * share).cumsum(axis=1) + noise
    step = (np.arange(months) >= dice.integers(1, months, (rows, 1))) * dice.normal(0.0, 4.0, (rows, 1))
    return np.asarray(series + step * (dice.random((rows, 1)) < 0.3))


def gap_to_grid(series: Float) -> Gap:
    """Compare the optimum of rows (n, m) without gaps with the dense grid, computed here by another way."""
    rows, months = series.shape
    first, last, count = (np.empty(rows, np.int64) for _ in range(3))
    local_level.spans(series, first, last, count)
    found = local_level.fit(series, first, last, count)
    k = np.arange(1, months)
    sines = np.sqrt(2.0 / months) * np.sin(np.pi * np.outer(k, k) / months)
    eigen = 2.0 - 2.0 * np.cos(np.pi * k / months)
    ratio = np.concatenate([[0.0], np.geomspace(0.01 * eigen[0], 1.0, DENSE)])[:, None]
    variance = ratio + (1.0 - ratio) * eigen
    best = np.empty(rows)
    _dense((np.diff(series, axis=1) @ sines) ** 2, 1.0 / variance, np.log(variance).sum(axis=1), best)
    gap = best - 0.5 * (LOG_2PI + (months - 1) * (LOG_2PI + 1.0)) - found.loglik
    inside = float(((found.ratio > 0.0) & (found.ratio < 1.0)).mean())
    return Gap(months, rows, float(gap.max()), int((gap > TOLERANCE).sum()), inside)


def main(series: int = 1_000_000, seed: int = 1) -> None:
    """Print the gaps for ``series`` random series in all."""
    dice = np.random.default_rng(seed)
    print("months\tseries\tgrid better by at most\tmissed by 1e-6\tratio inside")
    for months in LENGTHS:
        found = gap_to_grid(made_up(-(-series // len(LENGTHS)), months, dice))
        print(f"{months}\t{found.series:,}\t{found.worst:.1e}\t{found.missed}\t{found.inside:.1%}", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
