"""Comparing packed users with their sources, for `limits doctor`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from limits.portfolio import FACTS, CashFlow, Int, PaymentRecord, Portfolio
from limits.store.columns import read, read_arrays
from limits.store.load import Excluded, load_portfolio
from limits.store.packing import record
from limits.store.packing.reading import read_packed

#: Users compared at once.
_BLOCK_USERS = 5_000


@dataclass(frozen=True)
class State:
    """How many packed rows there are, how many of them are dirty, and what comparing some came to.

    different: the first user found whose row does not say what the sources say, in which column, as of when.
    """

    packed: int
    dirty: int
    compared: int
    different: tuple[int, str, dt.date] | None


def examine(conn: psycopg.Connection[Any], today: dt.date, *, users: int | None) -> State:
    """Compares ``users`` packed users chosen by chance, None for all, with what ``load`` says. Writes nothing.

    Each as of the date nearest to ``today`` for which its row holds.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        seen = read(conn, "pack_state", format=record.code_format())
        packed, dirty, compared = int(seen["packed"][0]), int(seen["dirty"][0]), 0
        found = read_arrays(
            conn, "pack_sample", today=today, format=record.code_format(), width=record.FACTS.itemsize, users=users
        )
        for group in found:
            for start in range(0, len(group["user_id"]), _BLOCK_USERS):
                block = group["user_id"][start : start + _BLOCK_USERS]
                compared += len(block)
                if different := _difference(conn, group["as_of"], group["currency"], block):
                    return State(packed, dirty, compared, (*different, group["as_of"]))
        return State(packed, dirty, compared, None)


def _difference(conn: psycopg.Connection[Any], as_of: dt.date, currency: str, user_ids: Int) -> tuple[int, str] | None:
    found, excluded = read_packed(conn, as_of, currency, user_ids)
    expected, expected_excluded = load_portfolio(conn, as_of, currency, user_ids=user_ids.tolist())
    if excluded != expected_excluded:
        return _first_excluded(excluded, expected_excluded), "whether it is decided at all"
    for name in FACTS:
        wrong = _unequal(getattr(found, name), getattr(expected, name))
        if wrong.any():
            return int(found.user_id[wrong.argmax()]), name
    for field in dataclasses.fields(PaymentRecord):
        wrong = getattr(found.payment_record, field.name) != getattr(expected.payment_record, field.name)
        wrong = wrong.reshape(len(found), -1).any(axis=1)
        if wrong.any():
            return int(found.user_id[wrong.argmax()]), f"{field.name} of the payment record"
    return _difference_of_months(found, expected)


def _difference_of_months(found: Portfolio, expected: Portfolio) -> tuple[int, str] | None:
    """Months that one of the two does not have are months of nothing."""
    one, other = found.cash_flow, expected.cash_flow
    held = min(len(one.months), len(other.months))
    for field in dataclasses.fields(CashFlow):
        if field.name == "months":
            continue
        values, right = getattr(one, field.name), getattr(other, field.name)
        cut = values.shape[1] - held, right.shape[1] - held
        wrong = (values[:, cut[0] :] != right[:, cut[1] :]).any(axis=1)
        wrong |= values[:, : cut[0]].any(axis=1) | right[:, : cut[1]].any(axis=1)
        if wrong.any():
            return int(found.user_id[wrong.argmax()]), field.name
    return None


def _unequal(one: Any, other: Any) -> Any:
    """Where two columns (n,) differ; "never" is equal to itself."""
    if one.dtype.kind == "M":
        return one.astype(np.int64) != other.astype(np.int64)
    return one != other


def _first_excluded(one: list[Excluded], other: list[Excluded]) -> int:
    return min(e.user_id for e in set(one).symmetric_difference(other))
