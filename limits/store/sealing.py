"""The sealer: batches that hold become leaves of the log's tree, and a signed checkpoint says what that comes to.

One step is: the file of checkpoints is locked, and the turn to seal in the database; the file is
brought up to the database; batches are looked at; leaves and checkpoint are committed; the note
is added to the file. Whatever instant a process dies at, the file is the beginning of what the
database has, and the next step adds what is missing before it signs anything.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from limits import checkpoint
from limits.checkpoint import Checkpoint, PrivateKey
from limits.entry import OriginRecord, record_digest
from limits.errors import AnchorFailed, CheckpointError, SealBusy, SealError
from limits.merkle import Frontier
from limits.store import seal_keys, sealing_check
from limits.store.anchors import Anchor
from limits.store.checkpoint_file import CheckpointFile
from limits.store.db import Connection
from limits.store.failpoints import reach
from limits.store.queries import query
from limits.store.queue import database_tag
from limits.store.sealing_check import Unsealed

#: After so long a step signs what it has, in seconds, and the next one goes on.
STEP_SECONDS = 8.0
#: Batches whose rows are looked up at once, and users whose entries are read at once.
PAGE_BATCHES = 200
GROUP_USERS = 40_000
#: How long the sealer waits for a lock of the database before it comes again.
LOCK_TIMEOUT = "5s"

_LONGEST = 1000  # characters of a reason that are kept


@dataclass(frozen=True)
class Last:
    """The newest checkpoint, as the database has it."""

    checkpoint_id: int
    tree_size: int
    root: bytes
    entries: int
    note: str
    key_id: str
    made_at: dt.datetime


@dataclass(frozen=True)
class Refused:
    """A batch that is not sealed, and why; batch_id None: the record that the log begins with."""

    batch_id: int | None
    why: str


@dataclass
class Step:
    """What one step came to. ``checkpoint_id`` None: there was nothing to sign since ``last_id``; ``more``: batches are
    left. ``caught_up``: notes that were missing in the file; ``cut``: more of them than a sealer that dies leaves out.
    """

    checkpoint_id: int | None = None
    tree_size: int = 0
    entries: int = 0
    note: str = ""
    batches: int = 0
    key_id: str = ""
    last_id: int | None = None
    caught_up: int = 0
    cut: bool = False
    refused: list[Refused] = field(default_factory=list)
    more: bool = False
    anchor_trouble: str = ""


@dataclass
class _Leaves:
    """What a step is about to seal: batches (None: the origin) with their digests, and entries of them all."""

    batch_ids: list[int | None] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    entries: int = 0

    def add(self, batch_id: int | None, digest: bytes, entries: int) -> None:
        self.batch_ids.append(batch_id)
        self.digests.append(digest)
        self.entries += entries


class Sealer:
    """Seals with a key file and a file of checkpoints; keeps the tree between steps.

    idle_seconds   a checkpoint is signed after so long even where nothing is new; 0: never
    new_key        a key that no checkpoint has introduced may sign, because the one before is lost
    new_file       the file of checkpoints may be begun anew although the database has checkpoints
    """

    def __init__(
        self,
        key: Path,
        checkpoints: Path,
        *,
        idle_seconds: float = 3600.0,
        anchor: Anchor | None = None,
        new_key: bool = False,
        new_file: bool = False,
    ) -> None:
        self._key, self._path, self._idle_seconds, self._anchor = key, checkpoints, idle_seconds, anchor
        self._new_key, self._new_file = new_key, new_file
        self._frontier = Frontier()
        self._file_state: tuple[int, ...] = ()
        self._noted = 0  # checkpoints that stood in the file when its state was that

    def step(self, conn: Connection, *, stopping: Callable[[], bool] = lambda: False) -> Step:
        """Seals what there is to seal, for some seconds. ``conn``: autocommit, as the sealer.

        SealError where nothing can be signed, SealBusy while another sealer is at it.
        """
        with CheckpointFile(self._path, make=self._new_file or _last(conn) is None) as file:
            try:
                with conn.transaction():
                    _take_turn(conn)
                    done = self._seal(conn, file, stopping)
                    reach("seal:signed")
            except psycopg.Error:
                self._frontier = Frontier()
                raise
            reach("seal:committed")
            if done.checkpoint_id is not None:
                file.append(f"{done.note}\n".encode())
                self._noted, self._file_state = done.checkpoint_id, file.state()
                reach("seal:noted")
        self._new_file = False
        if done.checkpoint_id is not None:
            self._new_key = False
            if self._anchor is not None:
                done.anchor_trouble = self._hand_over(conn, self._anchor, done)
        return done

    # Inside the transaction that has the turn ---------------------------------------------

    def _seal(self, conn: Connection, file: CheckpointFile, stopping: Callable[[], bool]) -> Step:
        until = time.monotonic() + STEP_SECONDS
        last = _last(conn)
        begun = self._new_file and file.size() == 0
        caught_up = self._bring_up(conn, file, last)
        keys = self._signers(last)
        self._catch_up(conn, last)
        step = Step(last_id=last.checkpoint_id if last else None, caught_up=caught_up)
        step.cut = caught_up > 1 and not begun
        leaves = _Leaves()
        if last is None and not _origin(conn, leaves, step):
            return step  # leaf 0 comes first, or none
        self._collect(conn, leaves, step, lambda: stopping() or (bool(leaves.digests) and time.monotonic() > until))
        now = _now(conn)
        if last is not None and not leaves.digests and last.key_id == keys[0].public.key_id:
            quiet_seconds = (now - last.made_at).total_seconds()
            if not 0 < self._idle_seconds <= quiet_seconds:
                return step
        self._sign(conn, last, leaves, keys, now, step)
        return step

    def _bring_up(self, conn: Connection, file: CheckpointFile, last: Last | None) -> int:
        """Adds to the file what a process before left out; how many notes. The whole file is read where it may have
        been changed since this process last wrote to it."""
        if last is not None and self._file_state == file.state() and self._noted == last.checkpoint_id:
            return 0
        missing = list(file.missing(notes(conn)))
        for one in missing:
            file.append(one)
        self._noted, self._file_state = 0 if last is None else last.checkpoint_id, file.state()
        return len(missing)

    def _signers(self, last: Last | None) -> list[PrivateKey]:
        """Who signs next: the newest key, and beside it the one it takes the place of where it was not introduced."""
        newest, *older = seal_keys.read(self._key)
        if last is None:
            return [newest]
        note = _checked(last)
        signed = {(one.name, one.key_hash) for one in note.signatures}
        known = [key for key in (newest, *older) if (key.public.name, key.public.hash) in signed]
        if not known:
            if self._new_key:
                return [newest]
            raise SealError(
                f"the newest checkpoint is signed by {last.key_id}, and the key file {self._key} has "
                f"{newest.public.key_id}: put the other key back and change keys by limits log key rotate NAME; or, "
                "where it is lost for good, go on without it: limits log seal --new-key"
            )
        try:
            checkpoint.verify(last.note, [key.public for key in known])
        except CheckpointError as error:
            raise SealError(
                f"the newest checkpoint of the database was not signed here ({error}): nothing is signed before "
                "somebody has found out who wrote it"
            ) from None
        return [newest] if known[0] is newest else [newest, known[0]]

    def _catch_up(self, conn: Connection, last: Last | None) -> None:
        """Brings the tree up to the newest checkpoint. SealError where leaves and checkpoint do not fit together."""
        frontier = Frontier(self._frontier.size, self._frontier.nodes)
        if last is not None and frontier.size > last.tree_size:
            frontier = Frontier()  # another database by now; the file has something to say to that
        for position, digest in _leaves(conn, frontier.size):
            if position != frontier.size:
                raise SealError(f"the sealed batch at position {frontier.size} is gone: nothing is signed")
            frontier.append(digest)
        size, root = (0, Frontier().root()) if last is None else (last.tree_size, last.root)
        if frontier.size != size:
            raise SealError(
                f"the newest checkpoint is over {size} leaves and {frontier.size} stand there: somebody else than the "
                "sealer wrote or removed some; nothing is signed"
            )
        if frontier.root() != root:
            raise SealError(
                f"the {size} sealed leaves do not come to the root that the newest checkpoint has signed: one of them "
                "was altered; nothing is signed"
            )
        self._frontier = frontier

    def _collect(self, conn: Connection, leaves: _Leaves, step: Step, enough: Callable[[], bool]) -> None:
        """Looks at what is not sealed, in order of its number; what does not hold is refused, and the others go on."""
        after = 0
        while page := sealing_check.unsealed(conn, after, PAGE_BATCHES):
            for group in sealing_check.groups(page, GROUP_USERS):
                if enough():
                    step.more = True
                    return
                for batch, why in zip(group, sealing_check.faults(conn, group), strict=True):
                    self._take(conn, batch, why, leaves, step)
            after = page[-1]["batch_id"]

    @staticmethod
    def _take(conn: Connection, batch: Unsealed, why: str | None, leaves: _Leaves, step: Step) -> None:
        if why is None:
            leaves.add(batch["batch_id"], batch["digest"], batch["users"])
            step.batches += 1
        else:
            _refuse(conn, step, batch["batch_id"], why)

    def _sign(
        self, conn: Connection, last: Last | None, leaves: _Leaves, keys: list[PrivateKey], now: dt.datetime, step: Step
    ) -> None:
        """Writes down the leaves and the checkpoint over them all."""
        frontier = Frontier(self._frontier.size, self._frontier.nodes)
        frontier.extend(leaves.digests)
        before = None if last is None else _checked(last).checkpoint
        made = Checkpoint(
            identity=database_tag(conn) if before is None else before.identity,
            tree_size=frontier.size,
            root=frontier.root(),
            entries=leaves.entries + (0 if before is None else before.entries),
            at=now if before is None else max(now, before.at),  # clocks are set back now and then
            previous=checkpoint.ZEROS if last is None else checkpoint.digest(last.note),
        )
        step.note = checkpoint.sign(made, keys)
        step.tree_size, step.entries, step.key_id = made.tree_size, made.entries, keys[0].public.key_id
        if leaves.digests:
            parameters: dict[str, Any] = {"batch_ids": leaves.batch_ids, "digests": leaves.digests}
            conn.execute(query("seal_append"), {"position": self._frontier.size, **parameters})
        row = conn.execute(
            query("seal_checkpoint"),
            {
                "tree_size": made.tree_size, "root": made.root, "entries": made.entries, "note": step.note,
                "key_id": step.key_id,
            },
        ).fetchone()  # fmt: skip
        assert row is not None, "an INSERT gives its row back"
        step.checkpoint_id = row[0]

    @staticmethod
    def _hand_over(conn: Connection, anchor: Anchor, done: Step) -> str:
        """The newest note to the second anchor; what went wrong. Sealing never stops for it."""
        why = ""
        try:
            anchor.send(done.note)
        except AnchorFailed as error:
            why = " ".join(str(error).split())
        parameters = {"checkpoint_id": done.checkpoint_id, "why": why[:_LONGEST] or None}
        conn.execute(query("seal_anchored"), parameters)
        return why


def _take_turn(conn: Connection) -> None:
    """The turn to seal, until the transaction ends. SealBusy where another process has it."""
    conn.execute(query("seal_timeout"), {"timeout": LOCK_TIMEOUT})
    try:
        conn.execute(query("seal_turn"))
    except psycopg.errors.LockNotAvailable:
        raise SealBusy("another sealer has the turn just now") from None


def _last(conn: Connection) -> Last | None:
    with conn.cursor(binary=True, row_factory=class_row(Last)) as cursor:
        return cursor.execute(query("seal_last")).fetchone()


def _now(conn: Connection) -> dt.datetime:
    row = conn.execute(query("clock_now")).fetchone()
    assert row is not None, "a SELECT without FROM gives a row"
    now: dt.datetime = row[0]
    return now


def notes(conn: Connection) -> Iterator[str]:
    """The notes of the database, oldest first, without holding them all."""
    with conn.cursor(name="seal_notes") as cursor:
        cursor.itersize = 1000
        for (note,) in cursor.execute(query("seal_notes")):
            yield note


def _leaves(conn: Connection, start: int) -> Iterator[tuple[int, bytes]]:
    """The leaves from a position on, without holding them all."""
    with conn.cursor(name="seal_leaves", binary=True) as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(query("seal_leaves"), {"start": start})


def _checked(last: Last) -> checkpoint.Note:
    """The note of the newest checkpoint. SealError where it is not that of its row."""
    try:
        note = checkpoint.parse(last.note)
    except CheckpointError as error:
        raise SealError(f"the newest checkpoint of the database was altered: {error}; nothing is signed") from None
    made = note.checkpoint
    if (made.tree_size, made.root, made.entries) != (last.tree_size, last.root, last.entries):
        raise SealError("the newest checkpoint of the database was altered: its note says otherwise; nothing is signed")
    return note


def _origin(conn: Connection, leaves: _Leaves, step: Step) -> bool:
    """The record of what was logged before batches had records, as leaf 0; False where it does not hold."""
    row = conn.execute(query("seal_origin")).fetchone()
    if row is None:
        _refuse(conn, step, None, "what the log begins with is gone: limits.log_origin is empty")
        return False
    entries, digest, entries_now, digest_now = row
    if (entries, digest) != (entries_now, digest_now):
        why = f"the {entries_now} entries before the first batch are not the {entries} that were there at first"
        _refuse(conn, step, None, why if entries != entries_now else "an entry before the first batch was altered")
        return False
    leaves.add(None, record_digest(OriginRecord(entries, digest).write()), entries)
    return True


def _refuse(conn: Connection, step: Step, batch_id: int | None, why: str) -> None:
    """Writes down why a batch is not sealed. In the same transaction as what is sealed beside it."""
    why = " ".join(why.split())[:_LONGEST]
    conn.execute(query("seal_trouble"), {"batch_id": batch_id, "why": why})
    step.refused.append(Refused(batch_id, why))


# For who looks at it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """How sealing stands; what is None there is none of.

    unsealed, oldest_seconds      batches that wait, and for how long the oldest has
    refused, refused_batch, refused_why
                                  what was refused and is not sealed by now, and the newest of these
    checkpoints, file_bytes       how many there are, and how long the file of them must be
    note, age_seconds             the newest one
    anchor_why, anchor_tried_at   what the second anchor said to the newest that it was handed
    """

    unsealed: int
    oldest_seconds: float | None
    refused: int | None
    refused_batch: int | None
    refused_why: str | None
    checkpoints: int
    file_bytes: int
    note: str | None
    made_at: dt.datetime | None
    age_seconds: float | None
    anchor_why: str | None
    anchor_tried_at: dt.datetime | None


def state(conn: Connection) -> State:
    """How sealing stands."""
    with conn.cursor(row_factory=class_row(State)) as cursor:
        found = cursor.execute(query("seal_state")).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found
