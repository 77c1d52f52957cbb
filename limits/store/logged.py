"""What the log says of decisions, as rows and columns of whole shards: read to be compared with what is decided again.

Read from the tables and not from a view: a view leaves out an entry whose policy or review is gone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import class_row, scalar_row

from limits.entry import FORMAT, WITHOUT_RISK, encode
from limits.errors import DatabaseError
from limits.portfolio import Int
from limits.store import entries as log_entries
from limits.store import rows
from limits.store.columns import read_arrays
from limits.store.queries import query
from limits.store.rows import FIELDS, Rows

Connection = psycopg.Connection[Any]

#: Stands for NULL in columns.
NULL = np.iinfo(np.int64).min

#: Entries read by one statement, about: what the server sorts without writing to a disk.
AT_ONCE = 4_000
#: Groups the server hands over at a time.
FETCH_GROUPS = 1000

#: What the log and the waiting changes say beside the fields of a row.
BESIDE = ("version_after", "action", "change_kind", "change_proposed", "change_limit")

_WIDTHS = np.array([width for _, _, width in FIELDS], dtype=np.int64)


@dataclass(frozen=True)
class Group:
    """Entries of a review that say that they were decided from one snapshot by one policy, in one currency.

    total: entries of all groups that were asked for.
    """

    as_of: dt.date
    review_id: int
    input_digest: bytes
    policy_hash: bytes
    code_version: str
    currency: str
    entries: int
    first_user: int
    last_user: int
    total: int


@dataclass(frozen=True)
class Entries:
    """Entries (n,) in the order of users. ``beside``: the columns BESIDE (n,). ``rules``: the most ceilings of any.

    made      with the bytes of the entries, NULL where the log has none yet
    sequence  place of each in its batch; -1 where it was made before there were batches
    formats   of their bytes (n,); of entries without bytes the first one
    """

    entry_id: Int
    made: Rows
    sequence: Int
    beside: dict[str, Int]
    rules: int
    formats: Int

    def __len__(self) -> int:
        return len(self.entry_id)


@dataclass(frozen=True)
class Columns:
    """The fields of rows by name (n,), and their ceilings (n, rules); NULL where there is none.

    ``counts`` (n,): how many ceilings a row lists, -1 where they are no list that counts from 1.
    """

    fields: dict[str, Int]
    ceilings: Int
    counts: Int


@dataclass(frozen=True)
class ReviewFacts:
    """What the row of a review says; of the waiting change that it carried out, kind and direction.

    ``risks_said``: what the records of its batches say of the risk model, each once; None where one says nothing.
    """

    policy_hash: bytes
    change_id: int | None
    change_kind: str | None
    change_raises: bool | None
    risk_model: bytes | None = None
    risks_said: Sequence[str | None] = ()


def groups(conn: Connection, review_id: int | None = None) -> Iterator[Group]:
    """The entries of the log, or of one review, by what they were decided from; by date, review and users.

    The server keeps the list, and no transaction stays open while it is gone through.
    """
    with conn.cursor(name="replay_groups", row_factory=class_row(Group), binary=True, withhold=True) as cursor:
        cursor.itersize = FETCH_GROUPS
        cursor.execute(query("replay_groups"), {"review_id": review_id})
        yield from cursor


def groups_of_entry(conn: Connection, entry_id: int) -> list[Group]:
    """The entry of that number as a group of its own; several where somebody gave the number twice."""
    with conn.cursor(row_factory=class_row(Group), binary=True) as cursor:
        return cursor.execute(query("replay_entry"), {"entry_id": entry_id}).fetchall()


def entries(conn: Connection, group: Group, *, at_once: int = AT_ONCE) -> Iterator[Entries]:
    """The entries of a group, about so many at a time: a range of ids each, which costs no sorting of the rest."""
    ids = group.last_user - group.first_user + 1
    step = max(1, ids * at_once // group.entries)
    for first in range(group.first_user, group.last_user + 1, step):
        [found] = read_arrays(
            conn, "replay_entries", as_of=group.as_of, review_id=group.review_id, first=first,
            last=min(first + step - 1, group.last_user), input_digest=group.input_digest,
            policy_hash=group.policy_hash, code_version=group.code_version, currency=group.currency,
        )  # fmt: skip
        if len(found["user_id"]):
            made = rows.decode(found["user_id"], found["decisions"])
            beside = {name: found[name] for name in BESIDE}
            formats = np.where(found["format"] <= WITHOUT_RISK, WITHOUT_RISK, FORMAT)
            yield Entries(found["entry_id"], made, found["sequence"], beside, found["rules"], formats)


def columns(made: Rows, rules: int) -> Columns:
    """The fields of rows as columns, with ``rules`` ceilings each; there may not be more in any row."""
    from limits.store import row_bytes  # here, for it loads the compiler and not everybody compares

    values = np.full((len(FIELDS), len(made)), NULL, dtype=np.int64)
    ceilings = np.full((len(made), rules), NULL, dtype=np.int64)
    counts = np.zeros(len(made), dtype=np.int64)
    body = np.frombuffer(made.body, dtype=np.uint8)
    if row_bytes.read_any(body, made.offsets, _WIDTHS, values, ceilings, counts) >= 0:
        raise DatabaseError("the type limits.decision_row of the database is not the one that this version knows")
    named = {name: column for (name, _, width), column in zip(FIELDS, values, strict=True) if width}
    return Columns(named, ceilings, counts)


def with_entries(made: Rows, sequence: Int) -> Rows:
    """The rows with the bytes of their entries in their format, at these places (n,) of their batches."""
    if not len(made):
        return made
    said = dataclasses.replace(log_entries.entries(made), sequence=np.maximum(sequence, 0))
    return rows.with_field(made, *encode(said))


def review_facts(conn: Connection, review_id: int) -> ReviewFacts | None:
    """What the row of a review says; None where it is gone."""
    with conn.cursor(row_factory=class_row(ReviewFacts), binary=True) as cursor:
        return cursor.execute(query("replay_review"), {"review_id": review_id}).fetchone()


def was_pruned(conn: Connection, digest: bytes) -> bool:
    """Whether a snapshot was removed because it was old enough."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("replay_pruned"), {"digest": digest}).fetchone())
