"""Months of the log and of the events: made beside everybody who reads, and not without an end."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from limits.store.db import Connection, Database, Role
from tests.conftest import copied

Login = Callable[[str, Role], Connection]
MAKE = "SELECT limits.ensure_month(%s, %s)"
LOG, EVENTS = "limits.adjustment_log", "limits.events"


@pytest.fixture
def database(server_url: str, bare: str) -> Iterator[Database]:
    """One in which no month has been made yet."""
    with copied(server_url, bare) as copy:
        yield copy


def later(months: int) -> dt.date:
    """The first day of a month so many months from now."""
    today = dt.datetime.now(dt.UTC).date()
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    return dt.date(year, month + 1, 1)


def there(conn: Connection, table: str) -> int:
    row = conn.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", (table,)).fetchone()
    assert row is not None
    return int(row[0])


def log_columns(conn: Connection) -> str:
    """The columns that an entry of a test has to name, with a value for each."""
    rows = conn.execute(
        """SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute a
            WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull AND attidentity = '' AND NOT atthasdef""",
        (LOG,),
    ).fetchall()
    values = {"as_of": "%s", "policy_hash": "sha256('x')", "input_digest": "sha256('x')", "ceilings_minor": "'{1}'"}
    rows += [("consent", "smallint"), ("batch_id", "bigint"), ("sequence", "integer"), ("entry", "text")]
    names = [name for name, _ in rows]  # these may be NULL in the entries of before there were batches
    filled = [values.get(name, "'x'" if "char" in kind or kind == "text" else "0") for name, kind in rows]
    return f"INSERT INTO {LOG} ({', '.join(names)}) VALUES ({', '.join(filled)}) RETURNING entry_id"


@pytest.mark.parametrize("table", [LOG, EVENTS])
def test_whoever_reads_keeps_nobody_from_making_a_month(
    database: Database, conn: Connection, login: Login, table: str
) -> None:
    """Nor does whoever makes one, and has not committed, keep anybody from reading or from writing other months."""
    conn.execute(MAKE, (table, "2026-05-01"))
    auditor = login("limits_test_auditor", "auditor")
    reader = auditor if table == LOG else conn
    with database.connect("operations", "maker") as maker, reader.transaction():
        name = "limits_read.adjustment_log" if table == LOG else table
        reader.execute(f"SELECT count(*) FROM {name}".encode())
        with maker.transaction():
            maker.execute("SET LOCAL lock_timeout = '2s'")
            maker.execute(MAKE, (table, "2026-06-01"))
            with database.connect("owner", "reader") as other:
                other.execute("SET statement_timeout = '2s'")
                other.execute(f"SELECT count(*) FROM {table}".encode())
                if table == LOG:
                    other.execute(log_columns(other).encode(), ("2026-05-31",))
    assert there(conn, table) == 2


def test_entries_of_all_months_are_numbered_by_one_sequence(conn: Connection) -> None:
    entry = log_columns(conn).encode()
    numbers = []
    for month in ("2026-04-01", "2026-05-01", "2026-04-02"):
        conn.execute(MAKE, (LOG, month))
        row = conn.execute(entry, (month,)).fetchone()
        assert row is not None
        numbers.append(row[0])
    first = int(numbers[0])
    assert numbers == [first, first + 1, first + 2]
    assert conn.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'entry_id'))", (LOG,)).fetchone() == (
        first + 2,
    )


@pytest.mark.parametrize("role", ["worker", "operations"])
@pytest.mark.parametrize(("table", "ahead"), [(LOG, 2), (EVENTS, 1)])
def test_months_far_ahead_are_not_made(login: Login, conn: Connection, role: Role, table: str, ahead: int) -> None:
    one = login("limits_test_maker", role)
    for month in (later(ahead), later(-300)):
        one.execute(MAKE, (table, month))
    for month in (later(ahead + 1), dt.date(2199, 12, 1)):
        with pytest.raises(psycopg.Error, match="is later than"):
            one.execute(MAKE, (table, month))
    assert there(conn, table) == 2
    conn.execute(MAKE, (table, later(ahead + 1)))
    one.execute(MAKE, (table, later(ahead + 1)))  # what is there is there


def test_nobody_but_who_makes_months_holds_up_a_month(database: Database, conn: Connection, login: Login) -> None:
    auditor = login("limits_test_auditor", "auditor")
    auditor.execute("SELECT pg_advisory_lock(hashtext('limits.ensure_month'))")
    with database.connect("worker", "test") as worker:
        worker.execute("SET lock_timeout = '2s'")
        worker.execute(MAKE, (LOG, "2026-05-01"))
    assert there(conn, LOG) == 1


def test_several_make_a_month_once(database: Database, conn: Connection) -> None:
    gate = threading.Barrier(4)

    def make() -> None:
        with database.connect("worker", "test") as worker:
            gate.wait()
            for month in ("2026-05-01", "2026-06-01", "2026-04-01"):
                worker.execute(MAKE, (LOG, month))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert there(conn, LOG) == 3
