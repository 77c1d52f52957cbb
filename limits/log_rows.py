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
# Written out byte by byte at places that cannot be negative, an integer is one instruction of the processor; a loop
# over its bytes takes six times as long.
_1, _2, _3, _4, _5, _6, _7 = (np.uint64(k) for k in range(1, 8))


@kernel
def _get8(body: Bytes, place: int) -> int:
    at = np.uint64(place)
    value = int(np.int8(body[at])) << 56 | int(body[at + _1]) << 48
    value |= int(body[at + _2]) << 40 | int(body[at + _3]) << 32
    value |= int(body[at + _4]) << 24 | int(body[at + _5]) << 16
    return value | int(body[at + _6]) << 8 | int(body[at + _7])


@kernel
def _get4(body: Bytes, place: int) -> int:
    at = np.uint64(place)
    value = int(np.int8(body[at])) << 24 | int(body[at + _1]) << 16
    return value | int(body[at + _2]) << 8 | int(body[at + _3])


@kernel
def _get2(body: Bytes, place: int) -> int:
    at = np.uint64(place)
    return int(np.int8(body[at])) << 8 | int(body[at + _1])


@kernel
def _number(body: Bytes, at: int, width: int) -> int:
    """The integer of 2, 4 or 8 bytes in network order that stands there, with its sign."""
    if width == 8:
        return _get8(body, at)
    if width == 4:
        return _get4(body, at)
    return _get2(body, at)


@kernel
def count(body: Bytes, fields: int) -> int:
    """How many rows of so many fields the bytes consist of; -1 when they do not."""
    rows, at = 0, 0
    while at < len(body):
        if at + _ROW > len(body) or _get4(body, at) != fields:
            return -1
        at += _ROW
        for _ in range(fields):
            if at + _FIELD > len(body):
                return -1
            at += _FIELD + max(0, _get4(body, at + 4))
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
            length = _get4(body, at + 4)
            at += _FIELD
            if length == widths[place]:
                values[place, row] = _number(body, at, length)
                there[place, row] = True
            elif length >= 0:
                return row
            at += max(0, length)
        ends[row] = at
        for _ in range(len(widths), fields):
            at += _FIELD + max(0, _get4(body, at + 4))
    return -1


@kernel
def skip(body: Bytes, starts: Int, fields: int, ends: Int) -> None:
    """Where so many fields end (n,) that begin at ``starts`` (n,)."""
    for row in range(len(starts)):
        at = starts[row]
        for _ in range(fields):
            at += _FIELD + max(0, _get4(body, at + 4))
        ends[row] = at


@kernel
def rules(body: Bytes, starts: Int, unbounded: int, found: Int) -> None:
    """How many elements the array of each row has (n,); -1 where it is no plain array of numbers below unbounded."""
    for row in range(len(starts)):
        at = starts[row] + _FIELD
        length = _get4(body, at - 4)
        end = at + length
        found[row] = -1
        if length < _ARRAY_HEADER or _get4(body, at) != 1 or _get4(body, at + 16) != 1:
            continue
        elements = _get4(body, at + 12)
        at += _ARRAY_HEADER
        plain = True
        for _ in range(elements):
            if _get4(body, at) == 8:
                plain &= _get8(body, at + 4) < unbounded
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
            if _get4(body, at) == 8:
                found[row, k] = _get8(body, at + 4)
                at += 12
            else:
                at += 4


@kernel
def lengths(body: Bytes, starts: Int, found: Int) -> None:
    """The length of the field that begins at each of the places (n,); -1 for NULL."""
    for row in range(len(starts)):
        found[row] = _get4(body, starts[row] + 4)


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
