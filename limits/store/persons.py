"""Who a user is, kept sealed outside of the log; and erasing: proposed by one person, carried out by another.

The lender's own reference of a user is encrypted here, under a key of the user's own, before it goes to the database,
and both go there as data of a COPY: neither stands in a statement, and so neither in a log of the server. What erasing
does is one function of the database (migration 0028); this module calls it and turns what it refuses into the product's
errors.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import class_row, scalar_row

from limits.errors import DatabaseError, ErasureRefused, InputError, NotFound
from limits.store.approvals import in_words
from limits.store.db import Connection
from limits.store.queries import query

#: Characters of a reference, at most.
LONGEST = 200
KEY_BYTES, NONCE_BYTES = 32, 12


@dataclass(frozen=True)
class Person:
    """The reference of a user, when it was set and who set it."""

    user_id: int
    reference: str
    set_at: dt.datetime
    actor: str


@dataclass(frozen=True)
class Setting:
    """That the reference of a user was set: when, by whom, by which login of the database."""

    set_at: dt.datetime
    actor: str
    login: str


@dataclass(frozen=True)
class Proposal:
    """Somebody asked for a user to be erased, and nobody else has agreed yet."""

    user_id: int
    proposed_at: dt.datetime
    maker: str
    reason: str


@dataclass(frozen=True)
class Erasure:
    """A user who was erased. ``counts``: rows that were deleted or emptied, by table."""

    user_id: int
    erased_at: dt.datetime
    maker: str
    proposed_at: dt.datetime
    reason: str
    checker: str
    counts: dict[str, int]

    @property
    def erased_on(self) -> dt.date:
        """The day (UTC)."""
        return self.erased_at.astimezone(dt.UTC).date()


def clean(text: str) -> str:
    """A reference as it is kept and looked for: no space around it, one spelling. InputError where it cannot be one.

    The message does not repeat it.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(text) <= LONGEST:
        raise InputError(f"a reference has 1 to {LONGEST} characters, this one has {len(text)}")
    if not text.isprintable():
        raise InputError("the reference holds a character that cannot be printed, such as a line break")
    return text


# References ------------------------------------------------------------------------------------


def put(conn: Connection, user_id: int, reference: str, *, actor: str) -> None:
    """Keeps the reference of a user, in place of the one before (role operations); who did so stays for good.

    ErasureRefused for a user who is not there or was erased.
    """
    text = clean(reference)
    key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), _bound_to(user_id))
    lookup = _lookup(conn, text)
    with in_words(), conn.cursor() as cursor, cursor.copy(query("person_set")) as copy:
        copy.set_types(["int8", "bytea", "bytea", "bytea", "bytea", "text"])
        copy.write_row((user_id, key, nonce, sealed, lookup, actor))


def get(conn: Connection, user_id: int) -> Person:
    """The reference of a user (role operations).

    NotFound where there is none, DatabaseError where the key is gone or the bytes were altered.
    """
    row = conn.execute(query("person_get"), {"user_id": user_id}).fetchone()
    if row is None:
        done = erasure(conn, user_id)
        raise NotFound(
            f"user {user_id} was erased on {done.erased_on}; who that was is not known any more" if done
            else f"no reference of user {user_id} is kept"
        )  # fmt: skip
    nonce, sealed, key, set_at, actor = row
    if key is None:
        raise DatabaseError(f"the key of user {user_id} is gone, so the reference cannot be read; set it anew")
    try:
        text = AESGCM(key).decrypt(nonce, sealed, _bound_to(user_id)).decode()
    except InvalidTag:
        raise DatabaseError(f"the reference of user {user_id} is not what was sealed; set it anew") from None
    return Person(user_id, text, set_at, actor)


def settings(conn: Connection, user_id: int) -> list[Setting]:
    """Each time that the reference of a user was set, the newest first; also of a user who was erased."""
    with conn.cursor(row_factory=class_row(Setting)) as cursor:
        return cursor.execute(query("person_sets"), {"user_id": user_id}).fetchall()


def find(conn: Connection, reference: str) -> list[int]:
    """The users of a reference, in order (role operations): none, or several where one person has several lines."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("person_find"), {"lookup": _lookup(conn, clean(reference))}).fetchall()


def _bound_to(user_id: int) -> bytes:
    """What a sealed reference is bound to, so that none can be put into another user's row."""
    return b"limits.persons %d" % user_id


def _lookup(conn: Connection, text: str) -> bytes:
    row = conn.execute(query("person_lookup_key")).fetchone()
    if row is None:
        raise DatabaseError("limits.person_lookup is empty: no reference can be found or set without its key")
    return hmac.digest(bytes(row[0]), text.encode(), hashlib.sha256)


# Erasing -----------------------------------------------------------------------------------------


def propose_erasure(conn: Connection, user_id: int, *, actor: str, reason: str) -> None:
    """Proposes to erase a user; it counts for 30 days. ErasureRefused says what is in the way."""
    with in_words():
        conn.execute(query("erasure_propose"), {"user_id": user_id, "actor": actor, "reason": reason})


def erase(conn: Connection, user_id: int, *, actor: str) -> Erasure:
    """Erases a user whom somebody else proposed, for good: all of it in one transaction, or nothing.

    ErasureRefused says what is in the way, also that somebody writes just then; ApprovalRefused, not by this person.
    """
    parameters = {"user_id": user_id, "actor": actor}
    try:
        with in_words(), conn.transaction(), conn.cursor(row_factory=class_row(Erasure)) as cursor:
            done = cursor.execute(query("erasure_carry_out"), parameters).fetchone()
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise ErasureRefused(
            f"user {user_id} was not erased: an import, a review or somebody else is writing; try again later"
        ) from error
    assert done is not None, "the function gives one row"
    return done


def erasure(conn: Connection, user_id: int) -> Erasure | None:
    """What was done when the user was erased; None where that was not done."""
    with conn.cursor(row_factory=class_row(Erasure)) as cursor:
        return cursor.execute(query("erasure_list"), {"user_id": user_id}).fetchone()


def erasures(conn: Connection) -> list[Erasure]:
    """Everybody who was erased, oldest first."""
    with conn.cursor(row_factory=class_row(Erasure)) as cursor:
        return cursor.execute(query("erasure_list"), {"user_id": None}).fetchall()


def proposals(conn: Connection) -> list[Proposal]:
    """What waits for a second person, oldest first."""
    with conn.cursor(row_factory=class_row(Proposal)) as cursor:
        return cursor.execute(query("erasure_proposals")).fetchall()
