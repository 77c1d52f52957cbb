"""What a user can repay a month: the forecast of income less living costs and obligations, with its uncertainty.

Income and outgoings are forecast apart, each user from the user's own months, and combined.
Data are guarded before any model sees them: too few months, nothing to see and a history
that never changed each have a method of their own, written into the log beside the numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from limits.capacity.combining import capacity_quantiles
from limits.capacity.forecasting import forecast
from limits.capacity.local_level import Float
from limits.capacity.result import FEWEST_MONTHS, Capacity, Method
from limits.capacity.seasonal import Seasons, seasonal_capacity
from limits.money import LARGEST_MINOR
from limits.portfolio import Bool, CashFlow, Int

#: Users forecast at a time: bounds the memory, and changes no bit of the result.
BLOCK_USERS = 65_536


class _Block(NamedTuple):
    """Of some users: quantiles (n, 3) at 10, 50 and 90%, method and mean of the past (n,)."""

    quantiles: Float
    method: Int
    past: Int


def estimate_capacity(cash_flow: CashFlow, horizon_months: int = 6, *, seasons: Seasons | None = None) -> Capacity:
    """Capacity of each user over the next ``horizon_months``, each from the user's own history alone.

    ``seasons`` holds the factors of each user's segment, found beforehand (``limits.capacity.seasonal``);
    none are applied to what was repaid. ValueError for a horizon outside 1..120, or for seasons of
    another number of users.
    """
    if not 1 <= horizon_months <= 120:
        raise ValueError(f"a horizon of {horizon_months} months; it must be 1 to 120")
    users = len(cash_flow)
    if seasons is not None and len(seasons) != users:
        raise ValueError(f"seasons of {len(seasons)} users for {users} users")
    quantiles = np.zeros((users, 3), dtype=np.int64)
    method, past = np.zeros(users, dtype=np.int64), np.zeros(users, dtype=np.int64)
    for begin in range(0, users, BLOCK_USERS):
        rows = slice(begin, begin + BLOCK_USERS)
        found = _block(cash_flow.take(rows), horizon_months, None if seasons is None else seasons.take(rows))
        quantiles[rows] = np.clip(np.floor(found.quantiles), -LARGEST_MINOR, LARGEST_MINOR)
        method[rows], past[rows] = found.method, found.past
    low, middle, high = (np.ascontiguousarray(column) for column in quantiles.T)
    return Capacity(low, middle, high, method, cash_flow.observed.sum(axis=1, dtype=np.int64), past)


def _block(flow: CashFlow, horizon: int, seasons: Seasons | None) -> _Block:
    seen = flow.observed
    months = seen.sum(axis=1)
    outgoings = flow.essential_spend + flow.obligations
    net = flow.inflow - outgoings
    income = (flow.inflow * seen).any(axis=1)
    paying = np.count_nonzero(flow.repaid * seen, axis=1) >= FEWEST_MONTHS
    method = np.select(
        [months < FEWEST_MONTHS, income, paying],
        [Method.TOO_SHORT, Method.POOLED, Method.REVEALED_REPAYMENT],
        Method.NO_EVIDENCE,
    ).astype(np.int64)
    quantiles = np.full((len(flow), 3), np.nan)
    usual = np.flatnonzero(method == Method.POOLED)
    if len(usual):
        found = _apart(flow.take(usual), outgoings[usual], horizon, None if seasons is None else seasons.take(usual))
        quantiles[usual], method[usual] = found
    revealed = np.flatnonzero(method == Method.REVEALED_REPAYMENT)
    if len(revealed):
        repaid = forecast(_series(flow.repaid[revealed], seen[revealed]), horizon)
        quantiles[revealed] = np.stack([repaid.quantile_of_mean(q) for q in (0.1, 0.5, 0.9)], axis=1)
    monthly = np.where((method == Method.REVEALED_REPAYMENT)[:, None], flow.repaid, net) * seen
    none = ~np.isfinite(quantiles).all(axis=1)
    failed = none & (method != Method.TOO_SHORT) & (method != Method.NO_EVIDENCE)
    quantiles[none] = _spread(monthly[none], seen[none])
    method[failed] = Method.NOT_CONVERGED
    return _Block(quantiles, method, monthly.sum(axis=1) // np.maximum(months, 1))


def _apart(flow: CashFlow, outgoings: Int, horizon: int, seasons: Seasons | None) -> tuple[Float, Int]:
    """Quantiles (n, 3) of what comes in less what goes out, and the methods (n,)."""
    inflow, seen = flow.inflow, flow.observed
    sides = _series(inflow, seen), _series(outgoings, seen)
    if seasons is None:
        found = capacity_quantiles(*sides, horizon)
    else:
        found = seasonal_capacity(*sides, horizon, flow.months, seasons)
    stepped = (found.inflow.method == "step") | (found.outgoings.method == "step")
    constant = _unchanged(inflow, seen) & _unchanged(outgoings, seen)
    method = np.select([constant, stepped], [Method.CONSTANT, Method.STEPPED], Method.POOLED)
    quantiles = np.stack([found.low, found.middle, found.high], axis=1)
    quantiles[~np.isfinite(found.deviation)] = np.nan
    return quantiles, method.astype(np.int64)


def _series(amounts: Int, seen: Bool) -> Float:
    return np.where(seen, amounts.astype(np.float64), np.nan)


def _unchanged(amounts: Int, seen: Bool) -> Bool:
    """Whether all observed months hold the same amount (n,)."""
    newest = amounts[np.arange(len(amounts)), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)]
    return np.asarray((~seen | (amounts == newest[:, None])).all(axis=1))


def _spread(monthly: Int, seen: Bool) -> Float:
    """The lowest, middle and highest month seen, or zeros: for people to read, never to decide on. (n, 3)"""
    count = seen.sum(axis=1)
    if not monthly.size:
        return np.zeros((len(monthly), 3))
    ordered = np.sort(_series(monthly, seen), axis=1)  # not observed comes last
    rows = np.arange(len(ordered))
    last = np.maximum(count - 1, 0)
    middle = 0.5 * (ordered[rows, last // 2] + ordered[rows, np.minimum(count // 2, last)])
    found = np.stack([ordered[:, 0], middle, ordered[rows, last]], axis=1)
    return np.where(count[:, None] > 0, found, 0.0)
