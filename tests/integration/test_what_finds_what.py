"""The table in docs/log.md, "When it does not hold": which command finds which damage, on a log that was decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from limits import engine
from limits.settings import Settings
from limits.store import reconciling, verifying
from limits.store.db import Connection, Database
from tests import forging
from tests.replays import fill, review, tamper
from tests.sealing import Files, step

USER = 4


def edited(column: str, value: str) -> Callable[[Connection], None]:
    def damage(conn: Connection) -> None:
        forging.run(conn, f"UPDATE limits.adjustment_log SET {column} = {value} WHERE user_id = {USER}")

    return damage


def column_and_bytes(conn: Connection) -> None:
    row = conn.execute(f"SELECT batch_id, sequence FROM limits.adjustment_log WHERE user_id = {USER}".encode())
    batch, place = row.fetchone() or (0, 0)
    forging.rewrite(conn, batch, place, limit_after_minor=5)
    edited("action", "-1")(conn)


def deleted(conn: Connection) -> None:
    forging.run(conn, f"DELETE FROM limits.adjustment_log WHERE user_id = {USER}")


def past_the_log(conn: Connection) -> None:
    forging.run(conn, f"UPDATE limits.credit_lines SET limit_minor = limit_minor + 1 WHERE user_id = {USER}")


def snapshot(conn: Connection) -> None:
    tamper(conn, "UPDATE limits.snapshots SET body = set_byte(body, 100, get_byte(body, 100) # 1)")


def policy(conn: Connection) -> None:
    tamper(conn, "UPDATE limits.policies SET body = body || '#'")


#: What is done, and whether verify, reconcile and replay find something.
DAMAGE = {
    "nothing": (lambda conn: None, (False, False, False)),
    "limit": (edited("limit_after_minor", "limit_after_minor + 1"), (True, True, True)),
    "capacity": (edited("capacity_p50_minor", "capacity_p50_minor + 1"), (True, False, True)),
    "actor": (edited("actor", "'nobody'"), (True, False, False)),
    "column and bytes": (column_and_bytes, (True, True, True)),
    "deleted": (deleted, (True, True, False)),
    "past the log": (past_the_log, (False, True, False)),
    "snapshot": (snapshot, (False, False, True)),
    "policy": (policy, (False, False, True)),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_which_command_finds_it(
    conn: Connection, database: Database, settings: Settings, tmp_path: Path, what: str
) -> None:
    fill(conn)
    review_id = review(database, settings, settings.policy)
    files = Files(tmp_path / "seal")
    step(database, files.sealer())
    forging.unguard(conn)
    conn.execute("SET session_replication_role = replica")
    damage, expected = DAMAGE[what]
    damage(conn)
    with files.checkpoints.open(newline="\n") as lines:
        now = dt.datetime.now(dt.UTC)
        report, _ = verifying.verify(conn, lines, files.public_keys(), now=now, sealed_within_seconds=0)
    found = not report.holds, bool(reconciling.of_everything(conn).count), not engine.replay_log(conn).ok
    assert found == expected
    assert (not engine.replay_log(conn, review_id=review_id).ok) == expected[2]
    if what in ("limit", "capacity", "actor"):
        assert report.tally.first_entry is not None and report.tally.first_entry.user_id == USER
    if what == "column and bytes":
        assert report.tally.first_entry is None and report.tally.first_batch is not None
