"""Decisions made ready for the log: each with the bytes of its entry, and the root of the tree over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limits import merkle
from limits.entry import Entries, encode
from limits.portfolio import Dates, Int
from limits.store import rows as decision_rows
from limits.store.rows import EPOCH, NULL_VALUE, Rows


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction applies: rows that carry their entries, and the Merkle root over these."""

    rows: Rows
    root: bytes


def batch(rows: Rows) -> Batch:
    """The rows as a batch of the log, in their order. ValueError when they are no decisions."""
    body, offsets = encode(entries(rows))
    root = merkle.root(merkle.leaf_hashes(body, offsets))
    return Batch(decision_rows.with_field(rows, body, offsets), root)


def entries(rows: Rows) -> Entries:
    """What the log keeps of the rows, in their order. What there is not is the same number in both."""
    found, ceilings = decision_rows.values(rows)
    columns: dict[str, Any] = dict(found)
    for name in ("effective_on", "notice_due_on"):
        columns[name] = _dates(found[name])
    return Entries(sequence=np.arange(len(rows)), ceilings=ceilings, format=rows.entry_format, **columns)


def _dates(days: Int) -> Dates:
    known = days != NULL_VALUE
    return np.where(known, EPOCH + np.where(known, days, 0).astype("timedelta64[D]"), np.datetime64("NaT"))
