"""What ``load`` says of a block of users, from as few and as plain reads of the sources as will do.

``load`` with its queries is the definition; here each source is read once, as arrays, and what
load_payments, load_habits and the part of load_users about statements make of it is made by
``paying``. Whoever has amounts or days out of the ordinary is left to the queries.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from limits.portfolio import STATEMENTS, UNKNOWN, Bool, Dates, Int
from limits.store import load
from limits.store.columns import NEVER, Columns, read, read_arrays
from limits.store.packing import paying
from limits.store.packing.interval import Interval, year_before, year_later

TEXTS = ("segment", "industry", "jurisdiction")
_NAMES = {name: [member.name.lower() for member in sorted(kind)] for name, kind in load.CODES.items()}
_CODED = {name: np.array([*names, ""]) for name, names in _NAMES.items()}
_RAISES = np.array(["", "given", "withdrawn"])
#: What is known of a user of whom nothing is known.
_NOTHING = {"i": UNKNOWN, "b": False, "U": "", "M": np.datetime64("NaT")}
#: "1900-01-01", from which pack_months counts, and how many bits it gives to a day.
_SINCE, _BITS = int(np.datetime64("1900-01-01").astype(np.int64)), 22
_HABITS = ("minimum_only_payments", "statements_12m", "balances_12m", "repaid_12m")
_PAYMENTS = ("days_past_due", "missed_payments", "worst_days_past_due")
_BALANCES = ("statements_seen", "balance", "average_balance", "last_used_on")


@dataclass(frozen=True)
class Block:
    """Some users (n,), sorted and each once, asked about as of a date."""

    conn: psycopg.Connection[Any]
    as_of: dt.date
    user_ids: Int

    def read(self, name: str, **more: Any) -> Columns:
        """The one row of a query, which has a column user_id, beside the row of each user as ``row``."""
        [found] = read_arrays(
            self.conn, name, user_ids=self.user_ids, first=int(self.user_ids[0]), last=int(self.user_ids[-1]), **more
        )  # fmt: skip
        return found | {"row": self.rows(found["user_id"])}

    def rows(self, user_ids: Int) -> Int:
        """Where users stand; without a search where the ids have no gaps."""
        if self.user_ids[-1] - self.user_ids[0] == len(self.user_ids) - 1:
            return user_ids - self.user_ids[0]
        return np.searchsorted(self.user_ids, user_ids)


def gather(
    conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int, *, ahead: int
) -> tuple[Columns, tuple[Dates, Int, Bool], tuple[Dates, Dates]]:
    """Of users (n,), sorted: their columns, their months as ``load.read_months`` gives them, and the days they hold.

    The columns are those of ``load.read_users``, without what is never packed.
    """
    block = Block(conn, as_of, user_ids)
    holds = Interval(len(user_ids), as_of, ahead=ahead)
    users = _people(block, holds)
    users |= _payments(block, holds)
    months = _months(block, holds, ahead)
    return users, months, holds.dates


# Users ---------------------------------------------------------------------------------------


def _people(block: Block, holds: Interval) -> Columns:
    ends_at = dt.datetime.combine(block.as_of + dt.timedelta(days=1), dt.time.min, dt.UTC)
    found = block.read("pack_people", as_of=block.as_of, ends_at=ends_at, **_NAMES)
    row = found.pop("row")
    for name in ("currency", *TEXTS):
        found[name] = _texts(found[name], found.pop(f"{name}_length", np.full(len(row), 3)))
    found |= {name: _CODED[name][found[name]] for name in _NAMES}
    found["known"] = np.ones(len(row), dtype=np.bool_)
    found["raises"] = _RAISES[found.pop("raises_given") + 2 * found.pop("raises_withdrawn")]
    users = found if np.array_equal(found["user_id"], block.user_ids) else _spread(found, row, block.user_ids)
    for name in ("opened_on", "effective_on", "checked_on", "documents_on", "consent_on", "last_event_on"):
        holds.cut(users[name])
    holds.cut(users.pop("next_event_on"))
    coming = block.read("pack_coming_days", as_of=block.as_of)
    holds.cut_rows(coming["row"], coming["day"])
    return users


def _texts(together: bytes, lengths: Int) -> Any:
    """The texts (n,) that stand one after the other, of so many characters each."""
    text = together.decode()
    ends = np.cumsum(lengths).tolist()
    return np.array([text[a:b] for a, b in zip([0, *ends], ends, strict=False)], dtype=np.str_)


def _spread(found: Columns, row: Int, user_ids: Int) -> Columns:
    """The columns of users in another order, or not there, as those of all asked for."""
    users: Columns = {}
    for name, values in found.items():
        users[name] = np.full(len(user_ids), _NOTHING[values.dtype.kind], dtype=values.dtype)
        users[name][row] = values
    users["documents"][~users["known"]] = "unknown"
    return users | {"user_id": user_ids}


# Statements and repayments -------------------------------------------------------------------


def _payments(block: Block, holds: Interval) -> Columns:
    statements, first_statement = _statements(block)
    paid = block.read("pack_repayments")
    order, first_repayment = _by_user_and_day(block, paid["row"], paid["paid_on"])
    repayments = np.stack([paid["paid_on"].view(np.int64)[order], paid["amount"][order]])
    year_ago = _number(year_before(block.as_of))
    found = np.zeros((len(block.user_ids), len(paying.COLUMNS)), dtype=np.int64)
    record = np.zeros((len(block.user_ids), len(load.RECORD), STATEMENTS), dtype=np.int64)
    paying.follow(
        statements, first_statement, repayments, first_repayment, _number(block.as_of), year_ago, found, record
    )  # fmt: skip
    users = {name: found[:, k].copy() for k, name in enumerate(paying.COLUMNS)}
    users |= {name: record[:, k] for k, name in enumerate(load.RECORD)}
    users["record_held"] = np.minimum(users["statements_seen"], STATEMENTS)
    users["last_used_on"] = users["last_used_on"].view("datetime64[D]")
    strange = np.flatnonzero(users["statements_seen"] < 0)
    for name in ("passed", "coming"):
        holds.cut(_where(strange, users.pop(name)))
    for name in ("left", "leaving"):
        holds.cut(year_later(_where(strange, users.pop(name)).view("datetime64[D]")))
    if len(strange):
        _by_queries(block, strange, users)
        _cut_strange(block, holds, strange, statements, first_statement, repayments, first_repayment)
    return users


def _number(day: dt.date) -> int:
    return int(np.datetime64(day).astype(np.int64))


def _where(strange: Int, days: Int) -> Int:
    """Without the days of those who were left out, and without those that stand for "none"."""
    days[strange] = NEVER
    days[days == paying.LAST_DAY] = NEVER
    return days


def _statements(block: Block) -> tuple[Int, Int]:
    """The statements (6, s) in the order of ``paying.follow``, and where those of each user begin (n + 1,)."""
    found = block.read("pack_statements")
    order, first = _by_user_and_day(block, found["row"], found["statement_on"])
    row, day = found["row"][order], found["statement_on"].view(np.int64)[order]
    names = ("statement_on", "due_on", "balance", "due", "minimum", "reported")
    statements = np.stack([found[name].view(np.int64)[order] for name in names])
    again = np.flatnonzero((row[1:] == row[:-1]) & (day[1:] == day[:-1]))
    if len(again):
        # Which of them is the newest only the database knows: it compares texts in its own way.
        users = np.unique(row[again])
        [sorted_] = read_arrays(block.conn, "pack_statements_in_order", user_ids=block.user_ids[users])
        statements[:, np.isin(row, users)] = np.stack([sorted_[name].view(np.int64) for name in names])
    return statements, first


def _by_user_and_day(block: Block, row: Int, days: Dates) -> tuple[Int, Int]:
    """The order (r,) by user and day, and where each user begins in it (n + 1,)."""
    order, first = np.empty(len(row), dtype=np.int64), np.zeros(len(block.user_ids) + 1, dtype=np.int64)
    paying.in_order(row, days.view(np.int64), first, order)
    return order, first


def _by_queries(block: Block, strange: Int, users: Columns) -> None:
    ids = block.user_ids[strange]
    ends_at = dt.datetime.combine(block.as_of + dt.timedelta(days=1), dt.time.min, dt.UTC)
    slow = read(block.conn, "load_users", user_ids=ids.tolist(), as_of=block.as_of, ends_at=ends_at)
    slow |= load.sparse(block.conn, "load_habits", block.as_of, ids)
    slow |= load.sparse(block.conn, "load_payments", block.as_of, ids)
    for name in (*_BALANCES, *_HABITS, *_PAYMENTS, "record_held", *load.RECORD):
        users[name][strange] = slow[name]


def _cut_strange(block: Block, holds: Interval, strange: Int, statements: Int, first_statement: Int,
                 repayments: Int, first_repayment: Int) -> None:  # fmt: skip
    """All days of those whom ``paying.follow`` leaves out."""
    for table, first, columns in ((statements, first_statement, (0, 1)), (repayments, first_repayment, (0,))):
        row = np.repeat(np.arange(len(block.user_ids)), np.diff(first))
        mine = np.isin(row, strange)
        for column in columns:
            days = table[column, mine].view("datetime64[D]")
            holds.cut_rows(row[mine], days)
            holds.cut_rows(row[mine], year_later(days))
            if column == 1:
                holds.cut_rows(row[mine], days + 1)


# Months --------------------------------------------------------------------------------------


def _months(block: Block, holds: Interval, ahead: int) -> tuple[Dates, Int, Bool]:
    ended = np.datetime64(block.as_of + dt.timedelta(days=1), "M")
    months = np.arange(ended - load.MONTHS, ended + ahead)
    first, last = months[[0, -1]].astype("datetime64[D]").tolist()
    found = block.read("pack_months", first_month=first, last_month=last)
    size = len(block.user_ids)
    watched = np.zeros((size, len(months)), dtype=np.bool_)
    cells = np.zeros((size, len(months), len(load.MONTHLY)), dtype=np.int64)
    starts = (months.astype("datetime64[D]") - months[0].astype("datetime64[D]")).astype(np.int64)
    month_of = np.zeros(starts[-1] + 1, dtype=np.int64)
    month_of[starts] = np.arange(len(months))
    ends = np.full((4, size), NEVER)
    wide = 2**_BITS - 1
    held = found["held"]
    paying.spread(
        found["row"], month_of[held >> 2 * _BITS], held >> _BITS & wide, held & wide,
        found["cells_0"], found["cells_1"], found["cells_2"],
        found["cells_3"], _number(block.as_of) - _SINCE, wide, cells, watched, ends,
    )  # fmt: skip
    ends[:] = np.where(ends >= 0, ends + _SINCE, NEVER)
    for days in ends:
        holds.cut(days)
    if len(found["particular"]):
        particular = np.unique(found["particular"])
        rows = block.rows(particular)
        _, cells[rows], watched[rows] = load.read_months(block.conn, block.as_of, particular, ahead=ahead)
        [windows] = read_arrays(
            block.conn, "pack_window_days", user_ids=particular, first_month=first, last_month=last
        )  # fmt: skip
        holds.cut_rows(block.rows(windows["user_id"]), windows["day"])
    return months, cells, watched
