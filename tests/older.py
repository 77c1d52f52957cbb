"""Decisions as the version staged them that kept no risk with a decision."""

from __future__ import annotations

import itertools

import numpy as np

from limits.entry import RISK
from limits.store.rows import FIELDS, Rows


def staged(made: Rows) -> Rows:
    """The rows without the fields of the risk, which stand last."""
    fields = [name for name, _, _ in FIELDS]
    assert tuple(fields[-len(RISK) :]) == RISK
    elements = [_cut(element, len(fields) - len(RISK)) for element in made.elements()]
    ends = list(itertools.accumulate(map(len, elements), initial=0))
    return Rows(made.user_id, b"".join(elements), np.array(ends, dtype=np.int64))


def _cut(element: bytes, fields: int) -> bytes:
    """An element of so many fields: its length, how many there are, and of each type, length and data."""
    at = 8
    for _ in range(fields):
        at += 8 + max(int.from_bytes(element[at + 4 : at + 8], "big", signed=True), 0)
    return (at - 4).to_bytes(4, "big") + fields.to_bytes(4, "big") + element[8:at]
