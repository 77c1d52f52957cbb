"""limits demo --data uci on a few hundred of its clients: everybody accounted for, and nothing twice."""

from __future__ import annotations

import datetime as dt

import pytest

from limits.samples import uci, uci_files
from limits.settings import make_settings
from limits.store.db import Connection, Database
from tests import commands, invariants

CLIENTS = 200


@pytest.mark.slow
def test_every_client_is_accounted_for_and_a_second_run_changes_nothing(database: Database, conn: Connection) -> None:
    settings = make_settings(database_url=database.url, broker_url=None, concurrency=2)
    demo = ("demo", "--data", "uci", "--users", str(CLIENTS))
    first = commands.answer(settings, *demo)
    assert first["users"] == first["reviewed"] == first["raised"] + first["held"] + first["lowered"] == CLIENTS
    assert first["raised"] and first["lowered"]
    unseen = int((uci.read().portfolio.user_id[:CLIENTS] % 2 == 1).sum())  # the scorecard was trained on the others
    assert sum(o["users"] for o in first["outcomes"].values()) == unseen
    assert first["outcomes"]["raised"]["share_bad"] < first["outcomes"]["lowered"]["share_bad"]
    invariants.check(conn)
    counts = "SELECT (SELECT count(*) FROM limits.adjustment_log), (SELECT count(*) FROM limits.reviews)"
    before = conn.execute(counts).fetchone()
    again = commands.limits(settings, *demo)
    assert again.returncode == 0, again.stderr
    for said in (
        "nothing was changed now",
        "(credit committee) before",
        f"{CLIENTS} rows, 0 new, {CLIENTS} already known",
    ):
        assert said in again.stderr
    for said in ("offered a raise", "What happened in the month after", "was not trained on", "hold no income"):
        assert said in again.stdout
    assert conn.execute(counts).fetchone() == before
    other = commands.limits(settings, "demo", "--data", "uci", "--users", "7")
    assert other.returncode == 2 and f"holds {CLIENTS} users of the demo, not 7" in other.stderr
    assert commands.limits(settings, "demo").returncode == 2  # the borrowers do not mix with them


def test_the_newest_month_end() -> None:
    for day, end in (("2026-11-29", "2026-10-31"), ("2026-11-30", "2026-11-30"), ("2026-03-01", "2026-02-28")):
        assert uci_files.newest_month_end(dt.date.fromisoformat(day)).isoformat() == end


def test_users_go_with_the_clients_alone(database: Database) -> None:
    settings = make_settings(database_url=database.url, broker_url=None)
    done = commands.limits(settings, "demo", "--users", "7")
    assert done.returncode == 2 and "--users goes with --data uci" in done.stderr
