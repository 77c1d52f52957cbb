"""limits demo as a new user and as a program runs it: everybody accounted for, and nothing twice."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from limits.cli.demo_samples import review_dates
from limits.cli.working import environment
from limits.samples import berka
from limits.settings import make_settings
from limits.store.db import Connection, Database
from tests import builders, invariants

KEYS = {
    "users", "reviewed", "raised", "held", "lowered", "exposure_before_minor", "exposure_after_minor", "reasons",
    "outcomes", "seconds",
}  # fmt: skip


def demo(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return limits(database, "demo", *arguments)


def listed_in_readme() -> list[list[str]]:
    """The lists of the log that README.md shows, as they are typed."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    found = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^limits log list .*$", text, re.MULTILINE)]
    assert len(found) == 3
    return found


def limits(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = make_settings(database_url=database.url, broker_url=None, concurrency=2)
    return subprocess.run(
        [sys.executable, "-m", "limits", *arguments],
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
def test_every_borrower_is_accounted_for_and_a_second_run_changes_nothing(database: Database, conn: Connection) -> None:
    done = demo(database, "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert set(first) == KEYS
    assert first["users"] == first["reviewed"] == first["raised"] + first["held"] + first["lowered"] == 343
    assert sum(o["users"] for o in first["outcomes"].values()) == 343
    assert sum(o["bad"] for o in first["outcomes"].values()) == sum(berka.outcomes().values()) == 42
    invariants.check(conn)
    counts = "SELECT (SELECT count(*) FROM limits.adjustment_log), (SELECT count(*) FROM limits.reviews)"
    before = conn.execute(counts).fetchone()
    assert before is not None and before[1] == 7
    for line in listed_in_readme():
        listed = limits(database, *line, "--json")
        assert listed.returncode == 0 and json.loads(listed.stdout)["entries"], (line, listed.stderr)
    again = demo(database)
    assert again.returncode == 0, again.stderr
    assert "nothing was changed now" in again.stderr
    assert "343 rows, 0 new, 343 already known, 0 quarantined" in again.stderr
    for heading in ("limit raised", "limit held", "limit lowered", "What happened later", "Try next"):
        assert heading in again.stdout
    assert conn.execute(counts).fetchone() == before


def test_the_demo_does_not_mix_with_users_of_somebody_else(database: Database, conn: Connection) -> None:
    builders.add_user(conn, 1)
    done = demo(database)
    assert (done.returncode, done.stdout) == (2, "")
    assert "this database holds 1 user not of this demo" in done.stderr
    assert conn.execute("SELECT count(*) FROM limits.users").fetchone() == (1,)


@pytest.mark.parametrize(
    ("tonight", "first", "last"),
    [
        (dt.date(2026, 11, 24), dt.date(2026, 5, 31), dt.date(2026, 10, 31)),
        (dt.date(2026, 11, 5), dt.date(2026, 4, 30), dt.date(2026, 9, 30)),  # October ended too shortly before
        (dt.date(2026, 3, 31), dt.date(2025, 9, 30), dt.date(2026, 2, 28)),
    ],
)
def test_six_month_ends_and_tonight(tonight: dt.date, first: dt.date, last: dt.date) -> None:
    dates = review_dates(tonight)
    assert len(dates) == 7 and dates == sorted(dates)
    assert (dates[0], dates[-2], dates[-1]) == (first, last, tonight)
    assert all((date + dt.timedelta(days=1)).day == 1 for date in dates[:-1])
