"""What an estimate of capacity says, and how it came about. Nothing here loads the forecast's kernels."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from limits.portfolio import Int

#: Observed months below which no forecast is made.
FEWEST_MONTHS = 3


class Method(enum.IntEnum):
    """How the numbers came about. The value stands in the log."""

    POOLED = 0
    CONSTANT = 1
    TOO_SHORT = 2
    NO_EVIDENCE = 3
    REVEALED_REPAYMENT = 4
    NOT_CONVERGED = 5
    STEPPED = 6

    def text(self, language: str = "en") -> str:
        """The method in words, in English ("en") or Chinese ("zh")."""
        return _TEXT[self][language == "zh"]

    @property
    def is_forecast(self) -> bool:
        """Whether the numbers may decide about a limit; where not, they only bar a raise."""
        return self in (Method.POOLED, Method.STEPPED, Method.CONSTANT, Method.REVEALED_REPAYMENT)


_TEXT = {
    Method.POOLED: (
        "weighted months of income and of outgoings, beside what is usual in a portfolio",
        "收入与支出各月加权，并参考组合的一般情形",
    ),
    Method.STEPPED: (
        "as usual, and months before a lasting step in income or outgoings count for less",
        "同上，收入或支出持续变化之前的月份权重较低",
    ),
    Method.CONSTANT: (
        "the same income and outgoings every month; the uncertainty is what is usual in a portfolio",
        "每月收入与支出不变，不确定性取组合的一般情形",
    ),
    Method.TOO_SHORT: (
        f"fewer than {FEWEST_MONTHS} observed months; no forecast",
        f"观察月数少于 {FEWEST_MONTHS} 个，未作预测",
    ),
    Method.NO_EVIDENCE: ("no income and no repayments seen; no forecast", "未见收入与还款，未作预测"),
    Method.REVEALED_REPAYMENT: (
        "no income seen; forecast of what was repaid, a lower bound of capacity",
        "未见收入，按实际还款预测，为还款能力的下限",
    ),
    Method.NOT_CONVERGED: (
        "no finite number came out; spread of the observed months, no forecast",
        "未得到有效数值，列出观察月份的范围，未作预测",
    ),
}

#: Whether each method is a forecast, by its number.
FORECASTS = np.array([method.is_forecast for method in Method])


@dataclass(frozen=True, slots=True)
class Capacity:
    """Monthly repayment capacity of n users, the mean over the horizon; every array (n,).

    p10, p50, p90    int64 minor units: quantiles of that mean
    method           Method by its number
    months_observed  whole months that were observed
    past             int64 minor units: mean of the observed months, rounded down; of what was
                     repaid where the method is REVEALED_REPAYMENT; 0 without any
    """

    p10: Int
    p50: Int
    p90: Int
    method: Int
    months_observed: Int
    past: Int

    def __len__(self) -> int:
        return len(self.p50)

    def take(self, rows: Any) -> Self:
        """The capacity of some of the users."""
        return dataclasses.replace(self, **{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})
