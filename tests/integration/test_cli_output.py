"""Standard output that is full, closed, or left by its reader: one sentence, a code that is not zero, no traceback.

Each line is run by a shell as a person types it. LIMITS stands for the program; what comes after the arrow is what
standard error says and the exit code of the program.
"""

from __future__ import annotations

import datetime as dt
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from limits.cli.working import environment
from limits.settings import Settings
from limits.store.db import Connection
from tests import builders, logbook

FULL = "limits: standard output cannot be written: No space left on device\n"
CLOSED = "limits: standard output is closed; open it, or send it to /dev/null\n"
LEFT = "limits: whoever read standard output left before the end; the rest was not written\n"
DAY = dt.date(2026, 6, 30)


def shell(settings: Settings, line: str, **extra: str) -> tuple[int, str, str]:
    """Code of the first program of a pipe, standard output of the whole, standard error."""
    program = shlex.join([sys.executable, "-m", "limits"])
    done = subprocess.run(
        ["bash", "-c", f"{line.replace('LIMITS', program)}; exit ${{PIPESTATUS[0]}}"],
        env=environment(settings) | extra, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def entries(conn: Connection) -> int:
    """More entries than a pipe holds."""
    logbook.unguard(conn)
    review = logbook.add_review(conn, DAY, logbook.standard(conn))
    standard = logbook.standard(conn)
    for user_id in range(1, 601):
        logbook.add_entry(conn, review, user_id, DAY, policy_hash=standard)
    return 600


@pytest.mark.parametrize("command", ["--version", "--help", "log --help"])
@pytest.mark.parametrize(("where", "says"), [(">/dev/full", FULL), (">&-", CLOSED)])
def test_every_command_says_that_its_output_is_lost(settings: Settings, command: str, where: str, says: str) -> None:
    code, _, err = shell(settings, f"LIMITS {command} {where}")
    assert code != 0
    assert err.endswith(says) and err.count("limits: ") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("LIMITS log list --limit 600 >/dev/full", 1, FULL),
        ("LIMITS log list --limit 600 --json | head -c 1 >/dev/null", 1, LEFT),
        ("LIMITS log export --format csv >/dev/full", 1, FULL),
        ("LIMITS log export --format parquet >/dev/full", 1, FULL),
        ("LIMITS log export --format csv | head -c 1 >/dev/null", 1, LEFT),
        ("LIMITS log export --format parquet >&-", 1, CLOSED),
        ("LIMITS log export -o /dev/full", 2, "limits: cannot write /dev/full: No space left on device\n"),
        (
            "LIMITS log export -o /dev/stdout | head -c 1 >/dev/null",
            2,
            "limits: cannot write /dev/stdout: Broken pipe\n",
        ),
        ("LIMITS log export -o /nowhere/x.csv", 2, "limits: cannot write /nowhere/x.csv: No such file or directory\n"),
    ],
    ids=lambda value: value.removeprefix("LIMITS ") if isinstance(value, str) and "LIMITS" in value else "",
)
def test_results_that_do_not_arrive(settings: Settings, entries: int, line: str, code: int, says: str) -> None:
    assert shell(settings, line)[::2] == (code, says)


def test_the_same_without_buffers(settings: Settings, entries: int) -> None:
    """As in the image."""
    for line, says in (("LIMITS log list >/dev/full", FULL), ("LIMITS log export | head -c 1 >/dev/null", LEFT)):
        assert shell(settings, line, PYTHONUNBUFFERED="1")[::2] == (1, says)


def test_what_needs_no_standard_output_goes_on_without(settings: Settings, entries: int, tmp_path: Path) -> None:
    target = tmp_path / "log.csv"
    code, _, err = shell(settings, f"LIMITS log export -o {target} >&-")
    assert (code, err) == (0, f"600 entries written to {target}\n")
    assert target.read_bytes().count(b"\n") == entries + 1
    # With standard error closed too: what is said to it must not get into the file or into standard output.
    code, out, _ = shell(settings, f"LIMITS log export -o {target} 2>&-")
    assert (code, out) == (0, "")
    assert target.read_bytes().count(b"\n") == entries + 1
    assert shell(settings, f"LIMITS log export -o {target} <&- >&- 2>&-")[0] == 0
    assert target.read_bytes().count(b"\n") == entries + 1
    assert os.listdir(tmp_path) == ["log.csv"] or set(os.listdir(tmp_path)) <= {"log.csv", "home"}


def test_a_change_whose_words_are_lost_is_made(settings: Settings, conn: Connection) -> None:
    """The code says that something went wrong; what is in the log was done."""
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    line = f"LIMITS recompute 1 --reason x --key k --as-of {builders.AS_OF} --apply >/dev/full"
    code, _, err = shell(settings, line)
    assert (code, err.splitlines()[-1] + "\n") == (1, FULL)
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone() == (1,)
