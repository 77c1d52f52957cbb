"""What proofs are made of: an entry with its batch and its place in the log's tree, and the leaves of two trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limits import checkpoint, log_proof, merkle
from limits.checkpoint import Note, PublicKey
from limits.errors import CheckpointError, EntryError, InputError, NotFound, NotSealed
from limits.log_check import Batch, Stored, check_batch
from limits.store import archives
from limits.store.db import Connection
from limits.store.logged_rows import Reader
from limits.store.proof_file import leaves
from limits.store.queries import query
from limits.store.verifying import one_state

#: Of another entry, and all the same nothing can be proved of its batch: there is more than was hashed.
_TOO_MANY = ("entry_twice", "entry_beyond")


def newest(conn: Connection) -> Note:
    """The newest checkpoint of the database. NotFound where nothing was sealed."""
    row = conn.execute(query("prove_newest")).fetchone()
    if row is None:
        raise NotFound("nothing is sealed yet: the sealer has not run, so there is nothing to prove or to export")
    return checkpoint.parse(row[0])


def prove(conn: Connection, entry_id: int, keys: Sequence[PublicKey] | None = None) -> dict[str, Any]:
    """The proof that an entry stands in the log, checked, and the entry's columns held against its bytes.

    ``keys``: who may have signed; None: nobody asks who has. NotFound where there is no such entry, InArchive where it
    may lie in a file, NotSealed where it must wait, EntryError where anything does not hold that it rests on.
    """
    try:
        return _prove(conn, entry_id, keys)
    except (EntryError, CheckpointError) as error:
        raise EntryError(
            f"entry {entry_id} cannot be proved: {error}; limits log verify finds all that does not hold"
        ) from None


def _prove(conn: Connection, entry_id: int, keys: Sequence[PublicKey] | None) -> dict[str, Any]:
    with one_state(conn), conn.cursor(binary=True) as cursor:
        found = cursor.execute(query("prove_entry"), {"entry_id": entry_id}).fetchone()
        if found is None:
            raise archives.missing_entry(conn, entry_id, f"there is no entry {entry_id} in the log")
        batch_id, position, there = found
        if batch_id is None:
            raise NotSealed(
                f"entry {entry_id} was made before entries had bytes of their own: it is in the digest of the log's "
                "origin, and limits log verify checks that as a whole"
            )
        if not there:
            raise EntryError(f"batch {batch_id}, which it says that it is of, is not there")
        note = newest(conn) if position is not None else None
        if note is None or position >= note.checkpoint.tree_size:
            raise _not_sealed(conn, entry_id, batch_id)
        batch, stored = _batch(conn, position)
        tree = leaves(conn, note.checkpoint.tree_size)
    row = _row(entry_id, batch, stored)
    place = int(stored.sequence[row])
    in_batch = merkle.inclusion(stored.leaves, place) if 0 <= place < len(stored) else []
    in_log = log_proof.Tree(tree).inclusion(position)
    entry = stored.entry(row).tobytes()
    proof = log_proof.inclusion(entry, batch.record, in_batch, position, in_log, note.write())
    log_proof.check_inclusion(proof, keys)
    return {"entry_id": entry_id} | proof


def _not_sealed(conn: Connection, entry_id: int, batch_id: int) -> NotSealed:
    """Whether it is on its way, or the sealer will not have it."""
    refused = conn.execute(query("prove_refused"), {"batch_id": batch_id}).fetchone()
    if refused is None:
        return NotSealed(f"entry {entry_id} is in batch {batch_id}, which is not sealed yet: try again in a minute")
    at, why = refused
    return NotSealed(
        f"entry {entry_id} is in batch {batch_id}, which the sealer refused at {at:%Y-%m-%d %H:%M:%S} UTC ({why}): "
        "find out who changed it and put it back, and it is sealed; limits log verify finds all that does not hold"
    )


def _batch(conn: Connection, position: int) -> tuple[Batch, Stored]:
    """The batch at a position with its entries, as whoever verifies reads it."""
    wanted = {"review_id": None, "as_of_from": None, "as_of_to": None, "since": position, "until": position + 1}
    for group in Reader(conn).groups("verify_batches", **wanted):
        return group[0]
    raise EntryError("its month is archived, and it stands in the database all the same")


def _row(entry_id: int, batch: Batch, stored: Stored) -> int:
    """Which one of its batch the entry is. EntryError where it, its record or the root of that does not hold."""
    # What the batch before it in its lane has come to is no part of what is proved.
    found = [one for one in check_batch(batch, stored) if one.kind != "lane_broken"]
    mine = [one for one in found if one.entry_id == entry_id]
    for one in mine or [one for one in found if one.entry_id is None or one.kind in _TOO_MANY]:
        where = "" if mine else f"batch {batch.batch_id}: "
        if not mine and one.sequence is not None:
            where = f"batch {batch.batch_id}, place {one.sequence}: "
        raise EntryError(f"{where}{one.sentence}")
    rows = np.flatnonzero(stored.entry_id == entry_id).tolist()
    if not rows:
        raise EntryError(f"it stands under another review or date than batch {batch.batch_id}, which it says it is of")
    return int(rows[0])


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
