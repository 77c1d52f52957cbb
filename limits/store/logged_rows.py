"""What the log's tables hold of some batches, read into arrays, and cut into batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from limits import log_rows, merkle
from limits.entry import FIELDS, ZEROS, BatchRecord
from limits.errors import EntryError, MigrationError
from limits.log_check import OWN, SHARED, Batch, Stored, Table
from limits.merkle import Hashes
from limits.portfolio import UNBOUNDED, Bool, Int
from limits.store.db import Connection
from limits.store.queries import query

Bytes = NDArray[np.uint8]

#: Entries read at a time, where no single batch has more.
READ_ENTRIES = 20_000

_WIDTH_OF = dict(FIELDS)
#: The columns of the log in the order in which they are asked for: those of fixed width with it, in bytes.
_FIXED: dict[str, int] = {
    "entry_id": 8, "batch_id": 8, "sequence": 4, "action": 2, "version_after": 8, **{n: _WIDTH_OF[n] for n in OWN}
}  # fmt: skip
_COLUMNS = (*_FIXED, *(one.column for one in SHARED), "ceilings_minor", "entry")
_WIDTHS = np.array(list(_FIXED.values()), dtype=np.int64)
_NOTICES: dict[str, int] = {"entry_id": 8, "notice": 4, "notice_due_on": 4, "notice_user_id": 8}
_WAITING: dict[str, int] = {
    "entry_id": 8, "waiting_disposition": 4, "effective_on": 4, "waiting_proposed_minor": 8, "waiting_limit_minor": 8,
    "waiting_user_id": 8,
}  # fmt: skip


_NOTHING = np.frombuffer(b"\0", dtype=np.uint8)[1:]


@dataclass(slots=True)
class _Counts:
    """What was read so far, to hold against what there is."""

    entries: int = 0
    notices: int = 0
    waiting: int = 0


class Reader:
    """Reads batches and their entries over one connection, in whatever transaction that is in."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.counts = _Counts()

    def ahead(self, name: str, **parameters: Any) -> Iterator[list[tuple[Batch, Stored]]]:
        """As ``groups``, each read while the caller works on the one before it."""
        groups = self.groups(name, **parameters)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, groups, None)
            while (group := coming.result()) is not None:
                coming = pool.submit(next, groups, None)
                yield group

    def groups(self, name: str, **parameters: Any) -> Iterator[list[tuple[Batch, Stored]]]:
        """The batches of a query, verify_batches or verify_unsealed, each with its entries, some at a time."""
        with self._conn.cursor(name=name, row_factory=psycopg.rows.dict_row) as cursor:
            cursor.itersize = 2000
            cursor.execute(query(name), parameters)
            some: list[dict[str, Any]] = []
            users = 0
            while rows := cursor.fetchmany(2000):
                for row in rows:
                    if some and users + row["users"] > READ_ENTRIES:
                        yield self.read(some)
                        some, users = [], 0
                    some.append(row)
                    users += row["users"]
            if some:
                yield self.read(some)

    def read(self, rows: Sequence[dict[str, Any]]) -> list[tuple[Batch, Stored]]:
        """Some batches as verify_batches, verify_unsealed or seal_batches have them, each with its entries."""
        entries = self._entries(rows)
        self.counts.entries += len(entries)
        wanted = [row["batch_id"] for row in rows]
        starts = np.searchsorted(entries.batch_id, wanted, side="left").tolist()
        ends = np.searchsorted(entries.batch_id, wanted, side="right").tolist()
        return [(batch_of(row), entries.part(*cut)) for row, *cut in zip(rows, starts, ends, strict=True)]

    def _entries(self, rows: Sequence[dict[str, Any]]) -> _Entries:
        statement = sql.SQL(query("verify_entries")).format(columns=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))
        body = _sent(self._conn, statement, _bounds(rows))
        entries = _Entries.of(body)
        for name, widths, query_name in (
            ("notices", _NOTICES, "verify_notices"),
            ("waiting", _WAITING, "verify_waiting"),
        ):
            seen = self._beside(entries, widths, query_name)
            setattr(self.counts, name, getattr(self.counts, name) + seen)
        return entries

    def _beside(self, entries: _Entries, widths: dict[str, int], name: str) -> int:
        """What another table says of the entries, put beside them; how many rows that were."""
        names = [column for column in widths if column != "entry_id"]
        for column in names:
            entries.values[column] = np.zeros(len(entries), dtype=np.int64)
            entries.there[column] = np.zeros(len(entries), dtype=np.bool_)
        if not len(entries):
            return 0
        ids = entries.values["entry_id"]
        body = _sent(self._conn, sql.SQL(query(name)), {"first": int(ids.min()), "last": int(ids.max())})
        values, there, _ = _fixed(body, np.array(list(widths.values()), dtype=np.int64), len(widths))
        order = np.argsort(ids, kind="stable")
        places = np.searchsorted(ids[order], values[0])
        places = np.minimum(places, len(ids) - 1)
        same = (ids[order][places] == values[0]) & there[0]
        rows = order[places[same]]
        for place, column in enumerate(widths):
            if column != "entry_id":
                entries.values[column][rows] = values[place][same]
                entries.there[column][rows] = there[place][same]
        return int(same.sum())


def batch_of(row: dict[str, Any]) -> Batch:
    """A row of verify_batches or of a query with its columns."""
    columns = {name: row[name] for name in (
        "review_id", "shard", "token", "users", "delta_minor", "root", "applied_at", "digest")}  # fmt: skip
    before = row["before"] or ZEROS
    return Batch(row["batch_id"], row["record"], before, row["position"], row["sealed"], columns)


def _bounds(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where the entries of the batches lie, as far as their records can be believed."""
    batches = [row["batch_id"] for row in rows]
    reviews, days = [row["review_id"] for row in rows], []
    for row in rows:
        try:
            record = BatchRecord.parse(row["record"])
        except EntryError:
            days += [dt.date.min.replace(year=1900), dt.date(2199, 12, 31)]
        else:
            days.append(record.as_of)
            reviews.append(record.review)
    return {
        "batches": batches, "first_batch": min(batches), "last_batch": max(batches), "first_review": min(reviews),
        "last_review": max(reviews), "first_day": min(days), "last_day": max(days),
    }  # fmt: skip


def _sent(conn: Connection, statement: sql.SQL | sql.Composed, parameters: dict[str, Any]) -> Bytes:
    """Rows as one value, because to take each of them from the connection takes as long as all the rest."""
    with conn.cursor(binary=True) as cursor:
        cursor.execute(statement, parameters, prepare=False)
        result = cursor.pgresult
        assert result is not None, "a query has a result"
        # Never to be written to, so that the kernels are compiled for one kind of array.
        sent = result.get_value(0, 0)
        return np.frombuffer(sent, dtype=np.uint8) if sent else _NOTHING


def _fixed(body: Bytes, widths: Int, fields: int) -> tuple[Int, NDArray[np.bool_], Int]:
    """The numbers (widths, n) of n rows, whether each is there, and where they end in each row."""
    rows = log_rows.count(body, fields)
    if rows < 0:
        raise MigrationError("rows of the log do not have the columns that were asked for; run: limits doctor")
    values = np.zeros((len(widths), rows), dtype=np.int64)
    there = np.zeros((len(widths), rows), dtype=np.bool_)
    ends = np.empty(rows, dtype=np.int64)
    odd = log_rows.fixed(body, fields, widths, values, there, ends)
    if odd >= 0:
        raise MigrationError("a column of the log has another type than its migration gave it; run: limits doctor")
    return values, there, ends


@dataclass(slots=True)
class _Entries:
    """Rows of the log in order of batch and sequence."""

    values: dict[str, Int]
    there: dict[str, Bool]
    ceilings: Int
    rules: Int
    sent: Bytes
    shared_starts: Int
    shared_ends: Int
    entries: Bytes
    offsets: Int
    leaves: Hashes

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def batch_id(self) -> Int:
        return self.values["batch_id"]

    @classmethod
    def of(cls, body: Bytes) -> _Entries:
        values, there, starts = _fixed(body, _WIDTHS, len(_COLUMNS))
        named = dict(zip(_FIXED, values, strict=True))
        known = dict(zip(_FIXED, there, strict=True))
        ends = np.empty_like(starts)
        log_rows.skip(body, starts, len(SHARED), ends)
        batch, sequence = named["batch_id"], named["sequence"]
        same = batch[1:] == batch[:-1]
        if len(batch) and not ((batch[1:] >= batch[:-1]) & (~same | (sequence[1:] > sequence[:-1]))).all():
            order = np.lexsort((sequence, batch))
            named = {name: column[order] for name, column in named.items()}
            known = {name: column[order] for name, column in known.items()}
            starts, ends = starts[order], ends[order]
        rules = np.empty_like(starts)
        log_rows.rules(body, ends, UNBOUNDED, rules)
        ceilings = np.full((len(starts), max(0, int(rules.max(initial=0)))), UNBOUNDED, dtype=np.int64)
        log_rows.ceilings(body, ends, np.maximum(rules, 0), ceilings)
        at, lengths = np.empty_like(starts), np.empty_like(starts)
        log_rows.skip(body, ends, 1, at)
        log_rows.lengths(body, at, lengths)
        offsets = np.concatenate([[0], np.maximum(lengths, 0)]).cumsum()
        entries = np.empty(int(offsets[-1]), dtype=np.uint8)
        log_rows.gather(body, at, offsets, entries)
        leaves = merkle.leaf_hashes(entries, offsets)
        return cls(named, known, ceilings, rules, body, starts, ends, entries, offsets, leaves)

    def part(self, start: int, stop: int) -> Stored:
        """The entries of one batch."""
        rows = slice(start, stop)
        starts, ends = self.shared_starts[rows], self.shared_ends[rows]

        def unlike(expected: bytes) -> Int:
            found = np.empty(len(starts), dtype=np.int64)
            odd = log_rows.unlike(self.sent, starts, ends, np.frombuffer(expected, dtype=np.uint8), found)
            return found[:odd]

        def shared(row: int) -> list[bytes | None]:
            return _fields(self.sent[starts[row] : ends[row]].tobytes())

        table = Table(
            {name: column[rows] for name, column in self.values.items()},
            {name: column[rows] for name, column in self.there.items()},
            self.ceilings[rows],
            self.rules[rows],
            unlike,
            shared,
        )
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        body, offsets = self.entries[first:last], self.offsets[start : stop + 1] - first
        return Stored(table.values["entry_id"], table.values["sequence"], body, offsets, self.leaves[rows], table)


def _fields(data: bytes) -> list[bytes | None]:
    """The bytes of fields as record_send writes them."""
    found: list[bytes | None] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big", signed=True)
        at += 8
        found.append(None if length < 0 else data[at : at + length])
        at += max(0, length)
    return found
