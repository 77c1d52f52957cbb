"""The checkpoints of the log as the database has them."""

from __future__ import annotations

from limits.store.db import Connection
from limits.store.queries import query


def newest(conn: Connection, limit: int) -> list[tuple[int, str]]:
    """Number and note of the newest, at most so many, the newest last."""
    rows = conn.execute(query("checkpoints_newest"), {"limit": limit}).fetchall()
    return [(number, note) for number, note in reversed(rows)]
