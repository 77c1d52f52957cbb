"""limits log verify, prove, consistency and export-proof as a program sees them: exit codes, files, JSON."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from limits.settings import Settings
from limits.store.db import Connection
from tests.commands import limits
from tests.forging import unguard
from tests.integration.test_cli import settings  # noqa: F401
from tests.made_log import MadeLog, entries


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """Two checkpoints, in the places where the sealer of the settings has its files."""
    made = MadeLog(conn, tmp_path / "log")
    made.seal()
    made.batch(1, 0, entries(range(1, 21)))
    made.seal()
    return made


def files(log: MadeLog) -> list[str]:
    return ["--checkpoints", str(log.file), "--public-key", str(log.public)]


def test_it_leaves_with_0_and_remembers(settings: Settings, log: MadeLog) -> None:  # noqa: F811
    done = limits(settings, "log", "verify", *files(log))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the log holds: 20 entries in 1 batches, 2 checkpoints, the newest of 2026-07-01 ")
    assert json.loads(log.file.with_name("checkpoints.verified").read_text())["checkpoint"] == 2
    again = limits(settings, "log", "verify", *files(log), "--since-last", "--json")
    found = json.loads(again.stdout)
    assert again.returncode == 0 and (found["entries"], found["left_out"], found["holds"]) == (0, 1, True)


def test_it_leaves_with_1_and_says_where(settings: Settings, log: MadeLog, conn: Connection) -> None:  # noqa: F811
    unguard(conn)
    conn.execute("UPDATE limits.adjustment_log SET limit_after_minor = 1 WHERE user_id = 7")
    done = limits(settings, "log", "verify", *files(log))
    assert done.returncode == 1
    assert "THE LOG DOES NOT HOLD: 1 findings" in done.stdout
    assert "first broken entry: entry 7, place 6, user 7, review 1, shard 0, batch" in done.stdout
    assert "limit_after_minor is not what the bytes of the entry say (there is 1, there should be" in done.stdout
    assert "first broken checkpoint: none" in done.stdout
    found = json.loads(limits(settings, "log", "verify", *files(log), "--json").stdout)
    assert found["first"]["entry"]["user_id"] == 7 and found["kinds"] == {"column_differs": 1}
    assert not log.file.with_name("checkpoints.verified").exists()


def test_without_a_database(settings: Settings, log: MadeLog, tmp_path: Path) -> None:  # noqa: F811
    export, proof, grown = (str(tmp_path / name) for name in ("x.parquet", "p.json", "c.json"))
    key = ["--public-key", str(log.public)]
    nowhere = {"LIMITS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    for command in (
        ["export-proof", export],
        ["prove", "3", "-o", proof],
        ["consistency", "1", "2", *key, "-o", grown],
    ):
        done = limits(settings, "log", *command)
        assert done.returncode == 0, done.stderr
    for what in (["--export", export, *files(log)], ["--proof", proof, *key], ["--proof", grown, *files(log)]):
        done = limits(settings, "log", "verify", *what, **nowhere)
        assert done.returncode == 0, done.stderr
    shown = limits(settings, "log", "verify", "--proof", proof, *files(log), **nowhere).stdout
    assert shown.startswith("proved by 6 hashes: user 3 in review 1 as of 2026-06-30: limit ")
    changed = json.loads(Path(proof).read_text())
    changed["log"]["position"] = 0
    Path(proof).write_text(json.dumps(changed))
    done = limits(settings, "log", "verify", "--proof", proof, *key, **nowhere)
    assert done.returncode == 1 and "is not proved" in done.stderr
    done = limits(settings, "log", "verify", "--proof", proof, *key, "--json", **nowhere)
    assert done.returncode == 1 and json.loads(done.stdout)["holds"] is False


def test_what_cannot_be_used_is_2_and_one_sentence(settings: Settings, log: MadeLog, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    odd = str(tmp_path / "odd")
    for arguments, says in (
        (["verify"], "name their file with --public-key"),
        (["verify", "--public-key", str(log.public)], "name their file with --checkpoints"),
        (["verify", "--public-key", odd], "it is no text"),
        (["verify", "--export", "a", "--proof", "b"], "name one of them"),
        (["verify", "--export", "a", "--since-last"], "is for the database"),
        (["verify", *files(log), "--since-last", "--state", odd], "does not say what was verified"),
        (["verify", *files(log), "--state", str(tmp_path / "no" / "where")], "name one with --state"),
        (["verify", *files(log), "--export", odd], "is no export"),
        (["verify", *files(log), "--proof", odd], "cannot be read: it is no text"),
        (["prove", "99"], "there is no entry 99"),
        (["prove", "x"], "is not a number"),
        (["consistency", "2", "1", "--public-key", str(log.public)], "name the older one first"),
        (["export-proof", str(tmp_path / "no" / "where")], "cannot write"),
        (["prove", "5", "--output", ""], "cannot write"),
        (["prove", "5", "--output", "x" * 300], "cannot write"),
        (["verify", *files(log), "--sealed-within", "1e12"], "should be a valid integer"),
        (["export-proof", odd, "--from", "2026-02-01", "--to", "2026-01-01"], "nothing can match"),
    ):
        done = limits(settings, "log", *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert says in " ".join(done.stderr.split()), (arguments, done.stderr)
        assert done.stdout == ""


def test_a_device_stays_one(settings: Settings, log: MadeLog, tmp_path: Path) -> None:  # noqa: F811
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for arguments in (["prove", "5", "--output", str(pipe)], ["verify", *files(log), "--state", str(pipe)]):
        done = limits(settings, "log", *arguments)
        assert done.returncode == 0, done.stderr
        assert stat.S_ISFIFO(pipe.stat().st_mode) and json.loads(os.read(reader, 65536))
    os.close(reader)
