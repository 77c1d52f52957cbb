"""Card clients of a bank in Taiwan, April to September 2005, as a portfolio: data/uci/README.md names the source.

What becomes of the clients, and who they are, stands apart from the portfolio: nothing that scores sees either.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from limits.errors import InputError
from limits.money import EXPONENTS
from limits.portfolio import STATEMENTS, Bool, CashFlow, Dates, Int, PaymentRecord, Portfolio
from limits.samples.blank import not_known

CURRENCY = "TWD"
#: The day of the newest statement: the data know months only, and each is taken to end with a statement.
AS_OF = dt.date(2005, 9, 30)
#: By then every client had the card; since when is not in the data.
FIRST_DAY = np.datetime64("2005-04-01", "D")

#: Columns by number of the month, 1 is September, the newest. Some copies of the data call the newest delay PAY_1.
BILLS = tuple(f"BILL_AMT{k}" for k in range(1, STATEMENTS + 1))
PAYMENTS = tuple(f"PAY_AMT{k}" for k in range(1, STATEMENTS + 1))
DELAYS = ("PAY_0", *(f"PAY_{k}" for k in range(2, STATEMENTS + 1)))
OUTCOME = "default.payment.next.month"
#: Months until the outcome is known, and what it says.
HORIZON_MONTHS, MISSED = 1, "the payment due in the next month was missed"
SPELLINGS = {"PAY_1": "PAY_0", "default payment next month": OUTCOME}

#: Whole numbers that a column may hold, the lowest and the highest.
CODES = {
    **dict.fromkeys(DELAYS, (-2, 9)), OUTCOME: (0, 1), "SEX": (1, 2), "EDUCATION": (0, 6), "MARRIAGE": (0, 3),
    "AGE": (18, 120),
}  # fmt: skip
PROTECTED = ("SEX", "EDUCATION", "MARRIAGE", "AGE")
NEEDED = ("ID", "LIMIT_BAL", *DELAYS, *BILLS, *PAYMENTS)
#: The largest amount of a column, in dollars.
LARGEST = 10**9

DAYS_A_MONTH = 30

_AMOUNT = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")


@dataclass(frozen=True, slots=True)
class Protected:
    """Who the clients are, (n,) int64 each, as the data code it: for reports on fairness, never for a score."""

    sex: Int
    education: Int
    marriage: Int
    age: Int


@dataclass(frozen=True, slots=True)
class Sample:
    """Clients by ascending ID. outcome: the payment due after as_of was missed; None where the file does not say it.

    protected is None where the file has not all of its columns.
    """

    portfolio: Portfolio
    outcome: Bool | None
    protected: Protected | None

    def __len__(self) -> int:
        return len(self.portfolio)


def read(file: Path | None = None) -> Sample:
    """The clients of a file as the UCI repository writes it, plain or packed by gzip; None: the file shipped here.

    InputError says in one sentence what cannot be used, with its line.
    """
    columns = _columns(_text(file), "the shipped sample" if file is None else str(file))
    order = np.argsort(columns["ID"], kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    protected = None
    if all(name in columns for name in PROTECTED):
        protected = Protected(*(columns[name] for name in PROTECTED))
    outcome = columns[OUTCOME] == 1 if OUTCOME in columns else None
    return Sample(_portfolio(columns), outcome, protected)


def _text(file: Path | None) -> str:
    if file is None:
        packed = files("limits.samples").joinpath("data", "uci", "credit_card.csv.gz").read_bytes()
        return gzip.decompress(packed).decode()
    try:
        raw = file.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file} cannot be unpacked by gzip: {error}; fetch it anew") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error


def _columns(text: str, file: str) -> dict[str, Int]:
    """The columns (n,) that are known, by name; amounts in minor units."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        places = _heading(next(reader, []), file)
        rows: list[list[int]] = []
        lines: dict[int, int] = {}
        for cells in reader:
            if not cells:
                continue
            where = f"{file} line {reader.line_num}"
            row = list(_row(cells, places, where))
            if row[0] in lines:
                raise InputError(f"{where}: ID {row[0]} stands in line {lines[row[0]]} already; leave one of them out")
            lines[row[0]] = reader.line_num
            rows.append(row)
    except csv.Error as error:
        raise InputError(f"{file} line {reader.line_num}: {error}; write it as comma-separated values") from error
    if not rows:
        raise InputError(f"{file} holds no client under its heading; one line for each is needed")
    return dict(zip(places, np.array(rows, dtype=np.int64).T, strict=True))


def _heading(cells: list[str], file: str) -> dict[str, int]:
    """Where each column stands that is known; the ID first."""
    if not cells:
        raise InputError(f"{file} is empty; its first line must name the columns {', '.join(NEEDED)}")
    names = [SPELLINGS.get(cell.strip(), cell.strip()) for cell in cells]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{file} line 1: there is no column {', '.join(missing)}; name it as the UCI data set 350 does"
        )
    known = [name for name in (*NEEDED, *PROTECTED, OUTCOME) if name in names]
    twice = next((name for name in known if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{file} line 1: the column {twice} stands there twice; leave one of them out")
    return {name: names.index(name) for name in known}


def _row(cells: list[str], places: dict[str, int], where: str) -> Iterator[int]:
    if len(cells) <= max(places.values()):
        raise InputError(f"{where}: {len(cells)} values, fewer than the heading; write one for each column")
    for name, place in places.items():
        yield _value(name, cells[place].strip(), where)


def _value(name: str, text: str, where: str) -> int:
    """A whole number, or an amount in minor units."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InputError(f"{where}: {name} is {text!r}, which is not a number; write one, or leave the line out")
    sign, whole, part = match.groups()
    number = int(sign + whole)
    if name in (*BILLS, *PAYMENTS, "LIMIT_BAL"):
        minor = int(whole) * 10 ** EXPONENTS[CURRENCY] + int((part or "").ljust(EXPONENTS[CURRENCY], "0"))
        if int(whole) > LARGEST or (sign and name not in BILLS and minor):
            raise InputError(f"{where}: {name} is {text}; it must be from 0 to {LARGEST}, only a bill may be below 0")
        return -minor if sign else minor
    if part and int(part):
        raise InputError(f"{where}: {name} is {text}; it must be a whole number")
    low, high = CODES.get(name, (1, 2**31))
    if not low <= number <= high:
        raise InputError(f"{where}: {name} is {text}; it must be from {low} to {high}")
    return number


def _portfolio(columns: dict[str, Int]) -> Portfolio:
    bills, payments = (np.stack([columns[name] for name in names], axis=1) for names in (BILLS, PAYMENTS))
    late = DAYS_A_MONTH * np.maximum(np.stack([columns[name] for name in DELAYS], axis=1), 0)
    # What was paid in September is of August's bill, and nothing is known of what September's bill has become of.
    repaid = np.concatenate([np.zeros_like(payments[:, :1]), payments[:, :-1]], axis=1)
    held = np.full(len(bills), STATEMENTS, dtype=np.int64)
    known = {
        "user_id": columns["ID"], "credit_limit": columns["LIMIT_BAL"], "opened_on": np.full(len(bills), FIRST_DAY),
        "jurisdiction": np.full(len(bills), "TW"), "balance": bills[:, 0].copy(),
        "average_balance": np.round(bills[:, :3].mean(axis=1)).astype(np.int64), "days_past_due": late[:, 0].copy(),
        "missed_payments": (late > 0).sum(axis=1, dtype=np.int64), "worst_days_past_due": late.max(axis=1),
        "statements_seen": held.copy(), "last_used_on": _last_used(bills),
        "statements_12m": held.copy(),
        "balances_12m": np.maximum(bills, 0).sum(axis=1), "repaid_12m": payments.sum(axis=1),
    }  # fmt: skip
    return Portfolio(
        as_of=AS_OF, currency=CURRENCY, cash_flow=_cash_flow(payments),
        payment_record=PaymentRecord(held, bills, repaid, late), **not_known(len(bills)) | known,
    )  # fmt: skip


def _last_used(bills: Int) -> Dates:
    """The day of the newest statement with a balance (n,)."""
    months = np.datetime64(AS_OF, "M") - np.arange(STATEMENTS)
    days = (months + 1).astype("datetime64[D]") - 1
    used = bills > 0
    found: Dates = np.where(used.any(axis=1), days[used.argmax(axis=1)], np.datetime64("NaT", "D"))
    return found


def _cash_flow(payments: Int) -> CashFlow:
    """Repayments alone, the oldest month first."""
    last, shape = np.datetime64(AS_OF, "M"), payments.shape
    amounts = {
        f: np.zeros(shape, dtype=np.int64) for f in CashFlow.__dataclass_fields__ if f not in ("months", "observed")
    }
    amounts["repaid"] = np.ascontiguousarray(payments[:, ::-1])
    return CashFlow(
        months=np.arange(last - STATEMENTS + 1, last + 1), observed=np.ones(shape, dtype=np.bool_), **amounts
    )


#: Names of the codes of who the clients are, as the data set describes them.
_SEX = {1: "male", 2: "female"}
_EDUCATION = {1: "graduate school", 2: "university", 3: "high school", 4: "other"}
_MARRIAGE = {1: "married", 2: "single", 3: "other"}
_AGES = {20: "below 30", 30: "30 to 39", 40: "40 to 49", 50: "50 to 59", 60: "60 and above"}


def groups(protected: Protected) -> dict[str, tuple[Int, dict[int, str]]]:
    """For a report on fairness: the codes (n,) of each attribute and the names of the codes."""
    age = np.clip(protected.age // 10 * 10, min(_AGES), max(_AGES))
    return {
        "sex": (protected.sex, _SEX), "age": (age, _AGES), "education": (protected.education, _EDUCATION),
        "marriage": (protected.marriage, _MARRIAGE),
    }  # fmt: skip
