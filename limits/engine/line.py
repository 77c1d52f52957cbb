"""The connection of one worker to the database."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from limits.settings import Settings
from limits.store.db import Connection, Database
from limits.store.queries import query


class Line:
    """The connection of one worker to the database, opened anew after it broke."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._conn: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def conn(self) -> Connection:
        """The connection; the first use after trouble makes a new one."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database, self._settings)
        return self._conn

    def close(self) -> None:
        """Gives the connection up, whatever state it is in."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def connect(database: Database, settings: Settings) -> Connection:
    """A connection for working on shards.

    It waits for a lock no longer than a lease lasts, and a transaction that says nothing for
    that long is ended by the server: a worker that is stopped in the middle of one would
    otherwise keep its shard locked against whoever takes over.
    """
    conn = database.connect("worker", "limits worker")
    milliseconds = str(round(settings.lease_seconds * 1000))
    conn.execute(query("session_patience"), {"milliseconds": milliseconds})
    return conn
