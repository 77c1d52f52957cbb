"""Packed users: whatever is packed and whatever happens meanwhile, what is read is what the sources say."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from limits.cli import doctor
from limits.settings import Settings
from limits.store import packing
from limits.store.db import Connection, Database, Role
from limits.store.load import load_portfolio
from limits.store.packing import read_packed, writing
from limits.store.packing.interval import year_later
from tests import builders, imports, worlds
from tests.builders import AS_OF, CURRENCY
from tests.imports import one
from tests.worlds import assert_same

DAY = dt.timedelta(days=1)


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    """A connection with the rights of a worker."""
    with database.connect("worker", "limits test") as connection:
        yield connection


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    day = first
    while day <= last:
        yield day
        day += DAY


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def read_from_rows(conn: Connection, as_of: dt.date) -> int:
    """How many users are read from their packed row as of a date."""
    return int(
        one(
            conn,
            "SELECT count(*) FROM limits.packed_users p JOIN limits.credit_lines c USING (user_id, currency)"
            " WHERE valid_from <= %s AND valid_until > %s AND facts IS NOT NULL"
            " AND user_id NOT IN (SELECT user_id FROM limits.dirty_users)",
            as_of,
            as_of,
        )
    )


# Any day -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "first", "last"),
    [
        pytest.param(1, "2025-11-20", "2026-03-20", marks=pytest.mark.slow),
        (2, "2025-10-20", "2025-11-10"),
        (3, "2025-02-20", "2025-03-10"),
    ],
)
def test_every_day_between_two_packings(conn: Connection, worker: Connection, seed: int, first: str, last: str) -> None:
    ids = worlds.fill(conn, seed, 30)
    rows = 0
    for k, as_of in enumerate(days(day(first), day(last))):
        if k % 9 == 0:
            packing.refresh(worker, as_of)
            assert read_from_rows(conn, as_of) > len(ids) // 2
            for back in (1, 2, 15):
                assert_same(conn, as_of - back * DAY, ids)
        rows += read_from_rows(conn, as_of)
        assert_same(conn, as_of, ids)
    assert rows > 0.4 * len(ids) * k, "too few of them were read from their rows to show anything"


@pytest.mark.parametrize("seed", range(10, 14))
def test_the_first_and_the_last_day_of_each_row(conn: Connection, worker: Connection, seed: int) -> None:
    ids = worlds.fill(conn, seed, 60)
    dice = random.Random(seed)
    for packed_on in [worlds.some_day(dice, day("2024-06-01")) for _ in range(3)]:
        packing.refresh(worker, packed_on)
        ends = conn.execute(
            "SELECT valid_from, valid_until, array_agg(user_id ORDER BY user_id) FROM limits.packed_users"
            " WHERE facts IS NOT NULL GROUP BY 1, 2"
        ).fetchall()
        for valid_from, valid_until, users in ends:
            assert valid_from <= packed_on < valid_until
            last = valid_until - DAY
            for as_of in {valid_from, last, packed_on, worlds.some_day(dice, valid_from, last)}:
                assert_same(conn, as_of, users)
    assert_same(conn, packed_on, ids)


def test_both_currencies_of_a_lender(conn: Connection, worker: Connection) -> None:
    ids = worlds.fill(conn, 20, 60)
    packing.refresh(worker, AS_OF)
    assert len(assert_same(conn, AS_OF, ids, "EUR")) > 0
    assert len(assert_same(conn, AS_OF, ids, CURRENCY)) > 0
    assert len(assert_same(conn, AS_OF, ids, "USD")) == 0


def test_any_choice_of_users(conn: Connection, worker: Connection) -> None:
    ids = worlds.fill(conn, 21, 30)
    packing.refresh(worker, AS_OF)
    for chosen in ([], ids[:1], ids[::3], [*ids, 2**62], [2**61, 2**62]):
        assert_same(conn, AS_OF, chosen)


def test_nobody_is_packed_and_nobody_is_there(conn: Connection, worker: Connection) -> None:
    assert packing.refresh(worker, AS_OF) == 0
    assert_same(conn, AS_OF, [])
    ids = worlds.fill(conn, 22, 10)
    assert read_from_rows(conn, AS_OF) == 0
    assert_same(conn, AS_OF, ids)


# What happens after the packing ---------------------------------------------------------------


@pytest.mark.parametrize("source", list(worlds.CHANGES))
def test_whatever_comes_in_is_seen_at_once(conn: Connection, worker: Connection, source: str) -> None:
    ids = worlds.fill(conn, 30, 25)
    dice = random.Random(source)
    packing.refresh(worker, AS_OF)
    for user_id in ids[::2]:
        worlds.CHANGES[source](conn, dice, user_id)
        assert_same(conn, AS_OF, ids)
    builders.refresh(conn)
    assert_same(conn, AS_OF, ids)
    packing.refresh(worker, AS_OF)
    assert one(conn, "SELECT count(*) FROM limits.dirty_users") == 0
    assert_same(conn, AS_OF, ids)


#: What may be done to a source by hand: each changes what is known of user 1.
BY_HAND = [
    "UPDATE limits.users SET opened_on = opened_on + 1 WHERE user_id = 1",
    "UPDATE limits.user_profiles SET segment = 'other' WHERE user_id = 1",
    "DELETE FROM limits.user_profiles WHERE user_id = 1",
    "UPDATE limits.statements SET balance_minor = 7 WHERE user_id = 1",
    "UPDATE limits.statements SET user_id = 2 WHERE user_id = 1",
    "DELETE FROM limits.statements WHERE user_id = 1",
    "UPDATE limits.repayments SET user_id = 2 WHERE user_id = 1",
    "DELETE FROM limits.repayments WHERE user_id = 1",
    "UPDATE limits.credit_checks SET active_lenders = 9 WHERE user_id = 1",
    "DELETE FROM limits.events WHERE user_id = 1",
    "UPDATE limits.events SET user_id = 2 WHERE user_id = 1",
    "UPDATE limits.monthly_cash_flow SET inflow_minor = 3 WHERE user_id = 1",
    "DELETE FROM limits.monthly_cash_flow WHERE user_id = 1",
    "TRUNCATE limits.statements",
    "TRUNCATE limits.events",
    "TRUNCATE limits.monthly_cash_flow",
    "SET session_replication_role = replica; DELETE FROM limits.statements WHERE user_id = 1",
    "UPDATE limits.credit_lines SET limit_minor = 5, last_raise_on = '2026-06-01'",
    "UPDATE limits.credit_lines SET last_cut_on = '-infinity' WHERE user_id = 1",
    "UPDATE limits.credit_lines SET currency = 'EUR' WHERE user_id = 1",
    "UPDATE limits.credit_lines SET opened_on = '2026-07-01' WHERE user_id = 1",
    "DELETE FROM limits.credit_lines WHERE user_id = 1",
]


@pytest.mark.parametrize("statement", BY_HAND)
def test_what_is_changed_by_hand_is_seen_too(conn: Connection, worker: Connection, statement: str) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    before = assert_same(conn, AS_OF, [1, 2, 3])
    assert read_from_rows(conn, AS_OF) == 3
    for part in statement.split("; "):
        conn.execute(part.encode())
    after, excluded = load_portfolio(conn, AS_OF, CURRENCY, user_ids=[1, 2, 3])
    with pytest.raises(AssertionError):
        assert not excluded
        worlds.assert_equal(after, before)
    assert_same(conn, AS_OF, [1, 2, 3])


def test_imports_mark_whom_they_touch_and_nobody_else(
    conn: Connection, ops: Connection, worker: Connection, tmp_path: Path
) -> None:
    imports.load(ops, "users", tmp_path, imports.USERS)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    files = {
        "events": b"e1,1,2026-05-03T10:00:00Z,income,50.00,CNY\ne2,1,2026-06-03T10:00:00Z,income,50.00,CNY\n",
        "statements": b"s1,1,2026-05-05,2026-05-25,900.00,900.00,90.00,CNY\n",
        "repayments": b"r1,1,2026-05-20,90.00,CNY\n",
        "credit-checks": b"c1,1,2026-05-01,2,100.00,10.00,1,CNY\n",
        "documents": b"d1,1,2026-05-01,complete,\n",
        "consents": b"k1,1,2026-05-01,raises,withdrawn\n",
        "users": b"1,2026-05-01,blocked,retail,,CNY,CN,2024-03-15,2024-03-15,2026-06-30,verified,2024-03-15,,,yes,\n",
    }
    for kind, body in files.items():
        assert imports.load(ops, kind, tmp_path, body, name="one.csv").new == body.count(b"\n")
        marks = imports.rows(conn, "SELECT user_id, count(*) FROM limits.dirty_users GROUP BY user_id")
        assert marks == [(1, 1)], kind
        assert_same(conn, AS_OF, [1, 2, 3])
        builders.refresh(conn)
        assert packing.refresh(worker, AS_OF) == 1
        assert_same(conn, AS_OF, [1, 2, 3])
    with conn.transaction():
        conn.execute("SELECT * FROM limits.set_consent(1, 'raises', 'given', '2026-05-02', 'Ann', 'called')")
    assert_same(conn, AS_OF, [1, 2, 3])


def test_what_a_mark_costs_does_not_grow_with_the_marks(database: Database) -> None:
    """Planned while there were none, as after a night, and kept by the session: no walk over all marks for each."""
    with database.connect("owner", "test") as conn:
        conn.execute("TRUNCATE limits.dirty_users")
        conn.execute("VACUUM (ANALYZE) limits.dirty_users")
        with conn.transaction(force_rollback=True):
            for first in (1, 301, 601):
                conn.execute(
                    """INSERT INTO limits.monthly_cash_flow
                       SELECT u, '2026-01-01', false, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(%s::bigint, %s) u""",
                    (first, first + 299),
                )
            conn.execute("UPDATE limits.monthly_cash_flow SET month = '2026-02-01' WHERE user_id <= 900")
            assert one(conn, "SELECT count(*) FROM limits.dirty_users") == 900, "one for each user and transaction"
            read = one(
                conn, "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = 'limits.dirty_users'::regclass"
            )
    assert read <= 900, "the count above, and nothing else"


def test_an_import_that_runs_while_others_pack_is_not_lost(
    conn: Connection, worker: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It commits after the packing has looked: the mark stays, and the row is not read."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id)
    builders.refresh(conn)
    write = writing.write

    def late(connection: Connection, rows: writing.Packed) -> None:
        builders.add_statement(conn, 1, AS_OF, balance=123)
        write(connection, rows)

    monkeypatch.setattr(writing, "write", late)
    assert packing.refresh(worker, AS_OF) == 2
    assert imports.rows(conn, "SELECT DISTINCT user_id FROM limits.dirty_users") == [(1,)]
    assert assert_same(conn, AS_OF, [1, 2]).balance.tolist()[0] == 123
    monkeypatch.undo()
    assert packing.refresh(worker, AS_OF) == 1
    assert read_from_rows(conn, AS_OF) == 2
    assert_same(conn, AS_OF, [1, 2])


def test_who_packs_with_an_older_look_gives_way(
    conn: Connection, worker: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else packs what came in meanwhile; the older row must not take its place."""
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)  # now the texts have their numbers: whoever makes one lets others wait for it
    builders.add_repayment(conn, 1, AS_OF)
    write, tries = writing.write, []

    def overtaken(connection: Connection, rows: writing.Packed) -> None:
        if connection is worker:
            tries.append(rows)
            if len(tries) == 1:
                builders.add_statement(conn, 1, AS_OF, balance=123)
                with database.connect("worker", "limits test") as other:
                    assert packing.refresh(other, AS_OF) == 1
        write(connection, rows)

    monkeypatch.setattr(writing, "write", overtaken)
    packing.refresh(worker, AS_OF)
    assert len(tries) == 1, "whoever tries again finds that nothing is left to pack"
    assert read_from_rows(conn, AS_OF) == 1
    assert assert_same(conn, AS_OF, [1]).balance.tolist() == [123]


def test_a_reader_in_one_snapshot_sees_none_of_it(conn: Connection, worker: Connection, database: Database) -> None:
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    with database.connect("operations", "limits test") as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        before = assert_same(reader, AS_OF, [1])
        builders.add_statement(conn, 1, AS_OF, balance=123)
        packing.refresh(worker, AS_OF)
        worlds.assert_equal(assert_same(reader, AS_OF, [1]), before)


# What rows can hold ---------------------------------------------------------------------------


def test_long_texts_large_amounts_and_odd_dates(conn: Connection, worker: Connection) -> None:
    builders.add_steady_user(conn, 1, segment="x" * 101)
    builders.add_steady_user(conn, 2, segment="é" * 100, industry="面包店")
    builders.add_steady_user(conn, 3)
    builders.add_monthly_income(conn, 3, [2**31] * 3, until=day("2026-04-30"))
    builders.add_steady_user(conn, 4)
    builders.add_monthly_income(conn, 4, [10**15 + 1], until=day("2026-04-30"))
    builders.add_user(conn, 5, credit_limit=None)
    builders.add_steady_user(conn, 6, identity_checked_on=day("1800-01-01"))
    builders.add_steady_user(conn, 7)
    conn.execute("UPDATE limits.user_profiles SET income_verified_on = 'infinity' WHERE user_id = 7")
    builders.add_user(conn, 8, opened_on=day("2026-07-04"))
    builders.add_user(conn, 9, status="closed")
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    kept = imports.rows(conn, "SELECT user_id, facts IS NOT NULL, wide FROM limits.packed_users ORDER BY 1")
    assert kept == [
        (1, False, False), (2, True, False), (3, True, True), (4, False, False), (5, True, False), (6, False, False),
        (7, False, False), (8, False, False), (9, True, False),
    ]  # fmt: skip
    assert assert_same(conn, AS_OF, range(1, 11)).user_id.tolist() == [1, 2, 3]
    assert packing.refresh(worker, AS_OF) == 0, "who cannot be packed is not tried again every night"
    assert_same(conn, day("2026-07-04"), range(1, 11))


def test_arrears_grow_by_the_day_without_packing_again(conn: Connection, worker: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_statement(conn, 1, day("2026-05-01"), due_on=day("2026-05-21"))
    builders.add_user(conn, 2)
    builders.add_statement(conn, 2, day("2025-08-01"), due_on=day("2025-08-11"))
    builders.add_repayment(conn, 2, day("2025-09-30"))
    builders.add_statement(conn, 2, day("2026-05-01"), due_on=day("2026-05-21"))
    builders.refresh(conn)
    packing.refresh(worker, day("2026-06-01"))
    for as_of in days(day("2026-05-20"), day("2026-07-20")):
        assert_same(conn, as_of, [1, 2])
    assert read_from_rows(conn, day("2026-07-20")) == 2
    assert assert_same(conn, day("2026-07-20"), [1]).days_past_due.tolist() == [60]


def test_a_quiet_user_is_packed_once_a_year(conn: Connection, worker: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_monthly_income(conn, 1, [700] * 40)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    assert packing.refresh(worker, AS_OF + 180 * DAY) == 0
    for as_of in days(AS_OF - DAY, AS_OF + 400 * DAY):
        assert_same(conn, as_of, [1])


def test_a_year_later_is_when_the_database_says_so(conn: Connection) -> None:
    start = np.datetime64("2023-01-01")
    told = year_later(start + np.arange(1600))
    leaves = imports.rows(
        conn,
        "SELECT d::date, (SELECT min(a)::date FROM generate_series(d, d + interval '400 days', interval '1 day') a"
        " WHERE NOT d::date > (a::date - interval '12 months'))"
        " FROM generate_series('2023-01-01'::date, '2023-01-01'::date + 1599, interval '1 day') d ORDER BY 1",
    )
    assert told.tolist() == [left for _, left in leaves]


def test_rows_of_other_code_are_never_read(conn: Connection, worker: Connection) -> None:
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    conn.execute("UPDATE limits.packed_users SET format = format + 1, facts = '\\x00'")
    assert_same(conn, AS_OF, [1])
    assert packing.refresh(worker, AS_OF) == 1
    conn.execute("UPDATE limits.packed_users SET facts = '\\x00'")
    assert_same(conn, AS_OF, [1])


# Who may, and who notices ----------------------------------------------------------------------


def test_nobody_but_a_worker_writes_packed_rows(
    conn: Connection, worker: Connection, login: Callable[[str, Role], Connection]
) -> None:
    builders.add_steady_user(conn, 1)
    packing.refresh(worker, AS_OF)
    for role, name in (("operations", "packs_o"), ("auditor", "packs_a"), ("worker", "packs_w")):
        attacker = login(name, role)  # type: ignore[arg-type]
        for statement in (
            "UPDATE limits.packed_users SET facts = facts",
            "DELETE FROM limits.packed_users",
            "INSERT INTO limits.packed_texts (content) VALUES ('x')",
            "DELETE FROM limits.dirty_users",
            "INSERT INTO limits.dirty_users (user_id) VALUES (1)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attacker.execute(statement.encode())
        if role != "worker":
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                packing.rebuild(attacker, AS_OF)
    # A worker may, in the snapshot it has read, and it is written down who did.
    assert packing.rebuild(attacker, AS_OF) == 1
    assert one(conn, "SELECT packed_by FROM limits.packed_users") == "packs_w"
    [packed] = [writing.pack(conn, AS_OF, np.array([1]))]
    with pytest.raises(psycopg.Error, match="snapshot"):
        writing.write(attacker, packed)


def test_the_doctor_names_the_user_and_the_column(conn: Connection, worker: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id)
    builders.refresh(conn)
    assert packing.examine(conn, AS_OF, users=5) == packing.State(0, 0, 0, None)
    packing.refresh(worker, AS_OF)
    builders.add_repayment(conn, 3, AS_OF)
    assert packing.examine(conn, AS_OF + 9 * DAY, users=None).different is None
    state = packing.examine(conn, AS_OF, users=None)
    assert state == packing.State(3, 1, 2, None)
    assert packing.examine(conn, AS_OF, users=1).compared == 1
    for column, statement in (
        ("balance", "facts = overlay(facts PLACING '\\x07' FROM 1)"),
        ("balance of the payment record", "cells = overlay(cells PLACING '\\x07' FROM 1)"),
        ("days_past_due of the payment record", "cells = overlay(cells PLACING '\\x07' FROM 69)"),
        ("inflow", "cells = overlay(cells PLACING '\\x07' FROM 153)"),
        ("whether it is decided at all", "currency = 'EUR'"),
    ):
        conn.execute(f"UPDATE limits.packed_users SET {statement} WHERE user_id = 2".encode())
        if column.startswith("whether"):
            conn.execute("UPDATE limits.credit_lines SET currency = 'EUR' WHERE user_id = 2")
        assert packing.examine(conn, AS_OF, users=None).different == (2, column, AS_OF)
        finding = doctor._packed(conn, None)
        assert finding.state == "fail" and f"user 2 differs from its sources in {column}" in finding.says
        assert "limits data pack --all" in finding.mend
        assert packing.rebuild(worker, AS_OF) == 3
    conn.execute("UPDATE limits.credit_lines SET currency = 'CNY' WHERE user_id = 2")
    packing.rebuild(worker, AS_OF)
    assert packing.examine(conn, AS_OF, users=None) == packing.State(3, 0, 3, None)


def test_the_command_packs_and_says_how_many(conn: Connection, settings: Settings) -> None:
    from tests.commands import answer

    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id)
    asked = ("data", "pack", "--as-of", AS_OF.isoformat())
    assert answer(settings, *asked) == {"as_of": AS_OF.isoformat(), "all": False, "packed": 2}
    assert answer(settings, *asked)["packed"] == 0
    assert answer(settings, *asked, "--all")["packed"] == 2
    assert read_from_rows(conn, AS_OF) == 2
    [seen] = [f for f in answer(settings, "doctor", "--packed-all")["findings"] if f["check"] == "packed"]
    assert seen["state"] == "ok" and "2 compared" in seen["says"]


def test_reading_needs_no_rights_to_write(conn: Connection, worker: Connection, ops: Connection) -> None:
    builders.add_steady_user(conn, 1)
    packing.refresh(worker, AS_OF)
    portfolio, excluded = read_packed(ops, AS_OF, CURRENCY, np.array([1]))
    assert (len(portfolio), excluded) == (1, [])
