"""What limits log verify says of a proof: which entry stands in the log, or that the log only grew, and who signed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from limits.cli.log_verdict import clock
from limits.wording import several

if TYPE_CHECKING:
    from limits.checkpoint import Checkpoint, PublicKey
    from limits.entry import Entries


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a proof shows, in words and for a program, and the notes that it leads to."""

    words: str
    fields: dict[str, Any]
    notes: frozenset[str]


def show(path: Path, keys: list[PublicKey], checkpoints: Path | None, json: bool) -> None:
    """The verdict on a proof; 1 where it proves nothing, or its checkpoint does not stand in the file that is named."""
    from limits import log_proof
    from limits.errors import CheckpointError, EntryError, InputError
    from limits.terminal import print_json, say

    try:
        proof = log_proof.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"the proof {path} cannot be read: {why}") from None
    fields: dict[str, Any] = {"in_file": None}
    try:
        shown = (_grown if proof["format"] == log_proof.CONSISTENCY else _entry)(proof, keys)
        fields = shown.fields | fields
        if checkpoints is not None:
            fields["in_file"] = not _missing(shown.notes, checkpoints)
            if not fields["in_file"]:
                raise CheckpointError(
                    f"the checkpoint of the proof does not stand in {checkpoints}: it is of another log, or newer"
                )
    except (CheckpointError, EntryError) as error:
        if not json:
            raise
        print_json({"holds": False, "what": str(error)} | fields)
        raise typer.Exit(1) from None
    words = f"{shown.words}; {_held_against(shown.notes, checkpoints)}"
    if json:
        print_json({"holds": True, "what": words} | fields)
    else:
        say(words, strong=True)


def _held_against(notes: frozenset[str], checkpoints: Path | None) -> str:
    one = len(notes) == 1
    if checkpoints is None:
        which = "that checkpoint was" if one else "these checkpoints were"
        return f"{which} not held against a file of checkpoints (--checkpoints FILE)"
    return f"{'that checkpoint stands' if one else 'both checkpoints stand'} in {checkpoints}"


def _entry(proof: dict[str, Any], keys: Sequence[PublicKey]) -> _Shown:
    from limits import log_proof

    shown = log_proof.check_inclusion(proof, keys)
    entry, record, said = shown.entry, shown.record, shown.checkpoint
    user, place = int(entry.user_id[0]), int(entry.sequence[0])
    before, after = int(entry.limit_before_minor[0]), int(entry.limit_after_minor[0])
    words = (
        f"proved by {several(shown.hashes, 'hash')}: user {user} in review {record.review} as of {record.as_of}: "
        f"limit {_amount(before, record.currency)} to {_amount(after, record.currency)}, applied at "
        f"{clock(record.applied_at)} by {record.actor}; place {place} of batch {record.batch}, at position "
        f"{shown.position} of the log that {_names(shown.signers)} signed at {clock(said.at)}"
    )
    fields = {
        "user_id": user,
        "review": record.review,
        "as_of": record.as_of.isoformat(),
        "limit_before_minor": before,
        "limit_after_minor": after,
        "currency": record.currency,
        **_risk(entry),
        "applied_at": record.applied_at.isoformat(),
        "actor": record.actor,
        "batch": record.batch,
        "place": place,
        "position": shown.position,
        "checkpoint": _checkpoint(said, shown.signers),
    }
    return _Shown(words, fields, frozenset([proof["checkpoint"]]))


def _risk(entry: Entries) -> dict[str, int | None]:
    """What a scorecard said of the user; None where it said nothing, or the entry does not say it."""
    from limits.entry import NONE, RISK

    found = {name: int(getattr(entry, name)[0]) for name in RISK}
    return {name: None if value == NONE else value for name, value in found.items()}


def _grown(proof: dict[str, Any], keys: Sequence[PublicKey]) -> _Shown:
    from limits import checkpoint, log_proof

    log_proof.check_consistency(proof, keys)
    notes = [proof[side]["checkpoint"] for side in ("old", "new")]
    (old, old_keys), (new, new_keys) = (checkpoint.verify(note, keys) for note in notes)
    fields = {"old": _checkpoint(old, old_keys), "new": _checkpoint(new, new_keys)}
    return _Shown(f"proved: {grown(old, new)}, leaf by leaf", fields, frozenset(notes))


def grown(old: Checkpoint, new: Checkpoint) -> str:
    """That one checkpoint holds all of an older one, in words."""
    return f"the checkpoint of {_of(new)} holds all of that of {_of(old)}"


def _of(said: Checkpoint) -> str:
    return f"{several(said.tree_size, 'leaf')} ({clock(said.at)}, {several(said.entries, 'entry')})"


def _checkpoint(said: Checkpoint, signers: Sequence[PublicKey]) -> dict[str, Any]:
    return {
        "at": said.at.isoformat(),
        "tree_size": said.tree_size,
        "entries": said.entries,
        "signers": [key.key_id for key in signers],
    }


def _names(signers: Sequence[PublicKey]) -> str:
    return ", ".join(key.key_id for key in signers)


def _amount(minor: int, currency: str) -> str:
    """As people read it; in minor units where the currency is none that is known here."""
    from limits.money import EXPONENTS, money

    exponent = EXPONENTS.get(currency)
    return f"{minor} minor units of {currency}" if exponent is None else money(minor, exponent, currency)


def _missing(notes: frozenset[str], path: Path) -> set[str]:
    """Those of the notes that do not stand in the file of checkpoints."""
    from limits import checkpoint

    wanted = set(notes)
    with open_checkpoints(path) as lines:
        for note in checkpoint.split(lines):
            wanted.discard(note)
    return wanted


@contextlib.contextmanager
def open_checkpoints(path: Path) -> Iterator[TextIO]:
    """The lines of a file of checkpoints."""
    from limits.store import seal_reading

    with seal_reading.open_checkpoints(path) as file:
        yield file
