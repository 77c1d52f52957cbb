"""The file of checkpoints: brought up where it is behind, and nothing is signed beside one that says something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from limits import checkpoint
from limits.errors import SealError
from limits.settings import Settings
from limits.store.db import Connection, Database
from limits.store.sealing import Sealer
from tasks.sealer import lines
from tests.sealing import Files, count, force, recompute, step


@pytest.fixture
def database(reviewed_copy: Database) -> Database:
    """16 batches of three, two to a lane."""
    return reviewed_copy


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "seal")


@pytest.fixture
def three(database: Database, settings: Settings, files: Files) -> list[str]:
    """A file of three checkpoints; each as it stands there."""
    sealer = files.sealer()
    for day in (0, 31, 32):
        if day:
            recompute(database, settings, day - 30, day=day)
        step(database, sealer)
    return [f"{note}\n" for note in checkpoint.split(files.checkpoints.read_text().splitlines(keepends=True))]


@pytest.mark.parametrize("kept", [0, 1, 10, -1, -200, -700])
def test_a_file_that_is_behind_is_brought_up(
    database: Database, conn: Connection, files: Files, three: list[str], kept: int
) -> None:
    """Killed between commit and writing, or in the middle of writing."""
    whole = files.checkpoints.read_bytes()
    files.checkpoints.write_bytes(whole[:kept])
    done = step(database, files.sealer())
    assert (done.checkpoint_id, done.last_id, done.caught_up > 0) == (None, 3, True)
    assert files.checkpoints.read_bytes() == whole


@pytest.mark.parametrize(("kept", "missing"), [(0, 3), (0.5, 3), (1, 2), (1.5, 2), (2, 1), (2.5, 1)])
def test_more_than_one_that_is_missing_is_no_crash(
    database: Database, files: Files, three: list[str], kept: float, missing: int
) -> None:
    """A sealer that dies leaves out one note or the rest of one; whoever cuts the file, more."""
    notes = int(kept)
    rest = three[notes][: len(three[notes]) // 2] if kept != notes else ""
    files.checkpoints.write_text("".join(three[:notes]) + rest)
    done = step(database, files.sealer())
    assert (done.caught_up, done.cut) == (missing, missing > 1)
    (said,) = lines(done)
    assert files.checkpoints.read_text() == "".join(three), "it is brought up all the same"
    if missing > 1:
        assert f"{missing} checkpoints were missing in the file and are added to it" in said
        assert "which no crash does" in said and "somebody cut this one: find out who" in said
    else:
        assert said == "1 checkpoint was missing in the file and added to it"


def test_a_sealer_that_runs_sees_what_is_done_to_its_file(
    database: Database, conn: Connection, files: Files, three: list[str]
) -> None:
    sealer = files.sealer()
    step(database, sealer)
    whole = files.checkpoints.read_text()
    files.checkpoints.write_text(whole.replace("entries 48", "entries 49", 1))
    with pytest.raises(SealError, match=r"checkpoint 1 of the file .* is not the one in the database"):
        step(database, sealer)
    files.checkpoints.write_text(whole)
    assert step(database, sealer).caught_up == 0
    files.checkpoints.unlink()
    with pytest.raises(SealError, match="is gone, and the database has checkpoints"):
        step(database, sealer)
    assert not files.checkpoints.exists(), "it is not made in silence"
    begun = step(database, files.sealer(new_file=True))
    assert (begun.caught_up, begun.cut) == (3, False), "as it was asked to"
    assert files.checkpoints.read_text() == whole


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda three: [*three, three[2].replace("entries", "entries")], "goes on behind checkpoint 3"),
        (lambda three: [*three, "what is this"], "ends with something that is no checkpoint"),
        (lambda three: [three[0], three[2], three[1]], "checkpoint 2 of the file .* is not the one"),
        (lambda three: [three[0], three[2]], "checkpoint 2 of the file .* is not the one"),
        (lambda three: [three[0].replace("limits log ", "limits log 0"), *three[1:]], "is of the log 0.*has the log"),
        (lambda three: ["\n", *three], "checkpoint 1 of the file"),
    ],
)  # fmt: skip
def test_nothing_is_signed_beside_another_file(
    database: Database, settings: Settings, conn: Connection, files: Files, three: list[str],
    make: Callable[[list[str]], list[str]], says: str,
) -> None:  # fmt: skip
    files.checkpoints.write_text("".join(make(three)))
    before = files.checkpoints.read_bytes()
    recompute(database, settings, 3, day=40)
    with pytest.raises(SealError, match=says):
        step(database, files.sealer())
    assert files.checkpoints.read_bytes() == before and count(conn, "checkpoints") == 3


def test_an_old_backup_is_not_gone_on_from(
    database: Database, settings: Settings, conn: Connection, files: Files, three: list[str]
) -> None:
    """The database as it was at its second checkpoint: as it stands, and after it went on with another review."""
    force(
        conn,
        "DELETE FROM limits.checkpoints WHERE checkpoint_id = 3",
        "DELETE FROM limits.sealed_batches WHERE position >= (SELECT max(tree_size) FROM limits.checkpoints)",
    )
    with pytest.raises(SealError, match="an older state of the database was restored"):
        step(database, files.sealer())
    copy = files.checkpoints.with_name("elsewhere")
    recompute(database, settings, 5, day=50)
    Sealer(files.key, copy, idle_seconds=0, new_file=True).step(database.connect("sealer", "test"))
    with pytest.raises(SealError, match=r"checkpoint 3 of the file .* is not the one in the database"):
        step(database, files.sealer())


def test_an_empty_database_beside_a_file_signs_nothing(
    database: Database, conn: Connection, files: Files, three: list[str]
) -> None:
    force(conn, "DELETE FROM limits.checkpoints", "DELETE FROM limits.sealed_batches")
    with pytest.raises(SealError, match="goes on behind checkpoint 0"):
        step(database, files.sealer())


@pytest.mark.parametrize("place", ["a folder", "a pipe", "nowhere/file"])
def test_a_file_that_cannot_be_one_is_said(database: Database, tmp_path: Path, files: Files, place: str) -> None:
    path = tmp_path / place
    if place == "a folder":
        path.mkdir()
    elif place == "a pipe":
        os.mkfifo(path)
    with pytest.raises(SealError, match=r"cannot be used|is not a file that"):
        step(database, Sealer(files.key, path))
