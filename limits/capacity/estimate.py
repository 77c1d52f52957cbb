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
from limits.capacity.reading import sides
from limits.capacity.result import FEWEST_MONTHS, Capacity, Method
from limits.capacity.seasonal import Seasons, seasonal_capacity
from limits.money import LARGEST_MINOR
from limits.portfolio import Bool, CashFlow, Dates, Int

#: Users forecast at a time, so that their months stay near the processor; changes no bit of the result.
BLOCK_USERS = 8_192


class _Block(NamedTuple):
    """Of some users: quantiles (n, 3) at 10, 50 and 90%, method, mean of the past and observed months (n,)."""

    quantiles: Float
    method: Int
    past: Int
    months: Int


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
    low, middle, high, method, months, past = np.zeros((6, users), dtype=np.int64)
    for begin in range(0, users, BLOCK_USERS):
        rows = slice(begin, begin + BLOCK_USERS)
        found = _block(cash_flow.take(rows), horizon_months, None if seasons is None else seasons.take(rows))
        low[rows], middle[rows], high[rows] = np.clip(np.floor(found.quantiles), -LARGEST_MINOR, LARGEST_MINOR).T
        method[rows], months[rows], past[rows] = found.method, found.months, found.past
    return Capacity(low, middle, high, method, months, past)


def _block(flow: CashFlow, horizon: int, seasons: Seasons | None) -> _Block:
    found = sides(flow)
    method = np.select(
        [found.months < FEWEST_MONTHS, found.income, found.paying >= FEWEST_MONTHS],
        [Method.TOO_SHORT, Method.POOLED, Method.REVEALED_REPAYMENT],
        Method.NO_EVIDENCE,
    ).astype(np.int64)
    quantiles = np.full((len(flow), 3), np.nan)
    usual = np.flatnonzero(method == Method.POOLED)
    if len(usual):
        rows = slice(None) if len(usual) == len(flow) else usual
        quantiles[rows], method[rows] = _apart(
            found.inflow[rows], found.outgoings[rows], found.unchanged[rows], horizon, flow.months,
            None if seasons is None else seasons.take(rows),
        )  # fmt: skip
    revealed = method == Method.REVEALED_REPAYMENT
    if revealed.any():
        repaid = forecast(_series(flow.repaid[revealed], flow.observed[revealed]), horizon)
        quantiles[revealed] = np.stack([repaid.quantile_of_mean(q) for q in (0.1, 0.5, 0.9)], axis=1)
    past = np.where(revealed, found.repaid, found.net) // np.maximum(found.months, 1)
    none = ~np.isfinite(quantiles).all(axis=1)
    if none.any():
        rest = flow.take(none)
        net = rest.inflow - (rest.essential_spend + rest.obligations)
        quantiles[none] = _spread(np.where(revealed[none, None], rest.repaid, net), rest.observed)
        failed = none & (method != Method.TOO_SHORT) & (method != Method.NO_EVIDENCE)
        method[failed] = Method.NOT_CONVERGED
    return _Block(quantiles, method, past, found.months)


def _apart(
    inflow: Float, outgoings: Float, unchanged: Bool, horizon: int, months: Dates, seasons: Seasons | None
) -> tuple[Float, Int]:
    """Quantiles (n, 3) of what comes in less what goes out, and the methods (n,)."""
    if seasons is None:
        found = capacity_quantiles(inflow, outgoings, horizon)
    else:
        found = seasonal_capacity(inflow, outgoings, horizon, months, seasons)
    stepped = found.inflow.is_stepped | found.outgoings.is_stepped
    method = np.select([unchanged, stepped], [Method.CONSTANT, Method.STEPPED], Method.POOLED)
    quantiles = np.stack([found.low, found.middle, found.high], axis=1)
    quantiles[~np.isfinite(found.deviation)] = np.nan
    return quantiles, method.astype(np.int64)


def _series(amounts: Int, seen: Bool) -> Float:
    return np.where(seen, amounts.astype(np.float64), np.nan)


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
