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
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from limits.capacity.kernels import kernel
from limits.capacity.local_level import LOG_2PI, Float, Int

#: Ratios of step variance to total variance over which the forecast is averaged.
RATIOS = np.array([0.0, 0.02, 0.06, 0.15, 0.35, 1.0])
#: Probabilities at which the distribution of a coming month is kept, and their normal scores.
LEVELS = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
SCORES: Float = ndtri(LEVELS)
MEDIAN = 6
#: Number of points that stand for the portfolio.
POINTS = 9
#: Marks of a row, see ``fit``.
USUAL, STEPPED = 0, 1


@dataclass(frozen=True, slots=True)
class Prior:
    """What is usual, before the user's own months are seen.

    The defaults of decline, strength, power, own, share, skew, reach, lumps and calm were fitted by
    ``make fit-prior`` on the 343 Berka borrowers and the 20,000 UCI card clients, and rounded;
    temper, most, months, floor, before_step and fence are fixed there. docs/capacity.md says how, and how
    the forecasts do on users that the fit did not see.

    typical_amount   amount of a usual month in the portfolio, in the unit of the series:
                     gives an all-zero history a width. 0 if not known
    decline          log prior weight of each next ratio of the list (after the second)
    temper           power of the likelihood
    strength, power, most
                     the points weigh strength / (strength + n ** power), never more than ``most``;
                     n is the effective number of months, 1 / sum(weight ** 2)
    own              width of the points per mean absolute deviation of the user's months ...
    share, months    ... plus a part of the mean amount, share * (months / (months + n)) ** 2
    skew             shape of the points: (exp(skew * z) - 1) / skew, z normal scores
    floor            least standard deviation of a month, in the part of the mean amount above:
                     a history without change gives no certainty
    before_step      factor on the weight of months before a step
    fence            amounts beyond this many absolute deviations do not move the likelihood further
    reach, lumps     what of a month lies beyond ``reach`` mean absolute deviations from the median counts
                     by 1 / (1 + (lumps / observed months) ** 4)
    calm             noise of the mean of h months has h ** -calm the variance of one month's; 1 if months
                     were independent, more where a high month is often followed by a low one
    """

    typical_amount: float = 0.0
    decline: float = -0.95
    temper: float = 0.25
    strength: float = 9.19
    power: float = 1.92
    most: float = 0.5
    own: float = 2.09
    share: float = 2.21
    months: float = 6.0
    skew: float = 0.2
    floor: float = 0.005
    before_step: float = 0.15
    fence: float = 6.0
    reach: float = 2.25
    lumps: float = 8.62
    calm: float = 1.22

    def points(self) -> Float:
        """The points in units of the width, ascending, shape (POINTS,)."""
        z = ndtri((np.arange(POINTS) + 0.5) / POINTS)
        shape = np.expm1(self.skew * z) / self.skew if self.skew else z
        return np.asarray(shape)


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
def _sort(values: Float, weights: Float, count: int) -> None:
    """Sort the first ``count`` values ascending in place, weights alongside; equal values keep their order."""
    for i in range(1, count):
        value, weight = values[i], weights[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1], weights[j + 1] = values[j], weights[j]
            j -= 1
        values[j + 1], weights[j + 1] = value, weight


@kernel
def _middle(values: Float, count: int) -> float:
    """Median of sorted values."""
    middle: float = 0.5 * (values[(count - 1) // 2] + values[count // 2])
    return middle


@kernel
def _fenced(amount: Float, months: int, fence: float, work: Float, unused: Float, out: Float) -> float:
    """Fill ``out`` with the amounts less their median, kept inside ``fence`` absolute deviations; the median.

    NaN where not observed. The absolute deviation is their median, and at least half their mean.
    """
    count = 0
    for t in range(months):
        if not math.isnan(amount[t]):
            work[count] = amount[t]
            count += 1
    _sort(work, unused, count)
    centre = _middle(work, count)
    total = 0.0
    for i in range(count):
        work[i] = abs(work[i] - centre)
        total += work[i]
    _sort(work, unused, count)
    bound = fence * max(_middle(work, count), 0.5 * total / count)
    for t in range(months):
        out[t] = min(max(amount[t] - centre, -bound), bound) if not math.isnan(amount[t]) else math.nan
    return centre


@kernel
def _weights_at(signal: Float, months: int, ratio: float, gain: Float) -> tuple[float, float, float]:
    """Kalman filter at one ratio: (error sum, log determinant, variance of the level).

    Fills ``gain`` (months,); the weight of month t in the forecast is gain[t] times the product
    of 1 - gain over later months. The first month is observed.
    """
    noise = 1.0 - ratio
    level, spread, errors, product = signal[0], noise, 0.0, 1.0
    gain[0] = 1.0
    for t in range(1, months):
        spread += ratio
        gain[t] = 0.0
        if math.isnan(signal[t]):
            continue
        inverse = 1.0 / (spread + noise)
        k = spread * inverse
        error = signal[t] - level
        gain[t] = k
        level += k * error
        errors += error * error * inverse
        product *= spread + noise
        spread *= 1.0 - k
    return errors, math.log(product), spread


@kernel
def _average(
    signal: Float, months: int, count: int, ratios: Float, prior: Float, temper: float, gain: Float, weight: Float
) -> tuple[float, float, float]:
    """Fill ``weight`` (months,), averaged over the ratios; return average ratio, level variance and loglik."""
    errors, determinant = np.empty(len(ratios)), np.empty(len(ratios))
    spread, posterior = np.empty(len(ratios)), np.empty(len(ratios))
    size, best, top = count - 1, -math.inf, -math.inf
    for g in range(len(ratios)):
        errors[g], determinant[g], spread[g] = _weights_at(signal, months, ratios[g], gain[g])
        loglik = -0.5 * (size * math.log(max(errors[g], 1e-290)) + determinant[g])
        errors[g] = loglik
        posterior[g] = temper * loglik + prior[g]
        best, top = max(best, posterior[g]), max(top, loglik)
    total, evidence, norm = 0.0, 0.0, 0.0
    for g in range(len(ratios)):
        posterior[g] = math.exp(posterior[g] - best)
        total += posterior[g]
        evidence += math.exp(prior[g]) * math.exp(errors[g] - top)
        norm += math.exp(prior[g])
    weight[:months] = 0.0
    ratio, level = 0.0, 0.0
    for g in range(len(ratios)):
        share = posterior[g] / total
        ratio += share * ratios[g]
        level += share * spread[g]
        left = share
        for t in range(months - 1, -1, -1):
            weight[t] += left * gain[g, t]
            left *= 1.0 - gain[g, t]
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
    weight: Float, signal: Float, value: Float, mass: Float, gain: Float,
) -> tuple[float, float]:  # fmt: skip
    """Weigh the months from ``step`` on by themselves, and those before by less; average ratio and level variance.

    The jump at the step is no sign of how much the level moves otherwise: fence, likelihood and
    Kalman weights are those of the months since. How much the months before count is what their
    weights among all months, the jump included, leave them, times ``factor``: the larger and
    the longer past the step, the less.

    ``weight`` holds the weights by all months and is overwritten; the sum stays 1. ``signal``,
    ``value``, ``mass`` and ``gain`` are scratch.
    """
    before, after, count, since = 0.0, 0.0, 0, months - step
    for t in range(step):
        before += weight[t]
    for t in range(step, months):
        after += weight[t]
        count += not math.isnan(amount[t])
    left = factor * before / (factor * before + after)
    for t in range(step):
        weight[t] *= left / before if before > 0.0 else 0.0
    own = weight[step:]
    _fenced(amount[step:], since, fence, value, mass, signal)
    ratio, spread, _ = _average(signal, since, count, ratios, prior, temper, gain, own)
    for t in range(since):
        own[t] *= 1.0 - left
    return ratio, spread


@kernel
def _collect(amount: Float, weight: Float, months: int, value: Float, mass: Float) -> tuple[int, float, float, float]:
    """Copy the observed months to ``value`` and ``mass``, sorted by amount.

    Returns their number, the weighted median, the weighted mean absolute deviation from it
    and the weighted mean of the absolute amounts.
    """
    count = 0
    for t in range(months):
        if not math.isnan(amount[t]):
            value[count], mass[count] = amount[t], weight[t]
            count += 1
    _sort(value, mass, count)
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
    return count, centre, deviation, size


@kernel
def _read_quantiles(value: Float, mass: Float, count: int, levels: Float, out: Float) -> tuple[float, float]:
    """Quantiles of sorted weighted points, linear between the middles of their masses; mean and variance."""
    j, passed = 0, 0.5 * mass[0]
    before = passed
    for k in range(len(levels)):
        while passed < levels[k] and j < count - 1:
            before = passed
            passed += 0.5 * (mass[j] + mass[j + 1])
            j += 1
        if j == 0 or passed < levels[k]:
            out[k] = value[j]
        else:
            out[k] = value[j - 1] + (levels[k] - before) / (passed - before) * (value[j] - value[j - 1])
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
    """Every row with at least one observation: ``shape`` (n, LEVELS) and ``result`` (n, 6) are filled in."""
    temper, strength, power, own, share = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    few, before_step, fence, most, least = numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    reach, lumps = numbers[10], numbers[11]
    room = series.shape[1] + POINTS + 1
    signal, weight, value, mass = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    gain = np.empty((len(ratios), room))
    for row in range(series.shape[0]):
        if count[row] == 0:
            continue
        amount = series[row, first[row] : last[row] + 1]
        months = len(amount)
        centre = _fenced(amount, months, fence, value, mass, signal)
        ratio, spread, loglik = _average(signal, months, count[row], ratios, prior, temper, gain, weight)
        step = _step_at(signal, centre, months, value, mass)
        if step > 0:
            ratio, spread = _since(
                amount, step, months, ratios, prior, temper, fence, before_step, weight, signal, value, mass, gain
            )
        squares = 0.0
        for t in range(months):
            squares += weight[t] * weight[t]
        effective = 1.0 / squares
        seen, middle, deviation, size = _collect(amount, weight, months, value, mass)
        usual = share * max(size, 0.3 * typical[row]) * (few / (few + effective)) ** 2
        width = own * deviation + usual
        part = min(strength / (strength + effective**power), most)
        beyond = 1.0 / (1.0 + (lumps / seen) ** 4)
        for i in range(seen):
            near = min(max(value[i], middle - reach * deviation), middle + reach * deviation)
            value[i] = near + beyond * (value[i] - near)
            mass[i] *= 1.0 - part
        floor = 0.0 if value[0] >= 0.0 else -math.inf
        for k in range(POINTS):
            value[seen + k], mass[seen + k] = max(middle + width * points[k], floor), part / POINTS
        _sort(value, mass, seen + POINTS)
        mean, variance = _read_quantiles(value, mass, seen + POINTS, levels, shape[row])
        variance = max(variance, (least * usual) ** 2)
        _widen(shape[row], scores, least * usual, floor)
        result[row, 0], result[row, 1], result[row, 2] = mean, variance, ratio
        result[row, 3], result[row, 4], result[row, 5] = spread, loglik, effective
        mark[row] = STEPPED if step > 0 else USUAL


def fit(series: Float, first: Int, last: Int, count: Int, prior: Prior, typical: Float) -> Pooled:
    """Distribution of a coming month for every row of ``series`` (n, m) that has an observation.

    ``first``, ``last``, ``count`` as filled in by ``local_level.spans``; ``typical`` (n,) amounts of a
    usual month, in place of the prior's. Rows without any observation get NaN.
    """
    rows = len(series)
    shape, result = np.full((rows, len(LEVELS)), np.nan), np.full((rows, 6), np.nan)
    mark = np.zeros(rows, np.int8)
    weights = prior.decline * np.maximum(np.arange(len(RATIOS)) - 1.0, 0.0)
    numbers = (prior.temper, prior.strength, prior.power, prior.own, prior.share, prior.months, prior.before_step,
               prior.fence, prior.most, prior.floor, prior.reach, prior.lumps)  # fmt: skip
    _fit_rows(series, first, last, count, RATIOS, weights, prior.points(), LEVELS, SCORES,
              np.array(numbers, dtype=np.float64), typical, shape, result, mark)  # fmt: skip
    mean, variance, ratio, spread, loglik, effective = (np.ascontiguousarray(column) for column in result.T)
    return Pooled(shape, mean, variance, ratio, spread, loglik, effective, mark)
