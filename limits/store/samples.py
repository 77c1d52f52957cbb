"""What of the sample data is in the database."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row

from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class SampleUsers:
    """Users from a source, all other users, and the last day the source saw of its own."""

    own: int
    others: int
    observed_through: dt.date | None


def users_of(conn: Connection, source: str) -> SampleUsers:
    """Counts the users that came from a source, and those that did not."""
    with conn.cursor(row_factory=class_row(SampleUsers)) as cursor:
        found = cursor.execute(query("demo_users"), {"source": source}).fetchone()
    assert found is not None, "an aggregate always gives a row"
    return found
