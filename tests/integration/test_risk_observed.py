"""Training on the users of the database: what became of them after a date, and who counts."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limits.cli import run
from limits.errors import InputError
from limits.risk_training.observed import months_later, observed
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from limits.store.outcomes import read_outcomes
from tests import builders, worlds
from tests.builders import AS_OF, CURRENCY

UNTIL = dt.date(2026, 9, 30)
TODAY = dt.date(2026, 12, 1)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# Statements (issued, minimum, and what is reported), each due 20 days later; repayments; whether a payment was missed
# after 2026-06-30 and by 2026-09-30, None where nothing was to be seen.
CASES: dict[str, tuple[list[tuple[Any, ...]], list[tuple[str, int]], bool | None]] = {
    "due before": ([("2026-06-01", 50)], [], None),
    "due on the date": ([("2026-06-10", 50)], [], None),
    "due the day after, and not paid": ([("2026-06-11", 50)], [], True),
    "paid on the due date": ([("2026-06-11", 50)], [("2026-07-01", 50)], False),
    "paid a day late": ([("2026-06-11", 50)], [("2026-07-02", 50)], True),
    "paid too little": ([("2026-06-11", 50)], [("2026-07-01", 49)], True),
    "the older minimum is paid first": (
        [("2026-05-01", 50), ("2026-06-11", 50)], [("2026-06-20", 50)], True
    ),
    "due on the last day": ([("2026-09-10", 50)], [], None),
    "due after it": ([("2026-09-20", 50)], [], None),
    "reported in time": ([("2026-07-05", 0, 3)], [], True),
    "reported before": ([("2026-06-30", 0, 3)], [], None),
    "reported after": ([("2026-10-01", 0, 3)], [], None),
    "reported as punctual": ([("2026-07-05", 0, 0)], [], False),
    "nothing": ([], [], None),
}  # fmt: skip


def add_cases(conn: Connection) -> None:
    for user_id, (statements, repayments, _) in enumerate(CASES.values(), start=1):
        builders.add_user(conn, user_id)
        for issued, minimum, *reported in statements:
            builders.add_statement(
                conn, user_id, day(issued), minimum_due=minimum, days_past_due=reported[0] if reported else None
            )
        for paid, amount in repayments:
            builders.add_repayment(conn, user_id, day(paid), amount)


def test_what_became_of_users(conn: Connection) -> None:
    add_cases(conn)
    ids = np.arange(1, len(CASES) + 1)
    known = dict(zip(*(one.tolist() for one in read_outcomes(conn, ids, AS_OF, UNTIL)), strict=True))
    found = {name: known.get(user_id) for user_id, name in enumerate(CASES, start=1)}
    assert found == {name: wanted for name, (_, _, wanted) in CASES.items()}


@pytest.mark.parametrize("seed", [60, 61])
def test_over_a_year_those_who_missed_are_those_whom_a_portfolio_counts(conn: Connection, seed: int) -> None:
    ids = worlds.fill(conn, seed, 40)
    portfolio, _ = load_portfolio(conn, worlds.LAST, CURRENCY, user_ids=ids)
    before = months_later(worlds.LAST, -12)
    known = dict(
        zip(*(one.tolist() for one in read_outcomes(conn, portfolio.user_id, before, worlds.LAST)), strict=True)
    )
    for user_id, missed in zip(portfolio.user_id.tolist(), portfolio.missed_payments.tolist(), strict=True):
        assert known.get(user_id, False) == (missed > 0), user_id
    assert 3 < sum(known.values()) < len(portfolio)


def test_only_active_users_with_a_statement_count(conn: Connection) -> None:
    for user_id, status in enumerate(("active", "blocked", "active", "active", "closed"), start=1):
        builders.add_user(conn, user_id, status=status)
        if user_id != 3:
            builders.add_statement(conn, user_id, day("2026-06-15"))
        builders.add_statement(conn, user_id, day("2026-07-15"))
    builders.add_repayment(conn, 4, day("2026-06-20"), 50_000)
    builders.add_repayment(conn, 4, day("2026-07-20"), 50_000)
    builders.refresh(conn)
    found, excluded = observed(conn, AS_OF, 3, CURRENCY, today=TODAY)
    assert [(one.user_id, one.reason) for one in excluded] == [(5, "closed")]
    assert found.portfolio.user_id.tolist() == [1, 4] and found.missed.tolist() == [True, False]
    assert found.portfolio.payment_record.held.tolist() == [1, 1]  # the later statement is not known yet
    for late in (TODAY, dt.date.max):
        with pytest.raises(InputError, match=f"after {late} is not known on {TODAY}; name an earlier --as-of"):
            observed(conn, late, 24, CURRENCY, today=TODAY)
    with pytest.raises(InputError, match="what became of the users is not known yet"):
        observed(conn, AS_OF, 3, CURRENCY, today=dt.date(2026, 9, 29))
    with pytest.raises(InputError, match="no active user in CNY with a statement"):
        observed(conn, dt.date(2020, 1, 1), 3, CURRENCY, today=TODAY)


def test_a_scorecard_is_trained_on_the_database(
    conn: Connection, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    rng = np.random.default_rng(0)
    as_of = dt.date(2026, 3, 31)
    with conn.transaction():
        for user_id in range(1, 301):
            builders.add_user(conn, user_id, credit_limit=int(rng.integers(1, 20)) * 1_000_000)
            careless = rng.random() < 0.4
            for month in range(-2, 5):
                builders.add_statement(
                    conn, user_id, months_later(dt.date(2026, 1, 5), month), balance=int(rng.integers(50_000, 900_000)),
                    minimum_due=50_000,
                )  # fmt: skip
                if rng.random() > (0.5 if careless else 0.03):
                    builders.add_repayment(
                        conn, user_id, months_later(dt.date(2026, 1, 15), month), int(rng.integers(50_000, 200_000))
                    )
    builders.refresh(conn)
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    file = tmp_path / "model.json"
    command = ["risk", "train", "--from-db", "--as-of", str(as_of), "--horizon", "2", "--policy", "cn"]
    assert run([*command, "--out", str(file), "--name", "ours", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["population"]["users"] == 300 and told["population"]["currency"] == "CNY"
    assert told["training"]["source"] == "users of the database" and told["training"]["as_of"] == "2026-03-31"
    assert 0.6 < told["metrics"]["auc"] < 1
    for wrong in (["--from-db"], ["--as-of", "2026-03-31"], [*command[2:], "--data", str(file)]):
        assert run(["risk", "train", *wrong, "--out", str(file)]) == 2
