"""What if: a user, or all, with some inputs as they might be, for the same engine to decide.

A change is written ``name=value``; INPUTS lists the names. Amounts are in major units of the
portfolio's currency and become exact int64 minor units. For the three flows of the history
(inflow, essential_spend, obligations) a change touches every observed month alike:
``+10%`` scales each, ``-500`` shifts each (never below zero), ``12000`` puts this amount into
each. A month that was not observed stays so. Whether a user is connected with fraud is
nothing that anybody may suppose, so there is no input for it.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from limits.ceilings import share_of
from limits.errors import InputError
from limits.money import EXPONENTS, LARGEST_MINOR, major
from limits.policy import ALL_BPS
from limits.portfolio import UNKNOWN, Documents, Identity, Income, Int, Portfolio

How = Literal["set", "shift", "scale"]
Kind = Literal["flow", "amount", "request", "count", "share", "flag", "once", "documents"]

#: Percentages go up to a hundredfold; at -100% nothing is left.
MOST_BPS = 100 * ALL_BPS
#: Largest count, and largest share of the limit that may be used.
MOST_COUNT, MOST_SHARE_BPS = 1000, 2 * ALL_BPS


@dataclass(frozen=True, slots=True)
class Input:
    """An input that may be supposed to be another: its kind, and what it is, in each language."""

    kind: Kind
    en: str
    zh: str

    def words(self, language: str) -> str:
        """What it is."""
        return self.zh if language == "zh" else self.en


INPUTS: Mapping[str, Input] = MappingProxyType(
    {
        "inflow": Input("flow", "income a month", "月收入"),
        "essential_spend": Input("flow", "living costs a month", "月生活必需支出"),
        "obligations": Input("flow", "payments a month to other lenders, as seen", "每月偿还其他债务"),
        "outside_debt": Input("amount", "debt with other lenders, as a credit check knows it", "其他机构负债余额"),
        "outside_monthly_payment": Input(
            "amount", "payments a month to other lenders, as a credit check knows them", "征信所示每月偿债额"
        ),
        "balance": Input("amount", "balance of the newest statement", "最近账单欠款"),
        "average_balance": Input("amount", "mean balance of three statements", "近三期账单平均欠款"),
        "utilisation": Input("share", "share of the limit that is used", "额度使用率"),
        "requested": Input("request", "limit asked for", "申请的额度"),
        "active_lenders": Input("count", "lenders with an open loan", "在借机构数"),
        "inquiries": Input("count", "credit applications in 90 days", "近90天信贷申请次数"),
        "days_past_due": Input("count", "days past due", "逾期天数"),
        "missed_payments": Input("count", "payments missed in twelve months", "近12个月未按时还款次数"),
        "minimum_only_payments": Input("count", "statements paid with the minimum", "仅还最低还款额的期数"),
        "income_verified": Input("flag", "proof of income", "收入证明"),
        "identity_verified": Input("flag", "identity verified", "身份已核验"),
        "documents": Input("documents", "documents complete", "材料齐全"),
        "raise_consent": Input("flag", "consent to raises", "同意上调额度"),
        "automation_accepted": Input("flag", "consent to automated decisions", "同意自动化决策"),
        "credit_check": Input("once", "a credit check of today", "当日征信查询"),
        "used": Input("once", "the account used today", "当日使用账户"),
    }
)

#: Statements whose mean the average balance is.
_OF_MEAN = 3

#: For each kind a way to write a value of it.
EXAMPLES: Mapping[Kind, str] = MappingProxyType(
    {
        "flow": "+10%, -500 or 12000",
        "amount": "0, -500, +10% or 12000.50",
        "request": "30000",
        "count": "1",
        "share": "60%",
        "flag": "yes or no",
        "once": "yes",
        "documents": "complete or missing",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One input as it might be.

    ``amount``: minor units (set and shift of amounts), basis points (scale: of what it was, so
    11,000 is +10%; set of a share: of the limit), a count, or 1 and 0 for yes and no.
    """

    name: str
    how: How
    amount: int

    def text(self, currency: str) -> str:
        """The change as it is written: parsed again it is the same."""
        kind, exponent = INPUTS[self.name].kind, EXPONENTS[currency]
        if kind == "documents":
            return f"{self.name}={'complete' if self.amount else 'missing'}"
        if kind in ("flag", "once"):
            return f"{self.name}={'yes' if self.amount else 'no'}"
        if self.how == "scale":
            return f"{self.name}={_percent(self.amount - ALL_BPS, sign=True)}"
        if kind == "share":
            return f"{self.name}={_percent(self.amount)}"
        if kind == "count":
            return f"{self.name}={self.amount}"
        sign = "+" if self.how == "shift" and self.amount >= 0 else ""
        return f"{self.name}={sign}{major(self.amount, exponent).replace(',', '')}"


def _percent(bps: int, *, sign: bool = False) -> str:
    mark = ("-" if bps < 0 else "+" if sign else "") + major(abs(bps), 2).replace(",", "")
    return mark.removesuffix(".00") + "%"


# Reading ------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([+-]?)([0-9]{1,16})(?:\.([0-9]{1,4}))?(%?)")


def parse_changes(texts: Sequence[str], currency: str) -> list[Change]:
    """The changes of ``name=value`` texts. InputError in one sentence: a bad name, value, or a name given twice."""
    changes = [parse_change(text, currency) for text in texts]
    names = [change.name for change in changes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is given {names.count(name)} times; give it once")
    shared = {"utilisation"} & set(names) and {"balance", "average_balance"} & set(names)
    if shared:
        raise InputError(f"utilisation sets the balances, and {' and '.join(sorted(shared))} too; give one of them")
    return changes


def parse_change(text: str, currency: str) -> Change:
    """The change of one ``name=value``."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if name not in INPUTS:
        near = difflib.get_close_matches(name, INPUTS, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(f"there is no input {name!r}; {hint}the inputs are {', '.join(INPUTS)}")
    kind = INPUTS[name].kind
    if not equals or not value:
        raise InputError(f"{name} has no value; write it like {name}={EXAMPLES[kind].split(',')[0].split(' or ')[0]}")
    found = _read(kind, value, EXPONENTS[currency])
    if isinstance(found, str):
        raise InputError(f"{name}={value} cannot be used: {found}; write it like {_examples(name)}")
    how, amount = found
    return Change(name, how, amount)


def _examples(name: str) -> str:
    """Each way to write a change of an input, with its name: inflow=+10%, inflow=-500 or inflow=12000."""
    return re.sub(r"(^|, | or )", rf"\1{name}=", EXAMPLES[INPUTS[name].kind])


def _read(kind: Kind, value: str, exponent: int) -> tuple[How, int] | str:
    """How to change and by what, or what is wrong."""
    words: Mapping[str, int] = {
        "flag": {"yes": 1, "no": 0}, "once": {"yes": 1}, "documents": {"complete": 1, "missing": 0},
    }.get(kind, {})  # fmt: skip
    if words:
        return ("set", words[value]) if value in words else f"{value!r} is not one of {', '.join(words)}"
    match = _NUMBER.fullmatch(value)
    if match is None:
        return f"{value!r} is not a number of it"
    sign, whole, part, percent = match[1], match[2], match[3] or "", match[4]
    if kind == "count":
        wrong = bool(sign or part or percent) or int(whole) > MOST_COUNT
        return f"it is a whole number from 0 to {MOST_COUNT}" if wrong else ("set", int(whole))
    if percent:
        return _read_percent(kind, sign, whole, part)
    if kind == "share":
        return "it is a share of the limit"
    if len(part) > exponent:
        return f"it has {len(part)} decimals and the currency {exponent}"
    minor = int(whole) * 10**exponent + (int(part.ljust(exponent, "0")) if part else 0)
    if minor > LARGEST_MINOR:
        return f"the largest amount is {major(LARGEST_MINOR, exponent)}"
    if not sign:
        return "set", minor
    return "it is an amount without a sign" if kind == "request" else ("shift", -minor if sign == "-" else minor)


def _read_percent(kind: Kind, sign: str, whole: str, part: str) -> tuple[How, int] | str:
    if len(part) > 2:
        return "a percentage has at most two decimals"
    bps = int(whole) * 100 + int(part.ljust(2, "0") if part else 0)
    if kind == "share":
        wrong = bool(sign) or bps > MOST_SHARE_BPS
        return f"it is a share of the limit up to {MOST_SHARE_BPS // 100}%" if wrong else ("set", bps)
    if kind == "request":
        return "it is an amount"
    if not sign:
        return "a percentage has a sign, for it says by how much more or less"
    factor = ALL_BPS + (-bps if sign == "-" else bps)
    return ("scale", factor) if 0 <= factor <= MOST_BPS else "it is a percentage from -100% to +9900%"


# Applying -----------------------------------------------------------------------------------


def apply_changes(portfolio: Portfolio, changes: Sequence[Change]) -> Portfolio:
    """The portfolio with the changes made for each of its users, one after the other; the rest is untouched.

    ``credit_check``: of today; what no check has said before it finds to be none.
    ``raise_consent=yes`` also takes back that the user did not want raises. ``utilisation`` sets
    the newest and the mean balance. InputError where an amount would become too large.

    Of the payment record the balance of the newest statement is that of ``balance``, and with ``utilisation`` those of
    the three newest are, whose mean it sets; of a user without a statement nothing. No other change touches it: how
    late a user was on the day of a statement is so whatever is paid later, so that paying what is past due shows in
    ``days_past_due`` at once and in the record with the next statement, as it does where it happens.
    """
    for change in changes:
        portfolio = _APPLY[INPUTS[change.name].kind](portfolio, change)
    return portfolio


def _with(portfolio: Portfolio, **columns: Any) -> Portfolio:
    return dataclasses.replace(portfolio, **columns)


def _moved(values: Int, change: Change) -> Int:
    """Amounts (any shape) set, shifted or scaled, rounded down; what falls below zero by it is zero."""
    if change.how == "set":
        return np.full_like(values, change.amount)
    if change.how == "shift":
        moved = values + change.amount
    else:
        whole, rest = np.divmod(values, ALL_BPS)
        moved = whole * change.amount + rest * change.amount // ALL_BPS
    return np.maximum(moved, np.minimum(values, 0))


def _checked(name: str, values: Int) -> Int:
    if values.size and int(values.max()) > LARGEST_MINOR:
        raise InputError(f"{name} would become larger than any amount that can be used; make the change smaller")
    return values


def _flow(portfolio: Portfolio, change: Change) -> Portfolio:
    flow = portfolio.cash_flow
    values = getattr(flow, change.name)
    moved = _checked(change.name, np.where(flow.observed, _moved(values, change), values))
    columns: dict[str, Any] = {change.name: moved}
    return _with(portfolio, cash_flow=dataclasses.replace(flow, **columns))


def _amount(portfolio: Portfolio, change: Change) -> Portfolio:
    values = getattr(portfolio, change.name)
    unknown = values == UNKNOWN
    moved = _moved(np.where(unknown, 0, values), change)
    moved = np.where(moved == UNKNOWN, 0, moved)  # a balance of exactly -1 would read as not known
    nothing = change.how == "scale" or (change.how == "shift" and not change.amount)
    moved = np.where(unknown & nothing, UNKNOWN, moved)
    changed = _with(portfolio, **{change.name: _checked(change.name, moved)})
    return (
        _with_statements(changed, np.where(moved != values, moved, UNKNOWN), 1) if change.name == "balance" else changed
    )


def _with_statements(portfolio: Portfolio, balance: Int, newest: int) -> Portfolio:
    """Balances (n,) in so many of the newest statements that are held; none where it is UNKNOWN."""
    record = portfolio.payment_record
    places = np.arange(record.balance.shape[1])
    there = (places < newest) & (places < record.held[:, None]) & (balance != UNKNOWN)[:, None]
    moved = np.where(there, balance[:, None], record.balance)
    return _with(portfolio, payment_record=dataclasses.replace(record, balance=moved))


def _request(portfolio: Portfolio, change: Change) -> Portfolio:
    return _with(portfolio, requested_limit=np.full_like(portfolio.requested_limit, change.amount))


def _count(portfolio: Portfolio, change: Change) -> Portfolio:
    return _with(portfolio, **{change.name: np.full_like(getattr(portfolio, change.name), change.amount)})


def _share(portfolio: Portfolio, change: Change) -> Portfolio:
    balance = _checked(change.name, share_of(portfolio.credit_limit, change.amount))
    return _with_statements(_with(portfolio, balance=balance, average_balance=balance.copy()), balance, _OF_MEAN)


def _documents(portfolio: Portfolio, change: Change) -> Portfolio:
    state = Documents.COMPLETE if change.amount else Documents.MISSING
    return _with(
        portfolio,
        documents=np.full_like(portfolio.documents, state),
        documents_valid_until=np.full_like(portfolio.documents_valid_until, np.datetime64("NaT")),
    )


def _flag(portfolio: Portfolio, change: Change) -> Portfolio:
    yes, today = bool(change.amount), np.datetime64(portfolio.as_of, "D")
    match change.name:
        case "income_verified":
            income = np.full_like(portfolio.income, Income.VERIFIED if yes else Income.UNVERIFIED)
            on = np.full_like(portfolio.income_verified_on, today) if yes else portfolio.income_verified_on
            return _with(portfolio, income=income, income_verified_on=on)
        case "identity_verified":
            identity = np.full_like(portfolio.identity, Identity.VERIFIED if yes else Identity.UNVERIFIED)
            on = np.full_like(portfolio.identity_checked_on, today) if yes else portfolio.identity_checked_on
            return _with(portfolio, identity=identity, identity_checked_on=on)
        case "raise_consent":
            consent = np.full_like(portfolio.raise_consent, yes)
            out = np.zeros_like(portfolio.opted_out) if yes else portfolio.opted_out
            return _with(portfolio, raise_consent=consent, opted_out=out)
        case _:
            assert change.name == "automation_accepted", change.name
            return dataclasses.replace(
                portfolio, automation_refused=np.full_like(portfolio.automation_refused, not yes)
            )


def _once(portfolio: Portfolio, change: Change) -> Portfolio:
    today = np.datetime64(portfolio.as_of, "D")
    if change.name == "used":
        return _with(portfolio, last_used_on=np.full_like(portfolio.last_used_on, today))
    assert change.name == "credit_check", change.name
    found = {
        name: np.where(getattr(portfolio, name) == UNKNOWN, 0, getattr(portfolio, name))
        for name in ("active_lenders", "inquiries", "outside_debt", "outside_monthly_payment")
    }
    return _with(portfolio, checked_on=np.full_like(portfolio.checked_on, today), **found)


_APPLY: Mapping[Kind, Callable[[Portfolio, Change], Portfolio]] = MappingProxyType(
    {
        "flow": _flow,
        "amount": _amount,
        "request": _request,
        "count": _count,
        "share": _share,
        "flag": _flag,
        "once": _once,
        "documents": _documents,
    }
)
