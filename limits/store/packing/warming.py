"""Loading the compiled code of packing and reading before it is needed, on whoever is the first user there."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import scalar_row

from limits.store.packing import reading
from limits.store.packing.writing import pack, write
from limits.store.queries import query


def warm(conn: psycopg.Connection[Any], as_of: dt.date) -> None:
    """Packs and reads one user as a worker, and undoes it. Nothing where there is no user."""
    reading.warm()
    with conn.transaction(force_rollback=True):
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with conn.cursor(row_factory=scalar_row) as cursor:
            found = cursor.execute(query("users_after"), {"after": 0, "limit": 1}).fetchall()
        if found:
            user_ids = np.array(found, dtype=np.int64)
            rows = pack(conn, as_of, user_ids)
            write(conn, rows)
            reading.read_packed(conn, as_of, str(rows.currency[0]), user_ids)
