"""Reading packed users in the ways that the order and the choice of ids bring about: blocks, gaps, currencies, cuts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest

from limits.engine import deciding
from limits.store import load, packing
from limits.store.db import Connection, Database
from limits.store.packing import reading
from limits.store.queries import query
from tests import builders, worlds
from tests.builders import AS_OF, CURRENCY
from tests.worlds import assert_same


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    with database.connect("worker", "limits test") as connection:
        yield connection


@pytest.fixture
def users(conn: Connection, worker: Connection) -> list[int]:
    for user_id in range(1, 13):
        builders.add_steady_user(conn, user_id)
    conn.execute("UPDATE limits.credit_lines SET last_raise_on = '2026-01-05' WHERE user_id % 2 = 0")
    conn.execute("UPDATE limits.credit_lines SET last_cut_on = '1999-12-31' WHERE user_id = 3")
    conn.execute("UPDATE limits.credit_lines SET limit_before_cut_minor = 7 WHERE user_id IN (4, 5)")
    conn.execute("UPDATE limits.credit_lines SET last_cut_on = '2026-02-01' WHERE user_id = 5")
    builders.refresh(conn)
    packing.refresh(worker, AS_OF)
    return list(range(1, 13))


@pytest.mark.parametrize("block", [1, 5, 4_096])
def test_blocks_gaps_and_cuts(
    conn: Connection, users: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "BLOCK_USERS", block)
    slow = load.load_portfolio
    asked: list[int] = []

    def told(conn: Connection, as_of: dt.date, currency: str, *, user_ids: list[int]) -> object:
        asked.extend(user_ids)
        return slow(conn, as_of, currency, user_ids=user_ids)

    monkeypatch.setattr(load, "load_portfolio", told)
    for chosen in (users, users[::2], users[::5], users[3:9], [1, 2, 3, 9, 10, 11]):
        found, excluded = reading.read_packed(conn, AS_OF, CURRENCY, np.array(chosen))
        assert not asked
        assert found.user_id.tolist() == chosen and not excluded
        worlds.assert_equal(found, slow(conn, AS_OF, CURRENCY, user_ids=chosen)[0])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.credit_lines SET last_raise_on = 'infinity' WHERE user_id = 2",
        "UPDATE limits.credit_lines SET last_cut_on = 'infinity' WHERE user_id = 2",
        "UPDATE limits.credit_lines SET opened_on = 'infinity' WHERE user_id = 2",
        "UPDATE limits.credit_lines SET opened_on = '0044-03-15 BC' WHERE user_id = 2",
        "UPDATE limits.credit_lines SET last_raise_on = '0044-03-15 BC' WHERE user_id = 2",
        "UPDATE limits.credit_lines SET currency = 'E' WHERE user_id = 2",
        "UPDATE limits.users SET currency = 'USD' WHERE user_id IN (3, 4)",
    ],
)
def test_dates_and_currencies_of_lines(conn: Connection, users: list[int], statement: str) -> None:
    conn.execute(statement.encode())
    assert_same(conn, AS_OF, users)


def test_no_plan_looks_up_the_ids_one_by_one(conn: Connection, users: list[int]) -> None:
    """The planner takes longer over a list that it sees than the server over its users."""
    for name in ("pack_read", "pack_live", "users_decided_later"):
        assert "ANY (%(user_ids)s" not in query(name)


def test_users_are_told_apart_from_those_who_are_missing(
    conn: Connection, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    short, excluded = reading.read_packed(conn, AS_OF, CURRENCY, np.array(users[1:]))
    monkeypatch.setattr(deciding, "read_packed", lambda *_: (short, excluded))
    policy = type("Policy", (), {"currency": CURRENCY})()
    _, exceptions = deciding._load(conn, policy, AS_OF, [*reversed(users), 12])
    assert [(e.user_id, e.reason) for e in exceptions] == [(1, "not_loaded")]
