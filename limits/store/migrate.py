"""The schema is brought up to date: sql/migrations/*.sql, each applied once, in one transaction, by yoyo.

A session advisory lock of ours lets one migrator work at a time; the server drops it with the
connection, whatever becomes of the process. yoyo's own lock, a row that stays, is never taken.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from limits.errors import MigrationError
from limits.store import queue
from limits.store.db import Connection, Database, first_line, open_database
from limits.store.queries import query, sql_root

if TYPE_CHECKING:
    from limits.settings import Settings

#: Seconds to wait for another process that migrates, and between two looks.
WAIT_SECONDS = 600.0
POLL_SECONDS = 0.1


def plan(target: Settings | Database) -> list[str]:
    """The migrations not applied yet, in the order in which they would be."""
    with _database(target) as database, database.connect("owner", "limits migrate --plan") as conn:
        return _pending(conn, _files())


def check(target: Settings | Database) -> None:
    """MigrationError unless the schema is exactly what this code needs."""
    with _database(target) as database:
        with database.connect("owner", "limits check") as conn:
            pending = _pending(conn, _files())
        if pending:
            raise MigrationError(f"{database.where} is {_behind(pending)}; run: limits migrate")


def ready(conn: Connection) -> None:
    """MigrationError unless the schema that a connection sees is exactly what this code needs; any login may ask."""
    if pending := _pending(conn, _files()):
        raise MigrationError(f"the schema is {_behind(pending)}; run: limits migrate")


def _behind(pending: list[str]) -> str:
    return f"{len(pending)} migration{'s' * (len(pending) > 1)} behind, from {pending[0]} on"


def apply(target: Settings | Database) -> list[str]:
    """Apply what is not applied yet; the names applied now, by this call."""
    files = _files()
    with _database(target) as database, database.connect("owner", "limits migrate") as conn:
        if not _pending(conn, files):
            return []
        _wait_for_lock(conn, database.where)
        # Somebody else may have done it meanwhile.
        if not _pending(conn, files):
            return []
        return _apply(conn, files)


@contextlib.contextmanager
def _database(target: Settings | Database) -> Iterator[Database]:
    if isinstance(target, Database):
        yield target
        return
    with open_database(target, migrated=False) as database:
        yield database


def _files() -> dict[str, Path]:
    """The migration files by name, in order."""
    folder = Path(str(sql_root() / "migrations"))
    found = {path.stem: path for path in sorted(folder.glob("*.sql"))}
    if not found:
        raise MigrationError(f"no migrations were found in {folder}; the installation is not whole, install it again")
    return found


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _pending(conn: Connection, files: dict[str, Path]) -> list[str]:
    """The names not applied yet; MigrationError when what was applied is not what the files say."""
    applied: dict[str, bytes] = {}
    if _one(conn, "migration_known"):
        applied = {str(name): bytes(digest) for name, digest in conn.execute(query("migration_applied"))}
    unknown = sorted(applied.keys() - files.keys())
    if unknown:
        raise MigrationError(
            f"the database is newer than this version of limits, which does not know {', '.join(unknown)}; "
            "install the version that migrated it"
        )
    for name, digest in applied.items():
        if _digest(files[name]) != digest:
            raise MigrationError(
                f"{files[name].name} was edited after it had been applied; put the applied text back, "
                "and write a new migration for what has to change"
            )
    return [name for name in files if name not in applied]


def _wait_for_lock(conn: Connection, where: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not _one(conn, "migration_lock"):
        if time.monotonic() > until:
            raise MigrationError(
                f"another process has been migrating {where} for {WAIT_SECONDS:.0f} seconds; see what it waits for in "
                "pg_stat_activity (application_name 'limits migrate')"
            )
        time.sleep(POLL_SECONDS)


def _one(conn: Connection, name: str) -> Any:
    row = conn.execute(query(name)).fetchone()
    return row[0] if row else None


def _apply(conn: Connection, files: dict[str, Path]) -> list[str]:
    from yoyo.exceptions import BadMigration
    from yoyo.migrations import read_migrations

    from limits.store.yoyo_backend import Backend

    done: list[str] = []
    name = "the table of migrations"
    try:
        queue.install(conn)
        if not _one(conn, "migration_known"):  # IF NOT EXISTS asks for rights that who migrates later need not have
            conn.execute(query("migration_begin"))
        backend = Backend(conn, {name: _digest(path) for name, path in files.items()})
        folder = next(iter(files.values())).parent
        for migration in backend.to_apply(read_migrations(glob.escape(str(folder)))):
            name = f"{migration.id}.sql"
            backend.apply_one(migration)
            done.append(migration.id)
    except psycopg.Error as error:
        raise MigrationError(f"{name} failed and nothing of it was kept: {first_line(error)}") from error
    except BadMigration as error:
        raise MigrationError(f"{name} cannot be read as a migration: {error}") from error
    return done
