"""Whether the checkpoints of a log follow one another, are signed, and are those of its tree.

Pure: notes come in as text, in order; what does not hold comes out as findings, each with the number of its checkpoint.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from limits import checkpoint
from limits.checkpoint import ZEROS, Checkpoint, PublicKey
from limits.errors import CheckpointError
from limits.log_finding import Finding
from limits.merkle import Frontier

#: How many rows of the table are looked through for a note that is not where it should be.
_LOOK_AHEAD = 100


@dataclass(frozen=True, slots=True)
class Noted:
    """A note of the file: its number from 1 on, its text, and what it says where it can be read.

    ``trusted``: it is signed by a key that may, and says of which log it is.
    """

    number: int
    note: str
    checkpoint: Checkpoint | None
    trusted: bool

    @property
    def digest(self) -> bytes:
        """What the next note names."""
        return checkpoint.digest(self.note)


@dataclass(frozen=True, slots=True)
class Row:
    """A checkpoint as the database has it."""

    checkpoint_id: int
    tree_size: int
    root: bytes
    entries: int
    note: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """A note that was verified before, by its number and digest; with it all before it."""

    number: int
    digest: bytes


def read(
    lines: Iterable[str], keys: Sequence[PublicKey], identity: str | None, known: Known | None = None
) -> Iterator[tuple[Noted | None, list[Finding]]]:
    """The notes of a file, each with what does not hold of it. ``identity``: of the log they must be of; None: any one.

    No signature is checked of notes before the one that is ``known``: each of them is named by the one after it.
    """
    last: Noted | None = None
    signers: set[PublicKey] | None = None
    number = 0
    try:
        for number, note in enumerate(checkpoint.split(lines), start=1):
            found: list[Finding] = []
            skip = known is not None and number <= known.number
            one, who = _parsed(number, note, () if skip else keys, found, check=not skip)
            if one.checkpoint is not None:
                identity = identity or one.checkpoint.identity
                found += _follows(one.checkpoint, last, identity, number)
                if any(f.kind == "checkpoint_of_another_log" for f in found):
                    one = Noted(number, note, one.checkpoint, trusted=False)
            if who:
                if signers is not None and not who & signers:
                    what = "no key that signed the checkpoint before has signed this one: keys change by both signing"
                    found.append(Finding("key_not_introduced", what, _names(who), _names(signers), checkpoint=number))
                signers = who
            if known is not None and number == known.number and one.digest != known.digest:
                what = "it is not the one that was verified the last time"
                found.append(
                    Finding("checkpoint_changed", what, one.digest.hex(), known.digest.hex(), checkpoint=number)
                )
            yield one, found
            last = one
    except CheckpointError as error:
        yield None, [Finding("checkpoints_cut_off", f"{error}", checkpoint=number + 1)]
    if known is not None and number < known.number:
        what = "the file ends before the checkpoint that was verified the last time"
        yield (
            None,
            [Finding("checkpoint_gone", what, f"{number} checkpoints", str(known.number), checkpoint=number + 1)],
        )


def _names(keys: Iterable[PublicKey]) -> str:
    return ", ".join(sorted(key.key_id for key in keys))


def _parsed(
    number: int, note: str, keys: Sequence[PublicKey], found: list[Finding], *, check: bool
) -> tuple[Noted, set[PublicKey]]:
    try:
        parsed = checkpoint.parse(note).checkpoint
    except CheckpointError as error:
        found.append(Finding("checkpoint_unreadable", f"{error}", checkpoint=number))
        return Noted(number, note, None, trusted=False), set()
    if not check:
        return Noted(number, note, parsed, trusted=True), set()
    try:
        _, who = checkpoint.verify(note, keys)
    except CheckpointError as error:
        found.append(Finding("signature_wrong", f"{error}", checkpoint=number))
        return Noted(number, note, parsed, trusted=False), set()
    return Noted(number, note, parsed, trusted=True), set(who)


def _follows(now: Checkpoint, last: Noted | None, identity: str, number: int) -> Iterator[Finding]:
    def differs(kind: str, what: str, stored: object, expected: object) -> Finding:
        return Finding(kind, what, str(stored), str(expected), checkpoint=number)

    if now.identity != identity:
        yield differs("checkpoint_of_another_log", "it is a checkpoint of another log", now.identity, identity)
    previous = last.digest if last is not None else ZEROS
    if now.previous != previous:
        what = "the checkpoint before it is not the one that it names"
        yield differs("checkpoint_chain", what, now.previous.hex(), previous.hex())
    if last is None or last.checkpoint is None:
        return
    for name in ("tree_size", "entries", "at"):
        here, there = getattr(now, name), getattr(last.checkpoint, name)
        if here < there:
            what = f"{name} is less than in the checkpoint before it"
            yield differs("checkpoint_shrinks", what, here, f"at least {there}")


def beside(
    noted: Iterable[tuple[Noted | None, list[Finding]]], table: Iterable[Row]
) -> Iterator[tuple[Noted | None, list[Finding]]]:
    """The notes of the file, with what is found of each when the table of the database is laid beside them."""
    rest = iter(table)
    ahead: deque[Row] = deque()
    for one, before in noted:
        found = list(before)
        if one is not None:
            ahead.extend(itertools.islice(rest, _LOOK_AHEAD - len(ahead)))
            found += _laid(one, ahead)
        yield one, found
    for row in itertools.chain(ahead, rest):
        what = "the database has it, the file does not: the file was cut off, or is an older copy or another log's"
        yield None, [Finding("checkpoint_not_in_file", what, checkpoint=row.checkpoint_id)]


def _laid(one: Noted, ahead: deque[Row]) -> Iterator[Finding]:
    place = next((k for k, row in enumerate(ahead) if row.note == one.note), None)
    if place is not None:
        for _ in range(place):
            row = ahead.popleft()
            yield Finding(
                "checkpoint_not_in_file", "the database has it, the file does not", checkpoint=row.checkpoint_id
            )
        yield from _columns(one, ahead.popleft())
    elif not ahead:
        what = "the file has it, the database does not: an old backup was restored, or the end of the log was cut off"
        yield Finding("checkpoint_not_in_database", what, checkpoint=one.number)
    elif ahead[0].checkpoint_id > one.number:
        yield Finding("checkpoint_deleted", "the file has it, the database does not", checkpoint=one.number)
    else:
        row = ahead.popleft()
        which = "the one of the database was edited" if one.trusted else "the one of the file does not hold"
        what = f"the note in the database is not the one in the file: {which}"
        here, there = checkpoint.digest(row.note).hex(), one.digest.hex()
        yield Finding("checkpoint_differs", what, here, there, checkpoint=row.checkpoint_id)


def _columns(one: Noted, row: Row) -> Iterator[Finding]:
    if one.checkpoint is None:
        return
    for name in ("tree_size", "root", "entries"):
        here, said = getattr(row, name), getattr(one.checkpoint, name)
        if here != said:
            shown = (here.hex(), said.hex()) if isinstance(here, bytes) else (str(here), str(said))
            what = f"{name} in the database is not what its note says"
            differs = Finding("checkpoint_column_differs", what, *shown)
            yield differs.at(checkpoint=row.checkpoint_id)


# The tree ---------------------------------------------------------------------------------------


class Growth:
    """The log's tree as it grows leaf by leaf, held against each checkpoint as it reaches its size."""

    def __init__(self, noted: Iterable[tuple[Noted | None, list[Finding]]]) -> None:
        self._noted = iter(noted)
        self._frontier = Frontier()
        self._entries = 0
        self._confirmed = 0  # leaves under the last root that was right
        self._early: list[Finding] = []
        self.last: Noted | None = None  # the newest note that was reached
        self.checkpoints = 0
        self._next: Noted | None = None
        self._advance()

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._frontier.size

    def start(self) -> list[Finding]:
        """What was found before the first leaf."""
        found, self._early = self._early, []
        return found

    def leaf(self, digest: bytes, entries: int) -> list[Finding]:
        """One more leaf, and how many entries it stands for."""
        self._frontier.append(digest)
        self._entries += entries
        return self._reached()

    def _reached(self) -> list[Finding]:
        found, self._early = self._early, []
        while self._next is not None and self._next.checkpoint is not None:
            one, size = self._next, self._next.checkpoint.tree_size
            if size > self.size:
                break
            found += self._held(one, self._next.checkpoint)
            self._advance()
            found += self._early
            self._early = []
        return found

    def _held(self, one: Noted, said: Checkpoint) -> Iterator[Finding]:
        if said.tree_size < self.size:
            return  # it shrinks, which was said
        root = self._frontier.root()
        if root != said.root:
            what = "the root over the sealed batches is not the one that was signed: one of these was altered"
            yield Finding("tree_differs", what, root.hex(), said.root.hex(), checkpoint=one.number).at(
                position=self._confirmed, to_position=said.tree_size - 1
            )
        else:
            self._confirmed = said.tree_size
        if self._entries != said.entries:
            what = "the number of entries is not the one that was signed"
            yield Finding("entries_differ", what, str(self._entries), str(said.entries), checkpoint=one.number)

    def _advance(self) -> None:
        """To the next note that can be read."""
        if self._next is not None:
            self.last = self._next
        self._next = None
        for one, found in self._noted:
            self._early += found
            self.checkpoints += one is not None
            if one is not None and one.checkpoint is not None:
                self._next = one
                return

    def end(self) -> list[Finding]:
        """What is left when there are no more leaves."""
        found = self._reached()
        if self._next is None and self.last is not None and self.last.checkpoint is not None:
            signed = self.last.checkpoint.tree_size
            if self.size > signed:
                what = "these batches are sealed and no checkpoint is over them"
                found.append(
                    Finding("not_signed", what, str(self.size), str(signed), position=signed, to_position=self.size - 1)
                )
        while self._next is not None and self._next.checkpoint is not None:
            size, number = self._next.checkpoint.tree_size, self._next.number
            what = "the log ends before what was signed: its end was cut off, or an old backup was restored"
            found.append(
                Finding("log_cut_off", what, f"{self.size} sealed", f"{size} signed", position=self.size,
                        to_position=size - 1, checkpoint=number)
            )  # fmt: skip
            self._advance()
            found += self._early
            self._early = []
        return found
