"""What is looked at before a batch is sealed: its record, its place in its lane, and each entry against its columns."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg.rows import class_row

from limits import merkle
from limits.entry import ZEROS, BatchRecord, Entries, decode, record_digest
from limits.errors import EntryError
from limits.portfolio import Int
from limits.store import rows as decision_rows
from limits.store.columns import array_cursor
from limits.store.db import Connection
from limits.store.queries import query

#: An array of PostgreSQL: dimensions, whether there is a NULL, type, length, lower bound, four bytes each.
_ARRAY_HEADER = 20
_ELEMENTS = {4: np.dtype([("length", ">i4"), ("value", ">i4")]), 8: np.dtype([("length", ">i4"), ("value", ">i8")])}


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A batch that nobody has sealed, as the database has it.

    kind, business_date, policy_hash, actor   of its review; None where there is no such review
    before                                    digest of the batch before it in its lane, None for the first
    """

    batch_id: int
    review_id: int
    shard: int
    token: int
    users: int
    delta_minor: int
    root: bytes
    applied_at: dt.datetime
    record: str
    digest: bytes
    kind: str | None
    business_date: dt.date | None
    policy_hash: bytes | None
    actor: str | None
    before: bytes | None


@dataclass(frozen=True, slots=True)
class _Logged:
    """The entries of a batch as the log has them, in order of their sequence.

    entry_ids, sequences, lengths (n,); body: their bytes one after another; fields: their columns as
    elements of an array of decisions; other: an entry whose shared columns are not those of the record.
    """

    entry_ids: Int
    sequences: Int
    lengths: Int
    body: bytes
    fields: memoryview
    other: int | None


def unsealed(conn: Connection, after: int, most: int) -> list[Unsealed]:
    """Batches that are not sealed, in order of their number, from the first one above ``after`` on."""
    with conn.cursor(binary=True, row_factory=class_row(Unsealed)) as cursor:
        return cursor.execute(query("seal_batches"), {"after": after, "most": most}).fetchall()


def groups(batches: Sequence[Unsealed], users: int) -> list[list[Unsealed]]:
    """The batches in order, cut into groups of one date with so many users at most, each of one batch at least."""
    found: list[list[Unsealed]] = []
    room = 0
    for batch in batches:
        if not found or found[-1][0].business_date != batch.business_date or batch.users > room:
            found.append([])
            room = users
        found[-1].append(batch)
        room -= batch.users
    return found


def faults(conn: Connection, batches: Sequence[Unsealed]) -> list[str | None]:
    """Of each batch of a group what does not hold first, in a sentence; None where all of it holds."""
    found: dict[int, str] = {}
    records: dict[int, BatchRecord] = {}
    for batch in batches:
        try:
            records[batch.batch_id] = _checked_record(batch)
        except EntryError as error:
            found[batch.batch_id] = str(error)
    logged = _read(conn, list(records.values())) if records else {}
    for number, record in records.items():
        why = _entries_fault(record, logged.get(number))
        if why:
            found[number] = why
    return [found.get(batch.batch_id) for batch in batches]


def _checked_record(batch: Unsealed) -> BatchRecord:
    """The record of a batch. EntryError where it is not that of this row, this review and this place in the lane."""
    record = BatchRecord.parse(batch.record)
    if batch.digest != record_digest(batch.record):
        raise EntryError("its digest is not that of its record")
    there = {
        "batch": batch.batch_id, "review": batch.review_id, "shard": batch.shard, "token": batch.token,
        "users": batch.users, "delta_minor": batch.delta_minor, "root": batch.root, "applied_at": batch.applied_at,
        "kind": batch.kind, "as_of": batch.business_date, "policy": batch.policy_hash, "actor": batch.actor,
    }  # fmt: skip
    for name, value in there.items():
        if getattr(record, name) != value:
            raise EntryError(f"its record says {name} {_word(getattr(record, name))}, the database {_word(value)}")
    if record.previous != (batch.before or ZEROS):
        raise EntryError("its record does not follow the one before it in the lane of its shard")
    return record


def _word(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _read(conn: Connection, records: Sequence[BatchRecord]) -> dict[int, _Logged]:
    """The entries of batches of one date, by batch."""
    parameters = {
        "batch_id": [r.batch for r in records], "review_id": [r.review for r in records],
        "shard": [r.shard for r in records], "dates": [r.as_of for r in records],
        "currency": [r.currency for r in records], "policy": [r.policy for r in records],
        "input": [r.input for r in records], "code": [r.code for r in records],
        "actor": [r.actor for r in records], "role": [r.role for r in records],
        "login": [r.login for r in records], "applied_at": [r.applied_at for r in records],
        "as_of": records[0].as_of, "first": min(r.batch for r in records), "last": max(r.batch for r in records),
    }  # fmt: skip
    with array_cursor(conn) as cursor:
        cursor.execute(query("seal_entries"), parameters, prepare=False)
        result = cursor.pgresult
        assert result is not None, "a query has a result"
        found = {}
        for row in range(result.ntuples):
            number, ids, sequences, lengths, body, fields, other = (result.get_value(row, k) for k in range(7))
            assert number is not None and fields is not None, "a group has rows"
            found[int.from_bytes(number, "big")] = _Logged(
                entry_ids=_numbers(ids, 8), sequences=_numbers(sequences, 4), lengths=_numbers(lengths, 4),
                body=body or b"", fields=memoryview(fields)[_ARRAY_HEADER:],
                other=None if other is None else int.from_bytes(other, "big"),
            )  # fmt: skip
    return found


def _numbers(data: bytes | None, width: int) -> Int:
    """An array of numbers (n,) as the server sends it."""
    assert data is not None and data[4:8] == b"\0\0\0\0", "an array without a NULL in it"
    return np.frombuffer(data, dtype=_ELEMENTS[width], offset=_ARRAY_HEADER)["value"].astype(np.int64)


def _entries_fault(record: BatchRecord, logged: _Logged | None) -> str | None:
    """What does not hold of the entries of a batch: count, order, bytes, columns, root and sum."""
    count = 0 if logged is None else len(logged.entry_ids)
    if logged is None or count != record.users:
        return f"it has {count} entries, and its record says {record.users}"
    gaps = np.flatnonzero(logged.sequences != np.arange(count))
    if len(gaps):
        return f"entry {logged.entry_ids[gaps[0]]} is not in its place: the sequence has a gap or says a number twice"
    offsets = np.concatenate([[0], logged.lengths]).cumsum()
    try:
        said = decode(logged.body, offsets)
    except EntryError as error:
        return f"the bytes of its entries, counted from 0: {error}"
    row, column = _differing(said, logged)
    if row >= 0:
        return f"entry {logged.entry_ids[row]}: the column {column} is not what its bytes say"
    if logged.other is not None:
        return f"entry {logged.other}: the columns that it shares with its batch are not what the record says"
    if merkle.root(merkle.leaf_hashes(logged.body, offsets)) != record.root:
        return "the root over its entries is not that of its record"
    delta = sum((said.limit_after_minor - said.limit_before_minor).tolist())
    if delta != record.delta_minor:
        return f"its entries change limits by {delta}, and its record says {record.delta_minor}"
    return None


def _differing(said: Entries, logged: _Logged) -> tuple[int, str]:
    """The first entry whose columns are not what its bytes say, and which column; -1 where there is none."""
    count = len(said)
    try:
        rows = decision_rows.decode(np.zeros(count, dtype=np.int64), logged.fields)
        found, ceilings = decision_rows.values(rows)
    except ValueError:
        return 0, "ceilings_minor of it or of another entry of its batch"
    if ceilings.shape != said.ceilings.shape:
        return 0, "ceilings_minor"
    different = {"sequence": said.sequence != logged.sequences, "ceilings_minor": (said.ceilings != ceilings).any(1)}
    for field in dataclasses.fields(said):
        if field.name in found:
            column = getattr(said, field.name)
            if field.name in ("effective_on", "notice_due_on"):
                column = decision_rows.days(column)
            different[field.name] = column != found[field.name]
    firsts = {name: int(np.argmax(wrong)) for name, wrong in different.items() if wrong.any()}
    if not firsts:
        return -1, ""
    name = min(firsts, key=lambda one: firsts[one])
    return firsts[name], name
