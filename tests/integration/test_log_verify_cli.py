"""limits log verify, prove, consistency and export-proof as a program sees them: exit codes, files, JSON."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from limits.cli import log_state, log_verdict
from limits.errors import LimitsError
from limits.log_finding import Finding, Report
from limits.log_notes import Known, Noted
from limits.settings import Settings
from limits.store.db import Connection
from tests.commands import limits
from tests.forging import unguard
from tests.integration.test_cli import settings  # noqa: F401
from tests.made_log import KEY, START, MadeLog, entries


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
    assert done.stdout.startswith("the log holds: 20 entries in 1 batch, 2 checkpoints, the newest of 2026-07-01 ")
    assert json.loads(log.file.with_name("checkpoints.verified").read_text())["checkpoint"] == 2
    again = limits(settings, "log", "verify", *files(log), "--since-last", "--json")
    found = json.loads(again.stdout)
    assert again.returncode == 0 and (found["entries"], found["left_out"], found["holds"]) == (0, 1, True)
    assert (found["scope"], found["since"], found["since_at"][:10]) == ("since_last", 2, "2026-07-01")
    again = limits(settings, "log", "verify", *files(log), "--since-last")
    assert again.stdout.startswith(
        "what came since the checkpoint of 2026-07-01 02:00:41 UTC holds: 0 entries in 0 batches, "
    )
    assert again.stdout.endswith("; 1 batch verified before was not read again\n")


def test_after_a_failure_nothing_holds_since_the_last_time(
    settings: Settings,  # noqa: F811
    log: MadeLog,
    conn: Connection,
) -> None:
    state = log.file.with_name("checkpoints.verified")
    assert limits(settings, "log", "verify", *files(log)).returncode == 0
    unguard(conn)
    conn.execute("UPDATE limits.adjustment_log SET floor_minor = floor_minor + 1 WHERE user_id = 7")
    assert limits(settings, "log", "verify", *files(log), "--since-last").returncode == 0, "it does not look there"
    assert limits(settings, "log", "verify", *files(log)).returncode == 1
    for _ in range(2):
        done = limits(settings, "log", "verify", *files(log), "--since-last")
        assert (done.returncode, done.stdout) == (1, "")
        assert "the whole verification of 20" in done.stderr and " UTC did not hold, so that" in done.stderr
    assert list(json.loads(state.read_text())) == ["failed_at"]
    conn.execute("UPDATE limits.adjustment_log SET floor_minor = floor_minor - 1 WHERE user_id = 7")
    assert limits(settings, "log", "verify", *files(log)).returncode == 0
    assert limits(settings, "log", "verify", *files(log), "--since-last").returncode == 0


def test_a_failure_meanwhile_is_not_forgotten(log: MadeLog, tmp_path: Path) -> None:
    state, newest = tmp_path / "state", Noted(2, "note", None, trusted=True)
    log_state.remember(state, newest, in_part=False)
    log_state.remember_failure(state, START)
    with pytest.raises(LimitsError, match="of 2026-07-01 02:00:00 UTC did not hold"):
        log_state.remember(state, newest, in_part=True)
    log_state.remember(state, newest, in_part=False)
    assert log_state.known(state) == Known(2, newest.digest)


def test_a_failure_that_cannot_be_remembered_is_said_and_stays_one(
    settings: Settings,  # noqa: F811
    log: MadeLog,
    conn: Connection,
    tmp_path: Path,
) -> None:
    unguard(conn)
    conn.execute("UPDATE limits.adjustment_log SET floor_minor = floor_minor + 1 WHERE user_id = 7")
    done = limits(settings, "log", "verify", *files(log), "--state", str(tmp_path / "no" / "where"))
    assert done.returncode == 1 and "DOES NOT HOLD: 1 finding in" in done.stdout
    assert "that it does not hold is not remembered" in done.stderr


def test_it_leaves_with_1_and_says_where(settings: Settings, log: MadeLog, conn: Connection) -> None:  # noqa: F811
    unguard(conn)
    conn.execute("UPDATE limits.adjustment_log SET limit_after_minor = 1 WHERE user_id = 7")
    done = limits(settings, "log", "verify", *files(log))
    assert done.returncode == 1
    assert "THE LOG DOES NOT HOLD: 1 finding in 20 entries in 1 batch, " in done.stdout
    assert "first broken entry: entry 7, place 6, user 7, review 1, shard 0, batch" in done.stdout
    assert "limit_after_minor is not what the bytes of the entry say (there is 1, there should be" in done.stdout
    assert "\nall checkpoints hold\n" in done.stdout
    found = json.loads(limits(settings, "log", "verify", *files(log), "--json").stdout)
    assert found["first"]["entry"]["user_id"] == 7 and found["kinds"] == {"column_differs": 1}
    assert "checkpoint" not in json.loads(log.file.with_name("checkpoints.verified").read_text())


@pytest.mark.parametrize(
    ("finding", "entry", "batch", "checkpoint"),
    [
        (Finding("root_differs", "x", batch_id=3), "it cannot be named", "batch 3", "all checkpoints hold"),
        (Finding("column_differs", "x", entry_id=3), "entry 3", "all batches that were read", "all checkpoints hold"),
        (Finding("signature_wrong", "x", checkpoint=3), "all entries that were read hold", "all b", "checkpoint 3"),
        (Finding("no_checkpoint", "x"), "all entries that were read hold", "all batches", "it has no number"),
    ],
)
def test_what_is_not_broken_is_said_only_where_it_is_known(
    capsys: pytest.CaptureFixture[str], finding: Finding, entry: str, batch: str, checkpoint: str
) -> None:
    report = Report()
    report.tally.add(finding)
    log_verdict.show(report, False, False)
    lines = capsys.readouterr().out.splitlines()
    for line, words in zip(lines[1:4], (entry, batch, checkpoint), strict=True):
        assert words in line


def test_a_late_batch_says_since_when(settings: Settings, log: MadeLog) -> None:  # noqa: F811
    log.batch(1, 1, entries([31]))
    done = limits(settings, "log", "verify", *files(log), "--sealed-within", "5")
    assert done.returncode == 1 and " s ago, longer than --sealed-within 5: the sealer does not run" in done.stdout
    assert "there should be" not in done.stdout


def test_a_part_says_that_it_is_one_and_of_what(settings: Settings, log: MadeLog, tmp_path: Path) -> None:  # noqa: F811
    export = str(tmp_path / "x.parquet")
    log.batch(2, 0, entries([31, 32]))
    log.seal()
    assert limits(settings, "log", "export-proof", export, "--review", "1").returncode == 0
    log.seal()
    done = limits(settings, "log", "verify", "--export", export, *files(log))
    assert done.returncode == 0 and done.stdout == (
        "what the export holds stands in the signed log: 20 entries in 1 batch of review 1 as of 2026-06-30, up to "
        "checkpoint 3 of 2026-07-01 02:01:02 UTC; the file of checkpoints has 4, the newest of 2026-07-01 02:01:22 UTC"
        "; it is a part of the log, and nothing shows that none of it is missing\n"
    )
    found = json.loads(limits(settings, "log", "verify", "--export", export, *files(log), "--json").stdout)
    assert (found["holds"], found["scope"], found["reviews"], found["checkpoint"]) == (True, "part", [1], 3)
    assert found["as_of"] == ["2026-06-30", "2026-06-30"] and found["newest_at"] > found["at"]
    assert limits(settings, "log", "export-proof", export).returncode == 0
    done = limits(settings, "log", "verify", "--export", export, *files(log))
    assert done.stdout.startswith(
        "the log holds: 22 entries in 2 batches, up to checkpoint 4 of 2026-07-01 02:01:22 UTC; "
    )


def test_an_export_of_nothing_is_refused(settings: Settings, log: MadeLog, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "x.parquet"
    for filters, says in (
        (("--review", "99"), "there is no review 99"),
        (("--from", "2027-01-01"), "no entry of the log that is sealed matches"),
    ):
        done = limits(settings, "log", "export-proof", str(file), *filters)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert says in done.stderr and list(tmp_path.glob("*parquet*")) == []


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
    done = limits(settings, "log", "verify", "--proof", proof, *key, "--json", **nowhere)
    assert done.returncode == 0 and json.loads(done.stdout)["in_file"] is None
    changed = json.loads(Path(proof).read_text())
    changed["log"]["position"] = 0
    Path(proof).write_text(json.dumps(changed))
    done = limits(settings, "log", "verify", "--proof", proof, *key, **nowhere)
    assert done.returncode == 1 and "is not proved" in done.stderr
    done = limits(settings, "log", "verify", "--proof", proof, *key, "--json", **nowhere)
    assert done.returncode == 1 and json.loads(done.stdout)["holds"] is False


@pytest.fixture
def proofs(settings: Settings, log: MadeLog, conn: Connection, tmp_path: Path) -> tuple[str, str]:  # noqa: F811
    """Proofs that entry 2 stands at place 1 of its batch, and that the log only grew."""
    entry, grown = str(tmp_path / "p.json"), str(tmp_path / "c.json")
    assert limits(settings, "log", "prove", "2", "-o", entry).returncode == 0
    done = limits(settings, "log", "consistency", "1", "2", "--public-key", str(log.public), "-o", grown)
    assert done.returncode == 0 and "checkpoint of 2 leaves (2026-07-01 02:00:41 UTC, 20 entries) holds" in done.stderr
    return entry, grown


def test_a_verdict_names_the_entry(settings: Settings, log: MadeLog, conn: Connection, proofs: tuple[str, str]) -> None:  # noqa: F811
    row = conn.execute(
        "SELECT limit_before_minor, limit_after_minor, batch_id FROM limits.adjustment_log WHERE entry_id = 2"
    ).fetchone()
    assert row is not None
    before, after, batch = row
    verify = ("log", "verify", "--proof", proofs[0], "--public-key", str(log.public))
    done = limits(settings, *verify)
    amounts = [f"{minor // 100:,}.{minor % 100:02} CZK" for minor in (before, after)]
    assert done.stdout == (
        f"proved by 6 hashes: user 2 in review 1 as of 2026-06-30: limit {amounts[0]} to {amounts[1]}, applied at "
        f"2026-07-01 02:00:21 UTC by Zoë Ng; place 1 of batch {batch}, at position 1 of the log that "
        f"{KEY.public.key_id} signed at 2026-07-01 02:00:41 UTC; that checkpoint was not held against a file of "
        "checkpoints (--checkpoints FILE)\n"
    )
    done = limits(settings, *verify, "--checkpoints", str(log.file))
    assert done.stdout.endswith(f"02:00:41 UTC; that checkpoint stands in {log.file}\n")
    found = json.loads(limits(settings, *verify, "--checkpoints", str(log.file), "--json").stdout)
    assert found.pop("what") == done.stdout.rstrip("\n")
    at = {"at": "2026-07-01T02:00:41.000007+00:00", "tree_size": 2, "entries": 20, "signers": [KEY.public.key_id]}
    assert found == {
        "holds": True, "in_file": True, "user_id": 2, "review": 1, "as_of": "2026-06-30", "limit_before_minor": before,
        "limit_after_minor": after, "currency": "CZK", "applied_at": "2026-07-01T02:00:21.000007+00:00",
        "actor": "Zoë Ng", "batch": batch, "place": 1, "position": 1, "checkpoint": at, "risk_points": None,
        "risk_probability_ppm": None,
    }  # fmt: skip


def test_a_verdict_on_growth_names_both_checkpoints(settings: Settings, log: MadeLog, proofs: tuple[str, str]) -> None:  # noqa: F811
    verify = ("log", "verify", "--proof", proofs[1], *files(log))
    done = limits(settings, *verify)
    assert done.stdout == (
        "proved: the checkpoint of 2 leaves (2026-07-01 02:00:41 UTC, 20 entries) holds all of that of 1 leaf "
        f"(2026-07-01 02:00:20 UTC, 0 entries), leaf by leaf; both checkpoints stand in {log.file}\n"
    )
    found = json.loads(limits(settings, *verify, "--json").stdout)
    assert (found["holds"], found["in_file"], found["old"]["tree_size"], found["new"]["entries"]) == (True, True, 1, 20)


def test_a_checkpoint_that_is_not_in_the_file(settings: Settings, log: MadeLog, proofs: tuple[str, str]) -> None:  # noqa: F811
    log.file.write_text("")
    for proof in proofs:
        done = limits(settings, "log", "verify", "--proof", proof, *files(log), "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["holds"], found["in_file"]) == (1, False, False)
        assert "does not stand in" in found["what"]
    assert found["old"]["tree_size"] == 1


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
