"""Commands that read the log make no database: an empty one in a wrong home would look like a log that was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from limits import checkpoint
from limits.settings import Settings, make_settings
from limits.store import seal_keys
from limits.store.embedded import Embedded, is_there
from tests.commands import limits
from tests.made_log import KEY


@pytest.fixture
def nowhere(home: Path) -> Settings:
    """Settings of an embedded database that nobody has made."""
    return make_settings(home=home, database_url=None, broker_url=None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "1"],
        ["list"],
        ["as-of", "2026-03-31", "37"],
        ["reconcile"],
        ["report"],
        ["prove", "1"],
        ["consistency", "1", "2", "--sizes"],
        ["export"],
        ["export-proof", "x.parquet"],
        ["replay", "1"],
        ["checkpoints"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_home_without_a_database_is_said_and_left_alone(nowhere: Settings, home: Path, arguments: list[str]) -> None:
    done = limits(nowhere, "log", *arguments)
    says = f"limits: there is no database in {home}; set LIMITS_HOME or LIMITS_DATABASE_URL"
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (3, "", says)
    assert not home.exists() and not Path("x.parquet").exists()


def test_a_log_elsewhere_is_not_called_cut_off(nowhere: Settings, home: Path, tmp_path: Path) -> None:
    public, notes = tmp_path / "public_keys", tmp_path / "checkpoints"
    public.write_text(checkpoint.write_public_keys([KEY.public]))
    notes.write_text("")
    files = ["--public-key", str(public), "--checkpoints", str(notes)]
    for more in ([], ["--since-last"], ["--json"]):
        done = limits(nowhere, "log", "verify", *files, *more)
        assert (done.returncode, done.stdout) == (3, "") and f"there is no database in {home};" in done.stderr
    assert not home.exists()


def test_what_writes_still_makes_one(nowhere: Settings, home: Path) -> None:
    assert limits(nowhere, "log", "key", "new", "first").returncode == 0
    assert not is_there(home)
    assert limits(nowhere, "log", "list").returncode == 3
    assert limits(nowhere, "log", "seal", "--once").returncode == 0
    assert is_there(home)
    done = limits(nowhere, "log", "list")
    assert (done.returncode, done.stderr) == (0, "no entry of the log matches\n")
    assert [key.public.name for key in seal_keys.read(home / "seal" / "key")] == ["first"]


def test_a_file_in_the_place_of_the_home_has_none(home: Path) -> None:
    home.write_text("")
    assert not is_there(home) and not is_there(home / "below")


def test_a_database_is_seen_without_starting_it(ready: Path) -> None:
    assert is_there(ready)
    assert not Embedded(ready)._answers()


def test_where_people_look_for_another_command(settings: Settings) -> None:
    done = limits(settings, "log", "explain", "37", "--lang", "zh")
    assert (done.returncode, done.stdout) == (2, "") and "limits explain USER" in done.stderr
    done = limits(settings, "log", "lst")
    assert "Did you mean 'list'? See: limits log --help" in done.stderr
    done = limits(settings, "log", "as-of", "37", "2026-03-31")
    assert done.returncode == 2 and "DATE comes first: limits log as-of 2026-03-31 37" in done.stderr
