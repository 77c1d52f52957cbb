"""limits log verify against a log that is sound, and the proofs and exports that need no database."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from limits import checkpoint
from limits.log_finding import Report
from limits.log_notes import Known
from limits.store import verifying
from limits.store.db import Connection
from tests.made_log import MadeLog, entries


def check(conn: Connection, log: MadeLog, known: Known | None = None) -> Report:
    """What the auditor finds; in the transaction of the connection, where it is in one."""
    keys = checkpoint.read_public_keys(log.public.read_text())
    now = log.now + dt.timedelta(seconds=10)
    with log.file.open(newline="\n") as lines, conn.transaction():
        conn.execute("SET LOCAL ROLE limits_auditor")
        report, _ = verifying.verify(conn, lines, keys, now=now, sealed_within_seconds=300, known=known)
    return report


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """Three checkpoints over two reviews of two shards and one recompute, and one batch that is not sealed."""
    made = MadeLog(conn, tmp_path / "log")
    made.seal()
    for shard in (0, 1):
        for part in (0, 1):
            first = 1 + 40 * shard + 20 * part
            made.batch(1, shard, entries(range(first, first + 20), seed=first))
    made.seal()
    made.batch(2, 0, entries([7]), kind="recompute", token=1)
    for shard in (0, 1):
        made.batch(3, shard, entries(range(101 + 20 * shard, 121 + 20 * shard), seed=shard, rules=9))
    made.seal()
    made.batch(3, 0, entries(range(200, 205), rules=9))
    return made


def test_a_sound_log_holds(conn: Connection, log: MadeLog) -> None:
    report = check(conn, log)
    assert report.tally.kept == []
    assert (report.entries, report.batches, report.checkpoints, report.unsealed) == (126, 8, 3, 1)
