"""The checkpoints of the log as the database has them."""

from __future__ import annotations

from limits.store.db import Connection
from limits.store.queries import query


def newest(conn: Connection, limit: int) -> list[tuple[int, str]]:
    """Number and note of the newest, at most so many, the newest last."""
    return list(reversed(before(conn, limit, None)))


def before(conn: Connection, limit: int, number: int | None) -> list[tuple[int, str]]:
    """Number and note of those before one of a number (None: of all), at most so many, the newest first."""
    return conn.execute(query("checkpoints_newest"), {"limit": limit, "before": number}).fetchall()
