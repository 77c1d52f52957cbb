"""Rows of the log as PostgreSQL's record_send makes them, into arrays by compiled code.

A row is the number of its fields, and each field as the object id of its type, its length (-1 for
NULL) and its bytes; the numbers have four bytes. The fields come in this order: those of fixed
width, then some that are compared as bytes, then an array of bigint and a bytea. Rows stand one
after another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import Bool, Int

Bytes = NDArray[np.uint8]

_ROW, _FIELD = 4, 8  # bytes before the fields of a row, and before the bytes of a field
_ARRAY_HEADER = 20  # dimensions, whether there is a NULL, type of the elements, length, lower bound: four bytes each


@kernel
def _number(body: Bytes, at: int, width: int) -> int:
    """A signed integer in network order."""
    value = np.int64(body[at])
    if value >= 128:
        value -= 256
    for k in range(1, width):
        value = (value << 8) | np.int64(body[at + k])
    return value  # type: ignore[return-value]


@kernel
def count(body: Bytes, fields: int) -> int:
    """How many rows of so many fields the bytes consist of; -1 when they do not."""
    rows, at = 0, 0
    while at < len(body):
        if at + _ROW > len(body) or _number(body, at, 4) != fields:
            return -1
        at += _ROW
        for _ in range(fields):
            if at + _FIELD > len(body):
                return -1
            at += _FIELD + max(0, _number(body, at + 4, 4))
        rows += 1
    return rows if at == len(body) else -1


@kernel
def fixed(body: Bytes, fields: int, widths: Int, values: Int, there: Bool, ends: Int) -> int:
    """Fill ``values`` (widths, n), whether each is ``there``, and where the fixed fields of each row end (n,).

    The first row with a field of another width, else -1.
    """
    at = 0
    for row in range(values.shape[1]):
        at += _ROW
        for place in range(len(widths)):
            length = _number(body, at + 4, 4)
            at += _FIELD
            if length == widths[place]:
                values[place, row] = _number(body, at, length)
                there[place, row] = True
            elif length >= 0:
                return row
            at += max(0, length)
        ends[row] = at
        for _ in range(len(widths), fields):
            at += _FIELD + max(0, _number(body, at + 4, 4))
    return -1


@kernel
def skip(body: Bytes, starts: Int, fields: int, ends: Int) -> None:
    """Where so many fields end (n,) that begin at ``starts`` (n,)."""
    for row in range(len(starts)):
        at = starts[row]
        for _ in range(fields):
            at += _FIELD + max(0, _number(body, at + 4, 4))
        ends[row] = at


@kernel
def rules(body: Bytes, starts: Int, unbounded: int, found: Int) -> None:
    """How many elements the array of each row has (n,); -1 where it is no plain array of numbers below unbounded."""
    for row in range(len(starts)):
        at = starts[row] + _FIELD
        length = _number(body, at - 4, 4)
        end = at + length
        found[row] = -1
        if length < _ARRAY_HEADER or _number(body, at, 4) != 1 or _number(body, at + 16, 4) != 1:
            continue
        elements = _number(body, at + 12, 4)
        at += _ARRAY_HEADER
        plain = True
        for _ in range(elements):
            if _number(body, at, 4) == 8:
                plain &= _number(body, at + 4, 8) < unbounded
                at += 12
            else:
                at += 4
        if plain and at == end:
            found[row] = elements


@kernel
def ceilings(body: Bytes, starts: Int, counts: Int, found: Int) -> None:
    """Fill the ceilings (n, k) of rows that have ``counts`` (n,) of them; what is NULL stays as it is."""
    for row in range(len(starts)):
        at = starts[row] + _FIELD + _ARRAY_HEADER
        for k in range(counts[row]):
            if _number(body, at, 4) == 8:
                found[row, k] = _number(body, at + 4, 8)
                at += 12
            else:
                at += 4


@kernel
def lengths(body: Bytes, starts: Int, found: Int) -> None:
    """The length of the field that begins at each of the places (n,); -1 for NULL."""
    for row in range(len(starts)):
        found[row] = _number(body, starts[row] + 4, 4)


@kernel
def gather(body: Bytes, starts: Int, offsets: Int, out: Bytes) -> None:
    """Copy the bytes of a field of each row to where ``offsets`` (n + 1,) says."""
    for row in range(len(starts)):
        at, to = starts[row] + _FIELD, offsets[row]
        for k in range(offsets[row + 1] - to):
            out[to + k] = body[at + k]


@kernel
def unlike(body: Bytes, starts: Int, ends: Int, expected: Bytes, found: Int) -> int:
    """Write down the rows whose bytes from start to end (n,) are not the expected ones; how many there are."""
    odd, size = 0, len(expected)
    for row in range(len(starts)):
        same = True
        if ends[row] - starts[row] != size:
            same = False
        else:
            first = starts[row]
            for k in range(size):
                if body[first + k] != expected[k]:
                    same = False
                    break
        if not same:
            found[odd] = row
            odd += 1
    return odd
