"""Decisions as PostgreSQL's binary array of limits.decision_row, built from arrays without a loop in Python over users.

An element is the same bytes whoever the user stands beside, so that arrays can be cut and joined.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.decision import Decisions
from limits.dispositions import Disposition, Dispositions
from limits.entry import FORMAT, NONE, RISK, WITHOUT_RISK
from limits.portfolio import UNBOUNDED, Bool, Dates, Int, Portfolio

Bytes = NDArray[np.uint8]

# Object ids of PostgreSQL's types, the same everywhere.
INT2, INT4, INT8, DATE, INT8_ARRAY, BYTEA = 21, 23, 20, 1082, 1016, 17

#: The fields of limits.decision_row in order, with type and width in bytes; the ceilings have no fixed width. Its last
#: field, the bytes of the log's entry, is put on by ``with_field`` when it is known in which batch the decision goes.
FIELDS: tuple[tuple[str, int, int], ...] = (
    ("user_id", INT8, 8),
    ("limit_before_minor", INT8, 8),
    ("limit_after_minor", INT8, 8),
    ("version_before", INT8, 8),
    ("binding", INT2, 2),
    ("reason_bits", INT8, 8),
    ("ceilings_minor", INT8_ARRAY, 0),
    ("lowest_ceiling_minor", INT8, 8),
    ("floor_minor", INT8, 8),
    ("capacity_p10_minor", INT8, 8),
    ("capacity_p50_minor", INT8, 8),
    ("capacity_p90_minor", INT8, 8),
    ("capacity_method", INT2, 2),
    ("months_observed", INT2, 2),
    ("disposition", INT2, 2),
    ("proposed_minor", INT8, 8),
    ("effective_on", DATE, 4),
    ("notice", INT2, 2),
    ("notice_due_on", DATE, 4),
    ("consent", INT2, 2),
    ("risk_points", INT4, 4),
    ("risk_probability_ppm", INT4, 4),
)
#: How many of them a decision had before the risk was one of them.
_BEFORE_RISK = len(FIELDS) - len(RISK)
_TYPES = np.array([kind for _, kind, _ in FIELDS], dtype=np.int64)
_WIDTHS = np.array([width for _, _, width in FIELDS], dtype=np.int64)

EPOCH = np.datetime64("2000-01-01", "D")  # PostgreSQL counts days from here
NULL_VALUE = NONE  #: stands for NULL, as in row_bytes and in the log's entries
_MOST_RULES = 63  # reason codes are the bits of a bigint


@dataclass(frozen=True, slots=True)
class Rows:
    """Elements of an array of limits.decision_row: of user k the bytes from offsets[k] to offsets[k + 1].

    ``entry_format``: of the entries that the log makes of them.
    """

    user_id: Int
    body: bytes | memoryview
    offsets: Int
    entry_format: int = FORMAT

    def __len__(self) -> int:
        return len(self.user_id)

    def part(self, start: int, stop: int) -> Rows:
        """Some users in a row."""
        stop = min(stop, len(self))
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        offsets = self.offsets[start : stop + 1] - first
        return Rows(self.user_id[start:stop], self.body[first:last], offsets, self.entry_format)

    def digest(self) -> bytes:
        """The sha256 of all elements."""
        return hashlib.sha256(self.body).digest()

    def only(self, kept: Bool) -> Rows:
        """Some users, those for whom ``kept`` (n,) says so."""
        lengths = np.diff(self.offsets)[kept]
        body = b"".join(itertools.compress(self.elements(), kept.tolist()))
        return Rows(self.user_id[kept], body, np.concatenate([[0], lengths]).cumsum(), self.entry_format)

    def elements(self) -> list[bytes]:
        """The element of each user."""
        cuts = self.offsets.tolist()
        body = bytes(self.body)
        return [body[a:b] for a, b in itertools.pairwise(cuts)]


def encode(portfolio: Portfolio, decisions: Decisions, dispositions: Dispositions) -> Rows:
    """The decisions as rows, in the order of the portfolio. OverflowError for a value that its field cannot hold."""
    capacity, risk = decisions.capacity, decisions.risk
    waits = dispositions.disposition != Disposition.AT_ONCE
    columns: list[Any] = [
        portfolio.user_id, decisions.limit_before, dispositions.limit_after, portfolio.version, decisions.binding,
        decisions.reason_bits, 0, decisions.lowest_ceiling, decisions.floor, capacity.p10, capacity.p50, capacity.p90,
        capacity.method, capacity.months_observed, dispositions.disposition,
        np.where(waits, dispositions.proposed, NULL_VALUE), days(dispositions.effective_on), dispositions.notice,
        days(dispositions.notice_due_on), consent_of(portfolio), np.where(risk.scored, risk.points, NULL_VALUE),
        np.where(risk.scored, risk.probability_ppm, NULL_VALUE),
    ]  # fmt: skip
    values = np.empty((len(FIELDS), len(portfolio)), dtype=np.int64)
    for place, column in enumerate(columns):
        values[place] = column
    return _packed(portfolio.user_id, values, decisions.ceilings)


def _packed(user_id: Int, values: Int, ceilings: Int) -> Rows:
    """Rows of the fields (fields, n), whatever stands there for the ceilings, and of these (n, rules)."""
    from limits.store import row_bytes  # here, for it loads the compiler and not everybody writes decisions

    ceilings = np.ascontiguousarray(ceilings, dtype=np.int64)
    offsets = np.zeros(len(user_id) + 1, dtype=np.int64)
    misfit = row_bytes.lengths(values, ceilings, _WIDTHS, UNBOUNDED, offsets)
    if misfit >= 0:
        raise OverflowError(f"a value does not fit into the field {FIELDS[misfit][0]}")
    body = np.empty(int(offsets[-1]), dtype=np.uint8)
    row_bytes.write(values, ceilings, _TYPES, _WIDTHS, UNBOUNDED, offsets, body)
    return Rows(user_id, body.data, offsets)


def as_known_to(rows: Rows, rules: int) -> tuple[Rows, Bool]:
    """The rows as code writes them that knows the first so many rules, and for whom (n,) a later rule bounds."""
    found, ceilings = _read(rows, len(FIELDS))
    bounded = np.asarray((ceilings[:, rules:] < UNBOUNDED).any(axis=1), dtype=np.bool_)
    return _packed(rows.user_id, found, ceilings[:, :rules]), bounded


def without_risk(rows: Rows) -> Rows:
    """The rows as code wrote them that kept no risk with a decision."""
    found, ceilings = _read(rows, len(FIELDS))
    found[_BEFORE_RISK:] = NULL_VALUE
    return dataclasses.replace(_packed(rows.user_id, found, ceilings), entry_format=WITHOUT_RISK)


def completed(rows: Rows) -> Rows:
    """Rows of today; those that were decided before a decision had a risk become entries of the format of then.

    What a scorecard said of them is known of their batch alone, so that none can be written down as theirs. ValueError
    as ``values``.
    """
    if not len(rows) or int.from_bytes(bytes(rows.body[4:8]), "big") != _BEFORE_RISK:
        return rows
    found, ceilings = _read(rows, _BEFORE_RISK)
    return dataclasses.replace(_packed(rows.user_id, found, ceilings), entry_format=WITHOUT_RISK)


def consent_of(portfolio: Portfolio) -> Int:
    """What the user had said when decided: 1 raises wanted, 2 raises not wanted, 4 a person has to decide; sums."""
    return portfolio.raise_consent * 1 + portfolio.opted_out * 2 + portfolio.automation_refused * 4


def values(rows: Rows) -> tuple[dict[str, Int], Int]:
    """What the rows say: each field but the ceilings (n,), and the ceilings (n, rules); NULL_VALUE and UNBOUNDED where
    there is none. ValueError when an element is none that ``encode`` makes.
    """
    found, ceilings = _read(rows, len(FIELDS))
    return {name: found[place] for place, (name, _, width) in enumerate(FIELDS) if width}, ceilings


def _read(rows: Rows, fields: int) -> tuple[Int, Int]:
    """The first so many fields (FIELDS, n), whatever stands there for the ceilings, NULL_VALUE for the others; and the
    ceilings (n, rules). ValueError when an element has other fields than these.
    """
    from limits.store import row_bytes

    body, types, widths = np.frombuffer(rows.body, dtype=np.uint8), _TYPES[:fields], _WIDTHS[:fields]
    rules = row_bytes.count_ceilings(body, widths)
    if not 0 <= rules <= _MOST_RULES:
        raise ValueError("the first decision has no ceilings")
    found = np.full((len(FIELDS), len(rows)), NULL_VALUE, dtype=np.int64)
    ceilings = np.empty((len(rows), rules), dtype=np.int64)
    odd = row_bytes.read(body, rows.offsets, types, widths, UNBOUNDED, found[:fields], ceilings)
    if odd >= 0:
        raise ValueError(f"decision {odd} is not made of the fields of a decision")
    return found, ceilings


def with_field(rows: Rows, extra: Bytes, cuts: Int) -> Rows:
    """The rows with one more field of bytes each: of user k those from cuts[k] to cuts[k + 1] (n + 1,)."""
    from limits.store import row_bytes

    longer = np.empty(len(rows.body) + len(extra) + 8 * len(rows), dtype=np.uint8)
    row_bytes.append(np.frombuffer(rows.body, dtype=np.uint8), rows.offsets, BYTEA, extra, cuts, longer)
    offsets = rows.offsets + cuts + 8 * np.arange(len(rows) + 1)
    return Rows(rows.user_id, longer.data, offsets, rows.entry_format)


def decode(user_id: Int, body: bytes | memoryview) -> Rows:
    """Rows from the bytes of their elements. ValueError when these are not as many elements."""
    from limits.store import row_bytes

    offsets = np.zeros(len(user_id) + 1, dtype=np.int64)
    if row_bytes.find(np.frombuffer(body, dtype=np.uint8), offsets) != len(body):
        raise ValueError(f"{len(body)} bytes are not {len(user_id)} decisions")
    return Rows(user_id, body, offsets)


def days(dates: Dates) -> Int:
    """Dates as the days that PostgreSQL counts; NULL where there is none."""
    known = ~np.isnat(dates)
    return np.where(known, np.where(known, dates - EPOCH, np.timedelta64(0, "D")).astype(np.int64), NULL_VALUE)
