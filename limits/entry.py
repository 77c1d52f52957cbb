"""What the adjustment log is made of, as bytes: the entries of a batch, its record, and the record the log begins with.

An entry is one decision of a batch, big-endian:

    u8   format                     FORMAT; of all entries of a batch the same
    u32  sequence                   place in its batch, from 0, without gaps
    i64  user_id
    i64  limit_before_minor
    i64  limit_after_minor
    i64  version_before
    i16  binding
    u64  reason_bits
    i64  lowest_ceiling_minor
    i64  floor_minor
    i64  capacity_p10_minor
    i64  capacity_p50_minor
    i64  capacity_p90_minor
    i16  capacity_method
    i16  months_observed
    i16  disposition
    i64  proposed_minor             0x8000000000000000: none
    i32  effective_on               days since 2000-01-01; 0x80000000: none
    i16  notice
    i32  notice_due_on              as effective_on
    i16  consent                    1 raises wanted, 2 raises not wanted, 4 a person has to decide; sums
    i32  risk_points                points of the scorecard, more is better; 0x80000000: not scored
    i32  risk_probability_ppm       of a missed payment within its horizon, parts per million; 0x80000000: not scored
    u16  number of ceilings (k)
    ceil(k / 8) bytes               bit j % 8 of byte j // 8, the least significant is bit 0: ceiling j bounds
    i64  each ceiling that bounds, in order, below UNBOUNDED

Entries of format 1 are the same without risk_points and risk_probability_ppm: they do not say what a scorecard
said, and are read and written as they were.

Action and version_after are not written: they follow from the limits and version_before.
The record of a batch is text, ASCII, as ``BatchRecord`` lists it. Its digest, as that of an
entry, is the leaf hash of a Merkle tree (``limits.merkle``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from limits import merkle
from limits.errors import EntryError
from limits.portfolio import UNBOUNDED, Dates, Int
from limits.record_text import COUNT, DATE, DIGEST, INSTANT, NUMBER, TEXT, WORD, Lines, parsed, written

Bytes = NDArray[np.uint8]

#: The format of entries that are made now, and the one before the risk was part of them.
FORMAT = 2
WITHOUT_RISK = 1
#: ``proposed_minor`` of a decision that proposes nothing to be done later, and the risk of a user who is not scored.
NONE: int = -(2**63)
#: The digest before the first record of a lane.
ZEROS = bytes(merkle.HASH_BYTES)

#: The fields between format and ceilings in order, with their width in bytes.
FIELDS: tuple[tuple[str, int], ...] = (
    ("sequence", 4),
    ("user_id", 8),
    ("limit_before_minor", 8),
    ("limit_after_minor", 8),
    ("version_before", 8),
    ("binding", 2),
    ("reason_bits", 8),
    ("lowest_ceiling_minor", 8),
    ("floor_minor", 8),
    ("capacity_p10_minor", 8),
    ("capacity_p50_minor", 8),
    ("capacity_p90_minor", 8),
    ("capacity_method", 2),
    ("months_observed", 2),
    ("disposition", 2),
    ("proposed_minor", 8),
    ("effective_on", 4),
    ("notice", 2),
    ("notice_due_on", 4),
    ("consent", 2),
    ("risk_points", 4),
    ("risk_probability_ppm", 4),
)
#: Those that say the risk; an entry of format 1 has none of them.
RISK = ("risk_points", "risk_probability_ppm")
#: The fields of each format that there is.
FIELDS_OF = {WITHOUT_RISK: tuple(field for field in FIELDS if field[0] not in RISK), FORMAT: FIELDS}
_WIDTHS_OF = {form: np.array([width for _, width in fields], dtype=np.int64) for form, fields in FIELDS_OF.items()}
_FIXED_OF = {form: 1 + int(widths.sum()) + 2 for form, widths in _WIDTHS_OF.items()}  # bytes before the bitmap
_DATES = ("effective_on", "notice_due_on")
_EPOCH = np.datetime64("2000-01-01", "D")
_NOTHING = -(2**31)  # of four bytes


@dataclass(frozen=True, slots=True)
class Entries:
    """n entries of a log, all of one format, as columns (n,), int64 but for the dates; amounts in minor units.

    reason_bits                     the 64 bits of the field: bit 63 makes the number negative
    proposed_minor                  NONE where there is none
    effective_on, notice_due_on     datetime64[D], NaT where there is none
    risk_points                     of the scorecard; NONE where nobody has scored the user, and of format 1
    risk_probability_ppm            of a missed payment, parts per million; NONE as risk_points
    ceilings                        (n, k) UNBOUNDED where a rule sets no bound
    format                          of their bytes
    """

    sequence: Int
    user_id: Int
    limit_before_minor: Int
    limit_after_minor: Int
    version_before: Int
    binding: Int
    reason_bits: Int
    lowest_ceiling_minor: Int
    floor_minor: Int
    capacity_p10_minor: Int
    capacity_p50_minor: Int
    capacity_p90_minor: Int
    capacity_method: Int
    months_observed: Int
    disposition: Int
    proposed_minor: Int
    effective_on: Dates
    notice: Int
    notice_due_on: Dates
    consent: Int
    risk_points: Int
    risk_probability_ppm: Int
    ceilings: Int
    format: int = FORMAT

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def action(self) -> Int:
        """1 raised, 0 held, -1 lowered (n,)."""
        after, before = self.limit_after_minor, self.limit_before_minor
        return np.asarray((after > before).astype(np.int64) - (after < before), dtype=np.int64)

    @property
    def version_after(self) -> Int:
        """The version of the credit line after the decision (n,)."""
        changed = self.limit_after_minor != self.limit_before_minor
        return np.asarray(self.version_before + changed, dtype=np.int64)

    def take(self, rows: Any) -> Self:
        """Some entries: ``rows`` is any NumPy row index."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "format"]
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in names})


def encode(entries: Entries) -> tuple[Bytes, Int]:
    """The bytes of n entries in their format one after another, and where each begins (n + 1,).

    OverflowError for a value that its field cannot hold, or that its format has no field for; TypeError for columns of
    another kind; EntryError for a format that there is not.
    """
    form = entries.format
    if form not in FIELDS_OF:
        raise EntryError(f"entries of format {form} cannot be written; {_READS}")
    values = np.empty((len(FIELDS_OF[form]), len(entries)), dtype=np.int64)
    for place, (name, width) in enumerate(FIELDS_OF[form]):
        values[place] = _column(name, width, getattr(entries, name))
    for name, _ in FIELDS[len(values) :]:
        if len(known := np.flatnonzero(_whole(name, getattr(entries, name)) != NONE)):
            raise OverflowError(f"{name} of entry {known[0]} does not fit into an entry of format {form}")
    from limits import entry_bytes  # here, for it loads the compiler and not everybody writes entries

    ceilings = np.ascontiguousarray(_whole("ceilings", entries.ceilings))
    if ceilings.shape[1] >= 2**16:
        raise OverflowError(f"{ceilings.shape[1]} ceilings are more than an entry holds")
    offsets = np.zeros(len(entries) + 1, dtype=np.int64)
    misfit = entry_bytes.lengths(ceilings, _FIXED_OF[form], UNBOUNDED, offsets)
    if misfit >= 0:
        raise OverflowError(f"a ceiling of entry {misfit} is above UNBOUNDED, the highest that there is")
    body = np.empty(int(offsets[-1]), dtype=np.uint8)
    entry_bytes.write(values, ceilings, _WIDTHS_OF[form], form, UNBOUNDED, offsets, body)
    return body, offsets


def _whole(name: str, column: Any) -> Int:
    kind = np.asarray(column).dtype
    if not np.can_cast(kind, np.int64):
        raise TypeError(f"{name} is of type {kind}, not of whole numbers of 64 bits")
    return np.asarray(column, dtype=np.int64)


def _column(name: str, width: int, column: Any) -> Int:
    """A field as the numbers that are written, each of which fits."""
    least, most = -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1
    if name == "sequence":
        least, most = 0, 2 ** (8 * width) - 1
    if name in RISK:
        numbers = _whole(name, column)
        known = numbers != NONE
        _fit(name, np.where(known, numbers, 0), least + 1, most)  # the least stands for none
        return np.where(known, numbers, _NOTHING)
    if name not in _DATES:
        numbers = _whole(name, column)
        _fit(name, numbers, least, most)
        return numbers
    if np.asarray(column).dtype != _EPOCH.dtype:
        raise TypeError(f"{name} is of type {np.asarray(column).dtype}, not of days")
    known = ~np.isnat(column)
    days = np.where(known, column.astype(np.int64) - _EPOCH.astype(np.int64), 0)
    _fit(name, days, least + 1, most)  # the least stands for none
    return np.where(known, days, _NOTHING)


def _fit(name: str, numbers: Int, least: int, most: int) -> None:
    wrong = np.flatnonzero((numbers < least) | (numbers > most))
    if len(wrong):
        raise OverflowError(f"{name} of entry {wrong[0]} does not fit into its field: {numbers[wrong[0]]}")


def decode(body: bytes | memoryview | Bytes, offsets: Int) -> Entries:
    """The entries that ``encode`` wrote so and in no other way: entry i is the bytes offsets[i] to offsets[i + 1].

    All have the format of the first one, and as many ceilings. EntryError names the first entry that is
    not as it must be, or says that the entries are not all of the body.
    """
    from limits import entry_bytes

    data = np.frombuffer(body, dtype=np.uint8)
    data.flags.writeable = False  # one kind of array, so that the kernels are compiled once
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    _check_offsets(len(data), offsets)
    form = int(data[0]) if len(data) and int(data[0]) in FIELDS_OF else FORMAT
    fixed = _FIXED_OF[form]
    rules = _count(data, fixed) if len(data) >= fixed else 0
    row, wrong = entry_bytes.check(data, offsets, fixed, form, rules, UNBOUNDED)
    if wrong:
        raise EntryError(_fault(data[offsets[row] : offsets[row + 1]], row, wrong, rules, form))
    values = np.full((len(FIELDS), len(offsets) - 1), _NOTHING, dtype=np.int64)
    ceilings = np.empty((len(offsets) - 1, rules), dtype=np.int64)
    entry_bytes.read(data, offsets, _WIDTHS_OF[form], UNBOUNDED, values[: len(FIELDS_OF[form])], ceilings)
    columns: dict[str, Any] = {name: values[place] for place, (name, _) in enumerate(FIELDS)}
    columns["sequence"] &= 2**32 - 1
    for name in _DATES:
        days = columns[name]
        columns[name] = np.where(days == _NOTHING, np.datetime64("NaT"), _EPOCH + days.astype("timedelta64[D]"))
    for name in RISK:
        columns[name] = np.where(columns[name] == _NOTHING, NONE, columns[name])
    return Entries(**columns, ceilings=ceilings, format=form)


def _count(entry: Bytes, fixed: int) -> int:
    """How many ceilings an entry says that it has."""
    return int(entry[fixed - 2]) << 8 | int(entry[fixed - 1])


def _check_offsets(length: int, offsets: Int) -> None:
    if len(offsets) == 0 or offsets[0] != 0:
        raise EntryError("the first entry does not begin where its bytes do")
    backwards = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(backwards):
        raise EntryError(f"entry {backwards[0]} ends before it begins")
    if offsets[-1] > length:
        raise EntryError(f"entry {np.flatnonzero(offsets > length)[0] - 1} is cut off: the bytes end before it does")
    if offsets[-1] < length:
        raise EntryError(f"{length - offsets[-1]} bytes stand after entry {len(offsets) - 2}, which is the last")


_READS = "this version reads formats " + " and ".join(map(str, FIELDS_OF))


def _fault(entry: Bytes, row: int, wrong: int, rules: int, form: int) -> str:
    from limits import entry_bytes

    match wrong:
        case entry_bytes.OTHER_FORMAT:
            what = f"is of format {entry[0]}; {_READS}"
            if int(entry[0]) in FIELDS_OF:
                what = f"is of format {entry[0]} and the first one of format {form}"
        case entry_bytes.SHORT:
            what = f"has {len(entry)} bytes; the shortest one has {_FIXED_OF[form]}"
        case entry_bytes.OTHER_COUNT:
            what = f"has {_count(entry, _FIXED_OF[form])} ceilings and the first one {rules}"
        case entry_bytes.CUT:
            what = f"ends before its ceilings do: it has {len(entry)} bytes"
        case entry_bytes.LONGER:
            what = f"goes on behind its last ceiling: it has {len(entry)} bytes"
        case entry_bytes.UNUSED_BIT:
            what = f"says of more than its {rules} ceilings that they bound"
        case _:
            what = "has a ceiling that bounds nothing among those that bound"
    return f"entry {row} {what}"


# Records ----------------------------------------------------------------------------------------

_BATCH_TITLE = "limits batch 1\n"
_BATCH: Lines = (
    ("batch", COUNT),
    ("review", COUNT),
    ("kind", WORD),
    ("shard", COUNT),
    ("token", COUNT),
    ("as_of", DATE),
    ("currency", WORD),
    ("policy", DIGEST),
    ("input", DIGEST),
    ("model", DIGEST),
    ("risk", WORD),
    ("code", TEXT),
    ("role", WORD),
    ("actor", TEXT),
    ("login", TEXT),
    ("decided_at", INSTANT),
    ("applied_at", INSTANT),
    ("users", COUNT),
    ("delta_minor", NUMBER),
    ("root", DIGEST),
    ("previous", DIGEST),
)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What is true of all entries of a batch, in the order of its lines; the first line is "limits batch 1".

    token        of the lease under which it was applied
    policy, input, model
                 sha256 of the policy, of the snapshot it was decided from and of the model's parameters
    users        number of entries
    delta_minor  sum of limit_after - limit_before
    root         of the Merkle tree of its entries
    previous     digest of the record before it in the same lane (review, shard); ZEROS for the first
    """

    batch: int
    review: int
    kind: str
    shard: int
    token: int
    as_of: dt.date
    currency: str
    policy: bytes
    input: bytes
    model: bytes
    risk: str
    code: str
    role: str
    actor: str
    login: str
    decided_at: dt.datetime
    applied_at: dt.datetime
    users: int
    delta_minor: int
    root: bytes
    previous: bytes

    def write(self) -> str:
        """The text that is hashed. EntryError for a value that cannot stand in it."""
        return _written(_BATCH_TITLE, _BATCH, self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The record of a text that ``write`` gives back; EntryError names the first line that is not so."""
        return cls(**_parsed("the record of a batch", _BATCH_TITLE, _BATCH, text))


_ORIGIN_TITLE = "limits origin 1\n"
_ORIGIN: Lines = (("entries", COUNT), ("digest", DIGEST))


@dataclass(frozen=True, slots=True)
class OriginRecord:
    """The entries made before the log had batches: how many, and the sha256 over them all. Leaf 0 of the log's tree."""

    entries: int
    digest: bytes

    def write(self) -> str:
        """The text that is hashed. EntryError for a value that cannot stand in it."""
        return _written(_ORIGIN_TITLE, _ORIGIN, self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The record of a text that ``write`` gives back; EntryError names the first line that is not so."""
        return cls(**_parsed("the record of the origin", _ORIGIN_TITLE, _ORIGIN, text))


def record_digest(text: str) -> bytes:
    """The digest of a record as it is written: a leaf of the log's tree. EntryError for what is not ASCII."""
    if not text.isascii():
        raise EntryError("a record that is not ASCII")
    return merkle.leaf_hash(text.encode())


def _written(title: str, lines: Lines, record: Any) -> str:
    try:
        return title + written(lines, {name: getattr(record, name) for name, _ in lines})
    except ValueError as error:
        raise EntryError(f"what must be recorded: {error}") from None


def _parsed(what: str, title: str, lines: Lines, text: str) -> dict[str, Any]:
    if not text.startswith(title):
        raise EntryError(f"line 1 of {what} must be {title.rstrip()!r} and is {text[:80].partition(chr(10))[0]!r}")
    try:
        return parsed(lines, text.removeprefix(title), first=2)
    except ValueError as error:
        raise EntryError(f"{what}: {error}") from None
