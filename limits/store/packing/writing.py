"""Packing: the facts of users as ``load`` gives them, and between which days they stay the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import pq

from limits.errors import DatabaseError
from limits.money import LARGEST_MINOR
from limits.portfolio import Bool, Dates, Int
from limits.store import load
from limits.store.binary import BinaryArray, BinaryArrayDumper, binary_array
from limits.store.columns import Columns, array_cursor, between, read, read_arrays
from limits.store.packing import record
from limits.store.queries import query

Progress = Callable[[int, int], None]

#: Users packed in one transaction.
BLOCK_USERS = 10_000
#: Times a block is tried when others pack the same users.
_TRIES = 10
#: Months after the present one of which a row keeps what is known, so that it holds when they have ended.
_AHEAD = 12
#: Rows begin in the first month of a quarter: fewer spans of months, more users with the same one.
_ALIGNED = 3
#: A longer text is not worth a number of its own; neither are more texts than this in one block.
_LONGEST_TEXT, _MOST_TEXTS = 100, 2_000

_NEVER = np.iinfo(np.int32).min
_INT32 = np.iinfo(np.int32)
_INT64 = np.iinfo(np.int64)
_NOBODY = np.empty(0, dtype=np.int64)


def refresh(
    conn: psycopg.Connection[Any],
    as_of: dt.date,
    *,
    user_ids: Int | None = None,
    progress: Progress = lambda done, total: None,
) -> int:
    """Packs who is dirty, missing, or packed for other days than ``as_of``; returns how many were.

    ``user_ids``: only of these, sorted (None: of all).

    In short transactions of its own, each of one snapshot, as a worker. Several callers do no
    harm: one of them packs a user. ``progress`` is told users done and users in all.
    """
    return _pack_all(conn, as_of, _due(conn, as_of, user_ids), progress, again=False)


def rebuild(conn: psycopg.Connection[Any], as_of: dt.date, *, progress: Progress = lambda done, total: None) -> int:
    """Packs every user anew; returns how many there are."""
    [found] = read_arrays(conn, "pack_users_all")
    return _pack_all(conn, as_of, found["user_id"], progress, again=True)


def _due(conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int | None = None) -> Int:
    """The users of whom to pack, sorted; ``user_ids``: sorted, only of these."""
    everybody = {"dense": True, "first": _INT64.min, "last": _INT64.max, "user_ids": _NOBODY}
    asked = everybody if user_ids is None else between(user_ids)
    [found] = read_arrays(conn, "pack_due", as_of=as_of, format=record.code_format(), **asked)
    due: Int = found["user_id"]
    return due if user_ids is None else due[np.isin(due, user_ids, assume_unique=True)]


def _pack_all(
    conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int, progress: Progress, *, again: bool
) -> int:  # fmt: skip
    assert conn.info.transaction_status == pq.TransactionStatus.IDLE, "each block is a transaction of its own"
    packed = 0
    progress(0, len(user_ids))
    for start in range(0, len(user_ids), BLOCK_USERS):
        block = user_ids[start : start + BLOCK_USERS]
        packed += _pack_block(conn, as_of, block, again=again)
        progress(start + len(block), len(user_ids))
    return packed


def _pack_block(conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int, *, again: bool) -> int:
    for _ in range(_TRIES):
        try:
            with conn.transaction():
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                wanted = _not_erased(conn, user_ids) if again else _due(conn, as_of, user_ids)
                if len(wanted):
                    write(conn, pack(conn, as_of, wanted))
                return len(wanted)
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            continue  # somebody else has just packed some of them: look again who is left
    raise DatabaseError(
        f"users {user_ids[0]} to {user_ids[-1]} could not be packed: others kept on packing them; try again later"
    )


def _not_erased(conn: psycopg.Connection[Any], user_ids: Int) -> Int:
    """Those who are still there in this snapshot: somebody may have been erased since the users were listed."""
    gone = [user_id for user_id, _ in conn.execute(query("load_erased"), {"user_ids": user_ids.tolist()})]
    return user_ids[~np.isin(user_ids, gone)]


# What is packed ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Packed:
    """Packed rows of n users, in order of user_id.

    valid_from, valid_until (n,) dates; packable (n,) bool: False for users who are never read
    from their row. facts (n,) record.FACTS; month_from (n,) months since 1970, months_held (n,);
    wide (n,) bool. cells: record and months, the bytes of all, those of a user from cells_from (n,) on.
    """

    user_id: Int
    valid_from: Dates
    valid_until: Dates
    packable: Bool
    currency: Any
    facts: Any
    month_from: Int
    months_held: Int
    wide: Bool
    cells_from: Int
    cells: bytes


def pack(conn: psycopg.Connection[Any], as_of: dt.date, user_ids: Int) -> Packed:
    """The packed rows of users, inside the caller's snapshot; writes nothing but numbers of texts."""
    from limits.store.packing.gathering import gather  # here, for it loads the compiler and not everybody packs

    users, (months, amounts, watched), (begins, ends) = gather(conn, as_of, user_ids, ahead=_AHEAD)
    # Arrears grow by the day, from here on and not back.
    late = users["days_past_due"] > 0
    begins[late] = np.datetime64(as_of)

    packable = _packable(users, as_of)
    span = _encode_cells(users, months, amounts, watched, packable)
    facts = _facts(conn, as_of, users, packable)
    facts["months_watched"] = span.pop("months_watched")
    return Packed(
        user_id=user_ids, valid_from=begins, valid_until=ends, packable=packable, currency=users["currency"],
        facts=facts, **span,
    )  # fmt: skip


def _packable(users: Columns, as_of: dt.date) -> Bool:
    """Of whom a row can say all there is: nothing keeps them from a decision but, at most, a closed account.

    What is read live is left out of the question: it may be otherwise tomorrow.
    """
    size = len(users["user_id"])
    live = {
        "line_currency": users["currency"], "line_opened_on": users["opened_on"],
        "override_currency": np.full(size, ""),
        **{name: np.zeros(size, dtype=np.int64) for name in _LIVE_AMOUNTS},
        **{name: np.full(size, "NaT", dtype="datetime64[D]") for name in ("last_raise_on", "last_cut_on")},
    }  # fmt: skip
    good = np.ones(size, dtype=np.bool_)
    alike = users | live
    for currency in np.unique(users["currency"]).tolist():
        rows = np.flatnonzero(users["currency"] == currency)
        one = {name: values[rows] for name, values in alike.items()}
        barred = [e.user_id for e in load.not_decidable(one, as_of, currency) if e.reason != "closed"]
        good[rows[np.isin(one["user_id"], barred)]] = False
    good &= users["currency"] != ""
    for name in record.DATES:
        days = users[name].astype(np.int64)
        good &= np.isnat(users[name]) | ((days > _NEVER) & (days <= _INT32.max))
    for name in record.COUNTS:
        good &= (users[name] >= _NEVER) & (users[name] <= _INT32.max)
    for name in record.TEXTS:
        good &= np.strings.str_len(users[name]) <= _LONGEST_TEXT
        distinct, first = np.unique(users[name], return_index=True)
        if len(distinct) > _MOST_TEXTS:
            good &= np.isin(users[name], distinct[np.argsort(first)[:_MOST_TEXTS]])
    return good


_LIVE_AMOUNTS = ("credit_limit", "limit_before_cut", "override_cap", "override_floor")


def _facts(conn: psycopg.Connection[Any], as_of: dt.date, users: Columns, packable: Bool) -> Any:
    """The records (n,), zero where not packable."""
    facts = np.zeros(len(packable), dtype=record.FACTS)
    known = {name: load.codes_of(kind, users[name]) for name, kind in load.CODES.items()} | load.agreed(users)
    kept = {name: values[packable] for name, values in (users | known).items()}
    rows = facts[packable]
    rows["packed_on"] = np.datetime64(as_of).astype(np.int64)
    for name in record.DATES:
        days = kept[name].astype(np.int64)
        rows[name] = np.where(np.isnat(kept[name]), _NEVER, days)
    for name in (*record.CODES, *record.FLAGS, *record.COUNTS, *record.AMOUNTS):
        rows[name] = kept[name]
    texts = {name: np.unique(kept[name], return_inverse=True) for name in record.TEXTS}
    codes = _text_codes(conn, sorted({text for distinct, _ in texts.values() for text in distinct.tolist()}))
    for name, (distinct, place) in texts.items():
        rows[name] = np.array([codes[text] for text in distinct.tolist()], dtype=np.int32)[place]
    facts[packable] = rows
    return facts


def _text_codes(conn: psycopg.Connection[Any], texts: list[str]) -> dict[str, int]:
    if not texts:
        return {}
    found = read(conn, "pack_texts", texts=texts)
    return dict(zip(found["content"].tolist(), found["code"].tolist(), strict=True))


def _encode_cells(users: Columns, months: Dates, amounts: Int, watched: Bool, packable: Bool) -> dict[str, Any]:
    """The payment record, then the months in which anything is known, of each amount in turn, as 32-bit numbers where
    all of them fit.

    Whoever has too large an amount is no longer packable.
    """
    from limits.store.packing import cells

    paid = np.concatenate([users[name] for name in load.RECORD], axis=1)
    start, size = int(months[0].astype(np.int64)), len(packable)
    before = start % _ALIGNED
    first, held = np.zeros((2, size), dtype=np.int64)
    wide, watched_bits = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.uint64)
    cells.spans(paid, amounts, watched, before, _ALIGNED, packable, first, held, wide, LARGEST_MINOR)
    numbers = record.OF_RECORD + amounts.shape[2] * held
    ends = np.cumsum(np.where(packable, numbers * np.where(wide, 8, 4), 0))
    places = np.concatenate([[0], ends[:-1]])
    content = np.zeros(ends[-1] // 8, dtype="<i8")
    cells.write(
        paid, amounts, watched, before, first, held, wide, packable, places, content.view("<i4"), content, watched_bits
    )  # fmt: skip
    return {
        "month_from": first + start - before, "months_held": held, "wide": wide, "cells_from": places,
        "cells": content.tobytes(), "months_watched": watched_bits,
    }  # fmt: skip


def write(conn: psycopg.Connection[Any], rows: Packed) -> None:
    """Puts packed rows in the place of those there are, inside the caller's transaction, as a worker."""
    parameters = {
        "user_ids": rows.user_id,
        "valid_from": binary_array("date", rows.valid_from),
        "valid_until": binary_array("date", rows.valid_until),
        "format": record.code_format(),
        "month_from": rows.month_from,
        "months_held": rows.months_held,
        "wide": binary_array("bool", rows.wide),
        "currency": binary_array("bpchar", rows.currency, rows.packable),
        "width": record.FACTS.itemsize,
        "facts": rows.facts.tobytes(),
        "cells_from": rows.cells_from,
        "cells": rows.cells,
    }
    with array_cursor(conn) as cursor:
        cursor.adapters.register_dumper(BinaryArray, BinaryArrayDumper)
        cursor.execute(query("pack_write"), parameters, prepare=False)
