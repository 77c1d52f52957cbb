"""Worlds whose log is replayed, and altering them past all guards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from limits import engine
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests import builders

AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)
USERS = 9


def review(
    database: Database, settings: Settings, policy: str, as_of: dt.date = AS_OF, *, meanwhile: Sequence[int] = ()
) -> int:
    """A review seen through; ``meanwhile``: users whom somebody decides before it applies anything."""
    row = engine.request_review(database, settings, as_of=as_of, actor="night", policy=policy)
    with database.connect("owner", "limits test") as conn:
        for user_id in meanwhile:
            conn.execute(
                "INSERT INTO limits.decided_meanwhile (review_id, user_id, by_review) VALUES (%s, %s, %s)",
                (row.review_id, user_id, row.review_id),
            )
    worked = engine.work(database, settings, row.review_id, worker="test")
    while worked.state == "more":
        worked = engine.work(database, settings, row.review_id, worker="test")
    assert worked.finished is not None
    return row.review_id


def decide(database: Database, settings: Settings, user_id: int, policy: str, as_of: dt.date = AS_OF) -> int:
    made = engine.recompute(
        database, settings, user_id, reason="called", actor="Ann", as_of=as_of, apply=True, policy=policy
    )
    return made.entry.entry_id


def steady(conn: Connection, *users: int) -> None:
    for user_id in users:
        builders.add_steady_user(
            conn, user_id, credit_limit=500_000 + 10_000 * user_id, observed_from=dt.date(2024, 7, 1)
        )


def fill(conn: Connection) -> None:
    """Users who are raised; users 2 and 5 are cut: six lenders. User 3 is held: nothing is known but the line."""
    steady(conn, *(user for user in range(1, USERS + 1) if user != 3))
    builders.add_user(conn, 3, observed_from=None, observed_through=None)
    for user_id in (2, 5):
        builders.add_credit_check(conn, user_id, AS_OF - DAY, active_lenders=6)
    builders.refresh(conn)


def count(conn: Connection, what: str = "limits.adjustment_log") -> int:
    row = conn.execute(f"SELECT count(*) FROM {what}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def tamper(conn: Connection, statement: str, *parameters: object) -> None:
    """What only an owner of the server can do: past all guards of the schema, triggers and constraints."""
    tables = conn.execute(
        """SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace = 'limits'::regnamespace AND relkind IN ('r', 'p')"""
    ).fetchall()
    checks = conn.execute(
        """SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
            WHERE contype = 'c' AND coninhcount = 0
              AND conrelid IN ('limits.adjustment_log'::regclass, 'limits.notices'::regclass,
                               'limits.pending_changes'::regclass, 'limits.policies'::regclass)"""
    ).fetchall()
    with conn.transaction():
        for (table,) in tables:
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        for table, check in checks:
            conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {check}".encode())
        made = conn.execute(statement.encode(), parameters)
        assert made.rowcount, "it altered something"
