"""Sessions of people, kept on the server: the browser holds a random number, the database its sha256.

A session ends after ``IDLE`` without a request and in any case after ``LONGEST``. One-time links sign a local person
in; they are made by somebody who can read the home of the embedded database (``limits web link``, ``limits up``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from limits.console.people import ROLES, Principal, Role
from limits.store.db import Connection
from limits.store.queries import query

IDLE = dt.timedelta(minutes=30)
LONGEST = dt.timedelta(hours=10)
LINK = dt.timedelta(minutes=15)
#: How long somebody may take to sign in at the identity provider.
AWAY = dt.timedelta(minutes=10)


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


def end_all(conn: Connection, actor: str) -> int:
    """Every session of that person is over at once; how many there were."""
    return conn.execute(query("console_session_end_actor"), {"actor": actor}).rowcount


def end_number(conn: Connection, number: str) -> str | None:
    """One session is over at once, by what it is called in lists; whose it was, None where there is none."""
    row = conn.execute(query("console_session_end_number"), {"number": number}).fetchone()
    return None if row is None else row[0]


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


def whose_link(conn: Connection, secret: str) -> tuple[str, list[str]] | None:
    """Actor and roles of a link that can still be used, which it can afterwards too."""
    row = conn.execute(query("console_link_peek"), {"hash": hashed(secret)}).fetchone()
    return None if row is None else (row[0], row[1])


class Leaving(NamedTuple):
    """What goes along to the identity provider, and what stays with the browser and with us."""

    state: str
    nonce: str
    verifier: str
    browser: str


def leave(conn: Connection) -> Leaving:
    """Somebody goes to the identity provider. Only the browser that went can come back: it keeps ``browser``."""
    made = Leaving._make(secrets.token_urlsafe(32) for _ in Leaving._fields)
    values = {"hash": _way(made.state, made.browser), "verifier": made.verifier, "nonce": made.nonce, "valid": AWAY}
    conn.execute(query("console_sign_in_begin"), values)
    return made


def come_back(conn: Connection, state: str, browser: str) -> tuple[str, str] | None:
    """Verifier and nonce of whoever left so, once; None where nobody did, or too long ago."""
    row = conn.execute(query("console_sign_in_end"), {"hash": _way(state, browser)}).fetchone()
    return (row[0], row[1]) if row is not None and row[2] else None


def _way(state: str, browser: str) -> bytes:
    return hashed(f"{state} {browser}")
