"""The card clients of Taiwan as import files: the same facts that ``uci.read`` makes a portfolio of.

Dates move by whole months, so that the newest statement is issued on the last day of the month asked for. The data
know no days: each month ends with its statement, and what was paid in a month is dated to its middle. They know no due
dates and no minimum payments either, so both are left at nothing and delays are those that the bank reported.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limits.money import EXPONENTS, major
from limits.portfolio import STATEMENTS, Dates, Portfolio
from limits.samples.uci import CURRENCY
from limits.store.importing import COLUMNS, OPTIONAL

SOURCE = "uci"
#: The day of a month that payments are dated to.
PAID_ON = 15
#: Minor units of a dollar have so many digits.
EXPONENT = EXPONENTS[CURRENCY]
KINDS = ("users", "statements", "repayments")


@dataclass(frozen=True)
class ImportFiles:
    """The files by their kind, in the order in which they are imported."""

    paths: dict[str, Path]
    users: int


def newest_month_end(day: dt.date) -> dt.date:
    """The last day of the newest month that has ended by then."""
    tomorrow = day + dt.timedelta(days=1)
    return tomorrow.replace(day=1) - dt.timedelta(days=1)


def write_import_files(folder: Path, clients: Portfolio, as_of: dt.date) -> ImportFiles:
    """Write the clients as they look when their newest statement is of ``as_of``, the last day of a month."""
    months = np.datetime64(as_of, "M") - np.arange(STATEMENTS)
    paths = {kind: folder / f"{kind}.csv" for kind in KINDS}
    _write(paths["users"], "users", _users(clients, months, as_of))
    _write(paths["statements"], "statements", _statements(clients, months))
    _write(paths["repayments"], "repayments", _repayments(clients, months))
    return ImportFiles(paths, len(clients))


def _users(clients: Portfolio, months: Dates, as_of: dt.date) -> Iterator[dict[str, object]]:
    """Identity, income and consent are what the data say of them: nothing."""
    first = months[-1].astype("datetime64[D]")
    for user, limit in zip(clients.user_id.tolist(), clients.credit_limit.tolist(), strict=True):
        yield {
            "user_id": user, "effective_on": first, "status": "active", "segment": "retail", "currency": CURRENCY,
            "jurisdiction": "TW", "opened_on": first, "observed_from": first, "observed_through": as_of,
            "credit_limit": _amount(limit),
        }  # fmt: skip


def _statements(clients: Portfolio, months: Dates) -> Iterator[dict[str, object]]:
    record = clients.payment_record
    ends = ((months + 1).astype("datetime64[D]") - 1).tolist()
    for row, user in enumerate(clients.user_id.tolist()):
        for place, day in enumerate(ends):
            yield {
                "source_id": f"{user} {day:%Y-%m}", "user_id": user, "statement_on": day, "due_on": day,
                "balance": _amount(int(record.balance[row, place])), "amount_due": 0, "minimum_due": 0,
                "currency": CURRENCY, "days_past_due": int(record.days_past_due[row, place]),
            }  # fmt: skip


def _repayments(clients: Portfolio, months: Dates) -> Iterator[dict[str, object]]:
    days = (months.astype("datetime64[D]") + (PAID_ON - 1)).tolist()[::-1]  # the oldest first, as in the cash flow
    for row, user in enumerate(clients.user_id.tolist()):
        for day, amount in zip(days, clients.cash_flow.repaid[row].tolist(), strict=True):
            if amount:
                yield {
                    "source_id": f"{user} {day:%Y-%m}", "user_id": user, "paid_on": day, "amount": _amount(amount),
                    "currency": CURRENCY,
                }  # fmt: skip


def _amount(minor: int) -> str:
    return major(minor, EXPONENT).replace(",", "")


def _write(path: Path, kind: str, rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, (*COLUMNS[kind], *OPTIONAL.get(kind, ())), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
