"""What a review cannot do without, and nothing else: its bytes out of the database, its rows in, its limits updated.

The floor that `limits bench nightly` measures a review against. Works on tables of a schema ``bench`` that are
made like the log and the credit lines, so that what the review wrote stays.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import class_row, scalar_row

from limits.portfolio import Int
from limits.store.queries import query

Connection = psycopg.Connection[Any]

#: What a review reads of each user, as named queries of a shard. ROWS while the packed rows are empty.
ROWS = (
    "bench_read_users", "bench_read_months", "bench_read_statements", "bench_read_repayments", "bench_read_facts",
)  # fmt: skip
PACKED = ("bench_read_lines", "bench_read_packed")


@dataclass(frozen=True)
class Shard:
    """Users of a review between two ids, inclusive; ``changed``: how many limits it changed."""

    shard: int
    user_from: int
    user_to: int


@dataclass(frozen=True)
class Change:
    """The limits that a shard changed, arrays (n,): users, and what each limit is now, minor units."""

    user_ids: Int
    limits: Int


def prepare(conn: Connection) -> None:
    """Makes the empty log and the credit lines anew, like those of the product."""
    conn.execute(query("bench_floor"))
    conn.execute("VACUUM (ANALYZE) bench.floor_credit_lines")


def clear(conn: Connection) -> None:
    """Removes these tables."""
    conn.execute(query("bench_floor_drop"))


def reads(conn: Connection) -> tuple[str, ...]:
    """The named queries that read what a review reads today."""
    return PACKED if _one(conn, "bench_packed_there") and _one(conn, "bench_packed_filled") else ROWS


def shards(conn: Connection, review_id: int) -> list[Shard]:
    """The shards of a review, in order."""
    with conn.cursor(row_factory=class_row(Shard)) as cursor:
        return cursor.execute(query("bench_shards"), {"review_id": review_id}).fetchall()


@contextlib.contextmanager
def heap_order(conn: Connection) -> Iterator[None]:
    """A transaction that reads the log page after page, many pages at a time.

    By an index the server would ask for one page, wait for it, and ask for the next; with a log that is not in memory
    each of them is a wait for the disk, and the workers' rows lie between each other.
    """
    with conn.transaction():
        conn.execute("SET LOCAL enable_indexscan = off")
        conn.execute("SET LOCAL work_mem = '64MB'")  # so that a shard is sorted in memory
        yield


def save(conn: Connection, review_id: int, as_of: dt.date, shard: Shard, columns: list[str], path: Path) -> Change:
    """Writes what a review logged about a shard to a file, as a binary COPY of ``columns``; the limits it changed."""
    parameters = {**_key(shard), "review_id": review_id, "as_of": as_of}
    statement = sql.SQL(query("bench_log_out")).format(columns=sql.SQL(", ").join(map(sql.Identifier, columns)))
    with heap_order(conn):
        with path.open("wb") as file:
            _copy_out(conn, statement, parameters, file.write)
        found = conn.execute(query("bench_changes"), parameters).fetchall()
    # As arrays, because those of all shards are kept: sixteen bytes for each change.
    return Change(*np.array(found, dtype=np.int64).reshape(-1, 2).T.copy())


def log_columns(conn: Connection) -> list[str]:
    """The columns of the log that whoever writes it has to give."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("bench_log_columns")).fetchall()


def replay(
    conn: Connection,
    shard: Shard,
    names: tuple[str, ...],
    columns: list[str],
    logged: Path,
    change: Change,
    as_of: dt.date,
) -> int:
    """Reads, logs and updates a shard in one transaction; bytes read."""
    with conn.transaction():
        size = sum(_copy_out(conn, query(name), _key(shard), _throw_away) for name in names)
        statement = sql.SQL("COPY bench.floor_adjustment_log ({}) FROM STDIN (FORMAT binary)").format(
            sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(logged.read_bytes())
        parameters = {"user_ids": change.user_ids.tolist(), "limits": change.limits.tolist(), "as_of": as_of}
        conn.execute(query("bench_floor_update"), parameters, binary=True)
    return size


def _copy_out(
    conn: Connection, statement: str | sql.Composed, parameters: dict[str, Any], take: Callable[[memoryview], Any]
) -> int:
    """Gives the blocks that a COPY sends to ``take``, each as it comes; bytes of all."""
    text = psycopg.ClientCursor(conn).mogrify(statement, parameters)
    wire = conn.pgconn
    result = wire.exec_(text.encode())
    if result.status != psycopg.pq.ExecStatus.COPY_OUT:
        raise psycopg.DatabaseError(result.error_message.decode(errors="replace"))
    total = 0
    while (found := wire.get_copy_data(0))[0] > 0:
        total += found[0]
        take(found[1])
    while (ended := wire.get_result()) is not None:
        if ended.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.DatabaseError(ended.error_message.decode(errors="replace"))
    return total


def _throw_away(block: memoryview) -> None:
    """A client that looks at nothing."""


def _key(shard: Shard) -> dict[str, int]:
    return {"user_from": shard.user_from, "user_to": shard.user_to}


def _one(conn: Connection, name: str) -> bool:
    with conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query(name)).fetchone())
