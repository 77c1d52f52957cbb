"""Connections: to the database of the settings, or to the embedded one, each acting as one role."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from limits.errors import DatabaseError, SettingsError
from limits.settings import home_dir
from limits.store.queries import query

if TYPE_CHECKING:
    from limits.settings import Settings

Role = Literal["owner", "migrator", "worker", "operations", "auditor", "sealer", "monitor", "console"]

#: The connection as other layers name it.
Connection = psycopg.Connection[Any]

#: What a statement or a new connection raises when the server is not there; worth another try. Also when the server
#: ended the connection of a process that had been stopped inside a transaction, which is no OperationalError.
TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.IdleInTransactionSessionTimeout)

#: What a value raises that the database cannot hold, such as a text with a character of code 0.
UNHOLDABLE = psycopg.DataError

#: Seconds to wait for an answer, and how soon a peer that vanished is noticed, unless the URL says otherwise.
PATIENCE: dict[str, Any] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


class CannotConnect(DatabaseError, psycopg.OperationalError):
    """No connection could be made. Also an OperationalError, so that whoever tries again catches one kind."""


class Database:
    """Where the database is, and how to connect to it. Holds no connection, so it may be used after a fork."""

    def __init__(self, url: str, *, embedded: bool = False, revive: Callable[[], None] | None = None) -> None:
        """``revive`` is called once when no connection can be made, before the second try."""
        self.url = url
        self.embedded = embedded
        self._revive = revive
        self._parts = _read_url(url)

    @property
    def where(self) -> str:
        """The place for messages, without the password."""
        if self.embedded:
            return "the embedded database"
        host, port = self._parts.get("host", "localhost"), self._parts.get("port", "5432")
        return f"the database {self._parts.get('dbname', '')} on {host}:{port}"

    def connect(self, role: Role, application_name: str, *, autocommit: bool = True) -> Connection:
        """A new connection that acts as ``limits_<role>``; as "owner" with the login's own rights."""
        try:
            conn = self._connect(application_name)
        except psycopg.OperationalError as error:
            if self._revive is None:
                raise CannotConnect(f"cannot connect to {self.where}: {first_line(error)}") from None
            self._revive()
            try:
                conn = self._connect(application_name)
            except psycopg.OperationalError as second:
                raise CannotConnect(f"cannot connect to {self.where}: {first_line(second)}") from None
        try:
            conn.execute(query("connect_settings"), {"role": "" if role == "owner" else f"limits_{role}"})
            conn.autocommit = autocommit
        except psycopg.Error as error:
            user = conn.info.user
            conn.close()
            raise _refused(error, role, user, self.where) from None
        return conn

    def _connect(self, application_name: str) -> Connection:
        given = {key: value for key, value in PATIENCE.items() if key not in self._parts}
        return psycopg.connect(
            self.url, application_name=application_name, client_encoding="UTF8", autocommit=True, **given
        )


@contextlib.contextmanager
def open_database(settings: Settings, *, migrated: bool = True, make: bool = True) -> Iterator[Database]:
    """The database of the settings, with the schema that the code needs.

    Embedded: starts or joins the server of our own, brings the schema up to date, and leaves
    at the end; the last one to leave stops the server. By URL: MigrationError when the schema
    is not what the code needs. ``migrated=False`` leaves the schema as it is. ``make=False``: DatabaseError
    where there is no embedded database yet, and nothing is made.
    """
    from limits.store import migrate

    if settings.database_url is not None:
        database = Database(settings.database_url)
        if migrated:
            migrate.check(database)
        yield database
        return

    from limits.store.embedded import Embedded, is_there

    home = home_dir(settings)
    if not make and not is_there(home):
        raise DatabaseError(f"there is no database in {home}; set LIMITS_HOME or LIMITS_DATABASE_URL")
    with Embedded(home) as server:
        database = Database(server.url(), embedded=True, revive=server.revive)
        if migrated:
            migrate.apply(database)
        yield database


def first_line(error: psycopg.Error) -> str:
    """What went wrong as part of one sentence: libpq and the server speak in several lines."""
    text = error.diag.message_primary or str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Several addresses tried: each attempt is a line that starts with "- "; the first is as good as any.
    tried = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    line = (tried or lines or [type(error).__name__])[0]
    return re.sub(r"^connection failed: ", "", line)


def _read_url(url: str) -> dict[str, Any]:
    """The parts of the URL. Nothing of it is repeated in the message: any part may hold the password."""
    mend = "write it postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters of the password as %XX"
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
        authority = urlsplit(url).netloc
    except (psycopg.Error, ValueError):
        raise SettingsError(f"LIMITS_DATABASE_URL cannot be read: {mend}") from None
    if authority.count("@") > 1 or not re.fullmatch(r"[0-9,]*", str(parts.get("port", ""))):
        raise SettingsError(f"LIMITS_DATABASE_URL cannot be read: {mend}")
    return parts


def _refused(error: psycopg.Error, role: Role, user: str, where: str) -> DatabaseError:
    if isinstance(error, psycopg.errors.InvalidParameterValue):
        # "role does not exist": made by the first migration.
        return DatabaseError(f"{where} has no role limits_{role}; run: limits migrate")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        grant = f'GRANT limits_{role} TO "{user}"'
        return DatabaseError(f"the login {user} may not act as limits_{role} in {where}; run there: {grant}")
    if isinstance(error, psycopg.OperationalError):
        return CannotConnect(f"the connection to {where} broke at once: {first_line(error)}")
    return DatabaseError(f"{where} refused a new session: {first_line(error)}")
