"""The checkpoints of a log one by one, and which key signs since which of them. Pure: notes come in as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from limits import checkpoint
from limits.checkpoint import Checkpoint, Note, PublicKey
from limits.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Numbered:
    """A checkpoint with its number, from 1 on, and its note as text."""

    number: int
    note: str
    parts: Note

    @property
    def checkpoint(self) -> Checkpoint:
        """What it says."""
        return self.parts.checkpoint

    @property
    def signers(self) -> list[str]:
        """The keys in whose name it is signed, by name and hash; whether they did nobody has checked."""
        return [f"{one.name}+{one.key_hash.hex()}" for one in self.parts.signatures]

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return {
            "number": self.number,
            "at": self.checkpoint.at.isoformat(),
            "entries": self.checkpoint.entries,
            "leaves": self.checkpoint.tree_size,
            "root": self.checkpoint.root.hex(),
            "signers": self.signers,
        }


def numbered(notes: Iterable[tuple[int, str]]) -> Iterator[Numbered]:
    """The checkpoints of notes with their numbers. CheckpointError names the first that cannot be read."""
    due = 1
    try:
        for number, note in notes:
            due = number
            yield Numbered(number, note, checkpoint.parse(note))
            due = number + 1
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint {due}: {error}; what holds is said by: limits log verify") from None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A public key, the first checkpoint that it has signed and the last one, and whether it is the one that signs now.

    The number and the time of a checkpoint; None where it has signed none.
    """

    key: PublicKey
    since: int | None = None
    since_at: dt.datetime | None = None
    last: int | None = None
    signs: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return {
            "name": self.key.name,
            "id": self.key.key_id,
            "public_key": self.key.write(),
            "since_checkpoint": self.since,
            "since": None if self.since_at is None else self.since_at.isoformat(),
            "last_checkpoint": self.last,
            "signs_now": self.signs,
        }


def uses(keys: Sequence[PublicKey], checkpoints: Iterable[Numbered]) -> tuple[list[KeyUse], list[str]]:
    """What each key has signed, and which keys sign the newest checkpoint that are not among them.

    A key counts for those checkpoints alone on which its signature is its own. Of the two that sign the first
    checkpoint of a new key the new one signs from then on; where that one is not among them, none of them does.
    """
    spans: dict[str, tuple[Numbered, Numbered]] = {}
    known = {key.key_id: key for key in keys}
    newest: Numbered | None = None
    for newest in checkpoints:
        for name in newest.signers:
            if name in known and _signed(newest, known[name]):
                spans[name] = spans[name][0] if name in spans else newest, newest
    signing = [name for name, (_, last) in spans.items() if last is newest]
    strangers = [] if newest is None else [name for name in newest.signers if name not in known]
    now = None if strangers else max(signing, key=lambda name: spans[name][0].number, default=None)
    found = []
    for name, key in known.items():
        if name not in spans:
            found.append(KeyUse(key))
            continue
        first, last = spans[name]
        found.append(KeyUse(key, first.number, first.checkpoint.at, last.number, name == now))
    return found, strangers


def _signed(one: Numbered, key: PublicKey) -> bool:
    try:
        checkpoint.verify(one.note, [key])
    except CheckpointError:
        return False
    return True
