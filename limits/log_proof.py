"""Proofs about the log that need nothing but a public key: that an entry stands in it, and that it only grew."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limits import checkpoint, merkle
from limits.checkpoint import Checkpoint, PublicKey
from limits.entry import BatchRecord, Entries, decode, record_digest
from limits.errors import EntryError, InputError

INCLUSION = "limits proof 1"
CONSISTENCY = "limits consistency 1"


class Tree:
    """A tree with all its levels, for proofs of many leaves: 64 bytes for each leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [merkle.together(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(merkle.parents(self._levels[-1]))

    @property
    def root(self) -> bytes:
        """The root; that of no leaves without one."""
        return merkle.root(self._levels[-1])

    def inclusion(self, index: int) -> list[bytes]:
        """The proof that leaf ``index`` stands in the tree, as ``merkle.inclusion`` makes it."""
        path = []
        for level in self._levels[:-1]:
            if (neighbour := index ^ 1) < len(level):
                path.append(level[neighbour].tobytes())
            index >>= 1
        return path


# Inclusion --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof shows: the one entry, the record of its batch, and the checkpoint, signed by these keys."""

    entry: Entries
    record: BatchRecord
    position: int
    checkpoint: Checkpoint
    signers: tuple[PublicKey, ...]
    hashes: int


def inclusion(
    entry: bytes, record: str, in_batch: Sequence[bytes], position: int, in_log: Sequence[bytes], note: str
) -> dict[str, Any]:
    """The proof as it is written to a file of JSON."""
    return {
        "format": INCLUSION,
        "entry": entry.hex(),
        "batch": {"record": record, "path": [node.hex() for node in in_batch]},
        "log": {"position": position, "path": [node.hex() for node in in_log]},
        "checkpoint": note,
    }


def check_inclusion(proof: dict[str, Any], keys: Sequence[PublicKey] | None) -> Proved:
    """What the proof shows. EntryError or CheckpointError where it shows nothing, InputError where it is none;
    ``keys`` None: nobody asks who signed it.
    """
    try:
        entry, record = bytes.fromhex(proof["entry"]), proof["batch"]["record"]
        in_batch, in_log = _path(proof["batch"]["path"]), _path(proof["log"]["path"])
        position, note = proof["log"]["position"], proof["checkpoint"]
        if not (isinstance(record, str) and isinstance(note, str) and type(position) is int):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise InputError(
            "the proof is not one that limits log prove writes: a part is missing or of another kind"
        ) from None
    said, signers = (checkpoint.parse(note).checkpoint, ()) if keys is None else checkpoint.verify(note, keys)
    entries = decode(entry, np.array([0, len(entry)]))
    batch = BatchRecord.parse(record)
    place = int(entries.sequence[0])
    if not merkle.verify_inclusion(merkle.leaf_hash(entry), place, batch.users, in_batch, batch.root):
        raise EntryError(f"the entry is not proved: it is not entry {place} of batch {batch.batch}")
    if not merkle.verify_inclusion(record_digest(record), position, said.tree_size, in_log, said.root):
        raise EntryError(f"batch {batch.batch} is not proved: it is not at position {position} of the signed tree")
    return Proved(entries, batch, position, said, signers, len(in_batch) + len(in_log))


def _path(hashes: Any) -> list[bytes]:
    if not isinstance(hashes, list) or len(hashes) > 2 * 64:
        raise TypeError
    return [bytes.fromhex(one) for one in hashes]


# Consistency ------------------------------------------------------------------------------------


def consistency(
    leaves: Sequence[bytes], old_size: int, new_size: int, notes: tuple[str | None, str | None] = (None, None)
) -> dict[str, Any]:
    """The proof that the tree of the first ``old_size`` leaves is the beginning of that of ``new_size``."""
    leaves = leaves[:new_size]
    return {
        "format": CONSISTENCY,
        "old": {"tree_size": old_size, "root": _root(leaves[:old_size]), "checkpoint": notes[0]},
        "new": {"tree_size": new_size, "root": _root(leaves), "checkpoint": notes[1]},
        "path": [node.hex() for node in merkle.consistency(leaves, old_size)],
    }


def _root(leaves: Sequence[bytes]) -> str:
    return base64.b64encode(merkle.root(leaves)).decode()


def check_consistency(proof: dict[str, Any], keys: Sequence[PublicKey] | None) -> tuple[int, int]:
    """The sizes of the two trees. EntryError or CheckpointError where the newer one does not begin with the older one,
    or where not both are signed by one of the keys as trees of one log; ``keys`` None: nobody asks who signed them.
    """
    try:
        sizes = [proof[which]["tree_size"] for which in ("old", "new")]
        roots = [base64.b64decode(proof[which]["root"], validate=True) for which in ("old", "new")]
        notes = [proof[which]["checkpoint"] for which in ("old", "new")]
        path = _path(proof["path"])
        if not all(type(size) is int for size in sizes) or not all(isinstance(note, str | None) for note in notes):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise InputError("the proof is not one that limits log consistency writes") from None
    if keys is not None:
        _check_signed(sizes, roots, notes, keys)
    if not merkle.verify_consistency(sizes[0], sizes[1], roots[0], roots[1], path):
        raise EntryError(f"the tree of {sizes[1]} leaves does not begin with that of {sizes[0]}: history was rewritten")
    return sizes[0], sizes[1]


def _check_signed(
    sizes: Sequence[int], roots: Sequence[bytes], notes: Sequence[str | None], keys: Sequence[PublicKey]
) -> None:
    identities = set()
    for size, root, note in zip(sizes, roots, notes, strict=True):
        if note is None:
            raise EntryError(f"nobody has signed the tree of {size} leaves: ask for a proof between two checkpoints")
        said, _ = checkpoint.verify(note, keys)
        if (said.tree_size, said.root) != (size, root):
            raise EntryError(f"the tree of {size} leaves is not the one that its checkpoint signs")
        identities.add(said.identity)
    if len(identities) > 1:
        raise EntryError("the two checkpoints are of different logs")


def load(text: str) -> dict[str, Any]:
    """A file of one proof. InputError where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("the proof is not JSON") from None
    if not isinstance(found, dict) or found.get("format") not in (INCLUSION, CONSISTENCY):
        raise InputError(f"the proof has no format that this version reads: {INCLUSION!r} or {CONSISTENCY!r}")
    return found
