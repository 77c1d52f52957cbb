"""Writing decisions: arrays become one binary COPY into the stage, and one function call applies them.

``limits.apply_decisions`` is the only way to change a limit; this module only hands it rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import scalar_row

from limits.decision import Decisions
from limits.dispositions import Disposition, Dispositions
from limits.errors import ChangeEnded, LeaseLost, PolicyNotApproved, ReviewRefused
from limits.portfolio import UNBOUNDED, Dates, Int, Portfolio
from limits.store import approvals
from limits.store.queries import query
from limits.store.reviews import Lease

Bytes = NDArray[np.uint8]

#: The log holds a decision on one of the users in this review already.
AlreadyDecided = psycopg.errors.UniqueViolation

#: Raised with a transaction it leaves that transaction's block, which is rolled back, without an error.
Rollback = psycopg.Rollback

#: The database is not what the code takes it for: a table, a column or a right is missing.
MISFIT = (psycopg.ProgrammingError, psycopg.NotSupportedError)

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
_TRAILER = b"\xff\xff"
_INT8_OID = 20
_DIGEST_BYTES = 32
_EPOCH = np.datetime64("2000-01-01", "D")  # PostgreSQL counts days from here


def apply_decisions(
    conn: psycopg.Connection[Any],
    lease: Lease,
    portfolio: Portfolio,
    decisions: Decisions,
    dispositions: Dispositions,
    digests: Sequence[bytes],
    code_version: str,
) -> list[int]:
    """Stages and applies the decisions of some users inside the caller's transaction.

    Returns the users whose credit line had moved on since it was read, or for whom another
    change waits by now: nothing was done for them. LeaseLost when another worker holds the
    shard by now; ReviewRefused when the review no longer runs, PolicyNotApproved when its
    policy was withdrawn; ChangeEnded when the change or the request that the review is about
    is no longer open.
    """
    rows = encode(lease, portfolio, decisions, dispositions, digests)
    try:
        with conn.cursor(row_factory=scalar_row) as cursor:
            with cursor.copy(query("decision_stage")) as copy:
                copy.write(rows)
            parameters = {
                "review_id": lease.review_id,
                "shard": lease.shard,
                "token": lease.token,
                "code_version": code_version,
            }
            return cursor.execute(query("decision_apply"), parameters).fetchall()
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        if error.sqlstate == "LM001":
            raise ReviewRefused(message) from error
        if error.sqlstate == "LM002":
            raise LeaseLost(message) from error
        if error.sqlstate == "LM005":
            raise ChangeEnded(message) from error
        if error.sqlstate == approvals.NOT_APPROVED:
            raise PolicyNotApproved(f"{message}; {approvals.MEND}") from error
        raise


def encode(
    lease: Lease,
    portfolio: Portfolio,
    decisions: Decisions,
    dispositions: Dispositions,
    digests: Sequence[bytes],
) -> bytes:
    """The rows in PostgreSQL's binary COPY format, built column by column for all users at once."""
    n = len(portfolio)
    if n != len(digests) or any(len(digest) != _DIGEST_BYTES for digest in digests):
        raise ValueError(f"{n} users need {n} digests of {_DIGEST_BYTES} bytes")
    capacity = decisions.capacity
    fixed = [
        _integers(np.full(n, lease.review_id), 8),
        _integers(np.full(n, lease.shard), 4),
        _integers(np.full(n, lease.token), 8),
        _integers(portfolio.user_id, 8),
        _constant(n, portfolio.currency.encode("ascii")),
        _integers(decisions.limit_before, 8),
        _integers(dispositions.limit_after, 8),
        _integers(portfolio.version, 8),
        _integers(decisions.binding, 2),
        _integers(decisions.reason_bits, 8),
    ]
    rest = [
        _integers(decisions.lowest_ceiling, 8),
        _integers(decisions.floor, 8),
        _integers(capacity.p10, 8),
        _integers(capacity.p50, 8),
        _integers(capacity.p90, 8),
        _integers(capacity.method, 2),
        _integers(capacity.months_observed, 2),
        _digests(digests),
        _integers(dispositions.disposition, 2),
    ]
    waits = dispositions.disposition != Disposition.AT_ONCE
    maybe = [  # each with the mask of its bytes that are written
        _optional(np.where(waits, dispositions.proposed, 0), waits, 8),
        _optional(*_days(dispositions.effective_on), 4),
        _whole(_integers(dispositions.notice, 2)),
        _optional(*_days(dispositions.notice_due_on), 4),
    ]
    fields = len(fixed) + 1 + len(rest) + len(maybe)
    head = np.concatenate([_big_endian(np.full(n, fields), 2), *fixed], axis=1)
    parts = [_whole(head), _arrays(decisions.ceilings), _whole(np.concatenate(rest, axis=1)), *maybe]
    matrix = np.concatenate([data for data, _ in parts], axis=1)
    keep = np.concatenate([kept for _, kept in parts], axis=1)
    return _SIGNATURE + matrix[keep].tobytes() + _TRAILER


def _big_endian(values: Any, size: int) -> Bytes:
    """(n, size) bytes of n integers in network order; refuses what does not fit."""
    wide = np.ascontiguousarray(values, dtype=np.int64)
    narrow = wide.astype(f">i{size}")
    if not np.array_equal(narrow, wide):
        raise OverflowError(f"a value does not fit into {size} bytes")
    return narrow.view(np.uint8).reshape(len(wide), size)


def _constant(n: int, value: bytes) -> Bytes:
    return np.tile(np.frombuffer(len(value).to_bytes(4, "big") + value, dtype=np.uint8), (n, 1))


def _integers(values: Any, size: int) -> Bytes:
    """A column of integers: each with its length before it."""
    data = _big_endian(values, size)
    return np.concatenate([_big_endian(np.full(len(data), size), 4), data], axis=1)


def _whole(data: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """A column of which every byte is written."""
    return data, np.ones(data.shape, dtype=np.bool_)


def _optional(values: Int, there: NDArray[np.bool_], size: int) -> tuple[Bytes, NDArray[np.bool_]]:
    """A column of integers with NULL where there is none: a length of -1 without data."""
    data = _integers(np.where(there, values, 0), size)
    data[:, :4] = _big_endian(np.where(there, size, -1), 4)
    kept = np.ones(data.shape, dtype=np.bool_)
    kept[:, 4:] = there[:, None]
    return data, kept


def _days(dates: Dates) -> tuple[Int, NDArray[np.bool_]]:
    """Dates as the days that PostgreSQL counts, and which of them are known."""
    known = ~np.isnat(dates)
    return np.where(known, dates - _EPOCH, np.timedelta64(0, "D")).astype(np.int64), known


def _digests(digests: Sequence[bytes]) -> Bytes:
    data = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), _DIGEST_BYTES)
    return np.concatenate([_big_endian(np.full(len(digests), _DIGEST_BYTES), 4), data], axis=1)


def _arrays(ceilings: NDArray[np.int64]) -> tuple[Bytes, NDArray[np.bool_]]:
    """A column of bigint[] with NULL for "no bound", and which of its bytes are written.

    A NULL element is a length of -1 without data, so rows differ in length: every element
    is laid out in full, and the mask leaves out the data of those that are NULL.
    """
    n, k = ceilings.shape
    bound = ceilings < UNBOUNDED
    size = 20 + 4 * k + 8 * bound.sum(axis=1)
    header = [size, np.ones(n), ~bound.all(axis=1), np.full(n, _INT8_OID), np.full(n, k), np.ones(n)]
    lengths = _big_endian(np.where(bound, 8, -1).ravel(), 4).reshape(n, k, 4)
    data = _big_endian(np.where(bound, ceilings, 0).ravel(), 8).reshape(n, k, 8)
    elements = np.concatenate([lengths, data], axis=2).reshape(n, k * 12)
    matrix = np.concatenate([*(_big_endian(part, 4) for part in header), elements], axis=1)
    keep = np.ones(matrix.shape, dtype=np.bool_)
    keep[:, 24:] = np.concatenate(
        [np.ones((n, k, 4), dtype=np.bool_), np.repeat(bound[:, :, None], 8, axis=2)], axis=2
    ).reshape(n, k * 12)
    return matrix, keep
