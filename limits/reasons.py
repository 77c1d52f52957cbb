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
    REPEATED_ARREARS = 28
    MINIMUM_PAYMENTS = 29
    PERSISTENT_DEBT = 30
    INCOME_UNSTABLE = 31
    DEBT_RATIO = 32
    RESIDUAL_INCOME = 33
    OBLIGATIONS_UNKNOWN = 34
    OVER_LIMIT = 35
    BORROWER_MAXIMUM = 36
    SEGMENT_MAXIMUM = 37
    INDUSTRY_MAXIMUM = 38
    DOCUMENTS_MISSING = 39
    DOCUMENTS_EXPIRED = 40
    PROBING = 41
    LINKED_FRAUD = 42
    CONFIRMED_FRAUD = 43
    OPTED_OUT = 44
    AUTOMATION_REFUSED = 45
    NOT_ASKED_FOR = 46
    MACRO_FREEZE = 47
    PORTFOLIO_BUDGET = 48
    RESTORATION = 49
    CHANGE_PENDING = 50
    OVERRIDE = 51
    RISK_BAND = 52
    RISK_MAXIMUM = 53
    RISK_UNKNOWN = 54


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
        Reason.REPEATED_ARREARS: _text("payments were late again and again", "多次逾期还款"),
        Reason.MINIMUM_PAYMENTS: _text("little more than the minimum is paid", "长期仅还最低还款额"),
        Reason.PERSISTENT_DEBT: _text(
            "in the last year more was paid for interest than for the debt", "近一年所还利息多于本金"
        ),
        Reason.INCOME_UNSTABLE: _text("income varies too much from month to month", "收入逐月波动过大"),
        Reason.DEBT_RATIO: _text("too large a part of income would go into repaying debts", "还债支出占收入比例过高"),
        Reason.RESIDUAL_INCOME: _text("too little would be left to live on", "还款后剩余收入过少"),
        Reason.OBLIGATIONS_UNKNOWN: _text("no recent record of obligations to other lenders", "缺少近期的其他负债信息"),
        Reason.OVER_LIMIT: _text("the balance is above the limit", "欠款已超过额度"),
        Reason.BORROWER_MAXIMUM: _text("the highest debt with all lenders together", "单一借款人全部负债的最高限额"),
        Reason.SEGMENT_MAXIMUM: _text("the highest limit of this customer group", "所属客群的最高额度"),
        Reason.INDUSTRY_MAXIMUM: _text("the highest limit of this industry", "所属行业的最高额度"),
        Reason.DOCUMENTS_MISSING: _text("documents are missing", "材料不全"),
        Reason.DOCUMENTS_EXPIRED: _text("documents have expired", "证件或材料已过有效期"),
        Reason.PROBING: _text("repeated requests for a higher limit in a short time", "短期内反复申请提额"),
        Reason.LINKED_FRAUD: _text(
            "shares a device, phone, address or card with a confirmed fraud",
            "与已确认欺诈存在设备、电话、地址或银行卡关联",
        ),
        Reason.CONFIRMED_FRAUD: _text("fraud was confirmed", "已确认存在欺诈"),
        Reason.OPTED_OUT: _text("the user does not want raises", "用户拒绝上调额度"),
        Reason.AUTOMATION_REFUSED: _text("the user wants a person to decide", "用户拒绝自动化决策，须人工审核"),
        Reason.NOT_ASKED_FOR: _text("a raise has to be asked for", "上调须由用户主动申请"),
        Reason.MACRO_FREEZE: _text("raises are suspended for now", "目前暂停上调额度"),
        Reason.PORTFOLIO_BUDGET: _text("this review's budget for raises is used up", "本次审查的上调预算已用完"),
        Reason.RESTORATION: _text("a limit that was cut comes back step by step", "下调后的额度分步恢复"),
        Reason.CHANGE_PENDING: _text("an announced or offered change is still open", "已有待生效或待接受的调整"),
        Reason.OVERRIDE: _text("set by a person for a time", "人工设定，限期有效"),
        Reason.RISK_BAND: _text("a payment is too likely to be missed, by the scorecard", "评分显示逾期可能性过高"),
        Reason.RISK_MAXIMUM: _text(
            "the highest limit at this likelihood of a missed payment, by the scorecard", "评分所对应风险等级的最高额度"
        ),
        Reason.RISK_UNKNOWN: _text("no scorecard has scored the user", "尚无信用评分"),
    }
)

#: Reasons that may not stand alone as a principal reason in a notice of adverse action: they name the lender's own
#: arrangements or the user's own choice, not what was found about the user. Regulation B, 12 CFR 1002.9(b)(2): a
#: statement that the refusal was based on internal standards or policies is insufficient.
NOT_PRINCIPAL: frozenset[Reason] = frozenset(
    {
        Reason.STEP_CAP, Reason.ASKED_AMOUNT, Reason.NO_CONSENT, Reason.OPTED_OUT, Reason.AUTOMATION_REFUSED,
        Reason.NOT_ASKED_FOR, Reason.MACRO_FREEZE, Reason.PORTFOLIO_BUDGET, Reason.CHANGE_PENDING, Reason.OVERRIDE,
        Reason.LINKED_FRAUD,
    }
)  # fmt: skip

#: Reasons that rest on a score. In a notice the characteristics that cost the user most points stand in their place:
#: that a score is too low says nothing about the user. Regulation B, 12 CFR 1002.9(b)(2).
SCORED: frozenset[Reason] = frozenset({Reason.RISK_BAND, Reason.RISK_MAXIMUM})

#: Reasons upon which a person has to look at the user: the decision holds until somebody has.
HUMAN_REVIEW: frozenset[Reason] = frozenset(
    {Reason.LINKED_FRAUD, Reason.CONFIRMED_FRAUD, Reason.AUTOMATION_REFUSED, Reason.IDENTITY_MISMATCH}
)

_CHECKING = _text("we could not confirm some of the details we hold", "部分信息未能核实")

#: What the user is told where the plain reason would reveal how fraud is found, or speaks of the user as of somebody
#: else. Everywhere else: TEXT.
USER_TEXT: Mapping[Reason, Mapping[str, str]] = MappingProxyType(
    {
        **TEXT,
        Reason.LINKED_FRAUD: _CHECKING,
        Reason.CONFIRMED_FRAUD: _CHECKING,
        Reason.PROBING: _text("a recent request has been answered already", "近期的申请已有答复"),
        Reason.RISK_BAND: _text(
            "a payment is likely to be missed, by what we know of you", "据我们所知，逾期可能性较高"
        ),
        Reason.RISK_MAXIMUM: _text(
            "how likely a payment is to be missed, by what we know of you", "据我们所知的逾期可能性"
        ),
        Reason.RISK_UNKNOWN: _text(
            "too little is known to judge how likely a payment is missed", "信息不足，无法评估逾期可能性"
        ),
        Reason.OPTED_OUT: _text("you do not want your limit raised", "您不希望上调额度"),
        Reason.AUTOMATION_REFUSED: _text("you want a person to decide", "您要求人工作出决定"),
    }
)
