"""The monthly cash flow: only what was marked is written anew, and it is always what a full recount gives."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from typing import Any

import psycopg
import pytest

from limits.store import cash_flow, reviews
from limits.store.db import Connection, Database
from tests import builders

JAN, FEB, MAR, APR = (dt.date(2026, month, 1) for month in (1, 2, 3, 4))
KINDS = ("income", "essential", "discretionary", "fee", "penalty", "obligation")
COLUMNS = """user_id, month, observed, observed_as_of, inflow_minor, essential_minor, discretionary_minor, fees_minor,
    penalties_minor, obligations_minor, amount_due_minor, repaid_minor"""


def rows(conn: Connection, more: str = "") -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT {COLUMNS} {more} FROM limits.monthly_cash_flow ORDER BY user_id, month").fetchall()


def cell(conn: Connection, user_id: int, month: dt.date) -> tuple[Any, ...] | None:
    return conn.execute(
        f"SELECT {COLUMNS} FROM limits.monthly_cash_flow WHERE (user_id, month) = (%s, %s)", (user_id, month)
    ).fetchone()


def marks(conn: Connection) -> int:
    found = conn.execute("SELECT count(*) FROM limits.dirty_months").fetchone()
    return int(found[0]) if found else 0


def last_day(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


# What a cell holds --------------------------------------------------------------------------


def test_amounts_by_kind_and_month(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    for number, kind in enumerate(KINDS, start=1):
        builders.add_events(conn, 1, kind, [(FEB, number), (last_day(FEB), 100 * number)])
    builders.add_statement(conn, 1, dt.date(2026, 1, 31), due_on=dt.date(2026, 2, 20), balance=7_000)
    builders.add_repayment(conn, 1, dt.date(2026, 2, 19), 3_000)
    assert builders.refresh(conn) == 1
    found = cell(conn, 1, FEB)
    assert found is not None
    assert found[2] is True and found[4:] == (101, 202, 303, 404, 505, 606, 50_000, 3_000)


def test_months_are_months_of_utc_dates(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    tokyo = dt.timezone(dt.timedelta(hours=9))
    builders.add_events(conn, 1, "income", [(dt.datetime(2026, 3, 1, 8, 59, tzinfo=tokyo), 1)])  # still February
    builders.add_events(conn, 1, "income", [(dt.datetime(2026, 3, 1, 9, 0, tzinfo=tokyo), 10)])
    conn.execute("SET TimeZone TO 'Asia/Tokyo'")
    builders.refresh(conn)
    assert [row[4] for row in rows(conn)][:4] == [0, 1, 10, 0]


def test_a_month_of_zero_is_not_a_month_unknown(conn: Connection) -> None:
    """The window runs from 15 January to 10 April: February and March are whole."""
    builders.add_user(conn, 1, opened_on=JAN, observed_from=dt.date(2026, 1, 15), observed_through=dt.date(2026, 4, 10))
    builders.add_events(conn, 1, "income", [(dt.date(2026, 1, 20), 5), (dt.date(2026, 3, 1), 7)])
    builders.refresh(conn)
    assert [(row[1], row[2], row[4]) for row in rows(conn)] == [(JAN, False, 5), (FEB, True, 0), (MAR, True, 7)]


def test_without_a_window_no_month_is_vouched_for(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN, observed_from=None, observed_through=None)
    builders.add_events(conn, 1, "income", [(JAN, 1), (FEB, 2), (APR, 3)])
    builders.refresh(conn)
    assert [(row[1], row[2], row[4]) for row in rows(conn)] == [(JAN, False, 1), (FEB, False, 2), (APR, False, 3)]


def test_a_window_that_grows_shows_new_months_from_the_later_profile_on(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN, observed_through=dt.date(2026, 1, 31))
    builders.refresh(conn)
    assert [(row[1], row[2]) for row in rows(conn)] == [(JAN, True)]
    builders.add_profile(conn, 1, MAR, observed_from=JAN, observed_through=dt.date(2026, 2, 28))
    builders.refresh(conn)
    seen = conn.execute(
        """SELECT month, observed, observed_as_of @> date '2026-02-28', observed_as_of @> date '2026-03-01'
             FROM limits.monthly_cash_flow ORDER BY month"""
    ).fetchall()
    assert seen == [(JAN, True, True, True), (FEB, True, False, True)]


def test_a_window_that_shrinks_leaves_the_earlier_view_as_it_was(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN, observed_through=dt.date(2026, 3, 31))
    builders.add_profile(conn, 1, APR, observed_from=MAR, observed_through=dt.date(2026, 3, 31))
    builders.refresh(conn)
    seen = conn.execute(
        "SELECT month, observed, observed_as_of @> date '2026-03-31' FROM limits.monthly_cash_flow ORDER BY month"
    ).fetchall()
    assert seen == [(JAN, False, True), (FEB, False, True), (MAR, True, True)]


def test_a_sum_too_large_stops_nobody(conn: Connection) -> None:
    for user_id in (1, 2):
        builders.add_user(conn, user_id, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 2**62), (FEB, 2**62), (FEB, 2**62)])
    builders.add_events(conn, 2, "income", [(FEB, 8)])
    assert builders.refresh(conn) == 2
    assert [cell(conn, user_id, FEB)[4] for user_id in (1, 2)] == [2**62, 8]  # type: ignore[index]


# Incremental --------------------------------------------------------------------------------


def test_only_marked_users_are_touched(conn: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_user(conn, user_id, opened_on=JAN, observed_through=dt.date(2026, 3, 31))
        builders.add_events(conn, user_id, "income", [(JAN, 10), (FEB, 20), (MAR, 30)])
    assert builders.refresh(conn) == 3
    before = {row[:2]: row[-2:] for row in rows(conn, ", updated_at, ctid")}
    builders.add_events(conn, 2, "income", [(dt.date(2026, 2, 3), 1)])  # late: March is known already
    assert builders.refresh(conn) == 1
    after = {row[:2]: row[-2:] for row in rows(conn, ", updated_at, ctid")}
    assert [key for key in before if before[key] != after[key]] == [(2, FEB)]
    assert cell(conn, 2, FEB)[4] == 21  # type: ignore[index]


def test_nothing_marked_nothing_done(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 20)])
    assert builders.refresh(conn) == 1
    assert (builders.refresh(conn), marks(conn)) == (0, 0)


def test_marks_twice_and_marks_of_nothing_are_harmless(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 20)])
    builders.refresh(conn)
    before = rows(conn, ", updated_at")
    builders.mark(conn, 1, *[FEB] * 5, dt.date(2019, 1, 1))
    builders.mark(conn, 999, FEB)
    assert builders.refresh(conn) == 2
    assert (rows(conn, ", updated_at"), marks(conn)) == (before, 0)


def test_a_mark_must_name_a_month(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("INSERT INTO limits.dirty_months (user_id, month) VALUES (1, '2026-02-15')")


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_imports_equals_a_full_recount(conn: Connection, seed: int) -> None:
    """Late, back-dated and repeated rows and windows that move, with a refresh now and then."""
    dice = random.Random(seed)
    user_ids = [1, 2, 3, 4]
    for user_id in user_ids:
        window = {} if user_id > 1 else {"observed_from": None, "observed_through": None}
        builders.add_user(conn, user_id, opened_on=dt.date(2025, 10, 5), **window)
    profiles = set()
    for _ in range(60):
        user_id, day = dice.choice(user_ids), dt.date(2025, 9, 1) + dt.timedelta(days=dice.randrange(240))
        match dice.randrange(6):
            case 0:
                builders.refresh(conn)
            case 1 if (user_id, day) not in profiles and day != dt.date(2025, 10, 5):
                profiles.add((user_id, day))
                length = dt.timedelta(days=dice.randrange(150))
                builders.add_profile(conn, user_id, day, observed_from=day - length, observed_through=day)
            case 2:
                builders.add_statement(conn, user_id, day, balance=dice.randrange(-500, 10_000), minimum_due=0)
            case 3:
                builders.add_repayment(conn, user_id, day, dice.randrange(1, 500))
            case _:
                builders.add_events(conn, user_id, dice.choice(KINDS), [(day, dice.randrange(1, 1000))])
    builders.refresh(conn)
    incremental = rows(conn)
    assert incremental
    assert [row[:3] + row[4:] for row in incremental] == recount(conn)

    conn.execute("TRUNCATE limits.monthly_cash_flow")
    for user_id in user_ids:
        builders.mark(conn, user_id, *(dt.date(2025, month, 1) for month in range(1, 13)))
        builders.mark(conn, user_id, *(dt.date(2026, month, 1) for month in range(1, 13)))
    builders.refresh(conn)
    assert rows(conn) == incremental


def recount(conn: Connection) -> list[tuple[Any, ...]]:
    """Every cell from all rows there are, counted here and not in SQL."""
    cells: dict[tuple[int, dt.date], list[int]] = defaultdict(lambda: [0] * 8)
    for user_id, at, kind, amount in conn.execute("SELECT user_id, occurred_at, kind, amount_minor FROM limits.events"):
        cells[user_id, at.astimezone(dt.UTC).date().replace(day=1)][KINDS.index(kind)] += amount
    for user_id, day, amount in conn.execute("SELECT user_id, due_on, amount_due_minor FROM limits.statements"):
        cells[user_id, day.replace(day=1)][6] += amount
    for user_id, day, amount in conn.execute("SELECT user_id, paid_on, amount_minor FROM limits.repayments"):
        cells[user_id, day.replace(day=1)][7] += amount
    observed = set()
    profiles = conn.execute(
        """SELECT user_id, observed_from, observed_through,
                  effective_on = max(effective_on) OVER (PARTITION BY user_id) FROM limits.user_profiles"""
    )
    for user_id, first, last, newest in profiles:
        if first is None or last is None:
            continue
        for month in (dt.date(2025 + k // 12, k % 12 + 1, 1) for k in range(24)):
            if first <= month and last_day(month) <= last:
                cells[user_id, month]  # a row even when nothing happened
                observed |= {(user_id, month)} if newest else set()
    return [(*key, key in observed, *cells[key]) for key in sorted(cells)]


# At the same time ---------------------------------------------------------------------------


def test_a_mark_written_during_a_refresh_is_not_lost(database: Database, conn: Connection) -> None:
    """An import that commits while the refresh runs is in the table or still marked, never neither."""
    builders.add_user(conn, 1, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 10)])
    with database.connect("owner", "importer") as importer, database.connect("owner", "refresher") as refresher:
        with importer.transaction():
            builders.add_events(importer, 1, "income", [(FEB, 100)])  # marked, not committed yet
            with refresher.transaction():
                reviews.refresh_cash_flow(refresher)
                assert cell(refresher, 1, FEB)[4] == 10  # type: ignore[index]
        assert marks(conn) == 1
        builders.refresh(conn)
    assert (cell(conn, 1, FEB)[4], marks(conn)) == (110, 0)  # type: ignore[index]


def test_a_refresh_rolled_back_leaves_its_marks(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 10)])
    before = marks(conn)
    with conn.transaction(force_rollback=True):
        assert cash_flow.refresh(conn) == 1
    assert (rows(conn), marks(conn)) == ([], before)
    builders.refresh(conn)
    assert cell(conn, 1, FEB)[4] == 10  # type: ignore[index]


@pytest.mark.parametrize("role", ["worker", "operations"])
def test_those_who_run_reviews_may_refresh(database: Database, conn: Connection, role: Any) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    builders.add_events(conn, 1, "income", [(FEB, 10)])
    with database.connect(role, "limits test") as acting:
        assert builders.refresh(acting) == 1
        builders.add_events(conn, 1, "income", [(FEB, 10)])
        assert builders.refresh(acting) == 1
    assert cell(conn, 1, FEB)[4] == 20  # type: ignore[index]


def test_an_auditor_may_not(database: Database, conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=JAN)
    with database.connect("auditor", "limits test") as acting, pytest.raises(psycopg.errors.InsufficientPrivilege):
        builders.refresh(acting)
