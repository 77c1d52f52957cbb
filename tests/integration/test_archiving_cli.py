"""limits log archive, and what the other commands say of an archived month: words, JSON and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from limits.cli import run
from limits.store.db import Connection, Database
from tests.integration.test_archiving import fill
from tests.made_log import MadeLog

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def limits(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: exit code, standard output and standard error."""
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(words))
        said = capsys.readouterr()
        return code, " ".join(said.out.split()), " ".join(said.err.split())

    return call


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    made = MadeLog(conn, tmp_path / "log")
    fill(made)
    return made


def test_archiving_from_the_command_line(limits: Call, log: MadeLog, tmp_path: Path) -> None:
    folder = tmp_path / "archives"
    files = ("--checkpoints", str(log.file), "--public-key", str(log.public))
    archive = ("log", "archive", "2021-03", "--to", str(folder))
    code, _, err = limits(*archive)
    assert code == 2 and "is no folder: make it first" in err
    folder.mkdir()
    code, _, err = limits("log", "archive", "2021-13", "--to", str(folder))
    assert code == 2 and "is not a month; write it YYYY-MM" in err

    code, out, err = limits("log", "archive", "2999-01", "--to", str(folder))
    assert code == 1 and re.search(r"; its last day comes in [\d,]+ days, at least ", out) and "it cannot be" in err

    code, out, err = limits(*archive)
    assert code == 0 and out.startswith("2021-03: 20 entries in 1 batch of 1 review about 20 users; its last day was ")
    assert err == "nothing was done; to archive it and take it out of the database, add --yes"
    code, out, err = limits("log", "archive", "2021-04", "--to", str(folder), "--json")
    found = json.loads(out)
    assert code == 1 and (found["archived"], found["entries"], found["users"]) == (False, 25, 25)
    assert found["obstacle"] in err and "2021-03 is still here" in err
    code, _, err = limits("log", "archive", "2021-04", "--to", str(folder), "--yes", *files)
    assert (
        code == 1
        and err == "limits: the log of 2021-04 is not archived: 2021-03 is still here, and the oldest month goes first"
    )
    assert list(folder.iterdir()) == []

    code, out, err = limits(*archive, "--yes", "--actor", "Eva", *files)
    assert code == 0 and out.startswith("2021-03 is archived: 20 entries in ") and "keep a copy elsewhere" in err
    assert limits(*archive, "--yes", *files)[0] == 0
    code, out, _ = limits(*archive)
    assert code == 0 and out.startswith("2021-03 was archived on ") and " by Eva: 20 entries in " in out


@pytest.fixture
def archived(limits: Call, log: MadeLog, tmp_path: Path) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    files = ("--checkpoints", str(log.file), "--public-key", str(log.public))
    assert limits("log", "archive", "2021-03", "--to", str(folder), "--yes", *files)[0] == 0
    return folder


def test_verifying_without_the_archives_is_no_success(limits: Call, log: MadeLog, archived: Path) -> None:
    verify = ("log", "verify", "--checkpoints", str(log.file), "--public-key", str(log.public))
    state = log.file.with_name("checkpoints.verified")
    code, out, _ = limits(*verify)
    assert code == 1 and out.startswith(
        "NOT LOOKED AT: 20 entries of 2021-03, which lie in archives; add --archives FOLDER, or --without-archives to "
        "leave them out what was looked at holds: 35 entries in "
    )
    assert json.loads(limits(*verify, "--json")[1])["holds"] is False
    code, out, _ = limits(*verify, "--without-archives")
    assert code == 0 and "NOT LOOKED AT: 20 entries of 2021-03" in out and "the log holds" not in out
    assert not state.exists()
    code, out, _ = limits(*verify, "--archives", str(archived))
    assert (
        code == 0 and out.startswith("the log holds: 35 entries in 4 batches") and "20 more entries in archives" in out
    )
    assert state.exists()
    code, out, _ = limits(*verify, "--since-last")
    assert code == 0 and out.startswith("what came since the checkpoint of ") and "holds: 0 entries in 0 batches" in out
    for wrong, says in (
        (("--archives", str(archived), "--without-archives"), "exclude each other"),
        (("--archives", str(log.file)), "is no folder"),
        (("--export", "x", "--archives", str(archived)), "are for the database"),
    ):
        code, _, err = limits(*verify, *wrong)
        assert code == 2 and says in err
    code, out, _ = limits(*verify, "--export", str(archived / "log-2021-03.parquet"))
    assert code == 0 and out.startswith("what the export holds stands in the signed log: 20 entries in 1 batch of ")


def test_every_reader_says_where_it_is(limits: Call, conn: Connection, archived: Path, tmp_path: Path) -> None:
    where = "the entries of 2021-03 lie in the archive log-2021-03.parquet"
    row = conn.execute("SELECT first_entry FROM limits.archived_months").fetchone()
    assert row is not None
    for words in (("show",), ("prove",), ("replay",)):
        code, _, err = limits("log", *words, str(row[0]))
        assert code == 2 and f"log entry {row[0]} is not in the database: it lies in the archive log-2021-03" in err
    assert limits("log", "list", "--to", "2021-03-31")[2] == f"not looked at: {where} no entry of the log matches"
    assert where in limits("log", "list", "--user", "1")[2]
    assert where not in limits("log", "list", "--from", "2021-04-01")[2]
    for words in (("export", "--output", "x.csv"), ("export-proof", "x.parquet")):
        file = str(tmp_path / words[-1])
        code, _, err = limits("log", *words[:-1], file)
        assert code == 0 and f"not exported: {where}" in err
        assert "not exported" not in limits("log", *words[:-1], file, "--from", "2021-04-01")[2]
    assert f"not looked at: {where}" in limits("log", "report", "ceiling-breaches")[2]
    found = json.loads(limits("log", "reconcile", "--json")[1])
    assert found["archives"] == ["2021-03"]
    assert "of 2021-03, which are archived, their sums" in limits("log", "reconcile")[2]
    conn.execute("INSERT INTO limits.users (user_id, currency, opened_on, source) VALUES (1, 'CZK', '2020-01-01', 't')")
    conn.execute(
        """INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on)
           VALUES (1, 'CZK', 5, 5, '2020-01-01')"""
    )
    code, _, err = limits("log", "as-of", "2021-03-31", "1")
    assert code == 2 and where in err
    code, out, _ = limits("log", "as-of", "2021-06-30", "1")
    assert code == 0 and "2021-03-10, by a decision that lies in the archive log-2021-03.parquet" in out
    assert "none since what lies in the archive log-2021-03.parquet" in out
    code, _, err = limits("explain", "1")
    assert code == 2 and f"no decision about user 1 is in the log ({where})" in err
    assert where in limits("explain", "1", "--as-of", "2021-03-31")[2]
