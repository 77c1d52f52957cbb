"""The samples as portfolios are what the import of their files and a review make of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

from limits.portfolio import Portfolio
from limits.samples import berka, uci, uci_files
from limits.store.db import Connection
from limits.store.importing import import_file
from limits.store.load import load_portfolio
from tests import builders
from tests.portfolios import assert_same, facts

#: Given by the database, and no fact of the sample.
OF_THE_DATABASE = {"version"}


def imported(conn: Connection, kind: str, file: Path, source: str) -> None:
    counts = import_file(conn, kind, file, source=source, actor="test", progress=lambda done, total: None)
    assert counts.new == counts.total > 0


def known(portfolio: Portfolio) -> list[dict[str, Any]]:
    return [{name: user[name] for name in user.keys() - OF_THE_DATABASE} for user in facts(portfolio)]


def test_the_borrowers_of_berka(conn: Connection, tmp_path: Path) -> None:
    as_of = dt.date(2026, 11, 25)
    files = berka.write_import_files(tmp_path, as_of)
    imported(conn, "users", files.users, berka.SOURCE)
    imported(conn, "events", files.events, berka.SOURCE)
    builders.refresh(conn)
    loaded, excluded = load_portfolio(conn, as_of, berka.CURRENCY)
    made = berka.portfolio(as_of)
    assert not excluded and (loaded.cash_flow.months == made.cash_flow.months).all()
    assert known(loaded) == known(made)
    assert np.array_equal(made.user_id, np.array(sorted(berka.outcomes())))


def test_the_card_clients(conn: Connection, tmp_path: Path) -> None:
    """The same user by user, but for the days, which move by whole months."""
    clients = uci.read().portfolio.take(slice(0, 400))
    as_of = dt.date(2026, 10, 31)
    files = uci_files.write_import_files(tmp_path, clients, as_of)
    for kind, path in files.paths.items():
        imported(conn, kind, path, uci_files.SOURCE)
    builders.refresh(conn)
    loaded, excluded = load_portfolio(conn, as_of, uci.CURRENCY)
    assert not excluded and len(loaded) == files.users == 400
    assert_same(loaded.payment_record, clients.payment_record)
    days = {"as_of", "opened_on", "last_used_on", "months"}
    for there, made in zip(known(loaded), known(clients), strict=True):
        assert {n: there[n] for n in there.keys() - days} == {n: made[n] for n in made.keys() - days}
    for name in ("opened_on", "last_used_on"):
        there, made = (getattr(one, name).astype("datetime64[M]") for one in (loaded, clients))
        assert np.array_equal(there - loaded.cash_flow.months[0], made - clients.cash_flow.months[0], equal_nan=True)
