"""Tokens of machines: scoped, kept as hashes, and over at a date that was set when they were made.

A machine is never a second person and lets nobody in: no token has the scopes approver and admin, whatever stands in
the database. And who may approve may not make tokens: he could ask by the machine and approve as himself.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from limits.console.people import Principal
from limits.console.problems import Problem
from limits.console.sessions import hashed
from limits.errors import InputError, NotFound
from limits.store.db import Connection
from limits.store.queries import query

Scope = Literal["risk", "operations", "auditor"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
#: A name, as it stands in the log behind the word token. Plain, so that none looks like another one's.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
LONGEST_DAYS = 366


@dataclass(frozen=True)
class Token:
    """A row of the list."""

    token_id: int
    name: str
    scopes: list[Scope]
    created_by: str
    created_at: dt.datetime
    ends_at: dt.datetime
    used_at: dt.datetime | None
    revoked_by: str | None
    revoked_at: dt.datetime | None
    state: str


def of(conn: Connection, authorization: str) -> Principal:
    """The machine that a header ``Authorization: Bearer ...`` names; Problem 401 where it names none."""
    scheme, _, secret = authorization.partition(" ")
    row = None
    if scheme.lower() == "bearer":
        row = conn.execute(query("console_token_use"), {"hash": hashed(secret.strip())}).fetchone()
    if row is None:
        raise Problem(
            401, "token-unknown", "this token is not known here, is over or was revoked",
            headers={"www-authenticate": "Bearer"},
        )  # fmt: skip
    name, scopes = row
    return Principal(f"token {name}", frozenset(scope for scope in SCOPES if scope in scopes), "machine")


def make(conn: Connection, name: str, scopes: list[Scope], days: int, by: str) -> tuple[Token, str]:
    """A new token, and its secret, which is kept nowhere. InputError where the name is taken."""
    secret = "limits_" + secrets.token_urlsafe(32)
    values = {
        "hash": hashed(secret), "name": name, "scopes": [one for one in SCOPES if one in scopes],
        "by": by, "days": days,
    }  # fmt: skip
    row = conn.execute(query("console_token_make"), values).fetchone()
    if row is None:
        raise InputError(f"there is or was a token {name}; names stand in the log, so choose another one")
    return one(conn, row[0]), secret


def listing(conn: Connection, *, limit: int, before: int | None = None) -> list[Token]:
    """Tokens, the newest first."""
    values = {"limit": limit, "before": before, "token_id": None}
    return [Token(*row) for row in conn.execute(query("console_tokens"), values)]


def one(conn: Connection, token_id: int) -> Token:
    """A token; NotFound where there is none."""
    values = {"limit": 1, "before": None, "token_id": token_id}
    row = conn.execute(query("console_tokens"), values).fetchone()
    if row is None:
        raise NotFound(f"there is no token {token_id}; see them: limits web token list")
    return Token(*row)


def revoke(conn: Connection, token_id: int, by: str) -> Token:
    """The token is over at once; again changes nothing. NotFound where there is none."""
    conn.execute(query("console_token_revoke"), {"token_id": token_id, "by": by})
    return one(conn, token_id)
