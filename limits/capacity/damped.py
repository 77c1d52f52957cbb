"""Local level with a damped trend, and removal of one-off spikes.

    amount[t] = level[t] + noise[t]                       noise variance scale * (1 - ratio - share)
    level[t + 1] = level[t] + slope[t] + step[t]          step variance  scale * ratio
    slope[t + 1] = DAMPING * slope[t] + turn[t]           turn variance  scale * share

The level starts diffuse, the slope from its stationary distribution (Gardner and McKenzie
1985 for the damping). ``ratio`` and ``share`` are chosen from a fixed grid by the exact
likelihood with the scale concentrated out; share 0 is the local level model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from limits.capacity.kernels import kernel
from limits.capacity.local_level import LOG_2PI, Float, Int

DAMPING = 0.8
RATIOS = (0.0, 0.02, 0.06, 0.15, 0.35, 0.7, 1.0)
SHARES = (0.0, 0.002, 0.01, 0.05, 0.2)
#: Every pair with a noise variance that is not negative, shape (pairs, 2).
GRID = np.array([(r, s) for r in RATIOS for s in SHARES if r + s <= 1.0])


class Damped(NamedTuple):
    """Fit of n users over h months: ``mean`` and ``variance`` (n, h), everything else (n,)."""

    mean: Float
    variance: Float
    mean_of_mean: Float
    variance_of_mean: Float
    ratio: Float
    share: Float
    scale: Float
    level: Float
    slope: Float
    loglik: Float


@kernel
def _run(amount: Float, ratio: float, share: float, state: Float) -> tuple[float, float]:
    """Kalman filter at unit scale: error sum and log determinant; ``state`` becomes level, slope, P11, P12, P22."""
    noise = 1.0 - ratio - share
    level, slope, p11, p12, p22 = amount[0], 0.0, noise, 0.0, share / (1.0 - DAMPING * DAMPING)
    errors, product = 0.0, 0.0
    for t in range(1, len(amount)):
        level += slope
        slope *= DAMPING
        p11 += 2.0 * p12 + p22 + ratio
        p12 = DAMPING * (p12 + p22)
        p22 = DAMPING * DAMPING * p22 + share
        if math.isnan(amount[t]):
            continue
        variance = p11 + noise
        error = amount[t] - level
        k1, k2 = p11 / variance, p12 / variance
        level += k1 * error
        slope += k2 * error
        p22 -= k2 * p12
        p12 -= k1 * p12
        p11 -= k1 * p11
        errors += error * error / variance
        product += math.log(variance)
    state[0], state[1], state[2], state[3], state[4] = level, slope, p11, p12, p22
    return errors, product


@kernel
def _ahead(state: Float, ratio: float, share: float, idle: int, mean: Float, variance: Float) -> tuple[float, float]:
    """Months ahead of ``state`` at unit scale, after ``idle`` months; mean and variance of their mean.

    The running sum of levels is carried as a third state, with covariances c1, c2 and variance c3.
    """
    noise, horizon = 1.0 - ratio - share, len(mean)
    level, slope, p11, p12, p22 = state[0], state[1], state[2], state[3], state[4]
    total, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
    for t in range(-idle, horizon):
        level += slope
        slope *= DAMPING
        c1 += c2
        c2 *= DAMPING
        p11 += 2.0 * p12 + p22 + ratio
        p12 = DAMPING * (p12 + p22)
        p22 = DAMPING * DAMPING * p22 + share
        if t >= 0:
            mean[t], variance[t] = level, p11 + noise
            total += level
            c3 += 2.0 * c1 + p11
            c1 += p11
            c2 += p12
    return total / horizon, (c3 + horizon * noise) / (horizon * horizon)


@kernel
def _fit_rows(
    series: Float, first: Int, last: Int, count: Int, grid: Float, mean: Float, variance: Float, result: Float
) -> None:
    state = np.empty(5)
    for row in range(len(series)):
        if count[row] < 2:
            continue
        amount = series[row, first[row] : last[row] + 1]
        size, best, chosen = count[row] - 1, math.inf, 0
        for g in range(len(grid)):
            errors, determinant = _run(amount, grid[g, 0], grid[g, 1], state)
            value = size * math.log(max(errors, 1e-290)) + determinant
            if value < best:
                best, chosen = value, g
        ratio, share = grid[chosen, 0], grid[chosen, 1]
        scale = _run(amount, ratio, share, state)[0] / size
        idle = series.shape[1] - 1 - last[row]
        result[0, row], over = _ahead(state, ratio, share, idle, mean[row], variance[row])
        for h in range(mean.shape[1]):
            variance[row, h] *= scale
        result[1, row], result[2, row], result[3, row], result[4, row] = over * scale, ratio, share, scale
        result[5, row], result[6, row] = state[0], state[1]
        result[7, row] = -0.5 * (LOG_2PI + size * (LOG_2PI + 1.0 - math.log(size)) + best)


def fit(series: Float, first: Int, last: Int, count: Int, horizon: int) -> Damped:
    """Fit every row with at least two observations; the others get NaN."""
    mean, variance = np.full((len(series), horizon), np.nan), np.full((len(series), horizon), np.nan)
    result = np.full((8, len(series)), np.nan)
    _fit_rows(series, first, last, count, GRID, mean, variance, result)
    return Damped(mean, variance, *result)


@kernel
def _erase(series: Float, signal: Float, bound: Float) -> None:
    """Set to NaN every month beyond ``bound`` (n,) whose neighbours in time are inside it."""
    rows, months = series.shape
    for row in range(rows):
        current = -1
        outside_previous, outside_current = False, False
        for t in range(months + 1):
            if t < months and math.isnan(signal[row, t]):
                continue
            outside_next = t < months and abs(signal[row, t]) > bound[row]
            if current >= 0 and outside_current and not outside_previous and not outside_next:
                series[row, current] = math.nan
            outside_previous, current, outside_current = outside_current, t, outside_next


def without_spikes(series: Float, first: Int, last: Int, count: Int, fence: float) -> Float:
    """The series with one-off spikes taken as not observed.

    A spike is a single month farther from the row's median than ``fence`` absolute deviations
    (their median, and at least half their mean). Two such months in a row are a step and stay.
    Rows with fewer than five observations are left alone.
    """
    with np.errstate(invalid="ignore"):
        long = count >= 5
        cleaned = series.copy()
        if long.any():
            rows = series[long]
            signal = rows - np.nanmedian(rows, axis=1, keepdims=True)
            away = np.abs(signal)
            deviation = np.maximum(np.nanmedian(away, axis=1), 0.5 * np.nanmean(away, axis=1))
            _erase(rows, signal, fence * deviation)
            cleaned[long] = rows
    return cleaned
