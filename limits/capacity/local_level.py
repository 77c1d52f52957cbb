"""Exact maximum likelihood of the local level model, for all users at once.

The model (Durbin and Koopman 2012, Time Series Analysis by State Space Methods, chapter 2):

    amount[t] = level[t] + noise[t],       noise  ~ N(0, scale * (1 - ratio))
    level[t + 1] = level[t] + step[t],     step   ~ N(0, scale * ratio)

with ``ratio`` in [0, 1]: 0 is a constant level, 1 a random walk. The level starts diffuse,
and ``scale`` is concentrated out of the likelihood, so that one number is searched for.

Without gaps the first differences have covariance scale * (ratio * I + (1 - ratio) * K), K
tridiagonal (2, -1). The sine transform DST-I diagonalises K, with eigenvalues
2 - 2 cos(pi k / n), so that the likelihood at any ratio is a weighted sum of squares. With
gaps the Kalman filter is run together with its first two derivatives by the ratio.

Users stand side by side in groups of ``LANES``, short groups filled up, so that every user
passes through the same instructions wherever the row stands: the result of a row does
not depend on the other rows, not by one bit. Arrays inside a group are (time, LANES).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel

Float = NDArray[np.float64]
Int = NDArray[np.int64]

#: Users worked on side by side.
LANES = 32
#: Newton steps of one refinement; each is kept inside a bracket that shrinks.
STEPS = 12
#: A ratio that moves by less than this share of itself has arrived.
CLOSE = 1e-4
#: A second mode of the likelihood is refined when it comes this near to the best (in loglikelihood).
NEAR = 0.1
#: Points of the grid of ratios; 0, one just above, then even steps of the logarithm up to 0.5, then even steps up to 1.
POINTS = 26

LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class LocalLevel:
    """Fitted parameters and filtered state of n users; every array has shape (n,).

    ratio     share of the step's variance, step / (step + noise)
    scale     step variance + noise variance, square of the unit of the series
    level     mean of the level in the last month of the row, given all observations
    spread    variance of that level divided by ``scale``
    loglik    exact diffuse loglikelihood at the maximum, constants as in statsmodels
    """

    ratio: Float
    scale: Float
    level: Float
    spread: Float
    loglik: Float


@kernel
def spans(series: Float, first: Int, last: Int, count: Int) -> None:
    """Fill in the first and last observed month and the number of observed months of each row (0 if none)."""
    rows, months = series.shape
    for i in range(rows):
        seen, low, high = 0, 0, -1
        for t in range(months):
            if not math.isnan(series[i, t]):
                if seen == 0:
                    low = t
                high = t
                seen += 1
        first[i], last[i], count[i] = low, high, seen


@kernel
def look(series: Float, first: Int, last: Int, count: Int, least: Float, largest: Float) -> None:
    """As ``spans``, with the least amount and the largest size of each row (infinity and 0 if none)."""
    spans(series, first, last, count)
    rows, months = series.shape
    for i in range(rows):
        low, size = math.inf, 0.0
        for t in range(months):
            amount = series[i, t]
            low, size = min(low, amount), max(size, abs(amount))
        least[i], largest[i] = low, size


def ratio_grid(months: int) -> Float:
    """Ratios so near to each other that a mode of the likelihood of ``months`` values seldom hides between two."""
    lowest = 0.25 * (2.0 - 2.0 * math.cos(math.pi / months))
    return np.concatenate([[0.0, 0.6 * lowest], np.geomspace(lowest, 0.5, POINTS - 8), [0.6, 0.7, 0.8, 0.9, 0.95, 1.0]])


def _padded(table: Float) -> Float:
    """The table with zero columns added up to a multiple of four."""
    return np.ascontiguousarray(np.pad(table, ((0, 0), (0, -table.shape[1] % 4))))


def sine_tables(months: int) -> tuple[Float, Float, Float]:
    """Halves of the DST-I matrix for ``months - 1`` differences, and the eigenvalues of K.

    Rows k = 1, 3, 5, ... act on d[j] + d[mirror of j], rows k = 2, 4, ... on d[j] - d[mirror of j],
    the latter from the middle outwards. Returns (odd rows, even rows, eigenvalues in that order).
    """
    size = months - 1
    half = (size + 1) // 2
    k = np.concatenate([np.arange(1, size + 1, 2), np.arange(2, size + 1, 2)])
    odd, even = k[:half], k[half:]
    table = math.sqrt(2.0 / months) * np.sin(math.pi * np.outer(odd, np.arange(1, half + 1)) / months)
    mirrored = math.sqrt(2.0 / months) * np.sin(math.pi * np.outer(even, np.arange(size // 2, 0, -1)) / months)
    return _padded(table), _padded(mirrored), 2.0 - 2.0 * np.cos(math.pi * k / months)


@kernel
def _project(amount: Float, odd: Float, even: Float, size: int, work: Float, power: Float) -> None:
    """Squares of the sine transform of the first differences of one group: ``power`` (size, LANES), zeros below."""
    half = (size + 1) // 2
    for j in range(size):
        for lane in range(LANES):
            work[j, lane] = amount[j + 1, lane] - amount[j, lane]
    for j in range(size // 2):
        mirror = size - 1 - j
        for lane in range(LANES):
            a, b = work[j, lane], work[mirror, lane]
            work[j, lane] = a + b
            work[mirror, lane] = a - b
    work[size:] = 0.0
    power[size:] = 0.0
    for k in range(size):
        for lane in range(LANES):
            power[k, lane] = 0.0
        if k < half:
            _weigh(odd[k], work, 0, power[k])
        else:
            _weigh(even[k - half], work, half, power[k])
        for lane in range(LANES):
            power[k, lane] *= power[k, lane]


@kernel
def _weigh(weight: Float, rows: Float, begin: int, total: Float) -> None:
    """Add sum over j of weight[j] * rows[begin + j] to ``total`` (LANES,), four at a time and always in that order."""
    for j in range(0, len(weight), 4):
        a, b, c, d = weight[j], weight[j + 1], weight[j + 2], weight[j + 3]
        i = begin + j
        for lane in range(LANES):
            total[lane] += (a * rows[i, lane] + b * rows[i + 1, lane]) + (c * rows[i + 2, lane] + d * rows[i + 3, lane])


@kernel
def _scan(power: Float, inverse: Float, factor: Float, value: Float) -> None:
    """The criterion at every point of the grid: ``value`` (POINTS, LANES), least is best.

    It is scale(ratio) * exp(log determinant / size) up to a constant, a decreasing function
    of the concentrated likelihood that needs no logarithm. ``inverse`` (POINTS, size) holds
    1 / (ratio + (1 - ratio) * eigenvalue), ``factor`` (POINTS,) the second factor.
    """
    for g in range(POINTS):
        for lane in range(LANES):
            value[g, lane] = 0.0
        _weigh(inverse[g], power, 0, value[g])
        for lane in range(LANES):
            value[g, lane] *= factor[g]


@kernel
def pick_modes(value: Float, grid: Float, size: Int, low: Float, high: Float, start: Float) -> bool:
    """Brackets (2, LANES) around the best and the second best local minimum of ``value``, and where to start.

    The second is kept only where it comes within NEAR of the best; otherwise its bracket is
    empty. True if any lane has a second one.
    """
    any_second = False
    for lane in range(LANES):
        limit = math.exp(2.0 * NEAR / size[lane])
        best, second = -1, -1
        for g in range(POINTS):
            here = value[g, lane]
            if (g > 0 and value[g - 1, lane] < here) or (g < POINTS - 1 and value[g + 1, lane] <= here):
                continue
            if best < 0 or here < value[best, lane]:
                best, second = g, best
            elif second < 0 or here < value[second, lane]:
                second = g
        best = max(best, 0)
        if second >= 0 and not value[second, lane] <= limit * value[best, lane]:
            second = -1
        low[0, lane], high[0, lane], start[0, lane] = (
            grid[max(best - 1, 0)], grid[min(best + 1, POINTS - 1)], grid[best])  # fmt: skip
        low[1, lane], high[1, lane], start[1, lane] = 0.0, 0.0, 0.0
        if second >= 0:
            low[1, lane], high[1, lane], start[1, lane] = (
                grid[max(second - 1, 0)], grid[min(second + 1, POINTS - 1)], grid[second])  # fmt: skip
        elif best == POINTS - 1 and value[best - 1, lane] <= limit * value[best, lane]:
            # Beside a maximum at the border ratio = 1 another one may hide in the last two cells.
            low[1, lane], high[1, lane], start[1, lane] = grid[best - 2], 1.0, grid[best - 1]
        any_second = any_second or start[1, lane] > 0.0 or high[1, lane] > 0.0
    return any_second


@kernel
def newton_step(ratio: float, low: float, high: float, slope: float, bend: float) -> tuple[float, float, float]:
    """One safeguarded step: the new ratio and its bracket, given the first two derivatives to be minimised.

    A boundary (low = 0 or high = 1) with the slope pointing outwards is where the ratio stays.
    """
    if slope > 0.0:
        high = ratio
    else:
        low = ratio
    step = ratio - slope / bend if bend > 0.0 else -1.0
    if not (low <= step <= high):
        step = 0.5 * (low + high)
    return step, low, high


@kernel
def _derivatives(power: Float, eigen: Float, size: int, ratio: Float, out: Float) -> None:
    """Scale sum and log determinant at each lane's ratio, with first and second derivatives: ``out`` (6, LANES)."""
    for lane in range(LANES):
        for i in range(6):
            out[i, lane] = 0.0
    for k in range(size):
        e = eigen[k]
        for lane in range(LANES):
            inverse = 1.0 / (ratio[lane] + (1.0 - ratio[lane]) * e)
            u = (1.0 - e) * inverse
            s = power[k, lane] * inverse
            out[0, lane] += s
            out[1, lane] -= s * u
            out[2, lane] += s * u * u
            out[3, lane] += u
            out[4, lane] -= u * u


@kernel
def _advance(size: Int, low: Float, high: Float, ratio: Float, out: Float) -> bool:
    """One step of every lane that has not arrived, minimising size * log(error sum) + log determinant."""
    moving = False
    for lane in range(LANES):
        if low[lane] >= high[lane]:
            continue
        a = out[1, lane] / out[0, lane]
        slope = size[lane] * a + out[3, lane]
        bend = size[lane] * (2.0 * out[2, lane] / out[0, lane] - a * a) + out[4, lane]
        old = ratio[lane]
        ratio[lane], low[lane], high[lane] = newton_step(old, low[lane], high[lane], slope, bend)
        if abs(ratio[lane] - old) <= CLOSE * old:
            low[lane] = high[lane]
        else:
            moving = True
    return moving


@kernel
def _filter(amount: Float, months: int, ratio: Float, out: Float) -> None:
    """Kalman filter from a diffuse start at each lane's ratio, unit scale: ``out`` (4, LANES).

    ``amount`` (months, LANES), the first one observed, NaN where not. Rows of ``out``: sum of
    squared standardised errors, product of their variances, level and its variance in the last
    month. Every variance lies between 1 and 2, so that the product stays finite for 1,000 months.
    """
    for lane in range(LANES):
        out[0, lane], out[1, lane], out[2, lane], out[3, lane] = 0.0, 1.0, amount[0, lane], 1.0 - ratio[lane]
    for t in range(1, months):
        for lane in range(LANES):
            noise = 1.0 - ratio[lane]
            spread = out[3, lane] + ratio[lane]
            variance = spread + noise
            error = amount[t, lane] - out[2, lane]
            missing = math.isnan(error)
            inverse = 1.0 / variance
            gain = 0.0 if missing else spread * inverse
            error = 0.0 if missing else error
            out[0, lane] += error * error * inverse
            out[1, lane] *= 1.0 if missing else variance
            out[2, lane] += gain * error
            out[3, lane] = spread * (1.0 - gain)


@kernel
def _filter_derivatives(amount: Float, months: int, ratio: Float, state: Float, out: Float) -> None:
    """As ``_filter``, with first and second derivatives by the ratio: ``out`` (6, LANES), ``state`` (6, LANES) scratch.

    Rows of ``out``: error sum, its first and half its second derivative; first and second
    derivative of the log determinant; the last row is unused. The derivatives are those of
    F = P + noise, K = P / F and e = v * v / F, each written as (x F)' = x' F + x F'.
    """
    for lane in range(LANES):
        for i in range(6):
            out[i, lane] = 0.0
            state[i, lane] = 0.0
        state[0, lane], state[3, lane], state[4, lane] = amount[0, lane], 1.0 - ratio[lane], -1.0
    for t in range(1, months):
        for lane in range(LANES):
            p, p1, p2 = state[3, lane] + ratio[lane], state[4, lane] + 1.0, state[5, lane]
            error = amount[t, lane] - state[0, lane]
            if math.isnan(error):
                state[3, lane], state[4, lane] = p, p1
                continue
            inverse = 1.0 / (p + 1.0 - ratio[lane])
            f1, f2 = p1 - 1.0, p2
            v1, v2 = -state[1, lane], -state[2, lane]
            k = p * inverse
            k1 = (p1 - k * f1) * inverse
            k2 = (p2 - 2.0 * k1 * f1 - k * f2) * inverse
            e = error * error * inverse
            e1 = (2.0 * error * v1 - e * f1) * inverse
            e2 = (2.0 * (v1 * v1 + error * v2) - 2.0 * e1 * f1 - e * f2) * inverse
            out[0, lane] += e
            out[1, lane] += e1
            out[2, lane] += 0.5 * e2
            out[3, lane] += f1 * inverse
            out[4, lane] += (f2 - f1 * f1 * inverse) * inverse
            state[0, lane] += k * error
            state[1, lane] += k1 * error + k * v1
            state[2, lane] += k2 * error + 2.0 * k1 * v1 + k * v2
            state[3, lane] = p * (1.0 - k)
            state[4, lane] = p1 * (1.0 - k) - p * k1
            state[5, lane] = p2 * (1.0 - k) - 2.0 * p1 * k1 - p * k2


@kernel
def _scan_gaps(amount: Float, months: int, size: Int, grid: Float, out: Float, value: Float) -> None:
    """As ``_scan`` for rows with gaps, by the filter; ``size`` (LANES,) observations less one."""
    ratio = np.empty(LANES)
    for g in range(POINTS):
        ratio[:] = grid[g]
        _filter(amount, months, ratio, out)
        for lane in range(LANES):
            value[g, lane] = out[0, lane] * out[1, lane] ** (1.0 / size[lane])


@kernel
def _search(
    amount: Float, months: int, gaps: bool, size: Int, grid: Float, inverse: Float, factor: Float,
    odd: Float, even: Float, eigen: Float, scratch: Float, ratio: Float,
) -> None:  # fmt: skip
    """The ratio of greatest likelihood for one group: ``ratio`` (LANES,) is filled in."""
    power, value, out, state = scratch[0], scratch[1], scratch[2], scratch[3]
    low, high, start = np.empty((2, LANES)), np.empty((2, LANES)), np.empty((2, LANES))
    if gaps:
        _scan_gaps(amount, months, size, grid, out, value)
    else:
        _project(amount, odd, even, months - 1, state, power)
        _scan(power, inverse, factor, value)
    any_second = pick_modes(value, grid, size, low, high, start)
    errors, determinant = np.empty((2, LANES)), np.empty((2, LANES))
    for mode in range(2 if any_second else 1):
        has_mode = high[mode] > low[mode]
        for step in range(STEPS + 1):
            if gaps:
                _filter_derivatives(amount, months, start[mode], state, out)
            else:
                _derivatives(power, eigen, months - 1, start[mode], out)
            if step == STEPS or not _advance(size, low[mode], high[mode], start[mode], out):
                break
        if any_second:
            _filter(amount, months, start[mode], out)
            for lane in range(LANES):
                errors[mode, lane] = out[0, lane] if has_mode[lane] else math.inf
                determinant[mode, lane] = out[1, lane]
    for lane in range(LANES):
        ratio[lane] = start[0, lane]
        if any_second and errors[1, lane] < math.inf:
            # Of quotients, in which the currency's unit cancels to the last bit: modes may tie.
            gain = size[lane] * math.log(errors[1, lane] / errors[0, lane])
            if gain + math.log(determinant[1, lane] / determinant[0, lane]) < 0.0:
                ratio[lane] = start[1, lane]


@kernel
def _fit_rows(
    series: Float, rows: Int, first: Int, count: Int, months: int, gaps: bool, grid: Float, inverse: Float,
    factor: Float, odd: Float, even: Float, eigen: Float, given: Float, result: Float,
) -> None:  # fmt: skip
    """Fit rows that share ``months`` (first to last observation) and ``gaps``: ``result`` (5, n) by row.

    ``given`` is empty, or holds a ratio for every row of ``series`` that is used instead of a search.
    """
    amount = np.empty((months, LANES))
    scratch = np.empty((4, max(months, POINTS) + 4, LANES))
    ratio, out = np.empty(LANES), np.empty((4, LANES))
    size, lanes = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for begin in range(0, len(rows), LANES):
        for lane in range(LANES):
            row = rows[min(begin + lane, len(rows) - 1)]
            lanes[lane], size[lane] = row, count[row] - 1
            for t in range(months):
                amount[t, lane] = series[row, first[row] + t]
        if len(given):
            for lane in range(LANES):
                ratio[lane] = given[lanes[lane]]
        else:
            _search(amount, months, gaps, size, grid, inverse, factor, odd, even, eigen, scratch, ratio)
        _filter(amount, months, ratio, out)
        for lane in range(LANES):
            row = lanes[lane]
            scale = out[0, lane] / size[lane]
            result[0, row], result[1, row], result[2, row], result[3, row] = (
                ratio[lane], scale, out[2, lane], out[3, lane])  # fmt: skip
            result[4, row] = -0.5 * (LOG_2PI + size[lane] * (LOG_2PI + 1.0 + math.log(scale)) + math.log(out[1, lane]))


def fit(series: Float, first: Int, last: Int, count: Int, ratio: Float | None = None) -> LocalLevel:
    """Fit the local level model to every row of ``series`` (n, m) that has at least two observations.

    ``first``, ``last``, ``count`` as filled in by ``spans``; ``ratio`` (n,) skips the search. Rows
    with fewer observations get NaN: the caller names them. A row that never changes has scale 0.
    """
    result = np.full((5, len(series)), np.nan)
    key = np.where(count >= 2, 2 * (last - first + 1) + (count < last - first + 1), 0).astype(np.int16)
    order = np.argsort(key, kind="stable")
    keys, begins = np.unique(key[order], return_index=True)
    given = np.empty(0) if ratio is None else np.ascontiguousarray(ratio, dtype=np.float64)
    for this, begin, end in zip(keys, begins, [*begins[1:], len(order)], strict=True):
        if this == 0:
            continue
        months, gaps = int(this) // 2, bool(this % 2)
        _fit_rows(series, order[begin:end], first, count, months, gaps, *_tables(months), given, result)
    return LocalLevel(*result)


@functools.cache
def _tables(months: int) -> tuple[Float, Float, Float, Float, Float, Float]:
    """What depends on the number of months alone: grid, 1 / variances, factors, sine tables, eigenvalues."""
    odd, even, eigen = sine_tables(months)
    grid = ratio_grid(months)
    variance = grid[:, None] + (1.0 - grid[:, None]) * eigen[None, :]
    factor = np.exp(np.log(variance).sum(axis=1) / (months - 1))
    return grid, _padded(1.0 / variance), factor, odd, even, eigen
