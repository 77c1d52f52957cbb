"""Borrowers of a Czech bank, 1993 to 1998, as import files: README.md beside this file names the source.

The adapter only writes ``users.csv`` and ``events.csv``; they are then loaded by the
ordinary import. ``portfolio`` is what a review then loads, without a database. ``outcomes``
is apart, because what later became of a loan may be counted after the last review and may
never reach a rule, a parameter or an import.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import numpy as np

from limits.money import EXPONENTS
from limits.portfolio import CashFlow, Identity, Income, Int, PaymentRecord, Portfolio
from limits.samples.blank import not_known

SOURCE = "berka"
CURRENCY = "CZK"

#: What each kind of payment out of the account is, by the bank's own label (k_symbol).
KIND_OF_LABEL = {
    "SIPO": "essential",  # household: rent, energy, water
    "POJISTNE": "essential",  # insurance
    "UVER": "obligation",  # payment on a loan
    "SLUZBY": "fee",  # account fee
    "SANKC. UROK": "penalty",  # interest charged for a negative balance
}

#: Where the amounts of each kind of event are summed, month by month.
FLOW_OF_KIND = {
    "income": "inflow", "essential": "essential_spend", "discretionary": "discretionary_spend", "fee": "fees",
    "penalty": "penalties", "obligation": "obligations",
}  # fmt: skip
FLOWS = (*FLOW_OF_KIND.values(), "amount_due", "repaid")
#: Whole months that a review loads, at most.
MONTHS = 36

#: What the bank recorded later: A and C were paid as agreed, B and D were not.
BAD = frozenset("BD")

USER_COLUMNS = (
    "user_id", "effective_on", "status", "segment", "industry", "currency", "jurisdiction", "opened_on",
    "observed_from", "observed_through", "identity_status", "identity_checked_on", "income_status",
    "income_verified_on", "raise_consent", "credit_limit",
)  # fmt: skip
EVENT_COLUMNS = ("source_id", "user_id", "occurred_at", "kind", "amount", "currency")


@dataclass(frozen=True)
class SampleFiles:
    """Import files written by ``write_import_files``, with the users and events in them."""

    users: Path
    events: Path
    user_count: int
    event_count: int


@dataclass(frozen=True)
class _Borrower:
    user_id: int
    opened_on: dt.date
    granted_on: dt.date
    amount: str


def write_import_files(folder: Path, as_of: dt.date) -> SampleFiles:
    """Write the borrowers as they look when every history ends on ``as_of``.

    All dates of one account move by one number of days, chosen so that the day its loan
    was granted, which ends its history, falls on ``as_of``.
    """
    borrowers = _borrowers()
    result = SampleFiles(folder / "users.csv", folder / "events.csv", len(borrowers), 0)
    _write(result.users, USER_COLUMNS, (_user_row(b, as_of) for b in borrowers.values()))
    count = _write(result.events, EVENT_COLUMNS, _event_rows(borrowers, as_of))
    return SampleFiles(result.users, result.events, len(borrowers), count)


def portfolio(as_of: dt.date) -> Portfolio:
    """The borrowers as the import of the files and then a review would load them on that day, sorted by user_id."""
    borrowers = sorted(_borrowers().values(), key=lambda borrower: borrower.user_id)
    row_of = {borrower.user_id: row for row, borrower in enumerate(borrowers)}
    moved = [as_of - borrower.granted_on for borrower in borrowers]
    opened = np.array([b.opened_on + by for b, by in zip(borrowers, moved, strict=True)], dtype="datetime64[D]")
    ended = np.datetime64(as_of + dt.timedelta(days=1), "M")
    months = np.arange(ended - MONTHS, ended)
    observed = months.astype("datetime64[D]") >= opened[:, None]
    amounts = {name: np.zeros(observed.shape, dtype=np.int64) for name in FLOWS}
    last = np.full(len(borrowers), np.datetime64("NaT", "D"))
    for row in transactions():
        user = row_of[int(row["account_id"])]
        day = np.datetime64(dt.date.fromisoformat(row["date"]) + moved[user], "D")
        last[user] = np.fmax(last[user], day)
        month = int(day.astype("datetime64[M]") - months[0])
        if 0 <= month < len(months) and observed[user, month]:
            cells = amounts[FLOW_OF_KIND[kind_of(row["type"], row["k_symbol"])]]
            cells[user, month] += int(Decimal(row["amount"]) * 10 ** EXPONENTS[CURRENCY])
    first = int(observed.any(axis=0).argmax())
    known = {
        "user_id": np.array(list(row_of), dtype=np.int64), "opened_on": opened, "last_event_on": last,
        "credit_limit": np.array([int(Decimal(b.amount) * 10 ** EXPONENTS[CURRENCY]) for b in borrowers]),
        "identity": _all(borrowers, Identity.VERIFIED), "identity_checked_on": opened.copy(),
        "income": _all(borrowers, Income.VERIFIED), "income_verified_on": opened.copy(),
        "raise_consent": np.ones(len(borrowers), dtype=np.bool_), "jurisdiction": np.full(len(borrowers), "CZ"),
    }  # fmt: skip
    flow = CashFlow(
        months[first:], observed[:, first:].copy(), **{name: a[:, first:].copy() for name, a in amounts.items()}
    )
    return Portfolio(
        as_of=as_of, currency=CURRENCY, cash_flow=flow, payment_record=PaymentRecord.none(len(borrowers)),
        **not_known(len(borrowers)) | known,
    )  # fmt: skip


def _all(borrowers: list[_Borrower], value: int) -> Int:
    return np.full(len(borrowers), int(value), dtype=np.int64)


def outcomes() -> dict[int, bool]:
    """For each user, whether the loan later went bad. For the table after the last review only."""
    return {int(row["account_id"]): row["status"] in BAD for row in _rows("loan.csv.gz")}


def transactions() -> Iterator[dict[str, str]]:
    """Every transaction as the bank recorded it: trans_id, account_id, date, type, amount, k_symbol and others."""
    return _rows("trans.csv.gz")


def kind_of(transaction_type: str, label: str) -> str:
    """The kind of event of one transaction: PRIJEM is money in, VYDAJ and VYBER money out."""
    if transaction_type == "PRIJEM":
        return "income"
    if transaction_type not in ("VYDAJ", "VYBER"):
        raise ValueError(f"transaction type {transaction_type!r} is none of PRIJEM, VYDAJ, VYBER")
    return KIND_OF_LABEL.get(label.strip(), "discretionary")


def _borrowers() -> dict[str, _Borrower]:
    opened = {row["account_id"]: dt.date.fromisoformat(row["date"]) for row in _rows("account.csv.gz")}
    return {
        row["account_id"]: _Borrower(
            int(row["account_id"]), opened[row["account_id"]], dt.date.fromisoformat(row["date"]), row["amount"]
        )
        for row in sorted(_rows("loan.csv.gz"), key=lambda row: int(row["account_id"]))
    }


def _user_row(borrower: _Borrower, as_of: dt.date) -> tuple[object, ...]:
    opened_on = borrower.opened_on + (as_of - borrower.granted_on)
    return (
        borrower.user_id, opened_on, "active", "retail", "", CURRENCY, "CZ", opened_on,
        opened_on, as_of, "verified", opened_on, "verified",
        opened_on, "yes", borrower.amount,
    )  # fmt: skip


def _event_rows(borrowers: dict[str, _Borrower], as_of: dt.date) -> Iterator[tuple[object, ...]]:
    for row in transactions():
        borrower = borrowers[row["account_id"]]
        day = dt.date.fromisoformat(row["date"]) + (as_of - borrower.granted_on)
        kind = kind_of(row["type"], row["k_symbol"])
        yield row["trans_id"], borrower.user_id, f"{day}T00:00:00Z", kind, row["amount"], CURRENCY


def _rows(name: str) -> Iterator[dict[str, str]]:
    packed = files("limits.samples").joinpath("data", "berka", name).read_bytes()
    with gzip.open(io.BytesIO(packed), "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _write(path: Path, columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007 (the last number is the count)
            writer.writerow(row)
    return count
