"""Sessions of people, kept on the server: the browser holds a random number, the database its sha256.

A session ends after ``IDLE`` without a request and in any case after ``LONGEST``. One-time links sign a local person
in; they are made by somebody who can read the home of the embedded database (``limits web link``, ``limits up``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable

from limits.console.people import ROLES, Principal, Role
from limits.store.db import Connection
from limits.store.queries import query

IDLE = dt.timedelta(minutes=30)
LONGEST = dt.timedelta(hours=10)
LINK = dt.timedelta(minutes=15)


def hashed(secret: str) -> bytes:
    """What is kept of a secret of 256 random bits: nobody can sign in with what stands in the database."""
    return hashlib.sha256(secret.encode()).digest()


def begin(conn: Connection, actor: str, roles: Iterable[Role], how: str) -> str:
    """A new session; the secret for the browser."""
    secret = secrets.token_urlsafe(32)
    conn.execute(
        query("console_session_begin"),
        {
            "hash": hashed(secret), "actor": actor, "roles": sorted(roles), "how": how,
            "csrf": secrets.token_urlsafe(32), "idle": IDLE, "longest": LONGEST,
        },
    )  # fmt: skip
    return secret


def of(conn: Connection, secret: str, *, renew: bool = True) -> Principal | None:
    """Who the session of that secret belongs to; None where it is over or never was. ``renew``: it is in use."""
    values = {"hash": hashed(secret), "idle": IDLE, "renew": renew}
    row = conn.execute(query("console_session_use"), values).fetchone()
    if row is None:
        return None
    actor, roles, csrf = row
    return Principal(actor, frozenset(role for role in ROLES if role in roles), "person", csrf)


def end(conn: Connection, secret: str) -> None:
    """The session is over at once."""
    conn.execute(query("console_session_end"), {"hash": hashed(secret)})


def make_link(conn: Connection, actor: str, roles: Iterable[Role]) -> str:
    """A secret that signs in once, within ``LINK``, as that actor."""
    secret = secrets.token_urlsafe(32)
    conn.execute(
        query("console_link_make"), {"hash": hashed(secret), "actor": actor, "roles": sorted(roles), "valid": LINK}
    )
    return secret


def use_link(conn: Connection, secret: str) -> str | None:
    """The session secret that a link gives, once; None where it was used, is too old or never was."""
    with conn.transaction():
        row = conn.execute(query("console_link_use"), {"hash": hashed(secret)}).fetchone()
        return None if row is None else begin(conn, row[0], row[1], "link")
