"""Decisions between deciding and applying: a shard's rows in parts, compressed, each applied by one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from psycopg.rows import scalar_row

from limits.errors import PartDamaged
from limits.store import rows as decision_rows
from limits.store.queries import query
from limits.store.reviews import Lease
from limits.store.rows import Rows

Connection = psycopg.Connection[Any]

_CODEC = "lz4"
_SIZE_BYTES = 8

#: Far above what a decision takes; what says that it takes more is no part.
_MOST_BYTES = 4096


def write(conn: Connection, lease: Lease, rows: Rows, *, part_users: int) -> None:
    """Writes the decisions of a shard inside the caller's transaction, which holds the lease."""
    for number, start in enumerate(range(0, len(rows), part_users)):
        part = rows.part(start, start + part_users)
        conn.execute(
            query("part_write"),
            {
                "review_id": lease.review_id, "shard": lease.shard, "part": number, "users": len(part),
                "root": part.digest(), "body": _pack(part),
            },
        )  # fmt: skip


def left(conn: Connection, lease: Lease) -> Sequence[int]:
    """The numbers of the parts of a shard that are not applied yet, in order."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("part_list"), {"review_id": lease.review_id, "shard": lease.shard}).fetchall()


def take(conn: Connection, lease: Lease, part: int) -> Rows | None:
    """Removes a part inside the caller's transaction, which applies it; None when it is gone.

    PartDamaged when it is not what was decided.
    """
    parameters = {"review_id": lease.review_id, "shard": lease.shard, "part": part}
    found = conn.execute(query("part_take"), parameters, binary=True).fetchone()
    if found is None:
        return None
    root, body, users = found
    try:
        rows = _unpack(body, users)
    except (ValueError, OSError) as error:  # pyarrow's errors are of these kinds
        raise PartDamaged(_damaged(lease, part, str(error))) from error
    if rows.digest() != root:
        raise PartDamaged(_damaged(lease, part, "its rows have another sha256 than those decided"))
    return decision_rows.completed(rows)


def _damaged(lease: Lease, part: int, why: str) -> str:
    return (
        f"part {part} of shard {lease.shard} of review {lease.review_id} is damaged ({' '.join(why.split())}): nothing "
        "of it is applied; cancel the review, find out who wrote there, and review the date again"
    )


def _pack(rows: Rows) -> bytes:
    """Length of the rows, the rows compressed, and before them the users' ids."""
    ids = rows.user_id.astype("<i8").tobytes()
    packed = pa.compress(rows.body, codec=_CODEC, asbytes=True)
    return len(rows.body).to_bytes(_SIZE_BYTES, "little") + ids + packed


def _unpack(body: bytes, users: int) -> Rows:
    size = int.from_bytes(body[:_SIZE_BYTES], "little")
    if size > users * _MOST_BYTES:
        raise ValueError(f"{users} decisions of {size} bytes")
    end = _SIZE_BYTES + 8 * users
    ids = np.frombuffer(body[_SIZE_BYTES:end], dtype="<i8").astype(np.int64)
    return decision_rows.decode(ids, pa.decompress(body[end:], size, codec=_CODEC, asbytes=True))
