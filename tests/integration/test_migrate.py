"""Migrations: once each, by one process at a time, whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from limits.errors import DatabaseError, MigrationError, SettingsError
from limits.settings import make_settings
from limits.store import migrate
from limits.store.db import Database, open_database
from limits.store.queries import sql_root

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "sql" / "migrations").glob("*.sql"))
_numbers = itertools.count(1)

#: Migrates the database of its first argument with the files of its second; prints what it applied.
MIGRATE = """
import sys
from pathlib import Path
from limits.store import migrate
from limits.store.db import Database
migrate.sql_root = lambda: Path(sys.argv[2])
print(*migrate.apply(Database(sys.argv[1])))
"""


@contextlib.contextmanager
def new_database(url: str, owner: str | None = None) -> Iterator[str]:
    """The URL of an empty database on the server, dropped afterwards."""
    name = f"limits_migrate_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as conn:
        belongs = sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + belongs)
        try:
            yield re.sub(r"(postgresql://[^/]*/)[^?]*", rf"\g<1>{name}", url)
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty(server_url: str) -> Iterator[Database]:
    """A database with nothing in it."""
    with new_database(server_url) as url:
        yield Database(url)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that a test may change."""
    shutil.copytree(str(sql_root()), tmp_path / "[sql] of a test")
    monkeypatch.setattr(migrate, "sql_root", lambda: tmp_path / "[sql] of a test")
    return tmp_path / "[sql] of a test" / "migrations"


def start(database: Database, root: Path = ROOT / "sql") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MIGRATE, database.url, str(root)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fetch(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.connect("owner", "limits test") as conn:
        return conn.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]


def wait_until(database: Database, statement: str) -> None:
    """Until the statement gives a row."""
    until = time.monotonic() + 30
    while not fetch(database, statement):
        assert time.monotonic() < until, statement
        time.sleep(0.05)


def test_every_migration_depends_on_earlier_ones_only() -> None:
    for path in (ROOT / "sql" / "migrations").glob("*.sql"):
        for line in re.findall(r"^-- depends:(.*)$", path.read_text(), re.MULTILINE):
            assert all(name in NAMES and name < path.stem for name in line.split()), path.name


def test_applied_once_and_planned_before(empty: Database) -> None:
    assert migrate.plan(empty) == NAMES
    with pytest.raises(MigrationError, match=f"{len(NAMES)} migrations behind.*run: limits migrate"):
        migrate.check(empty)
    assert migrate.apply(empty) == NAMES
    assert migrate.apply(empty) == []
    assert migrate.plan(empty) == []
    migrate.check(empty)
    applied = "SELECT migration FROM limits_migration.files ORDER BY 1"
    assert fetch(empty, applied) == [(name,) for name in NAMES]
    yoyo = 'SELECT migration_id FROM limits_migration."_yoyo_migration" ORDER BY 1'
    assert fetch(empty, yoyo) == [(name,) for name in NAMES]
    assert fetch(empty, "SELECT 1 FROM pg_class WHERE relname LIKE 'yoyo_lock%'") == []


def test_by_settings(empty: Database) -> None:
    settings = make_settings(database_url=empty.url)
    with pytest.raises(MigrationError, match="run: limits migrate"), open_database(settings):
        pass
    with open_database(settings, migrated=False) as opened:
        assert not opened.embedded
    assert migrate.plan(settings) == NAMES
    assert migrate.apply(settings) == NAMES
    with open_database(settings) as opened, opened.connect("worker", "limits test") as conn:
        row = conn.execute("SELECT current_user, current_setting('TimeZone'), current_setting('application_name')")
        assert row.fetchone() == ("limits_worker", "UTC", "limits test")


def test_several_processes_apply_each_file_once(empty: Database) -> None:
    processes = [start(empty) for _ in range(4)]
    done = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, done
    assert sorted(name for out, _ in done for name in out.split()) == NAMES


def test_several_databases_of_a_server_at_once(server_url: str) -> None:
    """Roles belong to the whole server: the first migration of each makes the same ones."""
    with contextlib.ExitStack() as stack:
        databases = [Database(stack.enter_context(new_database(server_url))) for _ in range(3)]
        processes = [start(database) for database in databases]
        done = [process.communicate(timeout=60) for process in processes]
        assert [out.split() for out, _ in done] == [NAMES] * 3, done


def test_kill_in_the_middle_leaves_whole_migrations_and_no_lock(empty: Database, files: Path) -> None:
    (files / "9000_slow.sql").write_text(
        f"-- depends: {NAMES[-1]}\nCREATE TABLE limits.half (n int);\nSELECT pg_sleep(60);\n"
    )
    process = start(empty, files.parent)
    wait_until(empty, "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' "
                      "AND application_name = 'limits migrate'")  # fmt: skip
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (files / "9000_slow.sql").write_text(f"-- depends: {NAMES[-1]}\nCREATE TABLE limits.half (n int);\n")
    assert migrate.plan(empty) == ["9000_slow"]
    # The server notices a vanished client when its statement ends, unless it is told to end it.
    fetch(empty, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                 "AND pid <> pg_backend_pid()")  # fmt: skip
    assert migrate.apply(empty) == ["9000_slow"]


def test_an_edited_file_is_noticed(empty: Database, files: Path) -> None:
    migrate.apply(empty)
    edited = files / f"{NAMES[1]}.sql"
    edited.write_text(edited.read_text() + "-- one more word\n")
    for look in (migrate.plan, migrate.check, migrate.apply):
        with pytest.raises(MigrationError, match=f"{NAMES[1]}.sql was edited after it had been applied"):
            look(empty)


def test_a_newer_database_is_refused(empty: Database, files: Path) -> None:
    newer = files / "9000_newer.sql"
    newer.write_text("-- Something of tomorrow.\nCREATE TABLE limits.tomorrow (n int);\n")
    migrate.apply(empty)
    newer.unlink()
    for look in (migrate.plan, migrate.check, migrate.apply):
        with pytest.raises(MigrationError, match="newer than this version of limits, which does not know 9000_newer"):
            look(empty)


def test_a_failing_migration_leaves_nothing_of_its_own(
    empty: Database, files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (files / "9000_good.sql").write_text("-- Rows are not printed.\nSELECT 'printed';\nSET ROLE limits_owner;\n")
    (files / "9001_bad.sql").write_text("-- Fails.\nCREATE TABLE limits.half (n int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"9001_bad.sql failed and nothing of it was kept: division by zero"):
        migrate.apply(empty)
    assert migrate.plan(empty) == ["9001_bad"]
    assert fetch(empty, "SELECT to_regclass('limits.half')") == [(None,)]
    assert capfd.readouterr().out == ""


def test_an_index_is_built_concurrently_while_others_wait(empty: Database, files: Path) -> None:
    """A waiter that blocks in the server would hold the snapshot that the index waits for."""
    (files / "9000_index.sql").write_text(
        "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS slow ON limits.users (opened_on);\n"
    )
    processes = [start(empty, files.parent) for _ in range(3)]
    done = [process.communicate(timeout=60) for process in processes]
    assert sorted(name for out, _ in done for name in out.split()) == [*NAMES, "9000_index"], done
    assert fetch(empty, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'limits.slow'::regclass") == [(True,)]


def test_a_login_that_is_no_member_is_told_the_grant(database: Database, server_url: str) -> None:
    login = f"limits_stranger_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(login)))
        try:
            stranger = Database(database.url.replace("//limits@", f"//{login}@"))
            with pytest.raises(DatabaseError, match=f'limits_worker.*run there: GRANT limits_worker TO "{login}"'):
                stranger.connect("worker", "limits test")
            migrate.check(stranger)  # it may look all the same
            conn.execute(sql.SQL("GRANT limits_worker TO {}").format(sql.Identifier(login)))
            stranger.connect("worker", "limits test").close()
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(login)))


def test_a_role_that_is_not_there_yet(empty: Database) -> None:
    with pytest.raises(DatabaseError, match="no role limits_nonesuch; run: limits migrate"):
        Database(empty.url).connect("nonesuch", "limits test")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@127.0.0.1:1/x",
        "postgresql://me:hush@no-such-host.invalid/x",
        "postgresql://me:hu@sh@127.0.0.1:1/x",
        "postgresql://me:hu/sh@127.0.0.1:1/x",
        "postgresql://me:hu#sh@127.0.0.1:1/x",
        "postgresql://me:hu%sh@127.0.0.1:1/x",
        "postgresql://127.0.0.1:1/x?password=hush&pasword=hush",
    ],
)
def test_no_connection_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises((DatabaseError, SettingsError)) as caught:
        Database(url).connect("worker", "limits test")
    assert not re.search("hush|hu.sh|hu|sh@|/sh|#sh", str(caught.value).replace("such-host", "")), caught.value
    assert "\n" not in str(caught.value)


@contextlib.contextmanager
def new_login(server_url: str, role: str) -> Iterator[str]:
    """A login that has one role and nothing else."""
    login = sql.Identifier(f"limits_new_{os.getpid()}")
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        try:
            conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))
            yield login.as_string().strip('"')
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(login))


def test_a_migrator_applies_what_comes_later(empty: Database, files: Path, server_url: str) -> None:
    migrate.apply(empty)
    later = f"-- depends: {NAMES[-1]}\nSET LOCAL ROLE limits_owner;\nCREATE TABLE limits.later (n int);\nRESET ROLE;\n"
    (files / "9000_later.sql").write_text(later)
    with new_login(server_url, "limits_migrator") as login:
        migrator = Database(empty.url.replace("//limits@", f"//{login}@"))
        assert migrate.plan(migrator) == ["9000_later"]
        assert migrate.apply(migrator) == ["9000_later"]
        assert migrate.apply(migrator) == []
        with migrator.connect("owner", "attack") as conn:
            for beyond in ("CREATE ROLE limits_more", "CREATE SCHEMA more", "ALTER ROLE limits_owner LOGIN"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(beyond)  # type: ignore[call-overload]
    written = "SELECT applied_by LIKE 'limits_new_%', relowner::regrole::text FROM limits_migration.files, pg_class "
    assert fetch(empty, written + "WHERE migration = '9000_later' AND relname = 'later'") == [(True, "limits_owner")]


@pytest.mark.parametrize("role", ["worker", "operations", "sealer", "auditor", "monitor"])
def test_nobody_else_migrates(empty: Database, files: Path, server_url: str, role: str) -> None:
    migrate.apply(empty)
    later = "-- As the owner.\nSET LOCAL ROLE limits_owner;\nCREATE TABLE limits.later (n int);\n"
    (files / "9000_later.sql").write_text(later)
    with new_login(server_url, f"limits_{role}") as login, pytest.raises(MigrationError, match="permission denied"):
        migrate.apply(Database(empty.url.replace("//limits@", f"//{login}@")))
    assert migrate.plan(empty) == ["9000_later"]


@pytest.mark.broker("postgresql")
def test_on_another_server_as_superuser(services: dict[str, str]) -> None:
    with roles_put_back(services["postgresql"]), new_database(services["postgresql"]) as url:
        assert migrate.apply(Database(url)) == NAMES
        assert migrate.apply(Database(url)) == []
        Database(url).connect("auditor", "limits test").close()


@pytest.mark.broker("postgresql")
def test_on_another_server_as_owner_of_the_database(services: dict[str, str]) -> None:
    url = services["postgresql"]
    login = sql.Identifier(f"limits_boss_{os.getpid()}")
    with roles_put_back(url), psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE NOSUPERUSER").format(login))
        try:
            with new_database(url, login.as_string().strip('"')) as address:
                owner = Database(address.replace("//postgres@", f"//limits_boss_{os.getpid()}@"))
                assert migrate.apply(owner) == NAMES
                migrate.check(owner)
                owner.connect("operations", "limits test").close()
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(login))


@contextlib.contextmanager
def roles_put_back(url: str) -> Iterator[None]:
    """Roles that the migrations make on a server that is not ours go again, unless others use them."""
    names = "owner|migrator|worker|operations|sealer|auditor|monitor"
    ours = f"SELECT rolname FROM pg_roles WHERE rolname ~ '^limits_({names})$'".encode()
    with psycopg.connect(url, autocommit=True) as conn:
        before = set(conn.execute(ours).fetchall())
        try:
            yield
        finally:
            for (name,) in set(conn.execute(ours).fetchall()) - before:
                with contextlib.suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.UndefinedObject):
                    conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
