"""What proofs are made of: an entry with its batch and its place in the log's tree, and the leaves of two trees."""

from __future__ import annotations

from typing import Any

from limits import checkpoint, log_proof, merkle
from limits.checkpoint import Note
from limits.errors import InputError, LimitsError, NotFound, NotSealed
from limits.store import archives
from limits.store.db import Connection
from limits.store.proof_file import leaves
from limits.store.queries import query
from limits.store.verifying import one_state


def newest(conn: Connection) -> Note:
    """The newest checkpoint of the database. NotFound where nothing was sealed."""
    row = conn.execute(query("prove_newest")).fetchone()
    if row is None:
        raise NotFound("nothing is sealed yet: the sealer has not run, so there is nothing to prove or to export")
    return checkpoint.parse(row[0])


def prove(conn: Connection, entry_id: int) -> dict[str, Any]:
    """The proof that an entry stands in the log. NotFound where there is none, InArchive where it may lie in a file,
    NotSealed where it must wait."""
    with one_state(conn), conn.cursor(binary=True) as cursor:
        found = cursor.execute(query("prove_entry"), {"entry_id": entry_id}).fetchone()
        if found is None:
            raise archives.missing_entry(conn, entry_id, f"there is no entry {entry_id} in the log")
        batch_id, sequence, entry, record, position = found
        if batch_id is None:
            raise NotSealed(
                f"entry {entry_id} was made before entries had bytes of their own: it is in the digest of the log's "
                "origin, and limits log verify checks that as a whole"
            )
        note = newest(conn) if position is not None else None
        if note is None or record is None or position >= note.checkpoint.tree_size:
            raise NotSealed(f"entry {entry_id} is in batch {batch_id}, which is not sealed yet: try again in a minute")
        rows = cursor.execute(query("prove_batch"), {"entry_id": entry_id}).fetchall()
        if not 0 <= sequence < len(rows):
            raise LimitsError(f"batch {batch_id} has lost entries, so nothing can be proved of it: limits log verify")
        hashed = [merkle.leaf_hash(body) for (body,) in rows]
        tree = leaves(conn, note.checkpoint.tree_size)
    in_batch, in_log = merkle.inclusion(hashed, sequence), log_proof.Tree(tree).inclusion(position)
    return {"entry_id": entry_id} | log_proof.inclusion(entry, record, in_batch, position, in_log, note.write())


def consistency(conn: Connection, old: int, new: int, *, sizes: bool) -> dict[str, Any]:
    """The proof that the log only grew between two checkpoints, by their numbers or by the sizes of their trees."""
    with one_state(conn):
        notes: list[str | None] = [None, None]
        if not sizes:
            notes = [_note(conn, number) for number in (old, new)]
            old, new = (checkpoint.parse(note).checkpoint.tree_size for note in notes if note is not None)
        tree = leaves(conn, new)
    if len(tree) < new:
        raise NotFound(f"the log has {len(tree)} leaves, so there is no tree of {new}")
    if old > new:
        raise InputError(f"the older tree has {old} leaves and the newer one {new}: name the older one first")
    return log_proof.consistency(tree, old, new, (notes[0], notes[1]))


def _note(conn: Connection, number: int) -> str:
    row = conn.execute(query("prove_note"), {"checkpoint_id": number}).fetchone()
    if row is None:
        raise NotFound(f"there is no checkpoint {number}; tree sizes are named with --sizes")
    note: str = row[0]
    return note
