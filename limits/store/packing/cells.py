"""The bytes of the payment record and the months of packed rows, user by user in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from limits.capacity.kernels import kernel
from limits.portfolio import Bool, Int


@kernel
def spans(record: Int, cells: Int, watched: Bool, before: int, aligned: int, packable: Bool, first: Int, held: Int,
          wide: Bool, largest: int) -> None:  # fmt: skip
    """Of cells (n, m, 8) and watched (n, m): the months from ``first`` (n,) on, ``held`` (n,) of them, beyond which
    nothing is known, and whether a number of them or of the record (n, r) needs 64 bits (n,).

    first: counted from ``before`` months before those given, in steps of ``aligned``. Users with an
    amount beyond ``largest`` are not packable (n,), and who is not holds no months.
    """
    for user in range(len(first)):
        begin, end = -1, -1
        for k in range(record.shape[1]):
            if not -(1 << 31) <= record[user, k] < 1 << 31:
                wide[user] = True
        for month in range(cells.shape[1]):
            anything = watched[user, month]
            for k in range(cells.shape[2]):
                value = cells[user, month, k]
                anything |= value != 0
                if value > largest:
                    packable[user] = False
                if not -(1 << 31) <= value < 1 << 31:
                    wide[user] = True
            if anything:
                end = month + 1
                if begin < 0:
                    begin = month
        if not packable[user]:
            wide[user] = False
            continue
        if begin < 0:
            continue
        first[user] = (begin + before) // aligned * aligned
        held[user] = end + before - first[user]


@kernel
def write(record: Int, cells: Int, watched: Bool, before: int, first: Int, held: Int, wide: Bool, packable: Bool,
          places: Int, narrow: Any, broad: Int, watched_bits: Any) -> None:  # fmt: skip
    """Write the record of users and then their amounts, each of the eight in turn, from byte ``places`` (n,) on, and
    their watched_bits (n,).

    narrow, broad: the same bytes, all zero, as numbers of 32 and of 64 bits. Places are multiples of 8. Nothing is
    written of users who are not packable (n,).
    """
    numbers = record.shape[1]
    for user in range(len(first)):
        if not packable[user]:
            continue
        for k in range(numbers):
            if wide[user]:
                broad[places[user] // 8 + k] = record[user, k]
            else:
                narrow[places[user] // 4 + k] = record[user, k]
        begin = max(first[user] - before, 0)
        end = first[user] + held[user] - before
        for month in range(begin, end):
            at = month + before - first[user]
            if watched[user, month]:
                watched_bits[user] |= np.uint64(1) << np.uint64(at)
            for k in range(cells.shape[2]):
                if wide[user]:
                    broad[places[user] // 8 + numbers + k * held[user] + at] = cells[user, month, k]
                else:
                    narrow[places[user] // 4 + numbers + k * held[user] + at] = cells[user, month, k]
