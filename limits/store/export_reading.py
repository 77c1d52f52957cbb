"""Reading log entries for an export: blocks of columns, as the formats write them, in constant memory."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from limits.capacity import Method
from limits.errors import DatabaseError
from limits.portfolio import Bool, Int
from limits.reasons import Reason
from limits.store import copy_rows
from limits.store.columns import EPOCH_DAYS
from limits.store.copy_rows import CEILINGS, NULL, NUMBER, RUN, Block, Run
from limits.store.log import ACTIONS, DISPOSITIONS, PLACES, LogFilter, matching, reason_code
from limits.store.past import looking
from limits.store.queries import query

#: Entries held in memory at a time.
BLOCK_ROWS = 10_000

#: The columns of every format, in the order of LogEntry.as_dict: type by name.
COLUMNS: dict[str, str] = {
    "entry_id": "int64",
    "review_id": "int64",
    "user_id": "int64",
    "as_of": "date",
    "decided_at": "instant",
    "action": "string",
    "currency": "string",
    "exponent": "int64",
    "limit_before_minor": "int64",
    "limit_after_minor": "int64",
    "disposition": "string",
    "proposed_minor": "int64",
    "effective_on": "date",
    "binding": "string",
    "reasons": "strings",
    "ceilings_minor": "ceilings",
    "lowest_ceiling_minor": "int64",
    "floor_minor": "int64",
    "capacity_p10_minor": "int64",
    "capacity_p50_minor": "int64",
    "capacity_p90_minor": "int64",
    "capacity_method": "string",
    "months_observed": "int64",
    "risk_points": "int64",
    "risk_probability_ppm": "int64",
    "version_before": "int64",
    "version_after": "int64",
    "policy_pack": "string",
    "policy_effective_on": "date",
    "policy_hash": "string",
    "input_digest": "string",
    "code_version": "string",
    "actor": "string",
    "session_role": "string",
    "role": "string",
    "review_kind": "string",
    "schedule": "string",
    "review_reason": "string",
}

#: What the query gives, in order, by the names of the view.
_FIELDS: dict[str, int] = {
    "entry_id": NUMBER,
    "review_id": NUMBER,
    "user_id": NUMBER,
    "as_of": NUMBER,
    "decided_at": NUMBER,
    "action": NUMBER,
    "currency": RUN,
    "exponent": NUMBER,
    "limit_before_minor": NUMBER,
    "limit_after_minor": NUMBER,
    "disposition": NUMBER,
    "proposed_minor": NUMBER,
    "binding": NUMBER,
    "reason_bits": NUMBER,
    "ceilings_minor": CEILINGS,
    "lowest_ceiling_minor": NUMBER,
    "floor_minor": NUMBER,
    "capacity_p10_minor": NUMBER,
    "capacity_p50_minor": NUMBER,
    "capacity_p90_minor": NUMBER,
    "capacity_method": NUMBER,
    "months_observed": NUMBER,
    "risk_points": NUMBER,
    "risk_probability_ppm": NUMBER,
    "version_before": NUMBER,
    "version_after": NUMBER,
    "pack": RUN,
    "policy_effective_on": NUMBER,
    "policy_hash": RUN,
    "input_digest": RUN,
    "code_version": RUN,
    "actor": RUN,
    "session_role": RUN,
    "role": RUN,
    "review_kind": RUN,
    "schedule": RUN,
    "review_reason": RUN,
    "effective_on": NUMBER,
}
_DIGESTS = ("policy_hash", "input_digest")
_NULLABLE = ("proposed_minor", "effective_on", "risk_points", "risk_probability_ppm")

#: Numbers that stand for words.
_WORDS: dict[str, dict[int, str]] = {
    "action": ACTIONS,
    "disposition": DISPOSITIONS,
    "binding": {int(reason): reason_code(reason) for reason in Reason},
    "capacity_method": {int(method): method.name.lower() for method in Method},
}
_PLACE = np.array([PLACES.get(reason, len(PLACES)) for reason in Reason], dtype=np.int64)
_DAY_MICROS = 86_400_000_000

#: Dates that can be written: years of four digits. Infinity is none.
_DAYS = tuple((day - dt.date(1970, 1, 1)).days for day in (dt.date.min, dt.date.max))


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of n texts or none: row k holds ``values[code[k]]``."""

    code: Int
    values: list[str | None]


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries (n) by the columns of an export.

    ``numbers``: values (n,) and where there are any (n,), dates as days and instants as microseconds since 1970.
    Row k has the ceilings from cells[k] to cells[k + 1], and of the reasons in their order, those from
    reason_cells[k] to reason_cells[k + 1].
    """

    numbers: dict[str, tuple[Int, Bool]]
    texts: dict[str, Texts]
    cells: Int
    cell_code: Int
    cell_value: Int
    reason_cells: Int
    reason_code: Int

    def __len__(self) -> int:
        return len(self.cells) - 1


def read(conn: psycopg.Connection[Any], wanted: LogFilter, *, rows: int = BLOCK_ROWS) -> Generator[Entries, None, None]:
    """Every matching entry of one moment, by date, review and user: the memory needed does not grow with the log.

    Date by date, so that the server sorts what one date holds and no more. Close it where it is not read to the end.
    """
    statement = sql.SQL(query("log_export")).format(matching=matching(_FIELDS))
    with looking(conn):
        for first_day, last_day, first_review, last_review in _spans(conn, wanted):
            span = {
                "first_day": first_day, "last_day": last_day, "first_review": first_review, "last_review": last_review,
            }  # fmt: skip
            blocks = copy_rows.read(conn, statement, wanted.parameters() | span, _FIELDS, _PLACE, rows=rows)
            try:
                with contextlib.closing(blocks):
                    yield from map(_entries, blocks)
            except ValueError as error:
                raise DatabaseError(f"an entry of {first_day} cannot be exported: {error}") from error


def _spans(conn: psycopg.Connection[Any], wanted: LogFilter) -> Sequence[tuple[Any, ...]]:
    """First and last date and review of each part of an export, in order."""
    days = conn.execute(query("log_export_days"), wanted.parameters()).fetchall()
    spans = [(day, day, first, last) for day, first, last in days]
    if wanted.user_id is None or not spans:
        return spans
    # A user's entries are few, and found by a key.
    return [(spans[0][0], spans[-1][1], min(s[2] for s in spans), max(s[3] for s in spans))]


def _entries(block: Block) -> Entries:
    everywhere = np.ones(len(block), dtype=np.bool_)
    numbers = {
        name: (values, values != NULL if name in _NULLABLE else everywhere) for name, values in block.numbers.items()
    }
    for name in ("as_of", "effective_on", "policy_effective_on"):
        numbers[name] = _days(name, *numbers[name])
    numbers["decided_at"] = _instants(*numbers["decided_at"])
    texts = {name: _texts(name, run) for name, run in block.runs.items()}
    texts["policy_pack"] = texts.pop("pack")
    for name, words in _WORDS.items():
        texts[name] = _words(name, numbers.pop(name)[0], words)
    bits = np.repeat(numbers["reason_bits"][0], np.diff(block.cells))
    given = (bits >> block.cell_code) & 1 == 1
    before = np.concatenate([[0], given.cumsum()])
    return Entries(
        numbers, texts, block.cells, block.cell_code, block.cell_value, before[block.cells], block.cell_code[given]
    )


def _days(name: str, days: Int, there: Bool) -> tuple[Int, Bool]:
    known = np.where(there, days, 0) + EPOCH_DAYS
    if ((known < _DAYS[0]) | (known > _DAYS[1])).any():
        raise ValueError(f"{name} is a date that cannot be written")
    return known, there


def _instants(micros: Int, there: Bool) -> tuple[Int, Bool]:
    _days("decided_at", micros // _DAY_MICROS, there)
    return micros + EPOCH_DAYS * _DAY_MICROS, there


def _texts(name: str, run: Run) -> Texts:
    if name in _DIGESTS:
        return Texts(run.code, [None if value is None else value.hex() for value in run.values])
    return Texts(run.code, [None if value is None else value.decode() for value in run.values])


def _words(name: str, numbers: Int, words: dict[int, str]) -> Texts:
    """Numbers by the words that they stand for."""
    known, code = np.unique(numbers, return_inverse=True)
    if strange := [number for number in known.tolist() if number not in words]:
        raise ValueError(
            f"{name} is {strange[0]}, which this version does not know; read it with the one that wrote it"
        )
    return Texts(code, [words[number] for number in known.tolist()])
