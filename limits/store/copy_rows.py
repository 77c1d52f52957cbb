"""Rows of a binary COPY taken apart block by block by compiled code, without a step of Python for each row.

Numbers become columns. A text that stays the same from row to row is kept once, as a run. Of the ceilings
only those that set a bound are kept, one cell each, in the order in which they bind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import psycopg.errors
from numpy.typing import NDArray
from psycopg import sql
from psycopg.pq import ExecStatus
from psycopg.waiting import Ready, Wait

from limits.capacity.kernels import kernel
from limits.portfolio import Int

Bytes = NDArray[np.uint8]

#: What a field is: a whole number or a date, a text or bytes, the ceilings of a decision.
NUMBER, RUN, CEILINGS = 0, 1, 2

#: Stands for NULL among numbers.
NULL = -9223372036854775808

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = 19  # signature, flags, length of what would come after them
_ENDED, _DAMAGED, _UNKNOWN = -1, -2, -3


@dataclass(frozen=True, slots=True)
class Run:
    """A column of n texts or bytes: row k holds ``values[code[k]]``; a value may stand there more than once."""

    code: Int
    values: list[bytes | None]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows (n): numbers (n,) by name with NULL for none, runs by name, and the cells of the ceilings.

    Those of row k are ``cell_code`` and ``cell_value`` from ``cells[k]`` to ``cells[k + 1]``, in the order in which
    they bind; ``cells`` (n + 1,).
    """

    numbers: dict[str, Int]
    runs: dict[str, Run]
    cells: Int
    cell_code: Int
    cell_value: Int

    def __len__(self) -> int:
        return len(self.cells) - 1


def read(
    conn: psycopg.Connection[Any], statement: sql.Composed, parameters: Mapping[str, Any], fields: Mapping[str, int],
    place: Int, *, rows: int,
) -> Generator[Block, None, None]:  # fmt: skip
    """The rows of a COPY ... TO STDOUT (FORMAT binary), ``rows`` at a time; close it where it is not read to the end.

    ``fields``: what each of its columns is, by name, in order. ``place`` (codes,): among equal ceilings the one
    with the lower place binds first. ValueError where the bytes are no such rows, or hold a ceiling that has
    no place.
    """
    first = True
    with contextlib.closing(_bodies(conn, statement, parameters, rows)) as bodies:
        for body, count in bodies:
            block = _block(body, fields, place, count, first=first)
            first = False
            if len(block):
                yield block


def _bodies(
    conn: psycopg.Connection[Any], statement: sql.Composed, parameters: Mapping[str, Any], rows: int
) -> Generator[tuple[bytes, int], None, None]:
    """What the server sends, ``rows`` messages at a time: one for each row, the last one for the end alone."""
    wire = conn.pgconn
    began = wire.exec_(psycopg.ClientCursor(conn).mogrify(statement, parameters).encode())
    if began.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(began)
    messages: list[Any] = []
    going = True
    try:
        while going:
            # Straight from the driver: psycopg's own way costs as much as all else together.
            size, message = wire.get_copy_data(1)
            if size > 0:
                messages.append(message)
            elif size == 0:
                conn.wait(_readable(wire))
            else:
                going = False
            if len(messages) == rows or (messages and not going):
                yield b"".join(messages), len(messages)
                messages = []
    finally:
        if going:  # whoever reads has had enough, or an error came up
            conn.cancel_safe()
            while wire.get_copy_data(0)[0] > 0:
                pass
        results = list(iter(wire.get_result, None))
    if results[-1].status != ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(results[-1])


def _readable(wire: Any) -> Generator[Wait, Ready | int, None]:
    """Waits for the server as psycopg does, so that Ctrl-C interrupts it."""
    while not (yield Wait.R):
        pass
    wire.consume_input()


def _block(body: bytes, fields: Mapping[str, int], place: Int, rows: int, *, first: bool) -> Block:
    if first and not body.startswith(_SIGNATURE):
        raise ValueError("the server sent no binary copy")
    kinds = np.array(list(fields.values()), dtype=np.int64)
    names = {kind: [name for name, own in fields.items() if own == kind] for kind in (NUMBER, RUN)}
    numbers = np.empty((len(names[NUMBER]), rows), dtype=np.int64)
    codes = np.empty((len(names[RUN]), rows), dtype=np.int64)
    begins, lengths = np.empty_like(codes), np.empty_like(codes)
    counts = np.zeros(len(names[RUN]), dtype=np.int64)
    cells = np.zeros(rows + 1, dtype=np.int64)
    cell_code, cell_value = (np.empty(rows * len(place), dtype=np.int64) for _ in range(2))
    done = split(
        np.frombuffer(body, dtype=np.uint8), _HEADER if first else 0, kinds, place, numbers, codes, begins, lengths,
        counts, cells, cell_code, cell_value,
    )  # fmt: skip
    if done == _UNKNOWN:
        raise ValueError(
            "the log holds a reason that this version does not know; read it with the version that wrote it"
        )
    if done < 0:
        raise ValueError("what the server sent are not the rows that were asked for")
    total = cells[done]
    return Block(
        {name: numbers[k, :done] for k, name in enumerate(names[NUMBER])},
        {
            name: Run(codes[k, :done], _values(body, begins[k, : counts[k]], lengths[k, : counts[k]]))
            for k, name in enumerate(names[RUN])
        },
        cells[: done + 1],
        cell_code[:total].copy(),
        cell_value[:total].copy(),
    )


def _values(body: bytes, begins: Int, lengths: Int) -> list[bytes | None]:
    pairs = zip(begins.tolist(), lengths.tolist(), strict=True)
    return [None if length < 0 else body[begin : begin + length] for begin, length in pairs]


@kernel
def _number(body: Bytes, at: int, width: int) -> Any:
    """A number in network order, its sign in the first bit."""
    value = np.int64(body[at])
    if value >= 128:
        value -= 256
    for k in range(1, width):
        value = (value << 8) | np.int64(body[at + k])
    return value


@kernel
def _same(body: Bytes, one: int, other: int, length: int) -> bool:
    k = 0
    while k < length and body[one + k] == body[other + k]:
        k += 1
    return k == length


@kernel
def _run(body: Bytes, at: int, length: int, known: int, begins: Int, lengths: Int) -> int:
    """The run that a text belongs to: the last one, ``known``, or a new one, which is written."""
    if known < 0 or lengths[known] != length or not _same(body, begins[known], at, max(length, 0)):
        known += 1
        begins[known], lengths[known] = at, length
    return known


@kernel
def _ceilings(body: Bytes, at: int, end: int, place: Int, cell: int, code: Int, value: Int) -> int:
    """Write the cells of one row from ``cell`` on, lowest first; where the next row's begin."""
    if _number(body, at, 4) == 0:  # dimensions
        return cell
    held = _number(body, at + 12, 4)
    at += 20
    first = cell
    for k in range(held):
        if at + 4 > end:
            return _DAMAGED
        width = _number(body, at, 4)
        at += 4
        if width < 0:
            continue
        if at + width > end:
            return _DAMAGED
        if k >= len(place):
            return _UNKNOWN
        bound = _number(body, at, width)
        at += width
        slot = cell
        while slot > first and (
            value[slot - 1] > bound or (value[slot - 1] == bound and place[code[slot - 1]] > place[k])
        ):
            value[slot], code[slot] = value[slot - 1], code[slot - 1]
            slot -= 1
        value[slot], code[slot] = bound, k
        cell += 1
    return cell


@kernel
def split(
    body: Bytes, at: int, kinds: Int, place: Int, numbers: Int, codes: Int, begins: Int, lengths: Int, counts: Int,
    cells: Int, cell_code: Int, cell_value: Int,
) -> int:  # fmt: skip
    """Fill the columns from the bytes from ``at`` on, up to their end; how many rows, negative where they are none."""
    size = len(body)
    row = 0
    while at < size:
        if at + 2 > size:
            return _DAMAGED
        count = _number(body, at, 2)
        at += 2
        if count == _ENDED:
            break
        if count != len(kinds) or row == numbers.shape[1]:
            return _DAMAGED
        number, run = 0, 0
        for kind in kinds:
            if at + 4 > size:
                return _DAMAGED
            length = _number(body, at, 4)
            at += 4
            held = max(length, 0)
            if at + held > size:
                return _DAMAGED
            if kind == NUMBER:
                numbers[number, row] = _number(body, at, length) if length > 0 else NULL
                number += 1
            elif kind == RUN:
                codes[run, row] = _run(body, at, length, counts[run] - 1, begins[run], lengths[run])
                counts[run] = codes[run, row] + 1
                run += 1
            else:
                cells[row + 1] = cells[row]
                if length > 0:
                    cells[row + 1] = _ceilings(body, at, at + held, place, cells[row], cell_code, cell_value)
                    if cells[row + 1] < 0:
                        return cells[row + 1]
            at += held
        row += 1
    return row
