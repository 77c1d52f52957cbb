"""What challengers would have decided: which there are, their rows beside the log, and what they come to.

A challenger changes nothing: its rows stand in a table of their own, which nobody applies.
"""

from __future__ import annotations

import datetime as dt
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import class_row

from limits.decision import Decisions
from limits.portfolio import Portfolio
from limits.store.queries import query
from limits.store.reviews import Lease

Connection = psycopg.Connection[Any]

#: The day that PostgreSQL counts dates from.
_EPOCH = dt.date(2000, 1, 1)


@dataclass(frozen=True)
class Challenger:
    """A policy approved to be tried in the shadow: its text, byte for byte."""

    policy_hash: bytes
    pack: str
    effective_on: dt.date
    body: str


def challengers(conn: Connection, *, champion: bytes, as_of: dt.date) -> list[Challenger]:
    """Of each pack the challenger in force as of a date; in any currency."""
    with conn.cursor(row_factory=class_row(Challenger)) as cursor:
        return cursor.execute(query("challenger_list"), {"champion": champion, "as_of": as_of}).fetchall()


def write(conn: Connection, rows: Any, *, leave_out: Sequence[int] = ()) -> None:
    """Writes rows of ``encode`` inside the caller's transaction: what a challenger would have decided.

    ``leave_out``: users about whom the champion decided nothing this time. Undone by itself
    when it fails: what the transaction did before stands.
    """
    rows = rows[~np.isin(rows["column1"], np.asarray(leave_out, dtype=np.int64))]
    if not len(rows):
        return
    with conn.transaction(), conn.cursor() as cursor, cursor.copy(query("challenger_write")) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")


def keep(conn: Connection, lease: Lease, policy_hash: bytes, rows: Any) -> None:
    """Keeps rows of ``encode`` until the champion's decisions about the shard are applied."""
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    body = zlib.compress(buffer.getvalue(), 1)
    parameters = {"review_id": lease.review_id, "shard": lease.shard, "policy_hash": policy_hash, "body": body}
    with conn.transaction():
        conn.execute(query("shadow_keep"), parameters)


def take(conn: Connection, lease: Lease) -> list[tuple[bytes, Any]]:
    """Removes what was kept of a shard: of each challenger the hash of its policy and the rows."""
    parameters = {"review_id": lease.review_id, "shard": lease.shard}
    found = conn.execute(query("shadow_take"), parameters, binary=True).fetchall()
    return [(hash_, np.load(io.BytesIO(zlib.decompress(body)), allow_pickle=False)) for hash_, body in found]


def users_of(rows: Any) -> list[int]:
    """The users whom rows of ``encode`` are about."""
    found: list[int] = rows["column1"].tolist()
    return found


def write_failure(conn: Connection, lease: Lease, policy_hash: bytes, user_ids: Sequence[int], error: str) -> None:
    """Writes down that a challenger decided nothing about some users; undone by itself when it fails."""
    parameters = {
        "review_id": lease.review_id,
        "shard": lease.shard,
        "policy_hash": policy_hash,
        "users": len(user_ids),
        "user_from": min(user_ids),
        "error": error,
    }
    with conn.transaction():
        conn.execute(query("challenger_failed"), parameters)


def encode(
    review_id: int,
    policy_hash: bytes,
    portfolio: Portfolio,
    decisions: Decisions,
    digest: bytes,
    code_version: str,
) -> Any:
    """(n,) rows in PostgreSQL's binary COPY format: every column has a fixed width here, so a row is a struct."""
    n = len(portfolio)
    capacity = decisions.capacity
    version = code_version.encode("ascii")
    columns: list[tuple[str, Any]] = [
        (">i8", review_id),
        (">i8", portfolio.user_id),
        (f"V{len(policy_hash)}", np.frombuffer(policy_hash, dtype=f"V{len(policy_hash)}")),
        (">i4", (portfolio.as_of - _EPOCH).days),
        ("S3", portfolio.currency.encode("ascii")),
        (">i8", decisions.limit_before),
        (">i8", decisions.limit_after),
        (">i2", decisions.binding),
        (">i8", decisions.reason_bits),
        (">i8", decisions.lowest_ceiling),
        (">i8", decisions.floor),
        (">i8", capacity.p10),
        (">i8", capacity.p50),
        (">i8", capacity.p90),
        (">i2", capacity.method),
        ("V32", np.frombuffer(digest, dtype="V32")),
        (f"S{len(version)}", version),
    ]
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for place, (kind, _) in enumerate(columns):
        fields += [(f"length{place}", ">i4"), (f"column{place}", kind)]
    rows = np.zeros(n, dtype=fields)
    rows["fields"] = len(columns)
    for place, (kind, values) in enumerate(columns):
        rows[f"length{place}"] = np.dtype(kind).itemsize
        rows[f"column{place}"] = values
        if kind.startswith(">") and not np.array_equal(rows[f"column{place}"], np.broadcast_to(values, n)):
            raise OverflowError(f"a value does not fit into column {place} of the challengers' log")
    return rows
