"""The queue inside the database: the SQL of pgmq, and connections for the messages that go through it.

It is used where no broker is set. The SQL comes with the package pgmq and is installed as
plain SQL; the server needs no extension.
"""

from __future__ import annotations

import hashlib

from psycopg.conninfo import make_conninfo
from psycopg.rows import scalar_row
from psycopg_pool import ConnectionPool

from limits.store.db import Connection, Database, Role
from limits.store.queries import query

#: Connections that one process keeps for messages, at most.
POOL_SIZE = 4
#: Seconds to wait for one of them.
POOL_SECONDS = 5.0


def install(conn: Connection) -> bool:
    """Installs the functions of the queue (role owner); False when they are there."""
    from pgmq.install import get_embedded_install_sql

    with conn.cursor(row_factory=scalar_row) as cursor:
        if cursor.execute(query("queue_installed")).fetchone():
            return False
    with conn.transaction():
        conn.execute(get_embedded_install_sql().encode())
    return True


def pool(database: Database, role: Role) -> ConnectionPool:
    """Connections that act as a role, for the transport of messages."""

    def configure(conn: Connection) -> None:
        conn.execute(query("connect_settings"), {"role": f"limits_{role}"})

    return ConnectionPool(
        database.url,
        min_size=0,  # the first use makes one; with 1 it would make a second beside it
        max_size=POOL_SIZE,
        timeout=POOL_SECONDS,
        kwargs={"autocommit": True, "client_encoding": "UTF8", "application_name": "limits queue"},
        configure=configure,
        check=ConnectionPool.check_connection,
        open=True,
    )


def listening(database: Database) -> str:
    """The connection on which a worker is told of messages, which takes no rights."""
    return make_conninfo(database.url, **(database.patience | {"application_name": "limits queue"}))


def database_tag(conn: Connection) -> str:
    """12 hex digits that are this database's alone, for the name of its queue on a broker that others use too."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        identity = cursor.execute(query("database_identity")).fetchone()
    return hashlib.sha256(str(identity).encode()).hexdigest()[:12]
