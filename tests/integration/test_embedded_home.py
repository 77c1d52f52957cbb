"""Where the embedded database lives, who runs it and with which programs; each refusal is one sentence."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import pytest

from limits.errors import DatabaseError, SettingsError
from limits.settings import make_settings
from limits.store import binaries, migrate
from limits.store.db import open_database
from limits.store.embedded import Embedded, about
from tests.servers import in_child, one, postmaster, servers

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")


# Folders ------------------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, owner and group of the folder and everything above it."""
    return {
        str(path): (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid, path.stat().st_gid)
        for path in [folder, *folder.parents]
    }


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o2775])
def test_folders_that_are_not_ours_keep_their_mode(home: Path, mode: int) -> None:
    home.mkdir()
    home.chmod(mode)
    before = modes(home)
    with Embedded(home) as server:
        server.revive()
    assert modes(home) == before
    assert (home / "database").stat().st_mode & 0o777 == 0o700


def test_folders_that_we_make_are_closed(home: Path) -> None:
    before = modes(home.parent)
    with Embedded(home / "deep" / "down"):
        pass
    assert modes(home.parent) == before
    assert stat.S_IMODE((home / "deep" / "down").stat().st_mode) == (0o711 if AS_ROOT else 0o700)
    assert stat.S_IMODE((home / "deep" / "down" / "database").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["long " * 20, "a, comma", "späte \"Zeile\" 'é' %25 $HOME ;"])
def test_homes_whose_names_do_not_fit_a_socket(home: Path, name: str) -> None:
    home = home / name
    with Embedded(home) as server:
        assert one(server.url(), "SELECT current_user") == "limits"
        folder = server._socket_folder()
        assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert servers(home) == []
    assert folder == home / "database" or not folder.exists()


def test_a_line_break_in_the_home_is_one_sentence(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"^LIMITS_HOME holds a character that cannot be printed: .*two\\nlines"):
        Embedded(home / "two\nlines").join()


def test_a_short_folder_that_somebody_else_made_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = home.parent / "tmp"
    temporary.mkdir()
    temporary.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    home = home / ("long" * 30)
    server = Embedded(home)
    server._make_home()
    folder = server._short_socket_folder()
    assert folder.parent == temporary
    folder.symlink_to("/")
    with pytest.raises(DatabaseError, match=f"{folder} does not belong to"):
        server.join()
    assert servers(home) == []


def test_a_folder_of_that_name_that_is_open_to_others_is_refused_as_it_is(home: Path) -> None:
    with Embedded(home) as server:
        folder = server.folder
    folder.chmod(0o755)
    with pytest.raises(DatabaseError, match=f"^{folder} is open to other users; close it with: chmod 700 {folder}$"):
        Embedded(home).join()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_file_in_the_place_of_the_home_is_one_sentence(home: Path) -> None:
    home.write_text("")
    for folder in (home, home / "below"):
        with pytest.raises(DatabaseError, match=f"^the folder {folder} cannot be used: Not a directory.*LIMITS_HOME"):
            Embedded(folder).join()


def test_a_data_folder_of_another_version_is_one_sentence(ready: Path) -> None:
    with Embedded(ready):
        pass
    (ready / "database" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"^PostgreSQL 12, which made the data folder, was not found"):
        Embedded(ready).join()
    (ready / "database" / "data" / "PG_VERSION").unlink()
    with pytest.raises(DatabaseError, match="is not the data folder of a database; move it away"):
        Embedded(ready).join()


def test_a_server_that_cannot_start_says_why(ready: Path) -> None:
    with Embedded(ready):
        pass
    (ready / "database" / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match=r"does not start: .*contains errors; see .*postgresql\.log$"):
        Embedded(ready).join()


# Who runs it, and with which programs -------------------------------------------------------


@only_root
@pytest.mark.parametrize("other", ["nobody", "daemon"])
def test_as_an_ordinary_user(home: Path, other: str) -> None:
    entry = pwd.getpwnam(other)
    os.chown(home.parent, entry.pw_uid, entry.pw_gid)
    home.parent.chmod(0o700)

    def lifecycle() -> object:
        with Embedded(home) as server:
            os.kill(postmaster(home), signal.SIGKILL)
            server.revive()
            seen = one(server.url(), "SELECT 1")
            owners = {home.stat().st_uid, server.data.stat().st_uid}
            mode = stat.S_IMODE(home.stat().st_mode)
        return [seen, sorted(owners), mode, about(home).running, about(home).user]

    assert in_child(lifecycle, other) == [1, [entry.pw_uid], 0o700, False, other]
    if other == "nobody":
        return  # as root, the server may run as nobody
    with pytest.raises(DatabaseError, match="cannot enter"):
        Embedded(home).join()


@only_root
def test_a_folder_that_may_not_be_written_is_one_sentence(home: Path) -> None:
    home.mkdir(mode=0o755)

    def refused() -> object:
        with Embedded(home):
            return "joined"

    said = in_child(refused, "nobody")
    assert said == (
        f"DatabaseError: the folder {home} cannot be used: Permission denied ({home}/users.lock); "
        "set LIMITS_HOME to a folder that can be written"
    )


@only_root
def test_as_root_a_folder_closed_to_the_servers_user_is_one_sentence(home: Path) -> None:
    home.parent.chmod(0o700)
    with pytest.raises(DatabaseError, match=f"who cannot enter {home.parent}; set LIMITS_HOME to a folder that every"):
        Embedded(home).join()
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700


@only_root
def test_as_root_the_server_runs_as_somebody_else(ready: Path) -> None:
    with Embedded(ready) as server:
        owners = set()
        for process in servers(ready):
            with contextlib.suppress(FileNotFoundError):  # a process that PostgreSQL ended meanwhile
                owners.add(Path("/proc", str(process)).stat().st_uid)
        assert owners == {server.data.stat().st_uid}
        assert 0 not in owners


@only_root
def test_programs_that_only_root_can_reach_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout under /root."""
    package = binaries._package()
    assert package
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs", symlinks=True)
    monkeypatch.setattr(binaries, "_package", lambda: closed / package.name)
    for _ in range(2):
        with Embedded(home) as server:
            assert one(server.url(), "SELECT 1") == 1
            assert about(home).binaries.source == binaries.WHEEL
    assert len(list((home / "binaries").iterdir())) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_the_postgresql_of_the_machine_is_the_fallback(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Here the wheel's own programs stand in for it, where the machine has none."""
    package = binaries._package()
    assert package
    monkeypatch.setattr(binaries, "_package", lambda: None)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{package / 'pginstall18' / 'bin'}")
    with open_database(make_settings(home=home)) as database:
        found = about(home)
        assert found.binaries.source == binaries.MACHINE
        assert found.binaries.major >= binaries.OLDEST
        assert migrate.plan(database) == []
    assert servers(home) == []


def test_without_any_programs_there_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([(Path("/nowhere/bin"), binaries.MACHINE)]))
    with pytest.raises(DatabaseError, match=r"15 or newer was not found .*/nowhere/bin does not run.*LIMITS_DATABASE"):
        Embedded(home).join()


def test_about_makes_nothing(home: Path) -> None:
    told = about(home)
    assert (told.running, told.data_major, told.binaries.major) == (False, None, 18)
    assert not home.exists()
