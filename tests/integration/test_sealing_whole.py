"""Sealing of whole logs: of a world of odd users, of nothing at all, and of reviews that nobody sealed meanwhile."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from limits import engine
from limits.settings import Settings
from limits.store import sealing
from limits.store.db import Connection, Database
from tests import builders, chain, worlds
from tests.sealing import Files, breaches, count, review, step

AS_OF = builders.AS_OF


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "seal")


def test_the_batches_of_a_world_are_sealed(
    database: Database, settings: Settings, conn: Connection, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "PAGE_BATCHES", 4)
    monkeypatch.setattr(sealing, "GROUP_USERS", 7)
    worlds.fill(conn, 7, 40)
    for user_id in range(1001, 1006):
        builders.add_steady_user(conn, user_id, credit_limit=300_000, raise_consent=user_id % 2 == 0)
    builders.refresh(conn)
    for back in (40, 0):
        review(database, settings, AS_OF - dt.timedelta(days=back))
    engine.recompute(database, settings, 1001, reason="x", actor="Bo", as_of=AS_OF + dt.timedelta(days=20), apply=True)
    assert chain.breaches(conn) == []
    done = step(database, files.sealer())
    batches = count(conn, "batches")
    assert batches > 12
    assert (done.batches, done.tree_size, done.refused, done.more) == (batches, batches + 1, [], False)
    assert done.entries == count(conn, "adjustment_log") > 40
    kinds = conn.execute("SELECT count(DISTINCT kind) FROM limits.notices").fetchone()
    assert kinds is not None and kinds[0] > 0, "entries with a notice are among them"
    assert breaches(conn, files) == []
    assert step(database, files.sealer()).checkpoint_id is None, "nothing is new"


def test_an_empty_log_has_a_checkpoint_over_its_origin(database: Database, conn: Connection, files: Files) -> None:
    assert step(database, files.sealer()).tree_size == 1
    assert breaches(conn, files) == []


def test_three_reviews_while_no_sealer_runs(
    database: Database, settings: Settings, conn: Connection, files: Files
) -> None:
    for user_id in range(1, 8):
        builders.add_steady_user(conn, user_id, credit_limit=200_000 + 100_000 * user_id, raise_consent=user_id != 2)
    builders.refresh(conn)
    for back in (60, 30, 0):
        review(database, settings, AS_OF - dt.timedelta(days=back))
    done = step(database, files.sealer())
    assert (done.refused, done.batches) == ([], count(conn, "batches")) and done.batches >= 9
    assert done.entries == 21
    assert breaches(conn, files) == []
