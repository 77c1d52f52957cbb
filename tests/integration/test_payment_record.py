"""The newest statements of users and what became of them, and what a lender's system reports of a delay with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest

from limits.money import LARGEST_MINOR
from limits.portfolio import STATEMENTS, PaymentRecord, Portfolio
from limits.store import packing
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from tests import builders, imports, worlds
from tests.builders import AS_OF, CURRENCY
from tests.worlds import assert_same

DAY = dt.timedelta(days=1)
Told = tuple[int, int, int]


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    with database.connect("worker", "limits test") as connection:
        yield connection


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def loaded(conn: Connection, as_of: dt.date = AS_OF) -> Portfolio:
    portfolio, excluded = load_portfolio(conn, as_of, CURRENCY)
    assert excluded == []
    return portfolio


def told(record: PaymentRecord, row: int = 0) -> list[Told]:
    """Balance, repaid and days past due of the statements that are held, the newest first."""
    rows = np.stack([record.balance[row], record.repaid[row], record.days_past_due[row]], axis=1)
    held = int(record.held[row])
    assert rows.shape == (STATEMENTS, 3) and not rows[held:].any()
    return [(balance, repaid, late) for balance, repaid, late in rows[:held].tolist()]


# What follows from statements and repayments ---------------------------------------------------

# Statements (issued, balance, minimum, and what is reported), each due 20 days later; repayments (paid, amount); and as
# of 2026-06-30 what is told of each, the newest first.
RECORDS: dict[str, tuple[list[tuple[object, ...]], list[tuple[str, int]], list[Told]]] = {
    "no statement": ([], [("2026-06-01", 50)], []),
    "nothing repaid": ([("2026-06-01", 700, 50)], [], [(700, 0, 0)]),
    "late when the next one comes": (
        [("2026-05-01", 600, 50), ("2026-06-01", 700, 50)], [], [(700, 0, 11), (600, 0, 0)]
    ),
    "paid after the next one": (
        [("2026-05-01", 600, 50), ("2026-06-01", 700, 50)], [("2026-06-05", 50)], [(700, 50, 11), (600, 0, 0)]
    ),
    "paid on the day of the next one": (
        [("2026-05-01", 600, 50), ("2026-06-01", 700, 50)], [("2026-06-01", 50)], [(700, 50, 0), (600, 0, 0)]
    ),
    "paid on the day before": (
        [("2026-05-01", 600, 50), ("2026-06-01", 700, 50)], [("2026-05-31", 50)], [(700, 0, 0), (600, 50, 0)]
    ),
    "paid in time and more": (
        [("2026-05-01", 600, 50), ("2026-06-01", 700, 50)],
        [("2026-05-02", 600), ("2026-06-30", 7), ("2026-07-01", 9)],
        [(700, 7, 0), (600, 600, 0)],
    ),
    "before the first one": ([("2026-06-01", 700, 50)], [("2026-05-31", 50)], [(700, 0, 0)]),
    "of a later one nothing is known": ([("2026-06-30", 7, 7), ("2026-07-01", 8, 8)], [], [(7, 0, 0)]),
    "the oldest open one counts": (
        [("2026-03-01", 1, 50), ("2026-04-01", 2, 50), ("2026-05-01", 3, 50), ("2026-06-01", 4, 50)],
        [("2026-05-10", 50)],
        [(4, 0, 41), (3, 50, 41), (2, 0, 11), (1, 0, 0)],
    ),
    "of seven the newest six": (
        [(f"2026-0{month}-01", month, 0) for month in range(1, 7)] + [("2025-12-01", 12, 50)],
        [("2025-12-30", 5)],
        [(6, 0, 162), (5, 0, 131), (4, 0, 101), (3, 0, 70), (2, 0, 42), (1, 0, 11)],
    ),
    "what the lender owes": ([("2026-06-01", -1, 0), ("2026-05-01", -900, 0)], [], [(-1, 0, 0), (-900, 0, 0)]),
    "two of one day": (
        [("2026-06-01", 1, 50), ("2026-06-01", 2, 50)], [("2026-06-01", 9)], [(2, 9, 0), (1, 0, 0)]
    ),
    "reported is more": ([("2026-06-01", 700, 50, 30)], [("2026-06-02", 50)], [(700, 50, 30)]),
    "reported is less": (
        [("2026-05-01", 600, 50, 1), ("2026-06-01", 700, 50, 10)], [], [(700, 0, 11), (600, 0, 1)]
    ),
    "reported as punctual": ([("2026-05-01", 600, 50, 0), ("2026-06-01", 700, 50, 0)], [], [(700, 0, 11), (600, 0, 0)]),
}  # fmt: skip


def add_records(conn: Connection) -> None:
    for user_id, (statements, repayments, _) in enumerate(RECORDS.values(), start=1):
        builders.add_user(conn, user_id)
        for issued, balance, minimum, *reported in statements:
            builders.add_statement(
                conn, user_id, day(str(issued)), balance=int(str(balance)), minimum_due=int(str(minimum)),
                days_past_due=int(str(reported[0])) if reported else None,
            )  # fmt: skip
        for paid, amount in repayments:
            builders.add_repayment(conn, user_id, day(paid), amount)


def test_the_newest_statements_and_what_became_of_them(conn: Connection) -> None:
    add_records(conn)
    record = loaded(conn).payment_record
    found = dict(zip(RECORDS, (told(record, row) for row in range(len(RECORDS))), strict=True))
    assert found == {name: wanted for name, (_, _, wanted) in RECORDS.items()}


def test_packed_rows_tell_the_same_until_something_happens(conn: Connection, worker: Connection) -> None:
    add_records(conn)
    everybody = range(1, len(RECORDS) + 1)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    for _ in range(3):
        for later in (0, 1, 2, 20):
            assert_same(conn, AS_OF + later * DAY, everybody)
        builders.add_statement(conn, 2, AS_OF, balance=900)
        builders.add_repayment(conn, 3, AS_OF - 40 * DAY, 7)
    assert_same(conn, AS_OF + DAY, [2, 3])


@pytest.mark.parametrize("seed", [50, 51])
def test_days_past_due_on_a_statements_day_are_those_as_of_that_day(conn: Connection, seed: int) -> None:
    ids = worlds.fill(conn, seed, 25)
    conn.execute("UPDATE limits.statements SET days_past_due = NULL")
    late = 0
    issued = conn.execute(
        "SELECT user_id, array_agg(statement_on ORDER BY statement_on DESC) FROM limits.statements"
        " WHERE statement_on <= %s GROUP BY user_id", (worlds.LAST,),
    ).fetchall()  # fmt: skip
    now, _ = load_portfolio(conn, worlds.LAST, CURRENCY, user_ids=ids)
    rows = {user_id: row for row, user_id in enumerate(now.user_id.tolist())}
    for user_id, days in issued:
        for place, statement_on in enumerate(days[:STATEMENTS]) if user_id in rows else ():
            then, _ = load_portfolio(conn, statement_on, CURRENCY, user_ids=[user_id])
            if len(then):  # was open already, and not closed
                found = int(now.payment_record.days_past_due[rows[user_id], place])
                assert found == then.days_past_due[0], (user_id, statement_on)
                assert now.payment_record.balance[rows[user_id], place] == then.payment_record.balance[0, 0]
                late += found > 0
    assert late > 10


def test_amounts_that_need_more_bits_and_amounts_that_are_too_large(conn: Connection, worker: Connection) -> None:
    for user_id in range(1, 8):
        builders.add_user(conn, user_id)
        builders.add_statement(conn, user_id, day("2024-06-01"), balance=5, minimum_due=5)
        builders.add_statement(conn, user_id, day("2026-06-01"), balance=6, minimum_due=6)
    balances = {2: 2**31 - 1, 3: 2**31, 4: -(2**31) - 1, 5: -LARGEST_MINOR, 6: -LARGEST_MINOR - 1}
    for user_id, balance in balances.items():
        conn.execute(
            "UPDATE limits.statements SET balance_minor = %s WHERE user_id = %s AND statement_on = '2024-06-01'",
            (balance, user_id),
        )
    for _ in range(2):
        builders.add_repayment(conn, 7, day("2024-06-02"), LARGEST_MINOR // 2 + 1)
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    kept = imports.rows(conn, "SELECT user_id, facts IS NOT NULL, wide FROM limits.packed_users ORDER BY 1")
    assert kept == [
        (1, True, False), (2, True, False), (3, True, True), (4, True, True), (5, True, True), (6, False, False),
        (7, False, False),
    ]  # fmt: skip
    portfolio = assert_same(conn, AS_OF, range(1, 8))
    assert told(portfolio.payment_record, 4) == [(6, 0, 710), (-LARGEST_MINOR, 0, 0)]
    _, excluded = load_portfolio(conn, AS_OF, CURRENCY)
    assert [(e.user_id, e.reason, e.detail) for e in excluded] == [
        (user_id, "amount_too_large", f"{said} {amount} minor units; the largest amount that can be used is {10**15}")
        for user_id, said, amount in (
            (6, "the balance of statement 2 of the newest is", -LARGEST_MINOR - 1),
            (7, "what was repaid of statement 2 of the newest is", LARGEST_MINOR + 2),
        )
    ]  # fmt: skip


# What is reported ------------------------------------------------------------------------------

# As RECORDS, and as of 2026-06-30: days past due, missed, worst.
REPORTED: dict[str, tuple[list[tuple[str, int, int | None]], list[tuple[str, int]], Told]] = {
    "late by now, longer by the days since": ([("2026-06-10", 50, 30)], [], (50, 1, 50)),
    "and again by as much as was paid": ([("2026-06-10", 50, 30)], [("2026-06-29", 49)], (50, 1, 50)),
    "until the minimum is repaid": ([("2026-06-10", 50, 30)], [("2026-06-20", 25), ("2026-06-30", 25)], (0, 1, 30)),
    "on the day of the statement, too": ([("2026-06-10", 50, 30)], [("2026-06-10", 50)], (0, 1, 30)),
    "not by what was repaid before": ([("2026-06-10", 50, 30)], [("2026-06-09", 50)], (50, 1, 50)),
    "without a minimum nothing repaid": ([("2026-06-10", 0, 30)], [], (50, 1, 50)),
    "without a minimum anything repaid": ([("2026-06-10", 0, 30)], [("2026-06-11", 1)], (0, 1, 30)),
    "until the next statement": ([("2026-05-15", 0, 30), ("2026-06-15", 0, 0)], [], (0, 1, 30)),
    "until the next statement, which says nothing": ([("2026-05-15", 0, 30), ("2026-06-15", 0, None)], [], (0, 1, 30)),
    "less than follows": ([("2026-04-10", 50, 0), ("2026-05-10", 50, 2)], [], (61, 2, 61)),
    "more than follows": ([("2026-04-10", 50, 0), ("2026-06-10", 50, 95)], [], (115, 1, 115)),
    "more often than follows": (
        [("2026-03-10", 0, 9), ("2026-04-10", 0, 9), ("2026-05-10", 50, 9), ("2026-06-25", 0, 0)],
        [],
        (31, 3, 31),
    ),
    "as often as follows": ([("2026-04-10", 50, 0), ("2026-05-10", 50, 10)], [("2026-05-11", 100)], (0, 1, 11)),
    "a year and a day ago": ([("2025-06-30", 0, 80), ("2026-06-10", 0, 0)], [], (0, 0, 0)),
    "within a year": ([("2025-07-01", 0, 80), ("2026-06-10", 0, 0)], [], (0, 1, 80)),
    "a year ago and never again": ([("2025-06-30", 0, 80)], [], (445, 0, 445)),
    "in time": ([("2026-06-10", 50, 0)], [], (0, 0, 0)),
}


def test_what_is_reported_counts_beside_what_follows(conn: Connection, worker: Connection) -> None:
    for user_id, (statements, repayments, _) in enumerate(REPORTED.values(), start=1):
        builders.add_user(conn, user_id)
        for issued, minimum, reported in statements:
            builders.add_statement(conn, user_id, day(issued), minimum_due=minimum, days_past_due=reported)
        for paid, amount in repayments:
            builders.add_repayment(conn, user_id, day(paid), amount)
    portfolio = loaded(conn)
    columns = (portfolio.days_past_due, portfolio.missed_payments, portfolio.worst_days_past_due)
    found = dict(zip(REPORTED, zip(*(column.tolist() for column in columns), strict=True), strict=True))
    assert found == {name: wanted for name, (_, _, wanted) in REPORTED.items()}
    builders.refresh(conn)
    for as_of in (day("2026-06-10"), day("2026-06-20"), AS_OF):
        packing.refresh(worker, as_of)
        for later in range(0, 400, 23):
            assert_same(conn, as_of + later * DAY, range(1, len(REPORTED) + 1))
