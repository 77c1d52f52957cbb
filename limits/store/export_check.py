"""An export of the log checked with no database: against a file of checkpoints and the public keys, and by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from limits import checkpoint, log_notes, merkle
from limits.checkpoint import Checkpoint, PublicKey
from limits.entry import ZEROS, BatchRecord, OriginRecord, record_digest
from limits.errors import CheckpointError, EntryError
from limits.log_check import Batch, check_batch
from limits.log_finding import KEPT, Finding, Report
from limits.log_notes import Growth, Noted
from limits.store.proof_file import Leaf, ProofFile


def verify_export(
    export: ProofFile,
    lines: Iterable[str],
    keys: Sequence[PublicKey],
    progress: Callable[[int, int], None] = lambda done, all_of_them: None,
) -> Report:
    """What the export holds and what does not. ``lines``: of the file of checkpoints."""
    return _Check(export, lines, keys, progress).report()


def verify_part(export: ProofFile, noted: bool, keys: Sequence[PublicKey]) -> Report:
    """The same of an export that is no whole log, where the caller has read the file of checkpoints and knows whether
    the one that the export was made at stands in it (``noted``)."""
    return _Check(export, None if noted else (), keys, lambda done, all_of_them: None).report()


class _Check:
    def __init__(
        self,
        export: ProofFile,
        lines: Iterable[str] | None,
        keys: Sequence[PublicKey],
        progress: Callable[[int, int], None],
    ) -> None:
        self._export, self._progress = export, progress
        self._report = Report(whole=export.whole, exported=True)
        self._said: Checkpoint | None = None
        try:
            self._said, _ = checkpoint.verify(export.note, keys)
        except CheckpointError as error:
            self._add(Finding("signature_wrong", f"the checkpoint that the export was made at: {error}"))
        self._reviews: set[int] = set()
        self._lanes: dict[tuple[int, int], bytes] = {}
        self._there = lines is None
        self._position = -1
        self._notes = self._watched(lines or (), keys)

    def _add(self, *findings: Finding) -> None:
        self._report.tally.add(*findings)

    def _watched(self, lines: Iterable[str], keys: Sequence[PublicKey]) -> Iterable[tuple[Noted | None, list[Finding]]]:
        """The notes of the file up to the one that the export was made at; those after it are read, too."""
        identity = self._said.identity if self._said else None
        for one, found in log_notes.read(lines, keys, identity):
            if one is not None and one.checkpoint is not None:
                self._report.newest_at = one.checkpoint.at
            after = self._there
            if one is not None and one.note == self._export.note:
                self._there = True
                self._report.checkpoint = one.number
            if not after:
                yield one, found
            else:
                self._report.checkpoints += one is not None
                self._add(*found)

    def report(self) -> Report:
        """Reads the export from one end to the other."""
        if self._export.whole:
            growth = Growth(self._notes)
            self._add(*growth.start())
        else:
            growth = None
            for one, found in self._notes:
                self._report.checkpoints += one is not None
                self._add(*found)
        for rows in self._export.leaves():
            for leaf in rows:
                self._leaf(leaf, growth)
            self._progress(self._report.entries, self._said.entries if self._said and self._export.whole else 0)
        if growth is not None:
            self._add(*growth.end())
            for _ in self._notes:  # whatever comes after
                pass
            self._report.checkpoints += growth.checkpoints
        if not self._there:
            what = "the file of checkpoints does not have the one that the export was made at"
            self._add(Finding("checkpoint_not_in_file", what + ": it was cut off, moved, or is of another log"))
        if self._said is not None:
            self._report.tree_size, self._report.at = self._said.tree_size, self._said.at
        self._report.reviews, self._report.reviews_many = sorted(self._reviews)[:KEPT], len(self._reviews)
        return self._report

    def _leaf(self, leaf: Leaf, growth: Growth | None) -> None:
        where = {"position": leaf.position, "batch_id": leaf.batch_id}
        try:
            digest = record_digest(leaf.record)
        except EntryError as error:
            self._add(Finding("record_unreadable", f"{error}").at(**where))
            return
        self._in_order(leaf, growth)
        if leaf.batch_id is None and not (growth is not None and leaf.position == 0 and _is_origin(leaf.record)):
            what = "it is no batch, and not the record of what the log begins with"
            self._add(Finding("batch_unnamed", what).at(**where))
        if growth is not None:
            entries = len(leaf.stored) if leaf.stored else _origin_entries(leaf.record)
            self._add(*growth.leaf(digest, entries))
        elif self._said is not None and not merkle.verify_inclusion(
            digest, leaf.position, self._said.tree_size, leaf.path, self._said.root
        ):
            what = "its record is not proved to stand at this position of the signed tree"
            self._add(Finding("not_included", what).at(**where))
        if leaf.stored is not None and leaf.batch_id is not None:
            batch = Batch(leaf.batch_id, leaf.record, self._before(leaf.record, digest), leaf.position)
            self._add(*check_batch(batch, leaf.stored))
            self._report.batches += 1
            self._report.entries += len(leaf.stored)

    def _in_order(self, leaf: Leaf, growth: Growth | None) -> None:
        if leaf.position <= self._position:
            what = "it does not come after the batch before it"
            self._add(Finding("out_of_order", what, str(leaf.position), f"above {self._position}").at(
                position=leaf.position, batch_id=leaf.batch_id))  # fmt: skip
        if growth is not None:
            for gone in range(max(growth.size, 0), min(leaf.position, growth.size + 10_000)):
                self._add(Finding("position_missing", "no batch of the export stands at this position", position=gone))
                self._add(*growth.leaf(merkle.EMPTY, 0))
        self._position = leaf.position

    def _named(self, record: BatchRecord) -> None:
        """What a part of the log is of."""
        report, day = self._report, record.as_of
        self._reviews.add(record.review)
        report.first_day = min(report.first_day or day, day)
        report.last_day = max(report.last_day or day, day)

    def _before(self, text: str, digest: bytes) -> bytes:
        """The digest before it in its lane; a review of one user has one batch, so that its lane need not be kept."""
        try:
            record = BatchRecord.parse(text)
        except EntryError:
            return ZEROS
        if not self._export.whole:
            self._named(record)
        if record.kind == "recompute":
            return ZEROS
        lane = record.review, record.shard
        before = self._lanes.get(lane, ZEROS)
        self._lanes[lane] = digest
        return before


def _is_origin(text: str) -> bool:
    try:
        OriginRecord.parse(text)
    except EntryError:
        return False
    return True


def _origin_entries(text: str) -> int:
    try:
        return OriginRecord.parse(text).entries
    except EntryError:
        return 0
