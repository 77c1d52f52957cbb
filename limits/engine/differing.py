"""Two lots of rows beside each other: what the log holds and what was decided again, and where they differ.

Whole shards at a time: the bytes first, and where these are equal nothing is taken apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from limits.entry import WITHOUT_RISK
from limits.portfolio import Bool, Int
from limits.reasons import Reason
from limits.store import logged, rows
from limits.store.logged import NULL, Entries
from limits.store.rows import Rows


@dataclass(frozen=True)
class Difference:
    """One field of an entry that comes out otherwise: numbers as they are stored, or texts; None for none.

    ``reason``: of a ceiling, whose it is, by its number. Fields that are no column: "user", where the user is not
    in the snapshot; "bytes", where no value differs and the bytes do.
    """

    field: str
    logged: int | str | None
    replayed: int | str | None
    reason: int | None = None


@dataclass(frozen=True)
class Wrong:
    """Where two lots of n rows differ. ``fields``: values of the log, of the replay, and where they differ, each (n,);
    ``ceilings``: the same, each (n, rules).
    """

    fields: dict[str, tuple[Int, Int, Bool]]
    ceilings: tuple[Int, Int, Bool] | None
    anywhere: Bool

    @classmethod
    def of(cls, block: Entries, again: Rows, beside: dict[str, Int], *, same_code: bool) -> Self:
        """Bytes first: where they are equal all is, and nothing is taken apart. The entries are all of one format.

        Entries of the first format say no risk, so none is compared. Code that knew fewer rules wrote fewer ceilings.
        What it wrote is compared as of their number, byte for byte: a rule that it did not know must not bound now.
        """
        whole, later = again, np.zeros(len(block), dtype=np.bool_)
        if not same_code and 0 < block.rules < len(Reason) and len(again):
            again, later = rows.as_known_to(again, block.rules)
        if len(again) and block.formats[0] == WITHOUT_RISK:
            again = rows.without_risk(again)
        again = logged.with_entries(again, block.sequence)
        fields = {name: _differ(block.beside[name], beside[name]) for name in logged.BESIDE}
        if bytes(block.made.body) == bytes(again.body) and not later.any():
            anywhere = np.zeros(len(block), dtype=np.bool_)
            for _, _, wrong in fields.values():
                anywhere |= wrong
            return cls(fields, None, anywhere)
        rules = max(block.rules, len(Reason))
        one, other = logged.columns(block.made, rules), logged.columns(again, rules)
        bounds = logged.columns(whole, rules).ceilings if later.any() else other.ceilings
        fields = {name: _differ(one.fields[name], other.fields[name]) for name in one.fields} | fields
        # What was made before there were batches kept neither consent nor bytes.
        old = block.sequence < 0
        said, now, wrong = fields["consent"]
        fields["consent"] = said, now, wrong & ~old
        listed, now, wrong = _differ(one.counts, other.counts)
        fields["ceilings"] = listed, now, wrong & (same_code | (listed < 0))
        ceilings = _differ(one.ceilings, bounds)
        anywhere = np.asarray(ceilings[2].any(axis=1), dtype=np.bool_)
        for _, _, wrong in fields.values():
            anywhere |= wrong
        pairs = zip(block.made.elements(), again.elements(), strict=True)
        unlike = np.array([a != b for a, b in pairs], dtype=np.bool_) & ~anywhere & ~old & (listed == now)
        fields["bytes"] = np.full_like(listed, NULL), np.full_like(listed, NULL), unlike
        return cls(fields, ceilings, anywhere | unlike)

    def counted(self) -> Counter[tuple[str, int | None]]:
        """How many rows differ in each field."""
        found: Counter[tuple[str, int | None]] = Counter()
        for name, (_, _, wrong) in self.fields.items():
            found[name, None] = int(wrong.sum())
        if self.ceilings is not None:
            for reason, count in enumerate(self.ceilings[2].sum(axis=0).tolist()):
                found["ceiling", reason] = count
        return +found

    def at(self, row: int) -> list[Difference]:
        """What differs in one row."""
        found = [
            Difference(name, _number(one[row]), _number(other[row]))
            for name, (one, other, wrong) in self.fields.items()
            if wrong[row]
        ]
        if self.ceilings is not None:
            one, other, wrong = self.ceilings
            found += [
                Difference("ceiling", _number(one[row, k]), _number(other[row, k]), k)
                for k in np.flatnonzero(wrong[row]).tolist()
            ]
        return found


def _differ(one: Int, other: Int) -> tuple[Int, Int, Bool]:
    return one, other, np.asarray(one != other)


def _number(value: np.int64) -> int | None:
    return None if value == NULL else int(value)


def only(block: Entries, places: Int) -> Entries:
    """Some entries, those at places (k,), sorted."""
    if len(places) == len(block):
        return block
    beside = {name: values[places] for name, values in block.beside.items()}
    made, sequence = rows_at(block.made, places), block.sequence[places]
    return Entries(block.entry_id[places], made, sequence, beside, block.rules, block.formats[places])


def by_format(block: Entries) -> Iterator[Entries]:
    """The entries of each format by themselves."""
    for form in np.unique(block.formats).tolist():
        yield only(block, np.flatnonzero(block.formats == form))


def rows_at(made: Rows, places: Int) -> Rows:
    """The rows at places (k,), sorted and each once."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return made.part(int(places[0]), int(places[-1]) + 1)
    kept = np.zeros(len(made), dtype=np.bool_)
    kept[places] = True
    return made.only(kept)
