"""What a scorecard may read of a user: the product's own columns, by name, and nothing about the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from limits.capacity import Capacity
from limits.capacity.result import FORECASTS
from limits.portfolio import UNKNOWN, Portfolio
from limits.risk.names import RECORD_FEATURES, Real

Read = Callable[[Portfolio, Capacity], Real]


@dataclass(frozen=True)
class Feature:
    """A number of each user (n,) float64, NaN where it is not known.

    worse   "more": risk may only grow with it; "less": it may only fall; "either": not known beforehand
    unit    "amount": minor units; "share": a part of one, as of the limit or of a bill; "count": days, months
    text    what it is, in English and Chinese, as a user is told it
    """

    name: str
    read: Read
    worse: Literal["more", "less", "either"]
    unit: Literal["amount", "share", "count"]
    text: tuple[str, str]

    @property
    def signed(self) -> bool:
        """Whether it may be below 0: what is owed may be less than nothing, and so may a change."""
        return self.name.startswith(_SIGNED)


_SIGNED = ("utilisation_", "used_", "balance_now", "credit_left", "delay_rise", "capacity_share", "capacity_spread")


def _known(values: Any, known: Any) -> Real:
    return np.where(known, np.asarray(values, dtype=np.float64), np.nan)


def _share(part: Any, whole: Any, known: Any = True) -> Real:
    """part / whole where the whole is above zero."""
    found = np.full(len(whole), np.nan)
    np.divide(part, whole, out=found, where=(np.asarray(whole) > 0) & known)
    return found


def _record(portfolio: Portfolio) -> dict[str, Real]:
    from limits.risk.record import read_record  # here, for it loads the kernels and not everybody scores

    return dict(zip(RECORD_FEATURES, read_record(portfolio), strict=True))


def _of_record(name: str, portfolio: Portfolio, capacity: Capacity) -> Real:
    return _record(portfolio)[name]


def _credit_limit(portfolio: Portfolio, capacity: Capacity) -> Real:
    return portfolio.credit_limit.astype(np.float64)


def _months_on_book(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _known(portfolio.months_on_book, ~np.isnat(portfolio.opened_on))


def _minimum_only(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _share(portfolio.minimum_only_payments, portfolio.statements_12m, portfolio.minimum_only_payments >= 0)


def _missed(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _known(portfolio.missed_payments, portfolio.statements_seen > 0)


def _active_lenders(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _known(portfolio.active_lenders, portfolio.active_lenders != UNKNOWN)


def _inquiries(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _known(portfolio.inquiries, portfolio.inquiries != UNKNOWN)


def _outside_debt(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _share(portfolio.outside_debt, portfolio.credit_limit, portfolio.outside_debt != UNKNOWN)


def _capacity_share(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _share(capacity.p50, portfolio.credit_limit, FORECASTS[capacity.method])


def _capacity_spread(portfolio: Portfolio, capacity: Capacity) -> Real:
    return _share(capacity.p90 - capacity.p10, capacity.p50, FORECASTS[capacity.method])


_AMOUNT: Final = "amount"
_SHARE: Final = "share"
_COUNT: Final = "count"
_OTHERS = (
    Feature("credit_limit", _credit_limit, "less", _AMOUNT, ("limit", "额度")),
    Feature("months_on_book", _months_on_book, "less", _COUNT, ("months since opening", "开户月数")),
    Feature("missed_payments", _missed, "more", _COUNT, ("payments missed in 12 months", "近12个月逾期次数")),
    Feature("minimum_only", _minimum_only, "more", _SHARE,
            ("statements paid with the minimum", "仅还最低额的账单占比")),
    Feature("active_lenders", _active_lenders, "more", _COUNT, ("lenders with open loans", "在贷机构数")),
    Feature("inquiries", _inquiries, "more", _COUNT, ("credit inquiries", "征信查询次数")),
    Feature("outside_debt_share", _outside_debt, "more", _SHARE, ("debt elsewhere by the limit", "外部负债与额度之比")),
    Feature("capacity_share", _capacity_share, "less", _SHARE,
            ("repayment capacity by the limit", "月还款能力与额度之比")),
    Feature("capacity_spread", _capacity_spread, "more", _SHARE,
            ("uncertainty of repayment capacity", "还款能力的不确定性")),
)  # fmt: skip

_MORE, _LESS, _EITHER = "more", "less", "either"
#: Of the payment record: how risk goes with it, its unit, and what it is called.
_RECORD: Mapping[str, tuple[Any, Any, str, str]] = {
    "days_past_due_now": (_MORE, _COUNT, "days past due", "逾期天数"),
    "delay_weighted": (_MORE, _COUNT, "days past due, the newest statements counting most", "近六期加权逾期天数"),
    "delay_total": (_MORE, _COUNT, "days past due over six statements", "近六期逾期天数合计"),
    "delay_worst": (_MORE, _COUNT, "longest delay in six statements", "近六期最长逾期天数"),
    "statements_late": (_MORE, _COUNT, "statements past due", "逾期账单期数"),
    "statements_since_late": (_LESS, _COUNT, "statements since the last delay", "距上次逾期的期数"),
    "delay_rise": (_EITHER, _COUNT, "days past due more than a statement ago", "较上期增加的逾期天数"),
    "balance_now": (_EITHER, _AMOUNT, "balance", "账单余额"),
    "credit_left": (_LESS, _AMOUNT, "credit not used", "未用额度"),
    "utilisation_now": (_EITHER, _SHARE, "use of the limit", "额度使用率"),
    "utilisation_mean": (_EITHER, _SHARE, "mean use of the limit", "平均额度使用率"),
    "utilisation_highest": (_EITHER, _SHARE, "highest use of the limit", "最高额度使用率"),
    "utilisation_trend": (_EITHER, _SHARE, "change in the use of the limit", "额度使用率变化"),
    "balance_spread": (_EITHER, _SHARE, "how much the balance moves", "余额波动"),
    "utilisation_before": (_EITHER, _SHARE, "use of the limit a statement ago", "上期额度使用率"),
    "used_newest": (_EITHER, _SHARE, "newly used since the last statement", "本期新增用款"),
    "used_before": (_EITHER, _SHARE, "newly used a statement ago", "上期新增用款"),
    "used_third": (_EITHER, _SHARE, "newly used two statements ago", "前二期新增用款"),
    "used_fourth": (_EITHER, _SHARE, "newly used three statements ago", "前三期新增用款"),
    "used_total": (_EITHER, _SHARE, "newly used over six statements", "近六期新增用款"),
    "statements_empty": (_EITHER, _COUNT, "statements without a balance", "无余额账单期数"),
    "repaid_newest": (_LESS, _AMOUNT, "last repayment", "最近一期还款额"),
    "repaid_three": (_LESS, _AMOUNT, "repaid of the last three statements", "近三期还款额"),
    "repaid_total": (_LESS, _AMOUNT, "repaid of the last statements", "近期还款总额"),
    "repaid_largest": (_LESS, _AMOUNT, "largest repayment", "最大一期还款额"),
    "repaid_smallest": (_LESS, _AMOUNT, "smallest repayment", "最小一期还款额"),
    "paid_share": (_LESS, _SHARE, "share of the bills that was paid", "账单还款比例"),
    "paid_share_lowest": (_LESS, _SHARE, "lowest share of a bill that was paid", "最低账单还款比例"),
    "paid_share_newest": (_LESS, _SHARE, "share of the last bill that was paid", "最近账单还款比例"),
    "paid_share_second": (_LESS, _SHARE, "share paid of the bill before", "前一期账单还款比例"),
    "paid_share_third": (_LESS, _SHARE, "share paid of the third bill back", "前二期账单还款比例"),
    "paid_share_fourth": (_LESS, _SHARE, "share paid of the fourth bill back", "前三期账单还款比例"),
    "paid_share_fifth": (_LESS, _SHARE, "share paid of the fifth bill back", "前四期账单还款比例"),
    "payments_small": (_MORE, _COUNT, "bills of which little was paid", "小额还款期数"),
    "payments_none": (_MORE, _COUNT, "bills of which nothing was paid", "未还款期数"),
    "payments_full": (_LESS, _COUNT, "bills paid in full", "全额还款期数"),
}  # fmt: skip


def _record_feature(name: str) -> Feature:
    worse, unit, english, chinese = _RECORD[name]
    return Feature(name, partial(_of_record, name), worse, unit, (english, chinese))


#: Every feature there is, by name.
FEATURES: Mapping[str, Feature] = MappingProxyType(
    {feature.name: feature for feature in (*map(_record_feature, RECORD_FEATURES), *_OTHERS)}
)


def read_features(portfolio: Portfolio, capacity: Capacity, names: Sequence[str]) -> dict[str, Real]:
    """The features of these names (n,). KeyError for a name that there is not."""
    record = _record(portfolio) if set(names) & set(_RECORD) else {}
    return {name: record[name] if name in record else FEATURES[name].read(portfolio, capacity) for name in names}
