"""What is looked at before a batch is sealed: all that verifying looks at, and the review that its record names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg.rows import dict_row

from limits.entry import BatchRecord
from limits.errors import EntryError
from limits.log_check import check_batch
from limits.log_finding import Finding
from limits.store.db import Connection
from limits.store.logged_rows import Reader
from limits.store.queries import query

#: A batch that nobody has sealed, as the query seal_batches has it: kind, business_date, policy_hash and actor are
#: those of its review, None where there is no such review.
Unsealed = dict[str, Any]

#: What a record says of its review, by the column that has it.
_OF_REVIEW = {"kind": "kind", "business_date": "as_of", "policy_hash": "policy", "actor": "actor"}


def unsealed(conn: Connection, after: int, most: int) -> list[Unsealed]:
    """Batches that are not sealed, in order of their number, from the first one above ``after`` on."""
    with conn.cursor(binary=True, row_factory=dict_row) as cursor:
        return cursor.execute(query("seal_batches"), {"after": after, "most": most}).fetchall()


def groups(batches: Sequence[Unsealed], users: int) -> list[list[Unsealed]]:
    """The batches in order, cut into groups with so many users at most, each of one batch at least."""
    found: list[list[Unsealed]] = []
    room = 0
    for batch in batches:
        if not found or batch["users"] > room:
            found.append([])
            room = users
        found[-1].append(batch)
        room -= batch["users"]
    return found


def faults(conn: Connection, batches: Sequence[Unsealed]) -> list[str | None]:
    """Of each batch of a group what does not hold, in a sentence: of its first entry, else of the batch; None where
    all of it holds.
    """
    read = Reader(conn).read(batches)
    return [_first([*check_batch(*one), *_of_review(row)]) for row, one in zip(batches, read, strict=True)]


def _first(found: Sequence[Finding]) -> str | None:
    return _sentence(min(found, key=lambda one: one.entry_id is None)) if found else None


def _of_review(row: Unsealed) -> Iterator[Finding]:
    """Where the record of a batch, which can be read, does not say what the review says."""
    try:
        record = BatchRecord.parse(row["record"])
    except EntryError:
        return  # the check of the batch has said so
    for column, line in _OF_REVIEW.items():
        said = getattr(record, line)
        if row[column] != said:
            what = f"{line} of the record is not that of its review"
            yield Finding("review_differs", what, _word(said), _word(row[column]))


def _word(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else "nothing" if value is None else str(value)


def _sentence(one: Finding) -> str:
    """What does not hold, of which entry, and the two values that should be one."""
    where = "" if one.entry_id is None else f"entry {one.entry_id}: "
    if one.entry_id is None and one.sequence is not None:
        where = f"place {one.sequence}: "
    return f"{where}{one.sentence}"
