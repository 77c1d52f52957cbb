"""Whoever presses Ctrl-C while a review is waited for learns what becomes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from limits.cli import working
from limits.cli.working import environment, workers_at_hand
from limits.settings import Settings
from limits.store import reviews
from limits.store.db import Connection, Database
from tests import builders
from tests.integration.test_cli import settings as settings  # noqa: PLC0414 (the fixture)


def test_a_review_that_is_no_longer_waited_for_goes_on_in_the_workers(settings: Settings, conn: Connection) -> None:
    """The worker is alive somewhere else and does nothing; so the review stays as it is."""
    builders.add_steady_user(conn, 1)
    conn.execute(
        """INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at)
           VALUES ('worker:x', 'worker', 'elsewhere', 1, clock_timestamp() + interval '1 hour')"""
    )
    waiting = subprocess.Popen(
        [sys.executable, "-m", "limits", "review", "run", "--as-of", str(builders.AS_OF)],
        env=environment(settings), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    # The wake-up is sent by whoever waits.
    while conn.execute("SELECT count(*) FROM pgmq.q_limits").fetchone() == (0,):
        assert time.monotonic() < until, "nobody was woken"
        time.sleep(0.1)
    waiting.send_signal(signal.SIGINT)
    said = waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 130, said
    assert "review 1 goes on in the workers; how it stands: limits review status 1; to stop it: limits review" in said
    assert reviews.get(conn, 1).state == "owed"


@pytest.mark.parametrize(
    ("others", "says"),
    [
        (set(), "review 7 rests, as no other worker is alive, and goes on with the next one"),
        ({1}, "review 7 goes on in the workers"),
    ],
    ids=["alone", "others"],
)
def test_the_worker_of_ones_own_does_not_count(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    others: set[int], says: str,
) -> None:  # fmt: skip
    """It is stopped with the command, so a review rests where there is no other."""
    started: list[subprocess.Popen[bytes]] = []

    def start(self: working._OwnWorker) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        self._process = started[0]

    monkeypatch.setattr(working._OwnWorker, "_start", start)
    monkeypatch.setattr(working._OwnWorker, "_alive", lambda self: {started[0].pid} | others if started else set[int]())
    with pytest.raises(KeyboardInterrupt), workers_at_hand(database, settings, 7):
        raise KeyboardInterrupt
    assert says in capsys.readouterr().err
    assert started[0].poll() is not None, "it was stopped"
