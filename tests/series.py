"""Monthly series for tests: made up, and of real accounts."""

from __future__ import annotations

from functools import cache

import numpy as np

from limits.samples import monthly


def made_up(rows: int, months: int = 24, seed: int = 0) -> np.ndarray:
    """Random walks with noise of very different shares, heavy tails, gaps, late starts and early ends."""
    rng = np.random.default_rng(seed)
    ratio = 10 ** rng.uniform(-2.5, 1, (rows, 1))
    noise = np.where(rng.random((rows, 1)) < 0.5, rng.standard_t(2, (rows, months)), rng.normal(size=(rows, months)))
    series = 1000 + 50 * ((rng.normal(size=(rows, months)) * ratio).cumsum(axis=1) + noise)
    late = rng.random((rows, 1)) < 0.3
    series[late & (np.arange(months) < rng.integers(1, months - 6, (rows, 1)))] = np.nan
    early = rng.random((rows, 1)) < 0.1
    series[early & (np.arange(months) >= months - 2)] = np.nan
    series[(rng.random((rows, 1)) < 0.4) & (rng.random((rows, months)) < 0.15)] = np.nan
    series[np.isfinite(series).sum(axis=1) < 4] = 1000 + rng.normal(size=months)
    return series


@cache
def real() -> np.ndarray:
    """Inflow and outgoings of the Berka accounts with at least four months, each divided by its mean (n, m).

    Every series ends in the last column. In every third row one month inside is taken for not observed.
    """
    found: list[list[float]] = []
    for side in ("in", "out"):
        rows: dict[str, list[float]] = {}
        for account, _, amount in monthly.berka(side):
            rows.setdefault(account, []).append(float(amount))
        found += [row for row in rows.values() if len(row) >= 4 and max(row) > min(row)]
    series = np.full((len(found), max(map(len, found))), np.nan)
    for row, amounts in enumerate(found):
        series[row, -len(amounts) :] = np.array(amounts) / np.mean(amounts)
        if row % 3 == 0 and len(amounts) >= 6:
            series[row, -2 - row % (len(amounts) - 3)] = np.nan
    return series
