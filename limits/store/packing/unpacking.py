"""The months of packed rows, spread over the arrays of a cash flow, and their payment records.

Users are (k,); those of one block have their cells (bytes as 32-bit numbers) one after the other,
``at`` (k,) the first of each: ``held`` months from ``month_from`` on of each amount in turn,
two numbers for each where ``wide``. ``observed`` (k,) uint64: bit j is month ``begin`` + j.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limits.capacity.kernels import kernel
from limits.portfolio import Bool, Int


@kernel
def spread(
    cells: Any, at: Int, month_from: Int, held: Int, wide: Bool, observed: Any, begin: int, skipped: int, rows: Int,
    seen: Any, amounts: Any,
) -> None:  # fmt: skip
    """Writes ``seen`` (n, m) bool and ``amounts`` (a, n, m), of the months from ``begin + skipped`` on.

    User i is row ``rows[i]`` of them, none where that is negative. Everything of the row is
    written: zero where not observed.
    """
    kinds, _, months = amounts.shape
    for i in range(len(at)):
        row = rows[i]
        if row < 0:
            continue
        bits = observed[i] >> np.uint64(skipped)
        count = 0
        shown = seen[row]
        for j in range(months):
            here = (bits >> np.uint64(j)) & np.uint64(1) != 0
            shown[j] = here
            count += here
        lead = month_from[i] - begin - skipped  # the column of the first month held; may be before the first column
        first, last = min(max(lead, 0), months), max(min(lead + held[i], months), 0)
        full = count == last - first
        for k in range(kinds):
            amounts[k, row, :first] = 0
            amounts[k, row, max(first, last) :] = 0
            if last <= first:
                continue
            target, known = amounts[k, row, first:last], shown[first:last]
            source = k * held[i] + first - lead
            if wide[i]:
                halves = cells[at[i] + 2 * source : at[i] + 2 * (source + last - first)]
                for j in range(len(target)):
                    low, high = np.int64(halves[2 * j]) & 0xFFFFFFFF, np.int64(halves[2 * j + 1])
                    target[j] = (high << 32 | low) * known[j]
            elif full:
                numbers = cells[at[i] + source : at[i] + source + last - first]
                for j in range(len(target)):
                    target[j] = numbers[j]
            else:
                numbers = cells[at[i] + source : at[i] + source + last - first]
                for j in range(len(target)):
                    target[j] = np.int64(numbers[j]) * known[j]


@kernel
def spread_record(cells: Any, at: Int, wide: Bool, rows: Int, columns: Int) -> None:
    """Writes ``columns`` (c, n, s): user i is row ``rows[i]`` of them, none where that is negative."""
    kinds, _, statements = columns.shape
    for i in range(len(at)):
        row = rows[i]
        if row < 0:
            continue
        for k in range(kinds):
            target = columns[k, row]
            if wide[i]:
                halves = cells[at[i] + 2 * k * statements : at[i] + 2 * (k + 1) * statements]
                for j in range(statements):
                    target[j] = np.int64(halves[2 * j + 1]) << 32 | (np.int64(halves[2 * j]) & 0xFFFFFFFF)
            else:
                numbers = cells[at[i] + k * statements : at[i] + (k + 1) * statements]
                for j in range(statements):
                    target[j] = numbers[j]


@kernel
def unfold(words: Any, places: Int, wide: Bool, columns: Int) -> None:
    """Columns (c, n) of n records of 32-bit ``words`` (n, w): each begins at its place (c,), two words where wide."""
    for i in range(len(words)):
        record = words[i]
        for k in range(len(places)):
            place = places[k]
            if wide[k]:
                columns[k, i] = np.int64(record[place + 1]) << 32 | (np.int64(record[place]) & 0xFFFFFFFF)
            else:
                columns[k, i] = record[place]
