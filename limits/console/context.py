"""What every request needs: the settings and pooled connections, each acting as one role on its own login."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from fastapi import Request
from psycopg_pool import ConnectionPool

from limits.console.oidc import Provider
from limits.settings import Settings
from limits.store.db import Connection, Database, Role
from limits.store.queries import query

#: Whom a connection acts for. "approver" has the rights of operations, on the login of second persons.
Login = Literal["console", "operations", "approver", "auditor", "monitor"]
LOGINS: tuple[Login, ...] = get_args(Login)

#: Connections of one login at most, and seconds to wait for one. Pages are quick; what takes long has its own.
POOL_SIZE = 14
POOL_SECONDS = 10.0


class Context:
    """The database as each login sees it. Close it at the end."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.settings = settings
        self._databases: dict[Login, Database] = dict.fromkeys(("console", "operations", "monitor"), database)
        self._databases["approver"] = _other(settings.approver_database_url) or database
        self._databases["auditor"] = _other(settings.auditor_database_url) or database
        self._pools: dict[Login, ConnectionPool] = {}
        self._lock = threading.Lock()
        #: Where people sign in; None: by links of this machine.
        self.provider = None if settings.oidc_issuer is None else Provider(settings)
        url = urlsplit(settings.web_url or "")
        #: Whether browsers reach us by TLS: cookies and headers say so then.
        self.secure = url.scheme == "https"
        #: The names we answer to, so that a name of another site that leads here opens nothing.
        self.hosts = {"localhost", settings.web_host.lower(), (url.hostname or "localhost").lower()}

    def database(self, login: Login) -> Database:
        """For functions of the engine that connect by themselves."""
        return self._databases[login]

    @contextlib.contextmanager
    def connect(self, login: Login) -> Iterator[Connection]:
        """A pooled connection, autocommit, with the rights of that login's role."""
        with self._lock:
            if login not in self._pools:
                self._pools[login] = _pool(self._databases[login], role_of(login))
            pool = self._pools[login]
        with pool.connection() as conn:
            yield conn

    def close(self) -> None:
        """Give all connections back."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()


def context_of(request: Request) -> Context:
    """The context of the application that serves this request; a FastAPI dependency."""
    return cast(Context, request.app.state.context)


def role_of(login: Login) -> Role:
    """The database role that a login acts as."""
    return "operations" if login == "approver" else login


def _other(url: str | None) -> Database | None:
    return None if url is None else Database(url)


def _pool(database: Database, role: Role) -> ConnectionPool:
    def configure(conn: Connection) -> None:
        conn.execute(query("connect_settings"), {"role": f"limits_{role}"})

    return ConnectionPool(
        database.url,
        min_size=0,
        max_size=POOL_SIZE,
        timeout=POOL_SECONDS,
        kwargs={
            **database.patience,
            "autocommit": True,
            "client_encoding": "UTF8",
            "application_name": f"limits web {role}",
        },
        configure=configure,
        check=ConnectionPool.check_connection,
        open=True,
    )
