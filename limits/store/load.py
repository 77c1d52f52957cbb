"""Loading: what was known of some users on a date, as the columns of a portfolio.

Everything is read as of the date: profiles, statements, repayments, credit checks, documents,
consents, frauds, requests, overrides and events on or before it, and months that had ended by
it. Only the credit line and whether a change of it is open are read as they are now. Call it
inside one snapshot (REPEATABLE READ) where imports may run at the same time.

A user who cannot be decided is named with the reason, and never stops the others.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from psycopg.rows import scalar_row

from limits.money import LARGEST_MINOR
from limits.portfolio import (
    FACTS,
    STATEMENTS,
    UNBOUNDED,
    UNKNOWN,
    Bool,
    CashFlow,
    Dates,
    Documents,
    Identity,
    Income,
    Int,
    PaymentRecord,
    Portfolio,
    Status,
)
from limits.store.columns import Columns, read, read_arrays, take, tight
from limits.store.queries import query

#: Whole months of cash flow that are read, at most.
MONTHS = 36

CODES: dict[str, type[enum.IntEnum]] = {
    "status": Status, "identity": Identity, "income": Income, "documents": Documents,
}  # fmt: skip
_AMOUNTS = (
    "credit_limit", "balance", "average_balance", "outside_debt", "outside_monthly_payment", "limit_before_cut",
    "balances_12m", "repaid_12m", "override_cap", "override_floor",
)  # fmt: skip
#: Columns of a payment record (n, STATEMENTS), as load_payments names them, and what they are.
RECORD = {
    "record_balance": "the balance", "record_repaid": "what was repaid", "record_days_past_due": "days past due",
}  # fmt: skip
_DATES = (
    "opened_on", "last_raise_on", "last_cut_on", "last_used_on", "last_event_on", "identity_checked_on",
    "income_verified_on", "checked_on", "documents_valid_until",
)  # fmt: skip
_FIRST_DAY, _LAST_DAY = np.datetime64("1900-01-01"), np.datetime64("2199-12-31")

#: Columns of CashFlow in the order of the query load_cash_flow.
MONTHLY = (
    "inflow", "essential_spend", "discretionary_spend", "fees", "penalties", "obligations", "amount_due", "repaid",
)  # fmt: skip
_FROM_EVENTS = 6  # so many of them are sums of events
#: Users whose months are read at once: an array of the server holds at most 1 GB.
_USERS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Excluded:
    """A user who is not in the portfolio. ``reason`` is a stable code, ``detail`` a sentence.

    skipped: nothing is to be decided. quarantined: something is wrong with the data.
    """

    user_id: int
    outcome: Literal["quarantined", "skipped"]
    reason: str
    detail: str


def load_portfolio(
    conn: psycopg.Connection[Any], as_of: dt.date, currency: str, *, user_ids: Sequence[int] | None = None
) -> tuple[Portfolio, list[Excluded]]:
    """The portfolio of the users asked for (None: of all), sorted by user_id, and who is not in it.

    Every user asked for is in exactly one of the two. The cash flow holds the last whole
    months up to ``as_of``, from the first month that any of the users was observed in.
    """
    if user_ids is None:
        with conn.cursor(row_factory=scalar_row) as cursor:
            user_ids = cursor.execute(query("load_user_ids")).fetchall()
    wanted = sorted(set(user_ids))
    possible = [user_id for user_id in wanted if 0 < user_id < 2**63]
    excluded = [_unknown(user_id) for user_id in sorted(set(wanted).difference(possible))]

    users = read_users(conn, as_of, possible)
    found = {e.user_id: e for e in not_decidable(users, as_of, currency)}
    users = take(users, others(users["user_id"], found))
    found |= {e.user_id: e for e in _erased(conn, found.values())}
    months, cells, watched = read_months(conn, as_of, users["user_id"])
    found |= {e.user_id: e for e in too_large_months(users["user_id"], months, cells)}
    kept = others(users["user_id"], found)
    users, cells, watched = take(users, kept), cells[kept], watched[kept]

    observed = observed_months(users, months, cells, watched)
    users |= {name: codes_of(kind, users[name]) for name, kind in CODES.items()} | agreed(users) | overridden(users)
    record = PaymentRecord(users["record_held"], *(users[name] for name in RECORD))
    portfolio = make_portfolio(as_of, currency, users, _cash_flow(months, cells, observed), record)
    return portfolio, sorted([*excluded, *found.values()], key=lambda e: e.user_id)


def make_portfolio(
    as_of: dt.date, currency: str, users: Columns, cash_flow: CashFlow, record: PaymentRecord
) -> Portfolio:
    """The portfolio of these columns, which may be more than it has."""
    columns = {name: users[name] for name in PLAIN}
    columns |= {name: tight(columns[name]) for name in TEXTS} | set_by_the_engine(len(columns["user_id"]))
    return Portfolio(as_of=as_of, currency=currency, **columns, cash_flow=cash_flow, payment_record=record)


# Users --------------------------------------------------------------------------------------


def read_users(conn: psycopg.Connection[Any], as_of: dt.date, user_ids: list[int]) -> Columns:
    ends_at = dt.datetime.combine(as_of + dt.timedelta(days=1), dt.time.min, dt.UTC)
    users = read(conn, "load_users", user_ids=user_ids, as_of=as_of, ends_at=ends_at)
    users |= read(conn, "load_circumstances", user_ids=user_ids, as_of=as_of)
    users |= sparse(conn, "load_habits", as_of, users["user_id"])
    users |= sparse(conn, "load_payments", as_of, users["user_id"])
    return users | sparse(conn, "load_fraud_links", as_of, users["user_id"])


def agreed(users: Columns) -> Columns:
    """What a user said of being raised goes before what the profile says."""
    withdrawn = users["raises"] == "withdrawn"
    return {
        "opted_out": withdrawn,
        "raise_consent": (users["raise_consent"] | (users["raises"] == "given")) & ~withdrawn,
    }


def overridden(users: Columns) -> Columns:
    """Without an override no cap and a floor of zero; a cap goes before a floor."""
    cap = np.where(users["override_cap"] == UNKNOWN, UNBOUNDED, users["override_cap"])
    floor = np.where(users["override_floor"] == UNKNOWN, 0, users["override_floor"])
    return {"override_cap": cap, "override_floor": np.minimum(floor, cap)}


def set_by_the_engine(users: int) -> Columns:
    """What a review brings along itself; until then it bars nothing."""
    return {name: np.full(users, UNBOUNDED, dtype=np.int64) for name in ("requested_limit", "budget_limit")}


Outcome = Literal["quarantined", "skipped"]
Detail = Callable[[int], str]
Check = tuple[Bool, Outcome, str, Detail]


def not_decidable(users: Columns, as_of: dt.date, currency: str) -> Iterator[Excluded]:
    """Users nothing can be decided for, each with the first reason that applies."""
    found = np.zeros(len(users["user_id"]), dtype=np.bool_)
    for applies, outcome, reason, detail in _checks(users, as_of, currency):
        for row in np.flatnonzero(applies & ~found).tolist():
            yield Excluded(int(users["user_id"][row]), outcome, reason, detail(row))
        found |= applies


def _checks(users: Columns, as_of: dt.date, currency: str) -> Iterator[Check]:
    """What keeps a user out of the portfolio, most basic first: where it applies, and why."""
    day = np.datetime64(as_of)
    opened = np.fmax(users["opened_on"], users["line_opened_on"])
    has_line = users["line_currency"] != ""

    yield ~users["known"], "skipped", "unknown_user", lambda r: _unknown(users["user_id"][r]).detail
    yield opened > day, "skipped", "not_open_yet", lambda r: f"opened on {opened[r]}, after {as_of}"
    yield (
        np.isnat(users["effective_on"]), "skipped", "not_open_yet",
        lambda r: f"no profile of the user is effective on or before {as_of}",
    )  # fmt: skip
    yield (
        users["currency"] != currency, "skipped", "other_currency",
        lambda r: f"the user's currency is {users['currency'][r]}, the policy's is {currency}; name another policy",
    )  # fmt: skip
    yield (
        users["status"] == "closed", "skipped", "closed",
        lambda r: f"the profile of {users['effective_on'][r]} says that the account is closed",
    )  # fmt: skip
    yield ~has_line, "quarantined", "no_credit_line", lambda r: "the user has no credit line"
    yield (
        users["line_currency"] != users["currency"], "quarantined", "line_currency",
        lambda r: f"the credit line is in {users['line_currency'][r]}, the user's currency is {users['currency'][r]}",
    )  # fmt: skip
    yield (
        users["override_currency"] != "", "quarantined", "override_currency",
        lambda r: f"an override is in {users['override_currency'][r]}, the limit is in {users['line_currency'][r]}",
    )  # fmt: skip
    for name, kind in CODES.items():
        unknown = codes_of(kind, users[name]) == UNKNOWN
        yield unknown, "quarantined", "unknown_code", _unknown_code(name, users[name])
    for name in _AMOUNTS:
        large = (users[name] > LARGEST_MINOR) | (users[name] < -LARGEST_MINOR)
        yield large, "quarantined", "amount_too_large", _large_amount(name, users[name])
    for name in (name for name in RECORD if name in users):  # of packed users they were looked at before
        cells = (users[name] > LARGEST_MINOR) | (users[name] < -LARGEST_MINOR)
        yield cells.any(axis=1), "quarantined", "amount_too_large", _large_cell(RECORD[name], users[name], cells)
    for name in _DATES:
        impossible = (users[name] < _FIRST_DAY) | (users[name] > _LAST_DAY)
        yield impossible, "quarantined", "date_impossible", _impossible_date(name)


def _erased(conn: psycopg.Connection[Any], found: Iterable[Excluded]) -> list[Excluded]:
    """Of those of whom no state is known, the users who were erased: the same with the true reason."""
    unknown = [e.user_id for e in found if e.reason == "not_open_yet"]
    rows = conn.execute(query("load_erased"), {"user_ids": unknown}).fetchall() if unknown else []
    return [Excluded(user_id, "skipped", "erased", f"the user was erased on {day}") for user_id, day in rows]


def _unknown_code(name: str, values: Any) -> Detail:
    return lambda row: f"{name} is {str(values[row])!r}, which this version does not know"


def _large_amount(name: str, values: Int) -> Detail:
    return lambda row: _too_large(name, int(values[row]))


def _large_cell(said: str, values: Int, large: Bool) -> Detail:
    def detail(row: int) -> str:
        place = int(large[row].argmax())
        return _too_large(f"{said} of statement {place + 1} of the newest", int(values[row, place]))

    return detail


def _impossible_date(name: str) -> Detail:
    return lambda row: f"{name} is not between {_FIRST_DAY} and {_LAST_DAY}"


def _unknown(user_id: int) -> Excluded:
    return Excluded(int(user_id), "skipped", "unknown_user", f"there is no user {user_id}")


def _too_large(name: str, value: int) -> str:
    return f"{name} is {value} minor units; the largest amount that can be used is {LARGEST_MINOR}"


def codes_of(kind: type[enum.IntEnum], values: Any) -> Int:
    """The numbers of the codes; UNKNOWN for one that ``kind`` does not have."""
    result = np.full(len(values), UNKNOWN, dtype=np.int64)
    for member in kind:
        result[values == member.name.lower()] = member
    return result


def sparse(conn: psycopg.Connection[Any], name: str, as_of: dt.date, user_ids: Int) -> Columns:
    """The numbers of a query that gives no row for users with nothing but zeros: of each user one, of RECORD a row."""
    found = read(conn, name, user_ids=user_ids.tolist(), as_of=as_of)
    rows = np.searchsorted(user_ids, found.pop("user_id"))
    size = len(user_ids)
    result = {name: np.zeros((size, STATEMENTS) if name in RECORD else size, dtype=np.int64) for name in found}
    for column, values in found.items():
        result[column][rows] = values.reshape(-1, *result[column].shape[1:])
    return result


# Months -------------------------------------------------------------------------------------


def read_months(
    conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int, *, ahead: int = 0
) -> tuple[Dates, Int, Bool]:
    """The last MONTHS whole months (m,), their amounts (n, m, 8), and which a window holds (n, m).

    ``ahead``: so many months more, which have not ended yet.
    """
    ended = np.datetime64(as_of + dt.timedelta(days=1), "M")
    months = np.arange(ended - MONTHS, ended + ahead)
    first, last = months[[0, -1]].astype("datetime64[D]").tolist()
    watched = np.zeros((len(user_ids), len(months)), dtype=np.bool_)
    cells = np.zeros((len(user_ids), len(months), len(MONTHLY)), dtype=np.int64)
    for start in range(0, len(user_ids), _USERS_AT_ONCE):
        wanted = user_ids[start : start + _USERS_AT_ONCE]
        [found] = read_arrays(
            conn, "load_cash_flow", user_ids=wanted, as_of=as_of, first_month=first, last_month=last
        )  # fmt: skip
        row = np.searchsorted(user_ids, found["user_id"])
        month = (found["month"].astype("datetime64[M]") - months[0]).astype(np.int64)
        watched[row, month] = found["watched"]
        for k, name in enumerate(MONTHLY):
            cells[row, month, k] = found[name]
    return months, cells, watched


def too_large_months(user_ids: Int, months: Dates, cells: Int) -> Iterator[Excluded]:
    for row, month, column in np.argwhere(cells > LARGEST_MINOR)[::-1]:
        detail = _too_large(f"{MONTHLY[column]} of {months[month]}", cells[row, month, column])
        yield Excluded(int(user_ids[row]), "quarantined", "amount_too_large", detail)


def observed_months(users: Columns, months: Dates, cells: Int, watched: Bool) -> Bool:
    """Which months (n, m) are known as a whole.

    With a window in the profile: those it holds. Without one nobody vouches for a month in
    which nothing was seen, nor for the first and the last one, which the source may have
    begun or stopped in: what is left are months with events between that of the first
    event and that of the last. A user without any event has the lender's own books: the
    months after the opening in which something was due or repaid.
    """
    first = users["first_event_on"].astype("datetime64[M]")[:, None]
    last = users["last_event_on"].astype("datetime64[M]")[:, None]
    opened = users["opened_on"].astype("datetime64[M]")[:, None]
    has_events = (cells[:, :, :_FROM_EVENTS] != 0).any(axis=2) & (months > first) & (months < last)
    has_payments = (cells[:, :, _FROM_EVENTS:] != 0).any(axis=2) & (months > opened)
    seen = np.where(np.isnat(last), has_payments, has_events)
    return np.where(users["watched"][:, None], watched, seen)


def _cash_flow(months: Dates, cells: Int, observed: Bool) -> CashFlow:
    """From the first month that any user was observed in; zero where not observed."""
    anybody = observed.any(axis=0)
    start = int(anybody.argmax()) if anybody.any() else len(months)
    shown = np.where(observed[:, :, None], cells, 0)[:, start:]
    amounts = {name: np.ascontiguousarray(shown[:, :, k]) for k, name in enumerate(MONTHLY)}
    return CashFlow(months=months[start:], observed=np.ascontiguousarray(observed[:, start:]), **amounts)


# Columns of a portfolio ---------------------------------------------------------------------

#: Columns of a portfolio that are loaded, one entry per user.
PLAIN = [name for name in FACTS if name not in set_by_the_engine(0)]
TEXTS = ("segment", "industry", "jurisdiction")


def others(user_ids: Int, excluded: dict[int, Excluded]) -> Bool:
    return ~np.isin(user_ids, list(excluded))
