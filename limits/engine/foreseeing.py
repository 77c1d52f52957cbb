"""The forecast of one user month by month, for a person who looks: the same models that capacity is read from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from limits.capacity import Method, estimate_capacity, forecast
from limits.engine.scoring import Score, said
from limits.engine.supposing import Evidence
from limits.money import LARGEST_MINOR
from limits.portfolio import CashFlow, Int
from limits.risk import losses

#: Months that are drawn ahead, at most: what lies further is as wide as the last one.
MOST_MONTHS = 24


@dataclass(frozen=True)
class Fan:
    """The coming months of one series: quantiles at 10, 50 and 90% of each month, minor units."""

    series: str
    method: str
    months: list[dt.date]
    p10: list[int]
    p50: list[int]
    p90: list[int]


@dataclass(frozen=True)
class Foreseen:
    """What can be repaid a month, the mean over the horizon as ``Capacity`` has it, and the series it comes from."""

    horizon_months: int
    method: Method
    p10: int
    p50: int
    p90: int
    fans: list[Fan]


def foresee(flow: CashFlow, horizon: int) -> Foreseen:
    """The forecast of the one user; no series where the method makes none."""
    capacity = estimate_capacity(flow, horizon)
    method = Method(int(capacity.method[0]))
    series: dict[str, Int] = {}
    if method is Method.REVEALED_REPAYMENT:
        series = {"repaid": flow.repaid}
    elif method.is_forecast:
        series = {"inflow": flow.inflow, "outgoings": flow.essential_spend + flow.obligations}
    fans = [_fan(name, values, flow, min(horizon, MOST_MONTHS)) for name, values in series.items()]
    p10, p50, p90 = (int(column[0]) for column in (capacity.p10, capacity.p50, capacity.p90))
    return Foreseen(horizon, method, p10, p50, p90, [fan for fan in fans if fan is not None])


def _fan(name: str, values: Int, flow: CashFlow, horizon: int) -> Fan | None:
    found = forecast(np.where(flow.observed, values.astype(np.float64), np.nan), horizon)
    low, middle, high = (found.quantile(q)[0] for q in (0.1, 0.5, 0.9))
    if not np.isfinite([low, middle, high]).all():
        return None
    first = flow.months[-1] + 1
    months = np.arange(first, first + horizon).astype("datetime64[D]").tolist()
    amounts = [np.clip(np.floor(one), -LARGEST_MINOR, LARGEST_MINOR).astype(np.int64).tolist() for one in
               (low, middle, high)]  # fmt: skip
    return Fan(name, str(found.method[0]), months, *amounts)


def score_from(known: Evidence) -> Score | None:
    """What the model of a decision says of its user, as known now of its date; None where nobody is scored."""
    if known.model is None:
        return None
    capacity = estimate_capacity(known.user.cash_flow, known.policy.capacity.horizon_months)
    risk = known.model.score(known.user, capacity)
    return said(known.model, risk, losses(known.model, known.user, capacity)[0])
