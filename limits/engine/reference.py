"""One user's forecasts beside those of statsmodels: for looking, never for deciding."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.capacity import FEWEST_MONTHS, Method, estimate_capacity, forecast
from limits.capacity.reference import fit_local_level, smooth_exponentially
from limits.errors import ReviewRefused
from limits.policy import parse_policy
from limits.portfolio import CashFlow
from limits.store import policies
from limits.store.db import Connection
from limits.store.load import load_portfolio
from limits.store.log import LogEntry

Float = NDArray[np.float64]
Minor = tuple[int, int, int]

QUANTILES = (0.1, 0.5, 0.9)
_Z90 = 1.2815515655446004  # standard normal quantile of 90%


@dataclass(frozen=True)
class Line:
    """Quantiles at 10, 50 and 90% of the mean of the coming months by one method, or None where it gives none."""

    series: str
    method: str
    minor: Minor | None


@dataclass(frozen=True)
class Comparison:
    """The forecasts of one user's series, from what is known now of the months up to ``as_of``."""

    as_of: dt.date
    currency: str
    exponent: int
    horizon_months: int
    months_observed: int
    lines: list[Line]

    def as_dict(self) -> dict[str, Any]:
        """For a machine; amounts in minor units."""
        names = ("p10_minor", "p50_minor", "p90_minor")
        return {
            "horizon_months": self.horizon_months,
            "months_observed": self.months_observed,
            "forecasts": [
                {
                    "series": line.series,
                    "method": line.method,
                    **dict(zip(names, line.minor or (None,) * 3, strict=True)),
                }
                for line in self.lines
            ],
        }


def compare(conn: Connection, entry: LogEntry) -> Comparison:
    """The forecasts for the user of a log entry, as of its date and over its policy's horizon.

    The cash flow is read as it is known now: what was imported since the decision counts.
    """
    policy = parse_policy(policies.load_policy(conn, entry.policy_hash), file="its policy")
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        portfolio, excluded = load_portfolio(conn, entry.as_of, entry.currency, user_ids=[entry.user_id])
    if excluded:
        why = excluded[0]
        raise ReviewRefused(f"user {entry.user_id} has no forecast as of {entry.as_of} ({why.reason}): {why.detail}")
    flow, horizon = portfolio.cash_flow, policy.capacity.horizon_months
    return Comparison(
        as_of=entry.as_of,
        currency=entry.currency,
        exponent=entry.exponent,
        horizon_months=horizon,
        months_observed=int(flow.observed.sum()),
        lines=list(_lines(entry, flow, horizon)),
    )


def _lines(entry: LogEntry, flow: CashFlow, horizon: int) -> Iterator[Line]:
    logged = (entry.capacity_p10_minor, entry.capacity_p50_minor, entry.capacity_p90_minor)
    yield Line("capacity", f"logged: {Method(entry.capacity_method).name.lower()}", logged)
    now = estimate_capacity(flow, horizon)
    method = Method(int(now.method[0]))
    yield Line("capacity", f"now: {method.name.lower()}", (int(now.p10[0]), int(now.p50[0]), int(now.p90[0])))
    seen = flow.observed[0]
    amounts = {"inflow": flow.inflow[0], "outgoings": flow.essential_spend[0] + flow.obligations[0]}
    if method is Method.REVEALED_REPAYMENT:
        amounts = {"repaid": flow.repaid[0]}
    for name, values in amounts.items():
        series = np.where(seen, values.astype(np.float64), np.nan)
        yield from _of_series(name, series, horizon)


def _of_series(name: str, series: Float, horizon: int) -> Iterator[Line]:
    """Two forecasts of the engine, two of the reference; the latter from three months on that are not all equal."""
    if np.isfinite(series).any():
        for model in ("auto", "local_level"):
            found = forecast(series[None], horizon, model=model)
            if model == "local_level" and found.method[0] != model:
                continue  # nothing was fitted, and the line before says so
            quantiles = [float(found.quantile_of_mean(q)[0]) for q in QUANTILES]
            yield Line(name, f"ours: {found.method[0]}", _whole(quantiles))
    known = series[np.isfinite(series)]
    fitted = len(known) >= FEWEST_MONTHS and bool((known != known[0]).any())
    size = float(np.abs(known).mean()) if fitted else 1.0  # on raw cents statsmodels loses digits

    def level() -> tuple[float, float]:
        return fit_local_level(series[np.argmax(np.isfinite(series)) :] / size).mean_over_horizon(horizon)

    def smoothed() -> tuple[float, float]:
        return smooth_exponentially(known / size, horizon)

    gaps = ", gaps closed up" if np.isnan(series[np.argmax(np.isfinite(series)) :]).any() else ""
    for title, fit in (("statsmodels: local level", level), (f"statsmodels: ETS(A,N,N){gaps}", smoothed)):
        yield Line(name, title, _normal(fit, size) if fitted else None)


def _normal(fit: Callable[[], tuple[float, float]], size: float) -> Minor | None:
    mean, variance = fit()
    spread = _Z90 * math.sqrt(variance) if variance >= 0 else math.nan
    numbers = [(mean - spread) * size, mean * size, (mean + spread) * size]
    return _whole(numbers) if all(map(math.isfinite, numbers)) else None


def _whole(numbers: list[float]) -> Minor:
    low, middle, high = (math.floor(number) for number in numbers)
    return low, middle, high
