"""limits log checkpoints and limits log key list as an auditor uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limits.checkpoint import PrivateKey
from limits.settings import Settings, seal_paths
from limits.store import seal_keys
from limits.store.db import Connection
from tests.commands import limits
from tests.made_log import KEY, MadeLog, entries

NEW = PrivateKey("next", bytes(range(1, 33)))


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """Three checkpoints; the third is the first of a new key."""
    made = MadeLog(conn, tmp_path / "log")
    made.seal()
    made.batch(1, 0, entries(range(1, 21)))
    made.seal()
    made.keys = (NEW, KEY)
    made.batch(2, 0, entries(range(1, 5)))
    made.seal()
    return made


def test_from_the_file_that_is_named(settings: Settings, log: MadeLog) -> None:
    nowhere = {"LIMITS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    done = limits(settings, "log", "checkpoints", "--checkpoints", str(log.file), **nowhere)
    assert done.returncode == 0, done.stderr
    heading, *lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert heading == ["checkpoint", "at (UTC)", "entries", "leaves", "signed by"]
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert lines[2] == ["3", "2026-07-01 02:01:02", "24", "3", f"{NEW.public.key_id} {KEY.public.key_id}"]
    assert done.stderr == f"from {log.file}\n"
    done = limits(settings, "log", "checkpoints", "--checkpoints", str(log.file), "--limit", "2", "--json", **nowhere)
    found = json.loads(done.stdout)
    assert [one["number"] for one in found["checkpoints"]] == [2, 3] and found["from"] == str(log.file)


def test_from_the_database_where_there_is_no_file(settings: Settings, log: MadeLog) -> None:
    read = json.loads(limits(settings, "log", "checkpoints", "--checkpoints", str(log.file), "--json").stdout)
    done = limits(settings, "log", "checkpoints", "--json")
    found = json.loads(done.stdout)
    assert found["checkpoints"] == read["checkpoints"] and found["from"].startswith("the database ")
    done = limits(settings, "log", "checkpoints", "--limit", "1")
    assert done.stdout.splitlines()[1].startswith("3\t") and "2 older ones left out: --limit" in done.stderr
    file = seal_paths(settings).checkpoints
    file.parent.mkdir(parents=True)
    file.write_text("")
    done = limits(settings, "log", "checkpoints")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{file} has no checkpoint yet\n")
    # The numbers are those that the proof of growth takes.
    public = ["--public-key", str(log.public)]
    log.public.write_text(f"{KEY.public.write()}\n{NEW.public.write()}\n")
    assert limits(settings, "log", "consistency", "2", "3", *public).returncode == 0


def test_the_keys(settings: Settings, log: MadeLog, tmp_path: Path) -> None:
    log.public.write_text(f"{KEY.public.write()}\n{NEW.public.write()}\n")
    files = ["--public-key", str(log.public), "--checkpoints", str(log.file)]
    done = limits(settings, "log", "key", "list", *files)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert lines == [
        ["made", KEY.public.key_id, "1", "2026-07-01 02:00:20", "3", ""],
        ["next", NEW.public.key_id, "3", "2026-07-01 02:01:02", "3", "signs now"],
    ]
    found = json.loads(limits(settings, "log", "key", "list", *files, "--json").stdout)
    assert [one["signs_now"] for one in found["keys"]] == [False, True] and found["not_in_the_file"] == []
    log.public.write_text(f"{KEY.public.write()}\n")
    done = limits(settings, "log", "key", "list", *files)
    assert NEW.public.key_id not in done.stdout
    assert f"signed by {NEW.public.key_id}, which the public keys do not have" in done.stderr


def test_nothing_of_private_keys_and_no_database(settings: Settings) -> None:
    paths = seal_paths(settings)
    made = seal_keys.new(paths.key, "first", paths.public_keys)
    for more in ([], ["--json"]):
        done = limits(settings, "log", "key", "list", *more, LIMITS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
        assert done.returncode == 0 and made.key_id in done.stdout
        assert "there are no checkpoints at" in done.stderr
        secret = paths.key.read_text().strip().split("+", 4)[-1]
        assert secret not in done.stdout + done.stderr


def test_what_cannot_be_read_is_one_sentence(settings: Settings, log: MadeLog, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_text(log.file.read_text()[:-30])
    for command in (["checkpoints"], ["key", "list", "--public-key", str(log.public)]):
        done = limits(settings, "log", *command, "--checkpoints", str(cut))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("limits: checkpoint 3: the last checkpoint of the file is cut off")
        done = limits(settings, "log", *command, "--checkpoints", str(tmp_path / "none"))
        assert done.returncode == 2 and "name their file with --checkpoints" in done.stderr
