"""Reason codes: a number for the log, a name for machines, a sentence for people in each language.

A number once used is never given to another reason: old log rows must keep their meaning.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Reason(enum.IntEnum):
    """Why a limit is not higher. The value is the bit in the log and must stay below 63."""

    STATUTORY_MAXIMUM = 0
    PRODUCT_MAXIMUM = 1
    STEP_CAP = 2
    ASKED_AMOUNT = 3
    ABILITY_TO_PAY = 4
    PAST_DUE = 5
    MISSED_PAYMENTS = 6
    MANY_LENDERS = 7
    MANY_INQUIRIES = 8
    UTILISATION_LOW = 9
    UTILISATION_HIGH = 10
    DORMANT = 11
    RESTRICTED_INDUSTRY = 12
    IDENTITY_UNVERIFIED = 13
    IDENTITY_MISMATCH = 14
    INCOME_UNVERIFIED = 15
    INCOME_STALE = 16
    FALSE_DOCUMENTS = 17
    ACCOUNT_BLOCKED = 18
    NO_CONSENT = 19
    TOO_NEW = 20
    COOL_OFF_AFTER_RAISE = 21
    COOL_OFF_AFTER_CUT = 22
    HISTORY_SHORT = 23
    DATA_STALE = 24
    MODEL_FELL_BACK = 25
    FORECAST_FALLING = 26
    FORECAST_UNCERTAIN = 27


LANGUAGES = ("en", "zh")


def _text(en: str, zh: str) -> Mapping[str, str]:
    return MappingProxyType({"en": en, "zh": zh})


TEXT: Mapping[Reason, Mapping[str, str]] = MappingProxyType(
    {
        Reason.STATUTORY_MAXIMUM: _text("the highest limit the law allows", "法规允许的最高额度"),
        Reason.PRODUCT_MAXIMUM: _text("the highest limit of this product", "本产品的最高额度"),
        Reason.STEP_CAP: _text("the largest raise of one review", "单次审查的最大上调幅度"),
        Reason.ASKED_AMOUNT: _text("the amount asked for", "申请的额度"),
        Reason.ABILITY_TO_PAY: _text(
            "repayment at full use must fit what is left of income in a bad month",
            "全额使用时的还款须在较差月份的结余之内",
        ),
        Reason.PAST_DUE: _text("a payment is past due", "有逾期未还款项"),
        Reason.MISSED_PAYMENTS: _text("payments missed in the last twelve months", "近十二个月有未按时还款"),
        Reason.MANY_LENDERS: _text("borrowing from many lenders", "向多家机构借款"),
        Reason.MANY_INQUIRIES: _text("many credit applications in a short time", "短期内多次申请信贷"),
        Reason.UTILISATION_LOW: _text("the limit is hardly used", "现有额度使用率低"),
        Reason.UTILISATION_HIGH: _text("the limit is used up or exceeded", "现有额度几近用尽或已超限"),
        Reason.DORMANT: _text("the account has not been used for a long time", "账户长期未使用"),
        Reason.RESTRICTED_INDUSTRY: _text("the industry is restricted", "所属行业受限"),
        Reason.IDENTITY_UNVERIFIED: _text("identity is not verified", "身份未核验"),
        Reason.IDENTITY_MISMATCH: _text("identity details do not match", "身份信息不一致"),
        Reason.INCOME_UNVERIFIED: _text("no proof of income", "缺少收入证明"),
        Reason.INCOME_STALE: _text("the proof of income is too old", "收入证明已过期"),
        Reason.FALSE_DOCUMENTS: _text("documents were found to be false", "所交材料不实"),
        Reason.ACCOUNT_BLOCKED: _text("the account is blocked", "账户被冻结"),
        Reason.NO_CONSENT: _text("no consent to raises", "未同意上调额度"),
        Reason.TOO_NEW: _text("the account is too new", "开户时间过短"),
        Reason.COOL_OFF_AFTER_RAISE: _text("the last raise was too recent", "距上次上调时间过短"),
        Reason.COOL_OFF_AFTER_CUT: _text("the last cut was too recent", "距上次下调时间过短"),
        Reason.HISTORY_SHORT: _text("too few months of history", "历史数据月数不足"),
        Reason.DATA_STALE: _text("the data are too old", "数据陈旧"),
        Reason.MODEL_FELL_BACK: _text("no forecast could be made from the history", "无法根据历史作出预测"),
        Reason.FORECAST_FALLING: _text(
            "what is left of income is expected to be well below what it was", "预计月结余明显低于以往水平"
        ),
        Reason.FORECAST_UNCERTAIN: _text("what is left of income is too uncertain", "月结余的预测不确定性过大"),
    }
)
