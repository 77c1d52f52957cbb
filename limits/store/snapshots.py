"""Snapshots: what a shard was decided from, kept under the sha256 of its bytes and never changed.

The bytes stand in the database, or as a file DIGEST.parquet in a folder of the lender's (LIMITS_SNAPSHOT_STORE).
Whatever is read is checked against its digest first.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import InputError, NotFound, SnapshotError
from limits.portfolio import Portfolio
from limits.store.db import Connection
from limits.store.queries import query
from limits.store.snapshot_bytes import FORMAT, decode, encode

__all__ = [
    "FORMAT", "Pruned", "Snapshot", "body_of", "decode", "digest", "encode", "listing", "load", "named",
    "portfolio_of", "prune", "store",
]  # fmt: skip


#: Hexadecimal digits of a digest.
DIGEST_DIGITS = 64


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as the list shows it; ``shards`` of ``review_ids`` were decided from it."""

    digest: bytes
    as_of: dt.date
    users: int
    bytes: int
    in_database: bool
    created_at: dt.datetime
    used_at: dt.datetime | None
    review_ids: list[int] | None
    shards: int


@dataclass(frozen=True)
class Pruned:
    """A snapshot that is old enough to go, and when a shard was last decided from it."""

    digest: bytes
    as_of: dt.date
    users: int
    bytes: int
    in_database: bool
    used_at: dt.datetime


def digest(body: bytes) -> bytes:
    """The sha256 of a snapshot, which is its name: 32 bytes."""
    return hashlib.sha256(body).digest()


def store(
    conn: Connection,
    review_id: int,
    shard: int,
    portfolio: Portfolio,
    *,
    body: bytes | None = None,
    folder: Path | None = None,
) -> bytes:
    """Keeps what a shard was decided from and gives its digest. The same portfolio is kept once.

    ``body``: the bytes of the portfolio, where they are made already.
    ``folder``: the bytes go there, and only digest and size into the database. Part of the caller's
    transaction; the file is on the disk before the row is written. SnapshotError when it cannot be kept.
    """
    body = body or encode(portfolio)
    name = digest(body)
    if folder is not None:
        _write_file(folder, name, body)
    parameters = {
        "digest": name,
        "as_of": portfolio.as_of,
        "users": len(portfolio),
        "bytes": len(body),
        "body": None if folder is not None else body,
        "review_id": review_id,
        "shard": shard,
    }
    kept = conn.execute(query("snapshot_store"), parameters).fetchone()
    if kept == (False,):
        # Somebody filed it before: what stands there has to be what decisions are about to be made from.
        body_of(conn, name, folder=folder)
    return name


def named(conn: Connection, digits: str) -> bytes:
    """The digest that begins with some hexadecimal digits; all 64 are taken as they are.

    NotFound where no snapshot's does, InputError where those of several do.
    """
    if len(digits) == DIGEST_DIGITS:
        return bytes.fromhex(digits)
    low, high = (bytes.fromhex(digits.ljust(DIGEST_DIGITS, fill)) for fill in "0f")
    with conn.cursor(row_factory=scalar_row, binary=True) as cursor:
        found = cursor.execute(query("snapshot_between"), {"low": low, "high": high, "limit": 3}).fetchall()
    if not found:
        raise NotFound(
            f"the database keeps no snapshot whose digest begins with {digits}; limits snapshot list has them"
        )
    if len(found) > 1:
        raise InputError(
            f"{digits} begins the digests of several snapshots, such as {bytes(found[0]).hex()} and "
            f"{bytes(found[1]).hex()}; give more digits"
        )
    return bytes(found[0])


def load(conn: Connection, name: bytes, *, folder: Path | None = None) -> Portfolio:
    """The portfolio kept under a digest.

    NotFound when the database knows no such snapshot; SnapshotError when its bytes are gone or are others.
    """
    return decode(body_of(conn, name, folder=folder))


def portfolio_of(conn: Connection, name: bytes, user_id: int, *, folder: Path | None = None) -> Portfolio:
    """What one user was decided from: a portfolio of length one. NotFound when the user is not in the snapshot."""
    portfolio = load(conn, name, folder=folder)
    rows = np.flatnonzero(portfolio.user_id == user_id)
    if len(rows) != 1:
        raise NotFound(f"user {user_id} is not in the snapshot {name.hex()}")
    return portfolio.take(rows)


def body_of(conn: Connection, name: bytes, *, folder: Path | None = None) -> bytes:
    """The bytes of a snapshot, checked against its digest; errors as ``load``."""
    with conn.cursor(binary=True) as cursor:
        found = cursor.execute(query("snapshot_load"), {"digest": name}).fetchone()
    if found is None:
        raise NotFound(f"the database keeps no snapshot {name.hex()}: the digest is wrong, or it was pruned")
    where = "in the database"
    body = found[0]
    if body is None:
        if folder is None:
            raise SnapshotError(f"the snapshot {name.hex()} is kept in a file; set LIMITS_SNAPSHOT_STORE to its folder")
        path = _path(folder, name)
        where, body = f"in {path}", _read_file(path, name)
    if digest(body) != name:
        raise SnapshotError(
            f"the snapshot {name.hex()} {where} was altered: its {len(body):,} bytes have another sha256 "
            f"({digest(body).hex()}; it was stored with {found[1]:,} bytes)"
        )
    return bytes(body)


def listing(conn: Connection, *, review_id: int | None = None, limit: int = 50) -> list[Snapshot]:
    """Snapshots, newest first; only those of a review where one is named."""
    with conn.cursor(row_factory=class_row(Snapshot)) as cursor:
        return cursor.execute(query("snapshot_list"), {"review_id": review_id, "limit": limit}).fetchall()


def prune(conn: Connection, days: int, *, delete: bool, folder: Path | None = None) -> list[Pruned]:
    """Snapshots that no shard was decided from in so many days and whose reviews are all over.

    ``delete``: removes them, all or none. SnapshotError when there are files among them and no folder is given.
    """
    with conn.transaction(), conn.cursor(row_factory=class_row(Pruned)) as cursor:
        try:
            found = cursor.execute(query("snapshot_prune"), {"days": days, "delete": delete}).fetchall()
        except psycopg.errors.ForeignKeyViolation:
            message = "a review began to use an old snapshot just now: nothing was removed; try again"
            raise SnapshotError(message) from None
        except psycopg.errors.InvalidParameterValue as error:
            raise InputError(str(error.diag.message_primary)) from None
        files = [_path(folder, p.digest) for p in found if folder is not None and not p.in_database]
        if delete and folder is None and not all(p.in_database for p in found):
            raise SnapshotError("some of the snapshots are files; set LIMITS_SNAPSHOT_STORE to their folder")
        # Before the rows are gone for good: after a crash in between, the next call removes the rows.
        for path in files if delete else []:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise SnapshotError(f"cannot remove {path}: {error.strerror or error}") from error
    return found


# Files --------------------------------------------------------------------------------------


def _path(folder: Path, name: bytes) -> Path:
    return folder / f"{name.hex()}.parquet"


def _write_file(folder: Path, name: bytes, body: bytes) -> None:
    """The file, complete under its name and on the disk, or SnapshotError."""
    path = _path(folder, name)
    try:
        if not path.exists():
            part = folder / f".{name.hex()}.{os.getpid()}.{secrets.token_hex(4)}.part"
            try:
                with part.open("xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(folder)
        found = path.read_bytes()
    except OSError as error:
        raise SnapshotError(f"cannot keep a snapshot in {folder}: {error.strerror or error}") from error
    if found != body:
        raise SnapshotError(f"{path} holds other bytes than those of that digest; move it away and look who wrote it")


def _sync_folder(folder: Path) -> None:
    """The new name is on the disk too. Some network file systems know no such thing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_file(path: Path, name: bytes) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SnapshotError(f"the file of the snapshot {name.hex()} is gone: {path}") from None
    except OSError as error:
        raise SnapshotError(f"cannot read the snapshot {path}: {error.strerror or error}") from error
