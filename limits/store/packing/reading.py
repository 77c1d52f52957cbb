"""Reading packed users: blocks of packed rows beside their credit lines, and everybody else from the sources."""

from __future__ import annotations

import datetime as dt
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from limits.portfolio import STATEMENTS, UNKNOWN, Bool, CashFlow, Int, PaymentRecord, Portfolio
from limits.store import load
from limits.store.columns import EPOCH_DAYS, NEVER, Columns, between, read, read_arrays, take
from limits.store.load import Excluded
from limits.store.packing import record
from limits.store.packing.unpacking import spread, spread_record, unfold
from limits.store.queries import query

#: Users read by one statement: the server gathers their rows in memory.
BLOCK_USERS = 4_096

_NAMES = {name: np.array([member.name.lower() for member in kind]) for name, kind in load.CODES.items()}
#: Numbers of a packed row that are read as columns of 64 bits, and where in it they are.
_NUMBERS = (*record.AMOUNTS, "months_watched", "packed_on", *record.DATES, *record.COUNTS, *record.TEXTS)
_FACTS: Any = record.FACTS.fields
_FIELDS = [_FACTS[name] for name in _NUMBERS]
_PLACES = np.array([field[1] for field in _FIELDS]) // 4
_WIDE = np.array([field[0].itemsize == 8 for field in _FIELDS])
#: Columns of a credit line.
_LINE = dict.fromkeys(("credit_limit", "version", "limit_before_cut"), np.int64) | {
    name: np.dtype("datetime64[D]") for name in ("line_opened_on", "last_raise_on", "last_cut_on")
}
#: Connections whose server keeps its memory.
_roomy: weakref.WeakSet[psycopg.Connection[Any]] = weakref.WeakSet()
_NEVER_32 = np.iinfo(np.int32).min
#: What ``load.observed_months`` reads.
_SIGHT = ("watched", "first_event_on", "last_event_on", "opened_on")
_FOREIGN = np.dtype([("user_id", ">i8"), ("currency", "S3")])
_CUT = np.dtype([("user_id", ">i8"), ("limit_before_cut", ">i8"), ("last_cut_on", ">i4")])


@dataclass(frozen=True)
class _Block:
    """Users (k,), sorted, of one statement: who is packed, has a line in the currency of the row, and is not dirty.

    facts (k,) record.FACTS; line: columns of the credit line (k,); currency (k,).
    cells: the bytes of all rows that were read, in 32-bit numbers: the record of a user from
    ``record_at`` (k,) on, the months from ``at`` (k,). month_from, held (k,) months, wide (k,) bool.
    """

    user_id: Int
    facts: Any
    line: Columns
    currency: Any
    cells: Any
    record_at: Int
    at: Int
    month_from: Int
    held: Int
    wide: Bool


def read_packed(
    conn: psycopg.Connection[Any], as_of: dt.date, currency: str, user_ids: Int
) -> tuple[Portfolio, list[Excluded]]:
    """The portfolio of users (n,), sorted and each once, and who is not in it: what ``load_portfolio`` gives for them.

    Equal in every array and type, whoever of them is packed. As there: call it inside one
    snapshot (REPEATABLE READ) where imports may run at the same time.
    """
    starts = range(0, len(user_ids), BLOCK_USERS)
    if len(starts) > 2:  # for fewer it costs more than it saves
        _make_room(conn)
    blocks = [_read_block(conn, as_of, currency, user_ids[start : start + BLOCK_USERS]) for start in starts]
    users = _read_users(conn, as_of, blocks)
    packed = users["user_id"]
    observed = _observed(as_of, users, blocks)
    excluded = list(load.not_decidable(users, as_of, currency))
    users |= {name: users[f"{name}_code"] for name in record.CODES} | load.overridden(users)
    rows: Any = np.flatnonzero(load.others(packed, {e.user_id: e for e in excluded})) if excluded else slice(None)
    users = {name: users[name][rows] for name in load.PLAIN}
    others = None
    if len(packed) < len(user_ids):
        rest = user_ids[~_among(user_ids, packed)]
        others, more = load.load_portfolio(conn, as_of, currency, user_ids=rest.tolist())
        users = _with_others(users, others)
        excluded += more
    places = _rows_of(packed, users["user_id"])
    flow = _cash_flow(as_of, users["user_id"], blocks, observed, places, others)
    paid = _payment_record(users["user_id"], users["statements_seen"], blocks, places, others)
    return load.make_portfolio(as_of, currency, users, flow, paid), sorted(excluded, key=lambda e: e.user_id)


def _among(values: Int, known: Int) -> Bool:
    """Which of the values are among the known ones, sorted."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    places = np.searchsorted(known, values)
    return np.asarray(known[np.minimum(places, len(known) - 1)] == values)


def _rows_of(user_ids: Int, known: Int) -> Int:
    """The rows (n,) of users among the known ones, sorted; -1 of who is not there."""
    if np.array_equal(user_ids, known):
        return np.arange(len(user_ids))
    return np.where(_among(user_ids, known), np.searchsorted(known, user_ids), -1)


def _make_room(conn: psycopg.Connection[Any]) -> None:
    """Lets the server keep the memory of one block for the next one, once for each connection.

    The C library gives a block of memory back to the system at once, unless as large a one was
    given back before; half of the time of reading went into getting the same pages again.
    """
    if conn not in _roomy:
        conn.execute(query("pack_room"))
        _roomy.add(conn)


# Blocks --------------------------------------------------------------------------------------


def _read_block(conn: psycopg.Connection[Any], as_of: dt.date, currency: str, user_ids: Int) -> _Block:
    [found] = read_arrays(
        conn, "pack_read", **between(user_ids), as_of=as_of, currency=currency, format=record.code_format(),
        width=record.FACTS.itemsize,
    )  # fmt: skip
    packed, span = _entries(found["packed_id"], ">i8"), _entries(found["span"], ">i8")
    month_from, held, wide = span >> 16, span >> 1 & 0x7FFF, (span & 1).astype(np.bool_)
    lengths = (record.OF_RECORD + len(load.MONTHLY) * held) * (1 + wide)
    record_at = np.cumsum(lengths) - lengths
    at = record_at + record.OF_RECORD * (1 + wide)
    facts = np.frombuffer(found["facts"] or b"", dtype=record.FACTS)
    cells = _entries(found["cells"], "<i4", np.int32)
    assert len(facts) == len(packed) and len(cells) == lengths.sum(), "a record and months for each user"
    line = _read_lines(found, currency)
    own = _currencies(found["foreign_row"], packed, currency)
    lines = line.pop("user_id"), line.pop("currency")
    dirty = np.unique(_entries(found["dirty_id"], ">i8"))
    whole = _Block(packed, facts, line, own, cells, record_at, at, month_from, held, wide)
    alike = np.array_equal(packed, lines[0]) and np.array_equal(own, lines[1])
    if alike and not len(dirty) and np.array_equal(packed, user_ids):
        return whole
    users, mine, theirs = np.intersect1d(packed, lines[0], assume_unique=True, return_indices=True)
    good = _among(users, user_ids) & ~_among(users, dirty) & (own[mine] == lines[1][theirs])
    mine, theirs = mine[good], theirs[good]
    return _Block(
        users[good], facts[mine], take(line, theirs), own[mine], cells, record_at[mine], at[mine], month_from[mine],
        held[mine], wide[mine],
    )  # fmt: skip


def _entries(data: bytes | None, kind: Any, native: Any = np.int64) -> Any:
    """The bytes of a column; NULL where there is no row."""
    return np.frombuffer(data or b"", dtype=kind).astype(native, copy=False)


def _read_lines(found: Columns, currency: str) -> Columns:
    """The columns of credit lines; who has none of them was never cut."""
    users, dates = _entries(found["line_id"], ">i8"), _entries(found["opened_raised"], ">i8")
    raised = dates & 0xFFFFFFFF
    line: Columns = {
        "user_id": users,
        "currency": _currencies(found["foreign_line"], users, currency),
        "credit_limit": _entries(found["credit_limit"], ">i8"),
        "version": _entries(found["version"], ">i8"),
        "limit_before_cut": np.full(len(users), UNKNOWN, dtype=np.int64),
        "line_opened_on": ((dates >> 32) + EPOCH_DAYS).view("datetime64[D]"),
        "last_raise_on": np.where(raised == 0, NEVER, raised - 2**31 + EPOCH_DAYS).view("datetime64[D]"),
        "last_cut_on": np.full(len(users), NEVER, dtype=np.int64).view("datetime64[D]"),
    }
    if found["cut"]:
        cut = np.frombuffer(found["cut"], dtype=_CUT)
        rows = _places(users, cut["user_id"])
        days = cut["last_cut_on"].astype(np.int64)
        line["limit_before_cut"][rows] = cut["limit_before_cut"]
        line["last_cut_on"][rows] = np.where(days == _NEVER_32, NEVER, days + EPOCH_DAYS).view("datetime64[D]")
    return line


def _currencies(foreign: bytes | None, user_ids: Int, currency: str) -> Any:
    """The currencies (n,) of users who have ``currency`` unless another is named."""
    result = np.full(len(user_ids), currency)
    if foreign:
        others = np.frombuffer(foreign, dtype=_FOREIGN)
        result = result.astype("U3")
        result[_places(user_ids, others["user_id"])] = others["currency"].astype("U3")
    return result


def _places(user_ids: Int, some: Any) -> Int:
    """Where some of the users are among all of them, who may be in any order."""
    order = np.argsort(user_ids, kind="stable")
    return order[np.searchsorted(user_ids, some.astype(np.int64), sorter=order)]


# Users ---------------------------------------------------------------------------------------


def _read_users(conn: psycopg.Connection[Any], as_of: dt.date, blocks: list[_Block]) -> Columns:
    """The columns of the users who are packed, in order, as ``load.read_users`` gives them.

    Beside them the numbers of their codes, and what a user said of raises already counted in.
    """
    nobody = np.zeros(0, dtype=np.int64)
    users: Columns = {"user_id": np.concatenate([nobody, *(block.user_id for block in blocks)])}
    size = len(users["user_id"])
    facts = np.concatenate([np.zeros(0, dtype=record.FACTS), *(block.facts for block in blocks)])
    numbers = _unfolded(facts)
    users |= {name: numbers[name] for name in (*record.AMOUNTS, *record.COUNTS)}
    users |= {name: _days(numbers[name]) for name in record.DATES}
    users |= {name: facts[name].copy() for name in record.FLAGS}
    users |= {
        name: np.concatenate([nobody.astype(kind), *(b.line[name] for b in blocks)]) for name, kind in _LINE.items()
    }
    _go_on(users, numbers["packed_on"], as_of)
    users |= _texts(conn, numbers) | {name: _NAMES[name][facts[name]] for name in record.CODES}
    users["currency"] = np.concatenate([np.zeros(0, dtype="U3"), *(block.currency for block in blocks)])
    users["line_currency"] = users["currency"]
    users["known"] = np.ones(size, dtype=np.bool_)
    users["months_watched"] = numbers["months_watched"].view(np.uint64)
    users |= {f"{name}_code": facts[name].astype(np.int64) for name in record.CODES}
    return users | _live(conn, as_of, users["user_id"])


def _unfolded(facts: Any) -> Columns:
    """The numbers of records (n,), each a column of int64."""
    words = facts.view("<i4").astype(np.int32, copy=False).reshape(len(facts), record.FACTS.itemsize // 4)
    columns = np.empty((len(_NUMBERS), len(facts)), dtype=np.int64)
    unfold(words, _PLACES, _WIDE, columns)
    return dict(zip(_NUMBERS, columns, strict=True))


def _days(numbers: Int) -> Any:
    """Days since 1970 as dates, in place; the least number of 32 bits is NaT."""
    numbers[numbers == _NEVER_32] = NEVER
    return numbers.view("datetime64[D]")


def _go_on(users: Columns, packed_on: Any, as_of: dt.date) -> None:
    """Who is late is later by the days since: of the oldest minimum, and so of the worst where it is that one."""
    late = users["days_past_due"] > 0
    days = np.datetime64(as_of).astype(np.int64) - packed_on
    users["days_past_due"] += np.where(late, days, 0)
    users["worst_days_past_due"] = np.where(
        late, np.maximum(users["worst_days_past_due"], users["days_past_due"]), users["worst_days_past_due"]
    )


def _texts(conn: psycopg.Connection[Any], numbers: Columns) -> Columns:
    """The texts by their numbers."""
    codes = {name: numbers[name] for name in record.TEXTS}
    used = np.flatnonzero(sum(np.bincount(values, minlength=_highest(codes)) for values in codes.values()))
    found = read(conn, "pack_text_contents", codes=used.tolist())
    assert len(found["code"]) == len(used), "a packed row names a text that is not there"
    contents = np.full(_highest(codes), "", dtype=found["content"].dtype)
    contents[found["code"]] = found["content"]
    return {name: contents[values] for name, values in codes.items()}


def _highest(codes: Columns) -> int:
    return 1 + max(int(values.max(initial=0)) for values in codes.values())


def _live(conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int) -> Columns:
    """What is never packed: nothing for most users, and for those who have any of it what ``load`` says."""
    size = len(user_ids)
    live: Columns = {
        "requests_90d": np.zeros(size, dtype=np.int64),
        "change_pending": np.zeros(size, dtype=np.bool_),
        "confirmed_fraud": np.zeros(size, dtype=np.bool_),
        "override_cap": np.full(size, UNKNOWN, dtype=np.int64),
        "override_floor": np.full(size, UNKNOWN, dtype=np.int64),
        "override_currency": np.full(size, "", dtype=np.str_),
        "fraud_links": np.zeros(size, dtype=np.int64),
    }
    if not size:
        return live
    [found] = read_arrays(conn, "pack_live", **between(user_ids), as_of=as_of)
    found = {name: values[_among(values, user_ids)] for name, values in found.items()}
    live["change_pending"][np.searchsorted(user_ids, found["pending"])] = True
    np.add.at(live["requests_90d"], np.searchsorted(user_ids, found["requests"]), 1)
    if len(found["particular"]):
        particular = read(conn, "load_circumstances", user_ids=np.sort(found["particular"]).tolist(), as_of=as_of)
        rows = np.searchsorted(user_ids, particular["user_id"])
        live["override_currency"] = live["override_currency"].astype("U3")
        for name in ("confirmed_fraud", "override_cap", "override_floor", "override_currency"):
            live[name][rows] = particular[name]
    if len(found["linked"]):
        linked = np.sort(found["linked"])
        links = load.sparse(conn, "load_fraud_links", as_of, linked)
        live["fraud_links"][np.searchsorted(user_ids, linked)] = links["fraud_links"]
    return live


def _with_others(users: Columns, others: Portfolio) -> Columns:
    """The columns of both, in order."""
    both = {name: np.concatenate([users[name], getattr(others, name)]) for name in load.PLAIN}
    return take(both, np.argsort(both["user_id"]))


# Payment record ------------------------------------------------------------------------------


def _payment_record(
    user_ids: Int, statements_seen: Int, blocks: list[_Block], rows: Int, others: Portfolio | None
) -> PaymentRecord:
    """The record of users, of whom those of all blocks stand in ``rows`` (k,), -1 where they are left out."""
    cells = np.empty((len(load.RECORD), len(user_ids), STATEMENTS), dtype=np.int64)
    first = 0
    for block in blocks:
        mine = slice(first, first + len(block.user_id))
        first += len(block.user_id)
        spread_record(block.cells, block.record_at, block.wide, rows[mine], cells)
    if others is not None:
        theirs = others.payment_record
        cells[:, np.searchsorted(user_ids, others.user_id)] = theirs.balance, theirs.repaid, theirs.days_past_due
    return PaymentRecord(np.minimum(statements_seen, STATEMENTS), *cells)


# Months --------------------------------------------------------------------------------------


def _window(as_of: dt.date) -> tuple[int, int]:
    """The first of the last whole months, as a number, and the one after the last."""
    ended = int(np.datetime64(as_of + dt.timedelta(days=1), "M").astype(np.int64))
    return ended - load.MONTHS, ended


def _observed(as_of: dt.date, users: Columns, blocks: list[_Block]) -> Any:
    """Which of the last whole months are observed (n,) uint64: bit j is the month j of the window."""
    begin, end = _window(as_of)
    nobody = np.zeros(0, dtype=np.int64)
    lead = np.concatenate([nobody, *(block.month_from for block in blocks)]) - begin
    held = np.concatenate([nobody, *(block.held for block in blocks)]).astype(np.uint64)
    watched = users["months_watched"] & ((np.uint64(1) << held) - np.uint64(1))
    # Shifted by 64 or more a number is not zero.
    up, down = np.clip(lead, 0, 63).astype(np.uint64), np.clip(-lead, 0, 63).astype(np.uint64)
    observed = np.where(lead >= 0, watched << up, watched >> down) & np.uint64((1 << end - begin) - 1)
    observed[(lead > 63) | (lead < -63)] = 0
    first = 0
    for block in blocks:
        mine = slice(first, first + len(block.user_id))
        first += len(block.user_id)
        open_ended = np.flatnonzero(~users["watched"][mine])
        if len(open_ended):
            some = {name: users[name][mine][open_ended] for name in _SIGHT}
            observed[mine.start + open_ended] = _observed_by_cells(some, block, open_ended, begin, end)
    return observed


def _observed_by_cells(users: Columns, block: _Block, rows: Int, begin: int, end: int) -> Any:
    """The same for some users of a block, whom no window vouches for: by what is known of each month."""
    size, months = len(rows), np.arange(begin, end)
    # Only whether an amount is zero matters, and of what is held every month.
    cells: Any = np.empty((len(load.MONTHLY), size, len(months)), dtype=np.bool_)
    seen, every = np.empty(cells.shape[1:], dtype=np.bool_), np.full(size, (1 << end - begin) - 1, dtype=np.uint64)
    spread(
        block.cells, block.at[rows], block.month_from[rows], block.held[rows], block.wide[rows], every, begin, 0,
        np.arange(size), seen, cells,
    )  # fmt: skip
    seen = load.observed_months(users, months.astype("datetime64[M]"), cells.transpose(1, 2, 0), seen)
    return (seen.astype(np.uint64) << np.arange(len(months), dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def warm() -> None:
    """Loads the compiled code for users whom no window vouches for: whoever is read first may not be one of them."""
    nobody, cells = np.zeros(0, dtype=np.int64), _entries(None, "<i4", np.int32)
    dates, none = nobody.view("datetime64[D]"), np.zeros(0, dtype=np.bool_)
    users: Columns = {"watched": none} | dict.fromkeys(_SIGHT[1:], dates)
    block = _Block(nobody, None, {}, None, cells, nobody, nobody, nobody, nobody, none)
    _observed_by_cells(users, block, nobody, 0, 1)


def _cash_flow(
    as_of: dt.date, user_ids: Int, blocks: list[_Block], observed: Any, rows: Int, others: Portfolio | None
) -> CashFlow:
    """From the first month that any user was observed in; zero where not observed.

    observed, rows (k,): of the users of all blocks, whose row is -1 where they are left out.
    """
    begin, end = _window(as_of)
    anybody = int(np.bitwise_or.reduce(observed[rows >= 0], initial=np.uint64(0)))
    start = begin + (anybody & -anybody).bit_length() - 1 if anybody else end
    if others is not None and len(others.cash_flow.months):
        start = min(start, int(others.cash_flow.months[0].astype(np.int64)))
    shape = len(user_ids), end - start
    seen, amounts = np.empty(shape, dtype=np.bool_), np.empty((len(load.MONTHLY), *shape), dtype=np.int64)
    first = 0
    for block in blocks:
        mine = slice(first, first + len(block.user_id))
        first += len(block.user_id)
        spread(
            block.cells, block.at, block.month_from, block.held, block.wide, observed[mine], begin, start - begin,
            rows[mine], seen, amounts,
        )  # fmt: skip
    if others is not None:
        places, width = np.searchsorted(user_ids, others.user_id), len(others.cash_flow.months)
        for whole, part in [(seen, others.cash_flow.observed), *_pairs(amounts, others.cash_flow)]:
            whole[places] = 0
            whole[places, shape[1] - width :] = part
    months = np.arange(start, end).astype("datetime64[M]")
    return CashFlow(months=months, observed=seen, **dict(zip(load.MONTHLY, amounts, strict=True)))


def _pairs(amounts: Int, flow: CashFlow) -> list[tuple[Int, Int]]:
    return [(amounts[k], getattr(flow, name)) for k, name in enumerate(load.MONTHLY)]
