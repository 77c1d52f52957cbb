"""What shows that an entry is what it was: that it stands in the signed log, and that it is decided again alike."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from limits import checkpoint, log_proof, merkle
from limits.engine import replay_log, replay_words
from limits.engine.deciding import code_version
from limits.entry import record_digest
from limits.errors import CheckpointError, EntryError, InputError, NotFound, NotSealed
from limits.settings import Settings, seal_paths
from limits.store import proving, seal_reading
from limits.store.db import Connection


class Step(BaseModel):
    """A step of the proof: what was done, what came out, and whether that is what it had to be."""

    what: str
    came_to: str
    holds: bool | None = Field(description="Null where it could not be looked at.")


class Proof(BaseModel):
    """Whether an entry stands in the log that was signed."""

    entry_id: int
    holds: bool = Field(description="Whether all steps hold that were looked at.")
    what: str = Field(description="The verdict in a sentence.")
    waits: bool = Field(description="Whether the entry is not sealed yet, so that nothing can be said so far.")
    signers: list[str] | None = Field(description="Who signed; null where this server has no public keys.")
    steps: list[Step]
    note: str | None = Field(description="The signed checkpoint.")
    proof: dict[str, Any] | None = Field(
        description="The proof as `limits log prove` writes it: `limits log verify --proof` checks it anywhere."
    )


def prove(conn: Connection, settings: Settings, entry_id: int) -> Proof:
    """The proof of an entry, made and checked. NotFound where there is no such entry, InArchive of an archived one."""
    path = seal_paths(settings).public_keys
    keys = seal_reading.read_keys(path) if _there(path) else None
    try:
        made = proving.prove(conn, entry_id, keys)
        found = log_proof.check_inclusion(made, keys)
    except NotSealed as error:
        return _nothing(entry_id, str(error), waits=True)
    except NotFound:
        raise
    except (EntryError, CheckpointError, InputError) as error:
        return _nothing(entry_id, str(error), waits=False)
    entry = bytes.fromhex(made["entry"])
    record, note = made["batch"]["record"], made["checkpoint"]
    said = checkpoint.parse(note).checkpoint
    signers = None if keys is None else [key.key_id for key in found.signers]
    leaf, leaf_of_log = merkle.leaf_hash(entry), record_digest(record)
    place, position = int(found.entry.sequence[0]), found.position
    steps = [
        Step(what="Columns held against the entry's bytes", came_to=f"{len(entry)} bytes, all alike", holds=True),
        Step(
            what=f"Leaf hash of the entry, place {place} of batch {found.record.batch}",
            came_to=leaf.hex(), holds=True,
        ),
        Step(
            what=f"Path of {_hashes(made['batch']['path'])} to the root in the record of the batch",
            came_to=found.record.root.hex(), holds=True,
        ),
        Step(what=f"Leaf hash of the record, position {position} of the log", came_to=leaf_of_log.hex(), holds=True),
        Step(
            what=f"Path of {_hashes(made['log']['path'])} to the root of the checkpoint over {said.tree_size:,} leaves",
            came_to=said.root.hex(), holds=True,
        ),
        Step(
            what="Signature of the checkpoint, against the public keys of this server",
            came_to="there are no public keys here" if signers is None else ", ".join(signers),
            holds=None if signers is None else True,
        ),
    ]  # fmt: skip
    by = (
        f"signed by {', '.join(signers)}"
        if signers
        else "whose signature was not checked, for there are no public keys"
    )
    what = f"The entry stands in the log as of the checkpoint of {said.at:%Y-%m-%d %H:%M:%S} UTC, {by}."
    return Proof(
        entry_id=entry_id, holds=True, what=what, waits=False, signers=signers, steps=steps, note=note, proof=made
    )


def _nothing(entry_id: int, why: str, *, waits: bool) -> Proof:
    steps = (
        [] if waits else [Step(what="Entry, batch and checkpoint held against each other", came_to=why, holds=False)]
    )
    return Proof(
        entry_id=entry_id, holds=False, what=why, waits=waits, signers=None, steps=steps, note=None, proof=None
    )


def _hashes(path: list[str]) -> str:
    return "1 hash" if len(path) == 1 else f"{len(path)} hashes"


def _there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


# Replay ---------------------------------------------------------------------------------------


class Differs(BaseModel):
    """A field that comes out otherwise."""

    field: str
    log: int | str | None
    replay: int | str | None


class Replayed(BaseModel):
    """What became of an entry that was decided again from its stored snapshot and policy."""

    entry_id: int
    outcome: str = Field(description="equal, differs, failed, or not_kept: its snapshot was pruned.")
    what: str = Field(description="The verdict in a sentence.")
    differences: list[Differs]
    written_by: str | None = Field(description="The version of the code that wrote the entry.")
    code_version: str = Field(description="The version that decided again.")
    at: dt.datetime


def replay(conn: Connection, settings: Settings, entry_id: int) -> Replayed:
    """Decides an entry again and compares it byte for byte. NotFound, or InArchive of an archived one."""
    found = replay_log(conn, entry_id=entry_id, folder=settings.snapshot_store, most=1)
    written = next(iter(found.versions), None)
    differences = [
        Differs(
            field=replay_words.field_name(one),
            log=replay_words.value_of(one, one.logged),
            replay=replay_words.value_of(one, one.replayed),
        )
        for entry in found.shown
        for one in entry.differences
    ]
    if found.failed:
        why = found.failures[0].error if found.failures else "no reason given"
        outcome, what = "failed", f"The entry cannot be decided again, though it should be: {why}."
    elif found.not_kept:
        outcome, what = "not_kept", "Its snapshot is not kept any more, so that nothing was compared."
    elif found.differing:
        outcome, what = "differs", f"Decided again, {len(differences)} fields come out otherwise."
        if written != code_version():
            what += " Another version of the code wrote it, which may be why."
    else:
        outcome, what = "equal", "Decided again from its snapshot and policy, it is equal to the log, byte for byte."
    return Replayed(
        entry_id=entry_id, outcome=outcome, what=what, differences=differences, written_by=written,
        code_version=code_version(), at=dt.datetime.now(dt.UTC),
    )  # fmt: skip
