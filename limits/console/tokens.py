"""Tokens of machines: scoped, kept as hashes, and over at a date that was set when they were made."""

from __future__ import annotations

from limits.console.people import ROLES, Principal
from limits.console.problems import Problem
from limits.console.sessions import hashed
from limits.store.db import Connection
from limits.store.queries import query


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
    return Principal(f"token {name}", frozenset(role for role in ROLES if role in scopes), "machine")
