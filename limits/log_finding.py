"""What a check of the log finds: each thing that does not hold, where it is, and how many there are."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: How many findings are kept in full; all are counted.
KEPT = 100
#: What is worth a look and breaks nothing: both keys are trusted by whoever verifies.
REMARKS = ("key_not_introduced",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold.

    kind        a word for programs: what is wrong
    what        the same as one sentence
    stored, expected
                the two values that should be one, as text
    The other fields say where, as far as it can be known. ``position`` is the leaf of the log's
    tree; ``to_position``, where given, the last of a range of leaves of which one is broken.
    """

    kind: str
    what: str
    stored: str | None = None
    expected: str | None = None
    entry_id: int | None = None
    sequence: int | None = None
    user_id: int | None = None
    review_id: int | None = None
    shard: int | None = None
    batch_id: int | None = None
    position: int | None = None
    to_position: int | None = None
    checkpoint: int | None = None

    def at(self, **where: int | None) -> Finding:
        """The same with a place that it does not name yet."""
        missing: dict[str, Any] = {name: value for name, value in where.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **missing)

    def as_dict(self) -> dict[str, Any]:
        """The fields that are known."""
        return {f.name: v for f in dataclasses.fields(self) if (v := getattr(self, f.name)) is not None}

    @property
    def sentence(self) -> str:
        """What does not hold, and the two values that should be one."""
        if self.stored is None and self.expected is None:
            return self.what
        return f"{self.what} (there is {self.stored or 'nothing'}, there should be {self.expected or 'nothing'})"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        words = []
        for name, word in _PLACES:
            if (value := getattr(self, name)) is None:
                continue
            upto = f" to {self.to_position}" if name == "position" and self.to_position is not None else ""
            words.append(f"{word} {value}{upto}")
        return ", ".join(words) or "the log"


_PLACES = (
    ("entry_id", "entry"), ("sequence", "place"), ("user_id", "user"), ("review_id", "review"), ("shard", "shard"),
    ("batch_id", "batch"), ("position", "position"), ("checkpoint", "checkpoint"),
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """All findings of a check, in the order in which they were found: counted, the first KEPT of them kept."""

    kept: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    first_entry: Finding | None = None
    first_batch: Finding | None = None
    first_checkpoint: Finding | None = None

    def add(self, *findings: Finding) -> None:
        """Some more."""
        for one in findings:
            if one.kind in REMARKS:
                self.remarks.append(one)
                continue
            self.kinds[one.kind] += 1
            if len(self.kept) < KEPT:
                self.kept.append(one)
            if self.first_entry is None and (one.entry_id is not None or one.sequence is not None):
                self.first_entry = one
            if self.first_batch is None and (one.batch_id is not None or one.position is not None):
                self.first_batch = one
            if self.first_checkpoint is None and one.checkpoint is not None:
                self.first_checkpoint = one

    def take(self, other: Tally) -> None:
        """All that another check has found, which comes after what this one has."""
        rest = Counter(other.kinds)
        self.add(*other.kept, *other.remarks)
        rest.subtract(Counter(one.kind for one in other.kept))
        self.kinds.update(+rest)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.kinds.total()


@dataclass(slots=True)
class Report:
    """What a check came to: how much was looked at, and all that does not hold.

    tree_size     sealed leaves, entries before there were batches among them as leaf 0
    unsealed      batches that no checkpoint is over yet
    left_out      batches that were verified before and only held against the tree now
    archived      entries of archived months, by their records; of the batches that were not verified before
    archived_read entries that were read out of archives and checked
    archives      the archived months, as 2021-05; archives_given: with a folder to read them from
    checkpoint    number and time (``at``) of the newest one that was reached; of an export, of the one it goes up to
    exported      it is of an export; newest_at: the time of the newest checkpoint of the file
    since         number and time (since_at) of the checkpoint up to which batches were verified before, and left out
    reviews       of a part of the log: some of the reviews that its records name, in order; reviews_many: how many;
                  first_day, last_day: the dates that they are as of
    """

    tally: Tally = field(default_factory=Tally)
    entries: int = 0
    batches: int = 0
    checkpoints: int = 0
    tree_size: int = 0
    unsealed: int = 0
    left_out: int = 0
    checkpoint: int | None = None
    at: dt.datetime | None = None
    whole: bool = True
    exported: bool = False
    newest_at: dt.datetime | None = None
    since: int | None = None
    since_at: dt.datetime | None = None
    reviews: list[int] = field(default_factory=list)
    reviews_many: int = 0
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    archived: int = 0
    archived_read: int = 0
    archives: list[str] = field(default_factory=list)
    archives_given: bool = False

    @property
    def holds(self) -> bool:
        """Whether all of it holds that was looked at; ``unread`` entries were not."""
        return not self.tally.count

    @property
    def unread(self) -> int:
        """Entries of archived months that should have been looked at, and whose archives were not given."""
        return 0 if self.archives_given else self.archived

    @property
    def scope(self) -> str:
        """What of the log it is that holds or does not: log, without_archives, since_last or part."""
        if not self.whole:
            return "part" if self.exported else "since_last"
        return "without_archives" if self.unread else "log"

    def as_dict(self) -> dict[str, Any]:
        """For a program to read."""
        firsts = {"entry": self.tally.first_entry, "batch": self.tally.first_batch}
        return {
            "holds": self.holds,
            "scope": self.scope,
            "whole": self.whole,
            "entries": self.entries,
            "batches": self.batches,
            "checkpoints": self.checkpoints,
            "tree_size": self.tree_size,
            "unsealed": self.unsealed,
            "left_out": self.left_out,
            "archived": self.archived,
            "archived_read": self.archived_read,
            "archives": self.archives,
            "unread": self.unread,
            "checkpoint": self.checkpoint,
            "at": _iso(self.at),
            "newest_at": _iso(self.newest_at or self.at),
            "since": self.since,
            "since_at": _iso(self.since_at),
            "reviews": self.reviews,
            "reviews_many": self.reviews_many,
            "as_of": [_iso(self.first_day), _iso(self.last_day)],
            "found": self.tally.count,
            "kinds": dict(self.tally.kinds),
            "first": {
                name: one.as_dict() if one else None
                for name, one in {**firsts, "checkpoint": self.tally.first_checkpoint}.items()
            },
            "findings": [one.as_dict() for one in self.tally.kept],
            "remarks": [one.as_dict() for one in self.tally.remarks],
        }


def _iso(when: dt.date | None) -> str | None:
    return None if when is None else when.isoformat()
