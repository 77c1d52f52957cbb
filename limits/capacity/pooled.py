"""The default forecast: every month seen so far, weighted, beside what is usual in a portfolio.

Money that people receive and spend is not Gaussian: it has a floor at zero, months without
anything, bonus months. The distribution of a coming month is therefore read from the user's
own months. How much each of them counts follows from the local level model: for each ratio
of a short list, the weights with which its Kalman filter forecasts; and the average over
the list, by the likelihood (tempered) and a fixed prior, since few months say little about
a ratio. Months before a step that has lasted for at least two months count for less, and
those since are weighed by themselves: one step, however large, is no sign of further ones.

A few more points, spread around the weighted median as is usual in a portfolio, stand for
what the user's months are too few to show (the base measure of a Dirichlet process,
Ferguson 1973). The fewer months, the more these points weigh and the wider they lie.
And one month far from all others among few is drawn toward them: it says less about the
coming month than the same lump among many, where it is likely a habit.

The numbers in ``Prior`` are fixed in advance, never estimated from the rows at hand: the
result of a row does not depend on the other rows, not by one bit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from limits.capacity.kernels import kernel
from limits.capacity.local_level import LOG_2PI, Float, Int
from limits.capacity.prior import Prior

#: Ratios of step variance to total variance over which the forecast is averaged.
RATIOS = np.array([0.0, 0.02, 0.06, 0.15, 0.35, 1.0])
#: Probabilities at which the distribution of a coming month is kept, and their normal scores.
LEVELS = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
SCORES: Float = ndtri(LEVELS)
MEDIAN = 6
#: Number of ratios, a multiple of three: known to the compiler.
COUNT = len(RATIOS)
#: Rows of what is kept of each ratio while a row of amounts is looked at.
ERRORS, DETERMINANT, SPREAD, SHARE, LANES = range(5)
#: Number of points that stand for the portfolio.
POINTS = 9
#: Marks of a row, see ``fit``.
USUAL, STEPPED = 0, 1


class Pooled(NamedTuple):
    """Distribution of one coming month for n users, before the horizon widens it.

    shape           (n, LEVELS) quantiles at LEVELS
    mean, variance  (n,) of the same distribution
    ratio, spread   (n,) averages over the list: step share, variance of the level per unit scale;
                    after a step of the months since
    loglik          (n,) of the local level model, averaged over the list with the prior weights
    months          (n,) effective number of months
    mark            (n,) USUAL or STEPPED
    """

    shape: Float
    mean: Float
    variance: Float
    ratio: Float
    spread: Float
    loglik: Float
    months: Float
    mark: NDArray[np.int8]


@kernel
def _order(amount: Float, months: int, value: Float, place: Int, rank: Int) -> int:
    """Copy the observed months to ``value``, ascending, and which month each is to ``place``; their number.

    Equal amounts keep their order. Each amount goes where the number of smaller ones says, for a
    processor foresees no branch that depends on the amounts. ``rank`` is scratch.
    """
    count = 0
    for t in range(months):
        value[count] = amount[t]
        rank[count] = 0
        place[count] = -1
        count += not math.isnan(amount[t])
    for i in range(count):
        here = value[i]
        for j in range(count):
            rank[j] += here < value[j]
    i = 0
    for t in range(months):
        if not math.isnan(amount[t]):
            at = rank[i]
            while place[at] >= 0:
                at += 1
            place[at] = t
            i += 1
    for i in range(count):
        value[i] = amount[place[i]]
    return count


@kernel
def _middle_distance(value: Float, count: int, centre: float) -> float:
    """Median distance of ascending values from ``centre``: the nearest on either side comes next."""
    above = 0
    for i in range(count):
        above += value[i] < centre
    below, before, distance = above - 1, 0.0, 0.0
    for _ in range(count // 2 + 1):
        before = distance
        up = value[above] - centre if above < count else math.inf
        down = centre - value[below] if below >= 0 else math.inf
        distance = min(up, down)
        above += up < down
        below -= up >= down
    middle: float = 0.5 * ((distance if count % 2 else before) + distance)
    return middle


@kernel
def _fenced(amount: Float, months: int, value: Float, count: int, fence: float, out: Float) -> float:
    """Fill ``out`` with the amounts less their median, kept inside ``fence`` absolute deviations; the median.

    ``value`` holds the ``count`` observed amounts, ascending. NaN where not observed. The absolute
    deviation is their median, and at least half their mean.
    """
    centre: float = 0.5 * (value[(count - 1) // 2] + value[count // 2])
    total = 0.0
    for i in range(count):
        total += abs(value[i] - centre)
    bound = fence * max(_middle_distance(value, count, centre), 0.5 * total / count)
    for t in range(months):
        out[t] = min(max(amount[t] - centre, -bound), bound) if not math.isnan(amount[t]) else math.nan
    return centre


@kernel
def _gains(signal: Float, months: int, ratios: Float, gain: Float, inverse: Float, lanes: Float) -> None:
    """Kalman filter at every ratio, as far as it depends on which months are observed and not on the amounts.

    Fills ``gain`` and ``inverse`` (months, ratios), 1 / variance of the error; and of ``lanes`` the rows
    DETERMINANT (its logarithm) and SPREAD, variance of the level. The weight of month t in the forecast is
    gain[t] times the product of 1 - gain over later months. The first month is observed.
    """
    for g in range(COUNT):
        lanes[DETERMINANT, g], lanes[SPREAD, g] = 1.0, 1.0 - ratios[g]
        gain[0, g] = 1.0
    for t in range(1, months):
        if math.isnan(signal[t]):
            for g in range(COUNT):
                lanes[SPREAD, g] += ratios[g]
                gain[t, g] = 0.0
            continue
        for g in range(COUNT):
            spread = lanes[SPREAD, g] + ratios[g]
            variance = spread + (1.0 - ratios[g])
            one = 1.0 / variance
            k = spread * one
            inverse[t, g], gain[t, g] = one, k
            lanes[DETERMINANT, g] *= variance
            lanes[SPREAD, g] = spread * (1.0 - k)
    for g in range(COUNT):
        lanes[DETERMINANT, g] = math.log(lanes[DETERMINANT, g])


@kernel
def _keep_ends(lanes: Float, known: bool, ends: Float) -> None:
    """What ``_gains`` has found for ``lanes`` goes to ``ends`` (2, ratios), or back from there where it is known."""
    for g in range(COUNT):
        if not known:
            ends[0, g], ends[1, g] = lanes[DETERMINANT, g], lanes[SPREAD, g]
        lanes[DETERMINANT, g], lanes[SPREAD, g] = ends[0, g], ends[1, g]


@kernel
def _errors(signal: Float, months: int, gain: Float, inverse: Float, lanes: Float) -> None:
    """Sum of squared standardised errors of the Kalman filter at every ratio: row ERRORS of ``lanes``.

    Three ratios at a time, since each waits for its own level of the month before.
    """
    for g in range(0, COUNT, 3):
        level_a, level_b, level_c = signal[0], signal[0], signal[0]
        total_a, total_b, total_c = 0.0, 0.0, 0.0
        for t in range(1, months):
            here = signal[t]
            if math.isnan(here):
                continue
            a, b, c = here - level_a, here - level_b, here - level_c
            level_a += gain[t, g] * a
            level_b += gain[t, g + 1] * b
            level_c += gain[t, g + 2] * c
            total_a += a * a * inverse[t, g]
            total_b += b * b * inverse[t, g + 1]
            total_c += c * c * inverse[t, g + 2]
        lanes[ERRORS, g], lanes[ERRORS, g + 1], lanes[ERRORS, g + 2] = total_a, total_b, total_c


@kernel
def _weigh(months: int, gain: Float, lanes: Float, weight: Float) -> None:
    """Fill ``weight`` (months,): of each ratio its SHARE of ``lanes``, spread over the months by its gains.

    Three ratios at a time, and always in their order.
    """
    for g in range(0, COUNT, 3):
        a, b, c = lanes[SHARE, g], lanes[SHARE, g + 1], lanes[SHARE, g + 2]
        for t in range(months - 1, -1, -1):
            k, m, n = gain[t, g], gain[t, g + 1], gain[t, g + 2]
            weight[t] = (weight[t] if g else 0.0) + a * k + b * m + c * n
            a *= 1.0 - k
            b *= 1.0 - m
            c *= 1.0 - n


@kernel
def _average(
    signal: Float, months: int, count: int, ratios: Float, prior: Float, temper: float, gain: Float, inverse: Float,
    lanes: Float, weight: Float,
) -> tuple[float, float, float]:  # fmt: skip
    """Fill ``weight`` (months,), averaged over the ratios; return average ratio, level variance and loglik.

    ``prior`` (2, ratios): weights of the ratios beforehand and their logarithms. ``gain``, ``inverse`` and ``lanes``
    as ``_gains`` fills them in.
    """
    _errors(signal, months, gain, inverse, lanes)
    size, best, top = count - 1, -math.inf, -math.inf
    for g in range(COUNT):
        loglik = -0.5 * (size * math.log(max(lanes[ERRORS, g], 1e-290)) + lanes[DETERMINANT, g])
        lanes[ERRORS, g] = loglik
        lanes[SHARE, g] = temper * loglik + prior[1, g]
        best, top = max(best, lanes[SHARE, g]), max(top, loglik)
    total, evidence, norm = 0.0, 0.0, 0.0
    for g in range(COUNT):
        lanes[SHARE, g] = math.exp(lanes[SHARE, g] - best)
        total += lanes[SHARE, g]
        evidence += prior[0, g] * math.exp(lanes[ERRORS, g] - top)
        norm += prior[0, g]
    ratio, level = 0.0, 0.0
    for g in range(COUNT):
        share = lanes[SHARE, g] / total
        ratio += share * ratios[g]
        level += share * lanes[SPREAD, g]
        lanes[SHARE, g] = share
    _weigh(months, gain, lanes, weight)
    constant = LOG_2PI + (size * (LOG_2PI + 1.0 - math.log(size)) if size else 0.0)
    return ratio, level, top + math.log(evidence / norm) - 0.5 * constant


@kernel
def _step_at(signal: Float, centre: float, months: int, low: Float, high: Float) -> int:
    """First month after a step, or 0: the latest split beyond which every month lies apart from all before.

    At least four months stand before it, and after it two if they are lower, three if higher.
    Apart means below the least earlier amount (or above the greatest) by a quarter of its
    distance from the earlier mean and a twentieth of that mean. ``signal`` holds the fenced
    amounts less ``centre``; ``low`` and ``high`` (months + 1,) are scratch: least and greatest
    of the months from t on.
    """
    left = 0
    low[months], high[months] = math.inf, -math.inf
    for t in range(months - 1, -1, -1):
        low[t], high[t] = low[t + 1], high[t + 1]
        if not math.isnan(signal[t]):
            low[t], high[t] = min(signal[t], low[t]), max(signal[t], high[t])
            left += 1
    seen, found, total, least, most = 0, 0, 0.0, math.inf, -math.inf
    for t in range(months):
        here = signal[t]
        if math.isnan(here):
            continue
        if seen >= 4 and left >= 2:
            mean = total / seen
            margin = 0.05 * abs(mean + centre)
            fallen = high[t] < least - 0.25 * (mean - least) - margin
            risen = left >= 3 and low[t] > most + 0.25 * (most - mean) + margin
            if fallen or risen:
                found = t
        total += here
        least, most = min(least, here), max(most, here)
        seen += 1
        left -= 1
    return found


@kernel
def _since(
    amount: Float, step: int, months: int, ratios: Float, prior: Float, temper: float, fence: float, factor: float,
    weight: Float, ascending: Float, place: Int, count: int, signal: Float, value: Float, gain: Float, inverse: Float,
    lanes: Float,
) -> tuple[float, float]:  # fmt: skip
    """Weigh the months from ``step`` on by themselves, and those before by less; average ratio and level variance.

    The jump at the step is no sign of how much the level moves otherwise: fence, likelihood and
    Kalman weights are those of the months since. How much the months before count is what their
    weights among all months, the jump included, leave them, times ``factor``: the larger and
    the longer past the step, the less.

    ``weight`` holds the weights by all months and is overwritten; the sum stays 1. ``ascending`` and ``place``
    are as ``_order`` fills them in, the rest is scratch.
    """
    before, after, left_out, since = 0.0, 0.0, 0, months - step
    for t in range(step):
        before += weight[t]
    for t in range(step, months):
        after += weight[t]
    left = factor * before / (factor * before + after)
    for t in range(step):
        weight[t] *= left / before if before > 0.0 else 0.0
    for i in range(count):
        value[i - left_out] = ascending[i]
        left_out += place[i] < step
    own, seen = weight[step:], count - left_out
    _fenced(amount[step:], since, value, seen, fence, signal)
    _gains(signal, since, ratios, gain, inverse, lanes)
    ratio, spread, _ = _average(signal, since, seen, ratios, prior, temper, gain, inverse, lanes, own)
    for t in range(since):
        own[t] *= 1.0 - left
    return ratio, spread


@kernel
def _centre(value: Float, mass: Float, count: int) -> tuple[float, float, float]:
    """Of ascending values: weighted median, weighted mean absolute deviation from it, weighted mean absolute value."""
    centre, passed = value[count - 1], 0.0
    for i in range(count):
        passed += mass[i]
        if passed >= 0.5:
            centre = value[i]
            break
    deviation, size = 0.0, 0.0
    for i in range(count):
        deviation += mass[i] * abs(value[i] - centre)
        size += mass[i] * abs(value[i])
    return centre, deviation, size


@kernel
def _draw_in(ascending: Float, count: int, middle: float, reach: float, beyond: float, value: Float) -> None:
    """Fill ``value`` with the amounts, of what lies farther than ``reach`` from ``middle`` only the part ``beyond``."""
    for i in range(count):
        near = min(max(ascending[i], middle - reach), middle + reach)
        value[i] = near + beyond * (ascending[i] - near)


@kernel
def _insert(value: Float, mass: Float, count: int, point: Float, part: float) -> None:
    """Insert the ascending ``point`` (POINTS,) among the first ``count`` ascending values, behind equal ones.

    From the last one on; where each goes is counted, as in ``_order``.
    """
    for k in range(POINTS - 1, -1, -1):
        before = 0
        for i in range(count):
            before += value[i] <= point[k]
        for i in range(count - 1, before - 1, -1):
            value[i + k + 1], mass[i + k + 1] = value[i], mass[i]
        value[before + k], mass[before + k] = point[k], part
        count = before


@kernel
def _read_quantiles(
    value: Float, mass: Float, count: int, levels: Float, out: Float, passed: Float
) -> tuple[float, float]:
    """Quantiles of sorted weighted points, linear between the middles of their masses; mean and variance.

    ``passed`` is scratch: the mass up to the middle of each point.
    """
    passed[0] = 0.5 * mass[0]
    for i in range(1, count):
        passed[i] = passed[i - 1] + 0.5 * (mass[i - 1] + mass[i])
    for k in range(len(levels)):
        j = 0
        for i in range(count - 1):
            j += passed[i] < levels[k]
        if j == 0 or passed[j] < levels[k]:
            out[k] = value[j]
        else:
            part = (levels[k] - passed[j - 1]) / (passed[j] - passed[j - 1])
            out[k] = value[j - 1] + part * (value[j] - value[j - 1])
    mean, variance = 0.0, 0.0
    for i in range(count):
        mean += mass[i] * value[i]
    for i in range(count):
        variance += mass[i] * (value[i] - mean) ** 2
    return mean, variance


@kernel
def _widen(shape: Float, scores: Float, deviation: float, floor: float) -> None:
    """Move quantiles at least as far from the median as those of a Gaussian of this deviation, not below ``floor``."""
    middle = shape[MEDIAN]
    for k in range(len(scores)):
        at = max(middle + scores[k] * deviation, floor)
        shape[k] = min(shape[k], at) if k < MEDIAN else max(shape[k], at)
    shape[MEDIAN] = middle


@kernel
def _fit_rows(
    series: Float, first: Int, last: Int, count: Int, ratios: Float, prior: Float, points: Float, levels: Float,
    scores: Float, numbers: Float, typical: Float, shape: Float, result: Float, mark: NDArray[np.int8],
) -> None:  # fmt: skip
    """Fill in ``shape`` (n, LEVELS), ``result`` (6, n) and ``mark`` (n,); NaN where a row has no observation."""
    temper, strength, power, own, share = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    few, before_step, fence, most, least = numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    reach, lumps = numbers[10], numbers[11]
    room = series.shape[1] + POINTS + 1
    # One by one: a row of a larger array would be one whose stride the compiler does not know.
    signal, weight, ascending = np.empty(room), np.empty(room), np.empty(room)
    value, mass, passed = np.empty(room), np.empty(room), np.empty(room)
    place, rank = np.empty(room, np.int64), np.empty(room, np.int64)
    gain, inverse, lanes = np.empty((room, COUNT)), np.empty((room, COUNT)), np.empty((LANES, COUNT))
    whole_gain, whole_inverse = np.empty_like(gain), np.empty_like(inverse)
    ends, known = np.empty((room, 2, COUNT)), np.zeros(room, np.bool_)
    point, chances = np.empty(POINTS), np.empty((2, COUNT))
    for g in range(COUNT):
        chances[0, g], chances[1, g] = math.exp(prior[g]), prior[g]
    for row in range(series.shape[0]):
        if count[row] == 0:
            shape[row], result[:, row], mark[row] = math.nan, math.nan, USUAL
            continue
        amount = series[row, first[row] : last[row] + 1]
        months = len(amount)
        seen = _order(amount, months, ascending, place, rank)
        centre = _fenced(amount, months, ascending, seen, fence, signal)
        used = (whole_gain, whole_inverse) if seen == months else (gain, inverse)
        if seen < months or not known[months]:
            _gains(signal, months, ratios, *used, lanes)
        if seen == months:  # without gaps, the gains of one row are those of all, as far as it goes
            _keep_ends(lanes, known[months], ends[months])
            known[months] = True
        ratio, spread, loglik = _average(signal, months, seen, ratios, chances, temper, *used, lanes, weight)
        step = _step_at(signal, centre, months, value, mass)
        if step > 0:
            ratio, spread = _since(
                amount, step, months, ratios, chances, temper, fence, before_step, weight, ascending, place, seen,
                signal, value, gain, inverse, lanes,
            )  # fmt: skip
        squares = 0.0
        for t in range(months):
            squares += weight[t] * weight[t]
        effective = 1.0 / squares
        for i in range(seen):
            mass[i] = weight[place[i]]
        middle, deviation, size = _centre(ascending, mass, seen)
        usual = share * max(size, 0.3 * typical[row]) * (few / (few + effective)) ** 2
        width = own * deviation + usual
        part = min(strength / (strength + effective**power), most)
        _draw_in(ascending, seen, middle, reach * deviation, 1.0 / (1.0 + (lumps / seen) ** 4), value)
        for i in range(seen):
            mass[i] *= 1.0 - part
        floor = 0.0 if value[0] >= 0.0 else -math.inf
        for k in range(POINTS):
            point[k] = max(middle + width * points[k], floor)
        _insert(value, mass, seen, point, part / POINTS)
        mean, variance = _read_quantiles(value, mass, seen + POINTS, levels, shape[row], passed)
        variance = max(variance, (least * usual) ** 2)
        _widen(shape[row], scores, least * usual, floor)
        result[0, row], result[1, row], result[2, row] = mean, variance, ratio
        result[3, row], result[4, row], result[5, row] = spread, loglik, effective
        mark[row] = STEPPED if step > 0 else USUAL


def fit(series: Float, first: Int, last: Int, count: Int, prior: Prior, typical: Float) -> Pooled:
    """Distribution of a coming month for every row of ``series`` (n, m) that has an observation.

    ``first``, ``last``, ``count`` as filled in by ``local_level.spans``; ``typical`` (n,) amounts of a
    usual month, in place of the prior's. Rows without any observation get NaN.
    """
    rows = len(series)
    shape, result, mark = np.empty((rows, len(LEVELS))), np.empty((6, rows)), np.empty(rows, np.int8)
    weights = prior.decline * np.maximum(np.arange(len(RATIOS)) - 1.0, 0.0)
    numbers = (prior.temper, prior.strength, prior.power, prior.own, prior.share, prior.months, prior.before_step,
               prior.fence, prior.most, prior.floor, prior.reach, prior.lumps)  # fmt: skip
    _fit_rows(series, first, last, count, RATIOS, weights, prior.points(POINTS), LEVELS, SCORES,
              np.array(numbers, dtype=np.float64), typical, shape, result, mark)  # fmt: skip
    mean, variance, ratio, spread, loglik, effective = result
    return Pooled(shape, mean, variance, ratio, spread, loglik, effective, mark)
