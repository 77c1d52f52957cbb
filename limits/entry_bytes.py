"""The bytes of log entries, written and read entry by entry by compiled code. ``limits.entry`` tells the format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import Int

Bytes = NDArray[np.uint8]

#: What ``check`` finds wrong with an entry.
SHORT, OTHER_FORMAT, OTHER_COUNT, CUT, LONGER, UNUSED_BIT, NO_BOUND = range(1, 8)

# Written out byte by byte at places that cannot be negative, an integer is one instruction of the processor; a loop
# over its bytes takes six times as long.
_1, _2, _3, _4, _5, _6, _7 = (np.uint64(k) for k in range(1, 8))


@kernel
def lengths(ceilings: Int, fixed: int, unbounded: int, offsets: Int) -> int:
    """Fill ``offsets`` (n + 1,) with where each entry begins; the first with a ceiling above ``unbounded``, else -1.

    ``ceilings`` (n, k); ``fixed``: bytes of an entry before the bitmap.
    """
    entries, rules = ceilings.shape
    for row in range(entries):
        bounds = 0
        for k in range(rules):
            if ceilings[row, k] > unbounded:
                return row
            bounds += ceilings[row, k] < unbounded
        offsets[row + 1] = offsets[row] + fixed + (rules + 7) // 8 + 8 * bounds
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
def write(
    values: Int, ceilings: Int, widths: Int, entry_format: int, unbounded: int, offsets: Int, body: Bytes
) -> None:
    """Write every entry; ``values`` (fields, n) with ``widths`` (fields,) in bytes, ``ceilings`` (n, k)."""
    fields, entries = values.shape
    rules = ceilings.shape[1]
    for row in range(entries):
        body[offsets[row]] = entry_format
        at = offsets[row] + 1
        for place in range(fields):
            at = _put(body, at, values[place, row], widths[place])
        at = _put2(body, at, rules)
        bitmap, at = at, at + (rules + 7) // 8
        for j in range(bitmap, at):
            body[j] = 0
        for k in range(rules):
            if ceilings[row, k] < unbounded:
                body[bitmap + k // 8] |= 1 << (k % 8)
                at = _put8(body, at, ceilings[row, k])


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
def _wrong(body: Bytes, start: int, end: int, fixed: int, entry_format: int, rules: int, unbounded: int) -> int:
    """What is wrong with the entry between two places, 0 for nothing."""
    if end - start < fixed:
        return SHORT if end == start or body[start] == entry_format else OTHER_FORMAT
    if body[start] != entry_format:
        return OTHER_FORMAT
    bitmap = start + fixed
    if _get2(body, bitmap - 2) & 0xFFFF != rules:
        return OTHER_COUNT
    at = bitmap + (rules + 7) // 8
    if at > end:
        return CUT
    if rules % 8 and body[at - 1] >> (rules % 8):
        return UNUSED_BIT
    for k in range(rules):
        if body[bitmap + k // 8] >> (k % 8) & 1:
            if at + 8 > end:
                return CUT
            if _get8(body, at) >= unbounded:
                return NO_BOUND
            at += 8
    return LONGER if at < end else 0


@kernel
def check(body: Bytes, offsets: Int, fixed: int, entry_format: int, rules: int, unbounded: int) -> tuple[int, int]:
    """The first entry that is not written as it must be, and what is wrong with it; else -1 and 0.

    ``offsets`` (n + 1,) ascend and lie within the body; ``rules``: how many ceilings each entry has.
    """
    for row in range(len(offsets) - 1):
        wrong = _wrong(body, offsets[row], offsets[row + 1], fixed, entry_format, rules, unbounded)
        if wrong:
            return row, wrong
    return -1, 0


@kernel
def read(body: Bytes, offsets: Int, widths: Int, unbounded: int, values: Int, ceilings: Int) -> None:
    """Fill ``values`` (fields, n) and ``ceilings`` (n, k) from entries that ``check`` finds nothing wrong with."""
    fields, entries = values.shape
    rules = ceilings.shape[1]
    for row in range(entries):
        at = offsets[row] + 1
        for place in range(fields):
            values[place, row] = _get(body, at, widths[place])
            at += widths[place]
        bitmap = at + 2
        at = bitmap + (rules + 7) // 8
        for k in range(rules):
            if body[bitmap + k // 8] >> (k % 8) & 1:
                ceilings[row, k] = _get8(body, at)
                at += 8
            else:
                ceilings[row, k] = unbounded
