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
def _put(body: Bytes, at: int, value: int, width: int) -> int:
    """Write an integer in network order; where it ends."""
    for k in range(width):
        body[at + k] = (value >> (8 * (width - 1 - k))) & 0xFF
    return at + width


@kernel
def write(values: Int, ceilings: Int, types: Int, widths: Int, unbounded: int, offsets: Int, body: Bytes) -> None:
    """Write every element: length, number of fields, and of each field type, length and data."""
    fields, users = values.shape
    rules = ceilings.shape[1]
    for row in range(users):
        at = _put(body, offsets[row], offsets[row + 1] - offsets[row] - 4, 4)
        at = _put(body, at, fields, 4)
        for place in range(fields):
            at = _put(body, at, types[place], 4)
            width, value = widths[place], values[place, row]
            if width == 0:
                start, gaps = at, 0
                at = _put(body, at + 4, 1, 4)  # dimensions
                at = _put(body, at + 4, INT8, 4)
                at = _put(body, at, rules, 4)
                at = _put(body, at, 1, 4)  # first subscript
                for k in range(rules):
                    if ceilings[row, k] < unbounded:
                        at = _put(body, at, 8, 4)
                        at = _put(body, at, ceilings[row, k], 8)
                    else:
                        gaps = 1
                        at = _put(body, at, -1, 4)
                _put(body, start, at - start - 4, 4)
                _put(body, start + 8, gaps, 4)
            elif value == NULL:
                at = _put(body, at, -1, 4)
            else:
                at = _put(body, at, width, 4)
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
def _get(body: Bytes, at: int, width: int) -> int:
    """The integer in network order that stands there, with its sign."""
    value = int(body[at])
    value -= (value & 0x80) << 1
    for k in range(1, width):
        value = (value << 8) | int(body[at + k])
    return value


@kernel
def count_ceilings(body: Bytes, widths: Int) -> int:
    """How many ceilings the first element has, or -1 where there is none."""
    at = 8
    for place in range(len(widths)):
        if at + 20 > len(body):
            return -1
        if widths[place] == 0:
            return _get(body, at + 20, 4) if at + 28 <= len(body) else -1
        at += 8 + max(_get(body, at + 4, 4), 0)
    return -1


@kernel
def _read_bounds(body: Bytes, at: int, end: int, unbounded: int, bounds: Int) -> int:
    """Fill ``bounds`` (rules,) from an array of PostgreSQL; where it ends, or -1 when it is no such array."""
    if at + 20 > end or _get(body, at, 4) != 1 or _get(body, at + 12, 4) != len(bounds):
        return -1
    at += 20
    for k in range(len(bounds)):
        if at + 4 > end:
            return -1
        bounds[k] = unbounded
        length = _get(body, at, 4)
        at += 4
        if length == 8 and at + 8 <= end:
            bounds[k] = _get(body, at, 8)
            at += 8
        elif length != -1:
            return -1
    return at


@kernel
def _read_one(body: Bytes, at: int, end: int, width: int, values: Int, place: int) -> int:
    """Fill ``values[place]`` from what stands behind a field's type; where it ends, or -1."""
    length = _get(body, at, 4)
    at += 4
    if length == -1:
        values[place] = NULL
        return at
    if length != width or at + width > end:
        return -1
    values[place] = _get(body, at, width)
    return at + width


@kernel
def read(body: Bytes, offsets: Int, types: Int, widths: Int, unbounded: int, values: Int, ceilings: Int) -> int:
    """Fill ``values`` (fields, n) and ``ceilings`` (n, rules) from what ``write`` wrote; the first user whose element
    is nothing that it writes, else -1.
    """
    fields = len(widths)
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        if at + 8 > end or _get(body, at, 4) != end - at - 4 or _get(body, at + 4, 4) != fields:
            return row
        at += 8
        for place in range(fields):
            if at + 8 > end or _get(body, at, 4) != types[place]:
                return row
            if widths[place] == 0:
                at = _read_bounds(body, at + 8, end, unbounded, ceilings[row])
            else:
                at = _read_one(body, at + 4, end, widths[place], values[:, row], place)
            if at < 0:
                return row
        if at != end:
            return row
    return -1


@kernel
def append(body: Bytes, offsets: Int, kind: int, extra: Bytes, cuts: Int, longer: Bytes) -> None:
    """Write every element once more with one field after the others: of user k the bytes of ``extra`` from cuts[k]."""
    at = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        size = cuts[row + 1] - cuts[row]
        _put(longer, at, stop - start + 4 + size, 4)  # one field: type, length, data; its own length left out
        _put(longer, at + 4, _get(body, start + 4, 4) + 1, 4)
        longer[at + 8 : at + stop - start] = body[start + 8 : stop]
        at = _put(longer, at + stop - start, kind, 4)
        at = _put(longer, at, size, 4)
        longer[at : at + size] = extra[cuts[row] : cuts[row + 1]]
        at += size


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
        if not fields <= _get(body, at - 4, 4) <= fields + 1:
            return row
        for place in range(fields):
            size = _get(body, at + 4, 4)
            at += 8
            if widths[place] == 0:
                if size < 0:
                    counts[row] = -1
                    continue
                dimensions, listed = _get(body, at, 4), _get(body, at + 12, 4)
                if dimensions == 1 and _get(body, at + 16, 4) == 1:
                    counts[row] = listed
                    element = at + 20
                    for k in range(listed):
                        length = _get(body, element, 4)
                        element += 4
                        if length >= 0:
                            ceilings[row, k] = _get(body, element, 8)
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
