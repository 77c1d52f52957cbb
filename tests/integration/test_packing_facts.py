"""What is gathered in order to be packed, against what the queries of the slow path say of the same users."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from limits.store import load
from limits.store.binary import BinaryArray, BinaryArrayDumper, binary_array
from limits.store.db import Connection
from limits.store.packing.interval import year_before
from tests import builders, imports, worlds
from tests.builders import AS_OF
from tests.packing_oracle import assert_gathered

DAY = dt.timedelta(days=1)
START = dt.date(2024, 2, 20)


def insert_statement(conn: Connection, user_id: int, row: tuple[Any, ...], source: tuple[str, str]) -> None:
    """A row: day, days until it is due, balance, amount due beyond the minimum, minimum, and what is reported."""
    day, until_due, balance, beyond, minimum, *reported = row
    conn.execute(
        "INSERT INTO limits.statements (user_id, source, source_id, statement_on, due_on, balance_minor,"
        " amount_due_minor, minimum_due_minor, days_past_due, digest)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '')",
        (user_id, *source, START + day * DAY, START + (day + until_due) * DAY, balance, minimum + beyond, minimum,
         reported[0] if reported else None),
    )  # fmt: skip


def insert_repayment(conn: Connection, user_id: int, row: tuple[int, int], source_id: str) -> None:
    conn.execute(
        "INSERT INTO limits.repayments (user_id, source, source_id, paid_on, amount_minor, digest)"
        " VALUES (%s, 'r', %s, %s, %s, '')",
        (user_id, source_id, START + row[0] * DAY, row[1]),
    )


# Worlds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40, 46))
def test_every_fact_and_interval_of_a_world(conn: Connection, seed: int) -> None:
    ids = worlds.fill(conn, seed, 50)
    dice = random.Random(seed)
    for user_id in dice.sample(ids, 10):  # several on one day, in no order of their names
        for k in range(12):
            row = (dice.randrange(600), dice.choice([0, 20]), dice.choice([-1, 0, 7, 900]), 0, dice.choice([0, 50, 80]))
            for n in range(dice.choice([1, 2, 3])):
                row = (row[0], dice.choice([0, 20]), dice.choice([-1, 0, 7, 900]), dice.choice([0, 500]), row[4] + n,
                       dice.choice([None, 0, 3]))  # fmt: skip
                insert_statement(conn, user_id, row, (dice.choice("aBé"), f"{dice.choice('zYä')} {user_id} {k} {n}"))
    seen: dict[str, set[int]] = {}
    everybody = np.array(sorted({*ids, 2**40, *range(max(ids), max(ids) + 3)}))
    for as_of in [worlds.some_day(dice) for _ in range(12)] + [dt.date(2024, 2, 29), dt.date(2025, 2, 28)]:
        users = assert_gathered(conn, as_of, everybody)
        for name in ("days_past_due", "missed_payments", "worst_days_past_due", "minimum_only_payments"):
            seen.setdefault(name, set()).update(users[name].tolist())
        for name in load.RECORD:
            seen.setdefault(name, set()).update(users[name][:, 3].tolist())
        assert_gathered(conn, as_of, everybody[::7])
    assert all(len(values) > 1 for values in seen.values()), seen


def test_of_users_of_whom_little_is_known(conn: Connection) -> None:
    assert_gathered(conn, AS_OF, np.array([1, 2]))
    builders.add_user(conn, 2, opened_on=AS_OF + 3 * DAY)
    builders.add_user(conn, 5, effective_on=AS_OF + 2 * DAY)
    builders.add_credit_check(conn, 5, AS_OF + DAY)
    assert_gathered(conn, AS_OF, np.array([1, 2]))
    assert_gathered(conn, AS_OF, np.array([2, 5]))
    assert_gathered(conn, AS_OF, np.array([5]))


# Statements and repayments ---------------------------------------------------------------------

_AMOUNTS = st.sampled_from([0, 0, 1, 50, 99, 100, 100, 101, 110, 111, 2_000])
_STATEMENTS = st.tuples(
    st.integers(0, 30) | st.integers(0, 500), st.sampled_from([0, 0, 1, 5, 20]),
    st.sampled_from([-901, -7, -2, -1, 0, 1, 2, 3, 900, 10**15]), _AMOUNTS, _AMOUNTS,
    st.sampled_from([None, None, None, 0, 1, 30, 3650]),
)  # fmt: skip
_REPAYMENTS = st.tuples(st.integers(0, 30) | st.integers(0, 500), _AMOUNTS.filter(bool))
_USER = st.tuples(st.lists(_STATEMENTS, max_size=8), st.lists(_REPAYMENTS, max_size=8))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(people=[([(5, 0, 1, 0, 100), (5, 0, 1, 0, 50)], [(5, 60)])], ages=[40], names=[1, 0])  # a tie: who is met?
@example(people=[([(5, 9, 1, 0, 100), (5, 2, 1, 0, 50)], [(5, 60)])], ages=[5, 7, 8, 9, 40], names=[0])
@example(people=[([(5, 9, 1, 50, 100)], [(4, 500), (6, 110)])], ages=[10, 400], names=[0])  # too early, rounded up
@example(people=[([(5, 9, 1, 50, 100)], [(5, 111)])], ages=[20, 370, 371, 380, 381], names=[0])
@example(people=[([(5, 9, -3, 0, 0), (6, 9, 0, 0, 0)], [])], ages=[20], names=[0])  # -1.5 is -2
@example(people=[([(9, 0, 8, 0, 0), (9, 0, 1, 0, 0), (9, 0, -1, 0, 0)], [])], ages=[9], names=[2, 0, 1])
@example(people=[([(5, 9, 1, 0, 0, 30)], [(7, 1)])], ages=[5, 6, 7, 371], names=[0])  # no minimum: anything ends it
@example(people=[([(5, 9, 1, 0, 100, 30)], [(6, 50), (9, 50)])], ages=[5, 6, 8, 9, 370, 371], names=[0])
@example(people=[([(5, 9, 1, 0, 100, 1), (40, 9, 1, 0, 0, None)], [])], ages=[13, 14, 15, 16, 40, 41], names=[0])
@given(
    people=st.lists(_USER, min_size=1, max_size=6),
    ages=st.lists(st.integers(0, 900), min_size=1, max_size=4),
    names=st.permutations(range(8)),
)
def test_statements_and_repayments_of_a_user(
    conn: Connection, people: list[Any], ages: list[int], names: list[int]
) -> None:
    with conn.transaction(force_rollback=True):
        for user_id, (statements, repayments) in enumerate(people, 1):
            builders.add_user(conn, user_id, opened_on=START)
            for k, row in enumerate(statements):
                source = f"{names[k % len(names)]}"
                insert_statement(conn, user_id, row, ("aB"[k % 2], f"{source} {user_id} {k}"))
            for k, paid in enumerate(repayments):
                insert_repayment(conn, user_id, paid, f"{user_id} {k}")
        for age in ages:
            assert_gathered(conn, START + age * DAY, np.arange(1, len(people) + 1))


def test_amounts_and_days_that_are_left_to_the_queries(conn: Connection) -> None:
    largest = 2**63 - 1
    for user_id in range(1, 9):
        builders.add_user(conn, user_id, opened_on=START)
        insert_statement(conn, user_id, (40, 20, 900, 50, 100), ("s", f"{user_id}"))
        insert_repayment(conn, user_id, (50, 100), f"{user_id}")
    insert_statement(conn, 1, (50, 20, largest, 0, 50), ("s", "large balance"))
    insert_statement(conn, 2, (50, 20, -largest, 0, 50), ("s", "large debt"))
    insert_statement(conn, 3, (50, 20, 0, largest - 7, 7), ("s", "large amount"))
    insert_statement(conn, 4, (50, 20, 0, 0, largest), ("s", "large minimum"))
    insert_repayment(conn, 5, (60, largest), "large repayment")
    for k in range(4_001):
        insert_statement(conn, 6, (50, 20, 10**15, 0, 50), ("s", f"many {k:04}"))
    insert_statement(conn, 7, (50, 20, 10**15, 10**15 - 9, 9), ("s", "just small enough"))
    for age in (45, 51, 69, 70, 71, 400, 416, 417, 500):
        assert_gathered(conn, START + age * DAY, np.arange(1, 9))


def test_many_repayments_in_no_order(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=START)
    for k in range(40):
        insert_statement(conn, 1, (k * 15 % 600, 10, 100 * k, 30, 70), ("s", f"{k}"))
    for k in range(500):
        insert_repayment(conn, 1, (k * 389 % 600, 1 + k % 9), f"{k}")
    for age in (0, 100, 300, 500, 700):
        assert_gathered(conn, START + age * DAY, np.array([1]))


# Months --------------------------------------------------------------------------------------


def test_windows_with_gaps_and_amounts_that_need_more_bits(conn: Connection) -> None:
    for user_id in range(1, 9):
        builders.add_user(conn, user_id)
        builders.add_monthly_income(conn, user_id, [700] * 3, until=dt.date(2026, 4, 30))
    builders.refresh(conn)
    windows = {
        2: "{[2026-01-01,2026-02-01),[2026-06-01,)}", 3: "{[2026-05-01,2026-06-09),[2026-08-01,2026-09-01)}",
        4: "{(,)}", 5: "{(,2026-07-09)}", 6: "{[1800-01-01,2026-07-20)}", 7: "{[-infinity,infinity)}",
        8: "{[2026-05-05,2026-08-08)}",
    }  # fmt: skip
    for user_id, window in windows.items():
        conn.execute(
            "UPDATE limits.monthly_cash_flow SET observed_as_of = %s, observed = upper_inf(%s::datemultirange)"
            " WHERE user_id = %s", (window, window, user_id),
        )  # fmt: skip
    for column in ("inflow", "essential", "discretionary", "fees", "penalties", "obligations", "amount_due", "repaid"):
        for value in (2**31 - 1, 2**31, 2**62, -1):
            with conn.transaction(force_rollback=True):
                conn.execute(
                    f"UPDATE limits.monthly_cash_flow SET {column}_minor = %s WHERE user_id = 1".encode(), (value,)
                )
                assert_gathered(conn, AS_OF, np.arange(1, 9))
    for as_of in (dt.date(2026, 1, 1), dt.date(2026, 6, 8), dt.date(2026, 7, 8), dt.date(2026, 8, 31)):
        assert_gathered(conn, as_of, np.arange(1, 9))


def test_how_large_a_window_is_tells_whether_it_has_gaps(conn: Connection) -> None:
    """What pack_months goes by."""
    conn.execute("CREATE TEMP TABLE windows (w datemultirange)")
    for one in ("{}", "{[2026-01-01,)}", "{(,2026-01-01)}", "{[2026-01-01,2026-02-01)}", "{(,)}"):
        conn.execute("INSERT INTO windows VALUES (%s)", (one,))
    assert imports.rows(conn, "SELECT max(pg_column_size(w)) <= 24 FROM windows") == [(True,)]
    assert imports.rows(conn, "SELECT max(pg_column_size(w + '{}')) <= 24 FROM windows") == [(True,)]  # not stored
    conn.execute("TRUNCATE windows")
    for many in ("{(,2026-01-01),[2026-02-01,)}", "{[2026-01-01,2026-02-01),[2026-03-01,)}"):
        conn.execute("INSERT INTO windows VALUES (%s)", (many,))
    assert imports.rows(conn, "SELECT min(pg_column_size(w)) > 24 FROM windows") == [(True,)]


# Beside the queries ----------------------------------------------------------------------------


def test_a_year_before_is_what_the_database_says(conn: Connection) -> None:
    days = imports.rows(
        conn, "SELECT d::date, (d - interval '12 months')::date FROM generate_series('2023-01-01'::date,"
        " '2029-01-01'::date, interval '1 day') d",
    )  # fmt: skip
    assert [year_before(day) for day, _ in days] == [before for _, before in days]


@pytest.mark.parametrize("there", [[True, True, True], [True, False, True], [False, False, False]])
def test_arrays_with_and_without_nulls_arrive(conn: Connection, there: list[bool]) -> None:
    values = {
        "date": np.array(["1969-12-31", "2026-07-05", "9999-12-31"], dtype="datetime64[D]"),
        "bool": np.array([True, False, True]),
        "bpchar": np.array(["CNY", "EUR", "USD"]),
    }
    with conn.cursor(binary=True) as cursor:
        cursor.adapters.register_dumper(BinaryArray, BinaryArrayDumper)
        for kind, array in values.items():
            for mask in (None, np.array(there)):
                sent = binary_array(kind, array, mask)
                [got] = cursor.execute(f"SELECT %s::{kind}[]".encode(), (sent,)).fetchone() or [None]
                kept = [True] * 3 if mask is None else there
                assert got == [value if keep else None for value, keep in zip(array.tolist(), kept, strict=True)]
            assert cursor.execute(f"SELECT %s::{kind}[]".encode(), (binary_array(kind, array[:0]),)).fetchone() == ([],)
