"""yoyo's PostgreSQL backend, changed where it would leave a half behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, default_migration_table

from limits.store.db import Connection
from limits.store.queries import query


class Backend(PostgresqlPsycopgBackend):
    """Works on the connection that holds our lock. A migration, its mark and its digest are one transaction.

    yoyo itself applies on a second connection and marks afterwards: killed in between, it
    would apply the same file again. A migration that says ``-- transactional: false`` has to
    stand being run twice.
    """

    def __init__(self, conn: Connection, digests: Mapping[str, bytes]) -> None:
        self._given = conn
        self._digests = digests
        conn.cursor_factory = _QuietCursor
        # The address is not used: the connection is there already.
        super().__init__(parse_uri("postgresql:///limits"), default_migration_table)

    def connect(self, dburi: object) -> Connection:
        return self._given

    def init_connection(self, connection: Connection) -> None:
        connection.execute(query("migration_session"))

    @contextlib.contextmanager
    def lock(self, timeout: float = 10) -> Iterator[None]:
        """Nothing: the caller holds the advisory lock."""
        yield

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        self.ensure_internal_schema_updated()
        self.init_connection(self.connection)
        migration.load()
        if not migration.use_transactions:
            migration.process_steps(self, "apply")
        with self.transaction():
            if migration.use_transactions:
                migration.process_steps(self, "apply")
            # Back to the rights and the schema of the migrator, whatever the file left behind.
            self.init_connection(self.connection)
            self.log_migration(migration, "apply")
            self.mark_one(migration, log=False)
            self.connection.execute(
                query("migration_record"), {"migration": migration.id, "digest": self._digests[migration.id]}
            )

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        """The row of yoyo's log; its own version fails where the user of this process has no name."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": self.connection.info.user,
            "hostname": socket.gethostname(),
            "created_at_utc": dt.datetime.now(dt.UTC).replace(tzinfo=None),
            "operation": operation,
        }


class _QuietCursor(psycopg.Cursor[Any]):
    """yoyo prints the rows of a statement that has any on standard output, which belongs to the command."""

    @property
    def description(self) -> None:
        return None
