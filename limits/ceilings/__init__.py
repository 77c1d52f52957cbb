"""The rules. Each returns, for every user, the highest limit it would accept: a ceiling, in minor units.

A rule never says "raise" or "lower". One that bars a raise returns the current limit, one
that asks for less returns a share of it, one that does not concern a user returns
UNBOUNDED. All are pure array functions of (portfolio, capacity, risk, policy) -> int64 (n,),
and CEILINGS at the end is the one list of them; of equal ceilings the first listed binds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from limits.capacity import Capacity
from limits.ceilings import data, exposure, integrity, maxima, repayment, risk, terms
from limits.ceilings.common import ReadOnce, asked, share_of, wants_a_person, within
from limits.policy import Policy
from limits.portfolio import Int, Portfolio
from limits.reasons import Reason
from limits.risk import Risk

__all__ = [
    "CEILINGS", "FALSE", "HARD", "URGENT", "Ceiling", "ReadOnce", "Rule", "asked", "share_of", "wants_a_person",
    "within",
]  # fmt: skip

Rule = Callable[[Portfolio, Capacity, Risk, Policy], Int]


@dataclass(frozen=True)
class Ceiling:
    """A rule with its reason. ``hard``: a maximum that neither hysteresis nor a person's hold softens."""

    reason: Reason
    rule: Rule
    hard: bool = False


#: Every rule there is, in the order in which equal ceilings bind: hard maxima, what was found
#: about the user (worst first), what is not known, and last what the lender or the user has
#: arranged, which explains little where something else stands in the way too.
CEILINGS: tuple[Ceiling, ...] = (
    Ceiling(Reason.STATUTORY_MAXIMUM, maxima.statutory_maximum, hard=True),
    Ceiling(Reason.PRODUCT_MAXIMUM, maxima.product_maximum, hard=True),
    Ceiling(Reason.SEGMENT_MAXIMUM, maxima.segment_maximum, hard=True),
    Ceiling(Reason.INDUSTRY_MAXIMUM, maxima.industry_maximum, hard=True),
    Ceiling(Reason.CONFIRMED_FRAUD, integrity.confirmed_fraud),
    Ceiling(Reason.PAST_DUE, repayment.past_due),
    Ceiling(Reason.FALSE_DOCUMENTS, integrity.false_documents),
    Ceiling(Reason.IDENTITY_MISMATCH, integrity.identity_mismatch),
    Ceiling(Reason.REPEATED_ARREARS, repayment.repeated_arrears),
    Ceiling(Reason.OVER_LIMIT, exposure.over_limit),
    Ceiling(Reason.MANY_LENDERS, exposure.many_lenders),
    Ceiling(Reason.MANY_INQUIRIES, exposure.many_inquiries),
    Ceiling(Reason.RESTRICTED_INDUSTRY, integrity.restricted_industry),
    Ceiling(Reason.RISK_BAND, risk.risk_band),
    Ceiling(Reason.ABILITY_TO_PAY, repayment.ability_to_pay),
    Ceiling(Reason.DORMANT, exposure.dormant),
    Ceiling(Reason.ACCOUNT_BLOCKED, terms.account_blocked),
    Ceiling(Reason.MISSED_PAYMENTS, repayment.missed_payments),
    Ceiling(Reason.PERSISTENT_DEBT, repayment.persistent_debt),
    Ceiling(Reason.MINIMUM_PAYMENTS, repayment.minimum_payments),
    Ceiling(Reason.BORROWER_MAXIMUM, maxima.borrower_maximum),
    Ceiling(Reason.DEBT_RATIO, repayment.debt_ratio),
    Ceiling(Reason.RESIDUAL_INCOME, repayment.residual_income),
    Ceiling(Reason.RISK_MAXIMUM, risk.risk_maximum),
    Ceiling(Reason.OBLIGATIONS_UNKNOWN, repayment.obligations_unknown),
    Ceiling(Reason.INCOME_UNVERIFIED, integrity.income_unverified),
    Ceiling(Reason.INCOME_STALE, integrity.income_stale),
    Ceiling(Reason.IDENTITY_UNVERIFIED, integrity.identity_unverified),
    Ceiling(Reason.DOCUMENTS_MISSING, integrity.documents_missing),
    Ceiling(Reason.DOCUMENTS_EXPIRED, integrity.documents_expired),
    Ceiling(Reason.LINKED_FRAUD, integrity.linked_fraud),
    Ceiling(Reason.AUTOMATION_REFUSED, terms.automation_refused),
    Ceiling(Reason.OPTED_OUT, terms.opted_out),
    Ceiling(Reason.NO_CONSENT, terms.no_consent),
    Ceiling(Reason.HISTORY_SHORT, data.history_short),
    Ceiling(Reason.MODEL_FELL_BACK, data.model_fell_back),
    Ceiling(Reason.INCOME_UNSTABLE, data.income_unstable),
    Ceiling(Reason.FORECAST_FALLING, data.forecast_falling),
    Ceiling(Reason.FORECAST_UNCERTAIN, data.forecast_uncertain),
    Ceiling(Reason.RISK_UNKNOWN, risk.risk_unknown),
    Ceiling(Reason.DATA_STALE, data.data_stale),
    Ceiling(Reason.TOO_NEW, terms.too_new),
    Ceiling(Reason.COOL_OFF_AFTER_CUT, terms.cool_off_after_cut),
    Ceiling(Reason.COOL_OFF_AFTER_RAISE, terms.cool_off_after_raise),
    Ceiling(Reason.UTILISATION_HIGH, exposure.utilisation_high),
    Ceiling(Reason.UTILISATION_LOW, exposure.utilisation_low),
    Ceiling(Reason.PROBING, integrity.probing),
    Ceiling(Reason.NOT_ASKED_FOR, terms.not_asked_for),
    Ceiling(Reason.CHANGE_PENDING, terms.change_pending),
    Ceiling(Reason.MACRO_FREEZE, terms.macro_freeze),
    Ceiling(Reason.OVERRIDE, terms.override),
    Ceiling(Reason.RESTORATION, maxima.restoration),
    Ceiling(Reason.PORTFOLIO_BUDGET, maxima.portfolio_budget),
    Ceiling(Reason.STEP_CAP, maxima.step_cap),
    Ceiling(Reason.ASKED_AMOUNT, maxima.asked_amount),
)

#: Reasons of the hard maxima.
HARD: frozenset[Reason] = frozenset(ceiling.reason for ceiling in CEILINGS if ceiling.hard)
#: A cut that one of these asks for does not wait: no notice period and no change that is still open keep it off.
FALSE: frozenset[Reason] = frozenset({Reason.CONFIRMED_FRAUD, Reason.FALSE_DOCUMENTS})
URGENT: frozenset[Reason] = HARD | FALSE
