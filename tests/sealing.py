"""Logs to seal for tests, sealers with files of their own, and ways to change what nobody may change."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from limits import checkpoint, engine, merkle
from limits.settings import Settings
from limits.store import seal_keys
from limits.store.anchors import Anchor
from limits.store.db import Connection, Database
from limits.store.sealing import Sealer, Step
from tests import builders


class Files:
    """Key, checkpoints and public keys of one machine."""

    def __init__(self, folder: Path) -> None:
        self.key, self.checkpoints, self.public = folder / "key", folder / "checkpoints", folder / "public_keys"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.key.exists():
            seal_keys.new(self.key, "first", self.public)

    def sealer(self, *, idle_seconds: float = 0, anchor: Anchor | None = None, **how: bool) -> Sealer:
        return Sealer(self.key, self.checkpoints, idle_seconds=idle_seconds, anchor=anchor, **how)

    def public_keys(self) -> list[checkpoint.PublicKey]:
        return checkpoint.read_public_keys(self.public.read_text())


def review(database: Database, settings: Settings, as_of: dt.date = builders.AS_OF) -> int:
    """A whole review of everybody; its number."""
    asked = engine.request_review(database, settings, as_of=as_of, actor="Zoë Ng")
    engine.work(database, settings, asked.review_id, worker="test")
    return asked.review_id


def step(database: Database, sealer: Sealer) -> Step:
    """One step as the sealer's role."""
    with database.connect("sealer", "limits test") as conn:
        return sealer.step(conn)


def force(conn: Connection, *statements: str) -> None:
    """Statements of somebody who is above every guard."""
    with conn.transaction():
        tables = conn.execute(
            """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'limits' AND c.relkind IN ('r', 'p') AND EXISTS (
                      SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)"""
        ).fetchall()
        for (table,) in tables:
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        for statement in statements:
            conn.execute(statement.encode())
        for (table,) in tables:
            conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def breaches(conn: Connection, files: Files) -> list[str]:
    """What does not hold of a sealed log: tree, signatures, chain of notes, file."""
    found = []
    leaves = conn.execute("SELECT position, batch_id, digest FROM limits.sealed_batches ORDER BY position").fetchall()
    if [position for position, _, _ in leaves] != list(range(len(leaves))):
        found.append("positions")
    stored = dict(conn.execute("SELECT batch_id, digest FROM limits.batches").fetchall())
    if any(batch is not None and stored[batch] != digest for _, batch, digest in leaves):
        found.append("digests")
    rows = conn.execute(
        "SELECT tree_size, root, entries, note FROM limits.checkpoints ORDER BY checkpoint_id"
    ).fetchall()
    previous = checkpoint.ZEROS
    for tree_size, root, entries, note in rows:
        made, _ = checkpoint.verify(note, files.public_keys())
        if (made.tree_size, made.root, made.entries, made.previous) != (tree_size, root, entries, previous):
            found.append(f"note over {tree_size}")
        if merkle.root([digest for _, _, digest in leaves[:tree_size]]) != root:
            found.append(f"root over {tree_size}")
        previous = checkpoint.digest(note)
    if files.checkpoints.read_text() != checkpoint.join(note for *_, note in rows):
        found.append("file")
    return found


def count(conn: Connection, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM limits.{table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def notes(conn: Connection) -> list[str]:
    return [note for (note,) in conn.execute("SELECT note FROM limits.checkpoints ORDER BY checkpoint_id")]


def recompute(database: Database, settings: Settings, user_id: int, day: int = 0) -> None:
    engine.recompute(
        database, settings, user_id, reason="x", actor="Bo", as_of=builders.AS_OF + dt.timedelta(days=day), apply=True
    )
