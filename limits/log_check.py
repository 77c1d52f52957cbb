"""Whether a batch of the log holds together: its record, the tree over its entries, and the rows that show them.

Pure: what stands in the database or in an export comes in as arrays and bytes, what does not hold
comes out as findings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limits import merkle
from limits.entry import FIELDS, NONE, RISK, BatchRecord, Entries, decode, record_digest
from limits.errors import EntryError
from limits.log_finding import Finding
from limits.merkle import Hashes
from limits.portfolio import UNBOUNDED, Bool, Dates, Int

Bytes = NDArray[np.uint8]

_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # PostgreSQL's
#: Of more that are missing of one batch each is not named.
_MOST_MISSING = 20_000
_MICROSECOND = dt.timedelta(microseconds=1)


class Shared(NamedTuple):
    """A column that says the same of all entries of a batch.

    line            of the record that has it
    oid             object id of its type
    write, read     to its bytes as PostgreSQL sends them, and back to what people read
    """

    column: str
    line: str
    oid: int
    write: Callable[[Any], bytes]
    read: Callable[[bytes], str]


def _whole(width: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], str]]:
    return lambda v: int(v).to_bytes(width, "big", signed=True), lambda b: str(int.from_bytes(b, "big", signed=True))


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _day_written(day: dt.date) -> bytes:
    return (day - _EPOCH.date()).days.to_bytes(4, "big", signed=True)


def _day_read(data: bytes) -> str:
    return str(np.datetime64("2000-01-01", "D") + int.from_bytes(data, "big", signed=True))


def _instant_written(at: dt.datetime) -> bytes:
    return ((at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)


def _instant_read(data: bytes) -> str:
    return f"{np.datetime64('2000-01-01', 'us') + int.from_bytes(data, 'big', signed=True)}Z"


#: In the order in which the rows carry them.
SHARED = (
    Shared("review_id", "review", 20, *_whole(8)),
    Shared("shard", "shard", 23, *_whole(4)),
    Shared("as_of", "as_of", 1082, _day_written, _day_read),
    Shared("currency", "currency", 1042, str.encode, _text),
    Shared("policy_hash", "policy", 17, bytes, bytes.hex),
    Shared("input_digest", "input", 17, bytes, bytes.hex),
    Shared("code_version", "code", 25, str.encode, _text),
    Shared("actor", "actor", 25, str.encode, _text),
    Shared("role", "role", 25, str.encode, _text),
    Shared("session_role", "login", 25, str.encode, _text),
    Shared("decided_at", "applied_at", 1184, _instant_written, _instant_read),
)
#: Columns of the log that the bytes of an entry have, too.
OWN = tuple(name for name, _ in FIELDS if name not in ("sequence", "effective_on", "notice", "notice_due_on"))
#: Those of them that may be NULL: where the entry has none.
_NULLABLE = ("proposed_minor", *RISK)
#: What the tables of notices and of waiting changes say of an entry, by the field that it must equal.
TOLD = ("notice", "notice_due_on", "notice_user_id")
WAITING = ("waiting_disposition", "effective_on", "waiting_proposed_minor", "waiting_limit_minor", "waiting_user_id")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored.

    position, sealed    its leaf of the log's tree, and the digest that stands there; None where it is not sealed
    before              the digest of the record before it in its lane
    columns             review_id, shard, token, users, delta_minor, root, applied_at (as records write it) and digest
                        of limits.batches; None in an export
    """

    batch_id: int
    record: str
    before: bytes
    position: int | None = None
    sealed: bytes | None = None
    columns: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What the columns say of n entries.

    values, there       of OWN, sequence, action, version_after, TOLD and WAITING the numbers (n,), dates as days since
                        2000, and whether there is one
    ceilings, rules     (n, k) UNBOUNDED where NULL, and how many there are (n,), -1 for what is no list of ceilings
    unlike              gives the rows whose shared columns, as bytes, are not those given (m,)
    shared              gives the bytes of each shared column of a row, None for NULL
    """

    values: dict[str, Int]
    there: dict[str, Bool]
    ceilings: Int
    rules: Int
    unlike: Callable[[bytes], Int]
    shared: Callable[[int], list[bytes | None]]


@dataclass(frozen=True, slots=True)
class Stored:
    """The n entries of a batch in order of their sequence: their bytes, their leaf hashes, and what columns say."""

    entry_id: Int
    sequence: Int
    body: Bytes
    offsets: Int
    leaves: Hashes
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.entry_id)

    def entry(self, row: int) -> Bytes:
        """The bytes of one entry."""
        return self.body[self.offsets[row] : self.offsets[row + 1]]


def check_batch(batch: Batch, stored: Stored) -> list[Finding]:
    """What does not hold of a batch and its entries, the batch first, then by entry in order."""
    record, found = _read(batch)
    complete = True
    if record is not None:
        missing = list(_sequence(record, stored))
        found, complete = found + missing, not missing
    found += _entries(record, stored, complete)
    return _placed(batch, record, found)


def check_record(batch: Batch) -> tuple[BatchRecord | None, list[Finding]]:
    """The record of a batch whose entries are elsewhere, where it can be read, and what does not hold of it."""
    record, found = _read(batch)
    return record, _placed(batch, record, found)


def _read(batch: Batch) -> tuple[BatchRecord | None, list[Finding]]:
    try:
        record = BatchRecord.parse(batch.record)
        return record, list(_of_record(batch, record, record_digest(batch.record)))
    except EntryError as error:
        return None, [Finding("record_unreadable", f"{error}")]


def _placed(batch: Batch, record: BatchRecord | None, found: list[Finding]) -> list[Finding]:
    columns = batch.columns or {}
    review = columns.get("review_id") if record is None else record.review
    shard = columns.get("shard") if record is None else record.shard
    where = {"batch_id": batch.batch_id, "position": batch.position, "review_id": review, "shard": shard}
    return [one.at(**where) for one in found]


def _differs(kind: str, what: str, stored: Any, expected: Any, **where: int | None) -> Finding:
    return Finding(kind, what, _shown(stored), _shown(expected), **where)


def _shown(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return "nothing" if value is None else str(value)


# The record -------------------------------------------------------------------------------------

_COLUMNS = {
    "review_id": "review", "shard": "shard", "token": "token", "users": "users", "delta_minor": "delta_minor",
    "root": "root", "applied_at": "applied_at",
}  # fmt: skip


def _of_record(batch: Batch, record: BatchRecord, digest: bytes) -> Iterator[Finding]:
    if batch.sealed is not None and batch.sealed != digest:
        yield _differs("record_changed", "the record is not the one that was sealed", digest, batch.sealed)
    if record.batch != batch.batch_id:
        yield _differs("record_of_another_batch", "the record is that of another batch", batch.batch_id, record.batch)
    if record.previous != batch.before:
        what = "the record does not follow the one before it in the lane of its review and shard"
        yield _differs("lane_broken", what, record.previous, batch.before)
    if batch.columns is None:
        return
    if batch.columns["digest"] != digest:
        yield _differs("digest_differs", "the digest is not that of the record", batch.columns["digest"], digest)
    for column, line in _COLUMNS.items():
        said = getattr(record, line)
        if batch.columns[column] != (_shown(said) if column == "applied_at" else said):
            what = f"{column} of the batch is not what its record says"
            yield _differs("batch_column_differs", what, batch.columns[column], said)


def _sequence(record: BatchRecord, stored: Stored) -> Iterator[Finding]:
    """Whether there is exactly one entry for each place of the batch."""
    if record.users - len(stored) > _MOST_MISSING or (not len(stored) and record.users):
        what = "none or next to none of the entries of the batch is there"
        yield _differs("entries_missing", what, len(stored), record.users)
        return
    there, counts = np.unique(stored.sequence, return_counts=True)
    if len(there) == len(stored) == record.users and there[0] == 0 and there[-1] == record.users - 1:
        return
    for place in np.setdiff1d(np.arange(record.users), there).tolist():
        yield Finding("entry_missing", "there is no entry at this place of its batch", sequence=place)
    for place in there[counts > 1].tolist():
        for row in np.flatnonzero(stored.sequence == place).tolist():
            what = "more than one entry stands at this place of its batch"
            yield _who(Finding("entry_twice", what, sequence=place), stored, row)
    for row in np.flatnonzero((stored.sequence >= record.users) | (stored.sequence < 0)).tolist():
        what = "the batch has no such place"
        place = int(stored.sequence[row])
        yield _who(_differs("entry_beyond", what, place, f"below {record.users}", sequence=place), stored, row)


def _who(finding: Finding, stored: Stored, row: int) -> Finding:
    """The finding with the row's number, and its user where the columns say."""
    user = int(stored.table.values["user_id"][row]) if stored.table else None
    return finding.at(entry_id=int(stored.entry_id[row]), sequence=int(stored.sequence[row]), user_id=user)


# The entries ------------------------------------------------------------------------------------


def _entries(record: BatchRecord | None, stored: Stored, complete: bool) -> list[Finding]:
    if not len(stored):
        return []
    found: list[Finding] = []
    kept, entries, odd = _decoded(stored)
    if record is not None and complete:
        if (root := merkle.root(stored.leaves)) != record.root:
            what = "the bytes of the entries do not hash to the root that the record has: at least one was altered"
            found.append(_differs("root_differs", what, root, record.root))
        if not odd and (delta := int((entries.limit_after_minor - entries.limit_before_minor).sum())) != (
            record.delta_minor
        ):
            found.append(_differs("delta_differs", "the changes do not add up", delta, record.delta_minor))
    of_rows = odd + list(_numbers(stored)) + list(_compared(stored, kept, entries))
    if stored.table is not None and record is not None:
        of_rows += list(_shared(record, stored.table))
    of_rows.sort(key=lambda pair: pair[0])
    users = dict(zip(kept.tolist(), entries.user_id.tolist(), strict=True))
    return found + [_who(one.at(user_id=users.get(row)), stored, row) for row, one in of_rows]


_Found = tuple[int, Finding]


def _decoded(stored: Stored) -> tuple[Int, Entries, list[_Found]]:
    """Which rows can be read, what they say, and what is wrong with the others."""
    try:
        return np.arange(len(stored)), decode(stored.body, stored.offsets), []
    except EntryError:
        pass
    odd: list[_Found] = []
    shapes: dict[int, tuple[int, int]] = {}
    for row in range(len(stored)):
        entry = stored.entry(row)
        try:
            alone = decode(entry, np.array([0, len(entry)]))
            shapes[row] = alone.format, alone.ceilings.shape[1]
        except EntryError as error:
            what = f"its bytes cannot be read: {str(error).removeprefix('entry 0 ')}"
            odd.append((row, Finding("entry_unreadable", what)))
    usual = max(shapes.values(), key=list(shapes.values()).count, default=(0, 0))
    for row, shape in shapes.items():
        if shape != usual:
            odd.append((row, _unlike(shape, usual)))
    kept = [row for row, shape in shapes.items() if shape == usual]
    pieces = [stored.entry(row).tobytes() for row in kept]
    offsets = np.cumsum([0, *map(len, pieces)])
    return np.array(kept, dtype=np.int64), decode(b"".join(pieces), offsets), odd


def _unlike(shape: tuple[int, int], usual: tuple[int, int]) -> Finding:
    """An entry of another format than its neighbours, or with another number of ceilings."""
    (form, rules), (usual_form, usual_rules) = shape, usual
    if form != usual_form:
        return _differs("format_differs", "format of its bytes", form, f"{usual_form}, as its neighbours")
    return _differs("ceilings_count", "number of ceilings", rules, f"{usual_rules}, as its neighbours")


def _compared(stored: Stored, kept: Int, entries: Entries) -> Iterator[_Found]:
    """Where the columns are not what the bytes of the entry say."""
    if stored.table is None:
        yield from _unequal("sequence", kept, stored.sequence[kept], None, entries.sequence)
        return
    values, there = stored.table.values, stored.table.there
    if len(kept) != len(stored):
        values = {name: column[kept] for name, column in values.items()}
        there = {name: column[kept] for name, column in there.items()}
    for name in OWN:
        wanted = getattr(entries, name) != NONE if name in _NULLABLE else None
        yield from _unequal(name, kept, values[name], there[name], getattr(entries, name), wanted)
    for name in ("sequence", "action", "version_after"):
        yield from _unequal(name, kept, values[name], there[name], getattr(entries, name))
    yield from _ceilings(stored.table, kept, entries)
    told, waits = entries.notice != 0, entries.disposition != 0
    due, due_known = _days(entries.notice_due_on)
    effective, effective_known = _days(entries.effective_on)
    for name, column, wanted in (
        ("notice", entries.notice, told),
        ("notice_due_on", due, due_known),
        ("notice_user_id", entries.user_id, told),
        ("waiting_disposition", entries.disposition, waits),
        ("effective_on", effective, effective_known),
        ("waiting_proposed_minor", entries.proposed_minor, waits),
        ("waiting_limit_minor", entries.limit_before_minor, waits),
        ("waiting_user_id", entries.user_id, waits),
    ):
        yield from _unequal(name, kept, values[name], there[name], column, wanted)


def _numbers(stored: Stored) -> Iterator[_Found]:
    """Numbers of entries that do not ascend in their batch: they are not hashed, and were exchanged or made up."""
    for row in (np.flatnonzero(np.diff(stored.entry_id) <= 0) + 1).tolist():
        what = "its number is not above that of the entry before it in its batch"
        expected = f"above {stored.entry_id[row - 1]}"
        yield row, Finding("number_out_of_order", what, str(stored.entry_id[row]), expected)


def _days(dates: Dates) -> tuple[Int, Bool]:
    known = ~np.isnat(dates)
    days = np.where(known, dates, np.datetime64("2000-01-01", "D")) - np.datetime64("2000-01-01", "D")
    return days.astype(np.int64), known


def _unequal(
    name: str, kept: Int, column: Int, there: Bool | None, said: Int, wanted: Bool | None = None
) -> Iterator[_Found]:
    """Rows whose column is not what the entry says. ``wanted``: whether the entry has a value; None: each one has."""
    if there is None:
        unequal = column != said
    elif wanted is None:
        unequal = (column != said) | ~there
    else:
        unequal = (there != wanted) | wanted & (column != said)
    if not unequal.any():
        return
    dates = name.endswith("_on")
    for place in np.flatnonzero(unequal).tolist():
        stored = _number(column[place], dates) if there is None or there[place] else "nothing"
        expected = _number(said[place], dates) if wanted is None or wanted[place] else "nothing"
        what = f"{_IN_WORDS.get(name, name)} is not what the bytes of the entry say"
        kind = "notice_differs" if name in TOLD else "waiting_differs" if name in WAITING else "column_differs"
        yield int(kept[place]), Finding(kind, what, stored, expected)


_IN_WORDS = {
    "notice": "the kind of its notice",
    "notice_due_on": "the day its notice is due",
    "notice_user_id": "the user of its notice",
    "waiting_disposition": "the kind of its waiting change",
    "effective_on": "the day of its waiting change",
    "waiting_proposed_minor": "the amount of its waiting change",
    "waiting_limit_minor": "the limit before its waiting change",
    "waiting_user_id": "the user of its waiting change",
}


def _number(value: Any, dates: bool) -> str:
    return str(np.datetime64("2000-01-01", "D") + int(value)) if dates else str(int(value))


def _ceilings(table: Table, kept: Int, entries: Entries) -> Iterator[_Found]:
    rules = entries.ceilings.shape[1]
    odd = table.rules[kept] != rules
    bounds = table.ceilings[kept] if len(kept) != len(table.ceilings) else table.ceilings
    if bounds.shape[1] < rules:
        odd[:] = True
    else:
        odd |= (bounds[:, :rules] != entries.ceilings).any(axis=1)
    for place in np.flatnonzero(odd).tolist():
        row, count = int(kept[place]), int(table.rules[kept[place]])
        stored = _bounds(bounds[place][:count]) if count >= 0 else "no list of ceilings"
        what = "ceilings_minor is not what the bytes of the entry say"
        yield row, Finding("column_differs", what, stored, _bounds(entries.ceilings[place]))


def _bounds(ceilings: Int) -> str:
    return " ".join("-" if bound == UNBOUNDED else str(bound) for bound in ceilings.tolist())


def shared_bytes(record: BatchRecord) -> bytes:
    """The shared columns of each entry of a batch, as record_send writes them."""
    parts = []
    for one in SHARED:
        data = one.write(getattr(record, one.line))
        parts.append(one.oid.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data)
    return b"".join(parts)


def _shared(record: BatchRecord, table: Table) -> Iterator[_Found]:
    for row in table.unlike(shared_bytes(record)).tolist():
        for one, data in zip(SHARED, table.shared(row), strict=True):
            expected = one.write(getattr(record, one.line))
            if data != expected:
                what = f"{one.column} is not what the record of its batch says"
                stored = "nothing" if data is None else one.read(data)
                yield row, Finding("shared_differs", what, stored, one.read(expected))
