"""The bytes of decisions in PostgreSQL's binary format, written user by user by compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import Int

Bytes = NDArray[np.uint8]

#: Stands for NULL.
NULL = -9223372036854775808
INT8 = 20  # PostgreSQL's type of the elements of the ceilings

# Written out byte by byte at places that cannot be negative, an integer is one instruction of the processor; a loop
# over its bytes takes six times as long.
_1, _2, _3, _4, _5, _6, _7 = (np.uint64(k) for k in range(1, 8))


@kernel
def lengths(values: Int, ceilings: Int, widths: Int, unbounded: int, offsets: Int) -> int:
    """Fill ``offsets`` (n + 1,) with where each element begins; the first field whose value does not fit, else -1.

    ``values`` (fields, n), ``ceilings`` (n, rules).
    """
    fields, users = values.shape
    for row in range(users):
        length = 4 + 4  # its own length, number of fields
        for place in range(fields):
            width, value = widths[place], values[place, row]
            length += 8
            if width == 0:
                length += 20
                for k in range(ceilings.shape[1]):
                    length += 12 if ceilings[row, k] < unbounded else 4
            elif value != NULL:
                length += width
                if width < 8 and not -(1 << (8 * width - 1)) <= value < 1 << (8 * width - 1):
                    return place
        offsets[row + 1] = offsets[row] + length
    return -1


@kernel
def _put8(body: Bytes, place: int, value: int) -> int:
    at = np.uint64(place)
    body[at], body[at + _1], body[at + _2], body[at + _3] = value >> 56, value >> 48, value >> 40, value >> 32
    body[at + _4], body[at + _5], body[at + _6], body[at + _7] = value >> 24, value >> 16, value >> 8, value
    return place + 8


@kernel
def _put4(body: Bytes, place: int, value: int) -> int:
    at = np.uint64(place)
    body[at], body[at + _1], body[at + _2], body[at + _3] = value >> 24, value >> 16, value >> 8, value
    return place + 4


@kernel
def _put2(body: Bytes, place: int, value: int) -> int:
    at = np.uint64(place)
    body[at], body[at + _1] = value >> 8, value
    return place + 2


@kernel
def _put(body: Bytes, at: int, value: int, width: int) -> int:
    """Write an integer of 2, 4 or 8 bytes in network order; where it ends. What does not fit is cut off."""
    if width == 8:
        return _put8(body, at, value)
    if width == 4:
        return _put4(body, at, value)
    return _put2(body, at, value)


@kernel
def write(values: Int, ceilings: Int, types: Int, widths: Int, unbounded: int, offsets: Int, body: Bytes) -> None:
    """Write every element: length, number of fields, and of each field type, length and data."""
    fields, users = values.shape
    rules = ceilings.shape[1]
    for row in range(users):
        at = _put4(body, offsets[row], offsets[row + 1] - offsets[row] - 4)
        at = _put4(body, at, fields)
        for place in range(fields):
            at = _put4(body, at, types[place])
            width, value = widths[place], values[place, row]
            if width == 0:
                start, gaps = at, 0
                at = _put4(body, at + 4, 1)  # dimensions
                at = _put4(body, at + 4, INT8)
                at = _put4(body, at, rules)
                at = _put4(body, at, 1)  # first subscript
                for k in range(rules):
                    if ceilings[row, k] < unbounded:
                        at = _put4(body, at, 8)
                        at = _put8(body, at, ceilings[row, k])
                    else:
                        gaps = 1
                        at = _put4(body, at, -1)
                _put4(body, start, at - start - 4)
                _put4(body, start + 8, gaps)
            elif value == NULL:
                at = _put4(body, at, -1)
            else:
                at = _put4(body, at, width)
                at = _put(body, at, value, width)


@kernel
def find(body: Bytes, offsets: Int) -> int:
    """Fill ``offsets`` (n + 1,) by the lengths that stand before the elements; where the last one ends, or -1."""
    at, end = 0, len(body)
    for row in range(len(offsets) - 1):
        if at + 4 > end:
            return -1
        length = 0
        for k in range(4):
            length = (length << 8) | body[at + k]
        at += 4 + length
        offsets[row + 1] = at
    return at


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
def _get(body: Bytes, at: int, width: int) -> int:
    """The integer of 2, 4 or 8 bytes in network order that stands there, with its sign."""
    if width == 8:
        return _get8(body, at)
    if width == 4:
        return _get4(body, at)
    return _get2(body, at)


@kernel
def count_ceilings(body: Bytes, widths: Int) -> int:
    """How many ceilings the first element has, or -1 where there is none."""
    at = 8
    for place in range(len(widths)):
        if at + 20 > len(body):
            return -1
        if widths[place] == 0:
            return _get4(body, at + 20) if at + 28 <= len(body) else -1
        at += 8 + max(_get4(body, at + 4), 0)
    return -1


@kernel
def _read_bounds(body: Bytes, at: int, end: int, unbounded: int, ceilings: Int, row: int) -> int:
    """Fill ``ceilings[row]`` from an array of PostgreSQL; where it ends, or -1 when it is no such array."""
    rules = ceilings.shape[1]
    if at + 20 > end or _get4(body, at) != 1 or _get4(body, at + 12) != rules:
        return -1
    at += 20
    for k in range(rules):
        if at + 4 > end:
            return -1
        length = _get4(body, at)
        at += 4
        if length == -1:
            ceilings[row, k] = unbounded
        elif length == 8 and at + 8 <= end:
            ceilings[row, k] = _get8(body, at)
            at += 8
        else:
            return -1
    return at


@kernel
def read(body: Bytes, offsets: Int, types: Int, widths: Int, unbounded: int, values: Int, ceilings: Int) -> int:
    """Fill ``values`` (fields, n) and ``ceilings`` (n, rules) from what ``write`` wrote; the first user whose element
    is nothing that it writes, else -1.
    """
    fields = len(widths)
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        if at + 8 > end or _get4(body, at) != end - at - 4 or _get4(body, at + 4) != fields:
            return row
        at += 8
        for place in range(fields):
            if at + 8 > end or _get4(body, at) != types[place]:
                return row
            width, length = widths[place], _get4(body, at + 4)
            at += 8
            if width == 0:
                at = _read_bounds(body, at, end, unbounded, ceilings, row)
                if at < 0:
                    return row
            elif length == -1:
                values[place, row] = NULL
            elif length == width and at + width <= end:
                values[place, row] = _get(body, at, width)
                at += width
            else:
                return row
        if at != end:
            return row
    return -1


@kernel
def _copy(source: Bytes, start: int, stop: int, target: Bytes, at: int) -> int:
    """Copy some bytes; where the copy ends. Ten times as fast as to assign one piece to the other."""
    length = stop - start
    piece, copy = source[start:stop], target[at : at + length]
    for k in range(length):
        copy[k] = piece[k]
    return at + length


@kernel
def append(body: Bytes, offsets: Int, kind: int, extra: Bytes, cuts: Int, longer: Bytes) -> None:
    """Write every element once more with one field after the others: of user k the bytes of ``extra`` from cuts[k]."""
    at = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        size = cuts[row + 1] - cuts[row]
        _put4(longer, at, stop - start + 4 + size)  # one field: type, length, data; its own length left out
        _put4(longer, at + 4, _get4(body, start + 4) + 1)
        at = _copy(body, start + 8, stop, longer, at + 8)
        at = _put4(longer, at, kind)
        at = _put4(longer, at, size)
        at = _copy(extra, cuts[row], cuts[row + 1], longer, at)


@kernel
def read_any(body: Bytes, offsets: Int, widths: Int, values: Int, ceilings: Int, counts: Int) -> int:
    """The inverse of ``write``; the first row that is no element of these widths (fields,), else -1.

    Fills values (fields, n) and ceilings (n, rules), which hold NULL, and counts (n,): how many ceilings there are,
    -1 where they are NULL, of several dimensions, or do not count from 1. No row may have more than ``rules``. One
    field more, the bytes of the entry, is passed over.
    """
    fields, users = values.shape
    for row in range(users):
        at = offsets[row] + 8  # its own length, number of fields
        if not fields <= _get4(body, at - 4) <= fields + 1:
            return row
        for place in range(fields):
            size = _get4(body, at + 4)
            at += 8
            if widths[place] == 0:
                if size < 0:
                    counts[row] = -1
                    continue
                dimensions, listed = _get4(body, at), _get4(body, at + 12)
                if dimensions == 1 and _get4(body, at + 16) == 1:
                    counts[row] = listed
                    element = at + 20
                    for k in range(listed):
                        length = _get4(body, element)
                        element += 4
                        if length >= 0:
                            ceilings[row, k] = _get8(body, element)
                            element += 8
                elif dimensions != 0:
                    counts[row] = -1
                at += size
            elif size >= 0:
                if size != widths[place]:
                    return row
                values[place, row] = _get(body, at, size)
                at += size
    return -1
