"""The columns that a decision reads: one row per user, and one user is a portfolio of length one.

Money is int64 minor units (cents, fen, haler); dates are numpy ``datetime64[D]`` with
``NaT`` for "never" or "not known"; counts that are not known are -1.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Dates = NDArray[np.datetime64]
Text = NDArray[np.str_]

#: The highest value a ceiling can take: "this rule sets no bound". Below 2**62, so that
#: sums and products with small factors stay inside int64.
UNBOUNDED: int = 2**60

#: A count or amount that no source has reported.
UNKNOWN: int = -1


class Status(enum.IntEnum):
    """State of the account, as the lender's systems report it."""

    ACTIVE = 0
    BLOCKED = 1
    CLOSED = 2


class Identity(enum.IntEnum):
    """Outcome of the identity check."""

    UNVERIFIED = 0
    VERIFIED = 1
    MISMATCH = 2


class Income(enum.IntEnum):
    """Outcome of the check of income documents."""

    UNVERIFIED = 0
    VERIFIED = 1
    FALSE = 2


class Documents(enum.IntEnum):
    """Whether the documents a lender asks for are there."""

    UNKNOWN = 0
    COMPLETE = 1
    MISSING = 2


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Monthly cash flow of n users over m whole calendar months, oldest first.

    ``months`` (m,) datetime64[M]; ``observed`` (n, m) bool: False means that nothing is
    known of the month, which is not the same as a month of zero. All amounts (n, m)
    int64 minor units, zero where not observed.
    """

    months: Dates
    observed: Bool
    inflow: Int
    essential_spend: Int
    discretionary_spend: Int
    fees: Int
    penalties: Int
    obligations: Int
    amount_due: Int
    repaid: Int

    def __len__(self) -> int:
        return len(self.observed)

    def take(self, rows: Any) -> Self:
        """The same months for some users: ``rows`` is any NumPy row index."""
        return dataclasses.replace(
            self, **{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self) if f.name != "months"}
        )


#: Statements that a payment record holds, at most.
STATEMENTS = 6


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """The newest statements of n users and what became of them, the newest first: what a scorecard reads.

    held             (n,) statements that are known, from 0 to STATEMENTS; what stands beyond them is zero
    balance          (n, STATEMENTS) int64 minor units, as the statement says; below zero where the lender owes
    repaid           (n, STATEMENTS) int64 minor units, from the statement's day to the day before the next one, no
                     later than as_of
    days_past_due    (n, STATEMENTS) int64, of the oldest minimum payment unpaid on the day of the statement, as it
                     follows from statements and repayments or as the lender's system reported it, whichever is more
    """

    held: Int
    balance: Int
    repaid: Int
    days_past_due: Int

    def __len__(self) -> int:
        return len(self.held)

    def take(self, rows: Any) -> Self:
        """The record of some users: ``rows`` is any NumPy row index."""
        return dataclasses.replace(self, **{f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self)})

    @classmethod
    def none(cls, users: int) -> Self:
        """Of users without a statement."""
        cells = np.zeros((users, STATEMENTS), dtype=np.int64)
        return cls(np.zeros(users, dtype=np.int64), cells, cells.copy(), cells.copy())


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What is known of n users on the date ``as_of``; every array has shape (n,).

    as_of                    the business date the decision is made for
    currency                 one ISO 4217 code for the whole portfolio
    credit_limit, balance    minor units; balance from the latest statement, UNKNOWN without one
    average_balance          mean balance of the last three statements, UNKNOWN without one
    version                  of the credit line, checked again when the decision is applied
    months_on_book           whole months since opened_on (derived)
    days_past_due            of the oldest minimum payment still unpaid on as_of; 0 if none
    missed_payments          minimum payments missed or late in the 12 months to as_of
    worst_days_past_due      longest delay of a minimum payment in the 12 months to as_of; all three as they follow from
                             statements and repayments or as the lender's system reported, whichever is more
    statements_seen          statements issued on or before as_of
    opened_on, last_raise_on, last_cut_on, last_used_on, last_event_on
                             last_used_on: last statement with a balance; last_event_on: newest
                             event on or before as_of
    active_lenders, inquiries, outside_debt, outside_monthly_payment, checked_on
                             from the newest external credit check on or before as_of;
                             UNKNOWN and NaT without one
    requested_limit          amount the user asked for; UNBOUNDED when nobody asked
    requests_90d             limit requests of the user in the 90 days to as_of, the present one included
    minimum_only_payments    of the statements of the 12 months to as_of whose due date has come: those with more
                             than the minimum due of which little more than the minimum was paid
    statements_12m, balances_12m, repaid_12m
                             of the 12 months to as_of: statements, sum of their balances above zero, repayments
    documents, documents_valid_until
                             newest state of the documents; NaT when they do not expire
    opted_out                of being raised; automation_refused: a person has to decide
    fraud_links              users with a confirmed fraud who share a device, phone, address or bank card, and of
                             whom no person has cleared the user
    confirmed_fraud          of the user
    limit_before_cut         limit from which the newest cut was made, UNKNOWN without one
    change_pending           an offered or announced change is open
    override_cap, override_floor
                             in force on as_of; UNBOUNDED and 0 without one
    budget_limit             the limit up to which a portfolio budget lets this review raise; UNBOUNDED without one
    """

    as_of: dt.date
    currency: str
    user_id: Int
    credit_limit: Int
    version: Int
    balance: Int
    average_balance: Int
    days_past_due: Int
    missed_payments: Int
    worst_days_past_due: Int
    statements_seen: Int
    opened_on: Dates
    last_raise_on: Dates
    last_cut_on: Dates
    last_used_on: Dates
    last_event_on: Dates
    status: Int
    segment: Text
    industry: Text
    jurisdiction: Text
    identity: Int
    identity_checked_on: Dates
    income: Int
    income_verified_on: Dates
    raise_consent: Bool
    active_lenders: Int
    inquiries: Int
    outside_debt: Int
    outside_monthly_payment: Int
    checked_on: Dates
    requested_limit: Int
    requests_90d: Int
    minimum_only_payments: Int
    statements_12m: Int
    balances_12m: Int
    repaid_12m: Int
    documents: Int
    documents_valid_until: Dates
    opted_out: Bool
    automation_refused: Bool
    fraud_links: Int
    confirmed_fraud: Bool
    limit_before_cut: Int
    change_pending: Bool
    override_cap: Int
    override_floor: Int
    budget_limit: Int
    cash_flow: CashFlow
    payment_record: PaymentRecord

    def __len__(self) -> int:
        return len(self.user_id)

    @property
    def months_on_book(self) -> Int:
        """Whole months since the account was opened (n,)."""
        opened, as_of = self.opened_on, np.datetime64(self.as_of, "D")
        month = opened.astype("datetime64[M]")
        months = as_of.astype("datetime64[M]").astype(np.int64) - month.astype(np.int64)
        # By days into the month: opened on the 31st, it is a month old on the 31st, or on the 1st after a short month.
        early = (as_of - as_of.astype("datetime64[M]")) < (opened - month)
        return np.asarray(months - early, dtype=np.int64)

    def take(self, rows: Any) -> Self:
        """The portfolio of some of its users: ``rows`` is any NumPy row index."""
        columns = {name: getattr(self, name)[rows] for name in FACTS}
        groups = {name: getattr(self, name).take(rows) for name in GROUPS}
        return dataclasses.replace(self, **groups, **columns)


#: The fields of a portfolio that are one value for all users, and those that are columns of columns.
SHARED, GROUPS = ("as_of", "currency"), ("cash_flow", "payment_record")
#: All others: one array (n,) each.
FACTS = tuple(f.name for f in dataclasses.fields(Portfolio) if f.name not in (*SHARED, *GROUPS))
