"""Archives of the log checked: what is in a file, whether it is proved, and whether it is what the database says of it.

A file is proved by itself, as every export is (limits.store.export_check). Beyond that it has to be the one whose
sha256 was recorded, with exactly the batches that the signed tree has of its month, and its changes have to come to
what is kept of each user. What the records alone say of a month is held against its row, be the file there or not.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import dict_row

from limits.checkpoint import PublicKey
from limits.entry import NONE, BatchRecord, decode
from limits.errors import EntryError, InputError
from limits.log_check import check_record
from limits.log_finding import Finding, Report
from limits.store import archives
from limits.store.archives import Month
from limits.store.db import Connection
from limits.store.export_check import verify_export, verify_part
from limits.store.logged_rows import batch_of
from limits.store.proof_file import Leaf, ProofFile
from limits.store.queries import query

#: What is said of each user, in the order of archive_lines: user, changes, delta, limit and version after, last raise
#: and cut as days since 2000, limit before the last cut; NONE for nothing.
Lines = NDArray[np.int64]
_COLUMNS = 8

#: Findings that are named of one kind in one archive; the first says how many there are.
_NAMED = 20
_EPOCH = dt.date(2000, 1, 1)


class Archive(ProofFile):
    """An export that is an archive, with what was read of it so far. InputError where it is no export."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entries = self.delta_minor = 0
        self.positions: dict[int, int] = {}
        self.days: set[dt.date] = set()
        self._changes: list[NDArray[np.int64]] = []

    def leaves(self) -> Iterator[list[Leaf]]:
        """As ProofFile, and counts what comes by."""
        for rows in super().leaves():
            for leaf in rows:
                self._count(leaf)
            yield rows

    def _count(self, leaf: Leaf) -> None:
        self.positions[leaf.position] = leaf.batch_id or 0
        if leaf.stored is None:
            return
        self.entries += len(leaf.stored)
        try:
            record = BatchRecord.parse(leaf.record)
            made = decode(leaf.stored.body, leaf.stored.offsets)
        except EntryError:
            return  # whoever checks the batch says so
        self.days.add(record.as_of)
        delta = made.limit_after_minor - made.limit_before_minor
        self.delta_minor += int(delta.sum())
        moved = delta != 0
        day = np.full(int(moved.sum()), (record.as_of - _EPOCH).days, dtype=np.int64)
        columns = (made.user_id, made.version_before, made.limit_before_minor, made.limit_after_minor)
        self._changes.append(np.stack([*(one[moved] for one in columns), day]))

    def lines(self) -> Lines:
        """What its changes come to for each user (n, 8), by user."""
        changes = np.concatenate([*self._changes, np.empty((5, 0), dtype=np.int64)], axis=1)
        user, version, before, after, day = changes[:, np.lexsort((changes[1], changes[0]))]
        if not len(user):
            return np.empty((0, _COLUMNS), dtype=np.int64)
        starts = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
        ends = np.concatenate([starts[1:], [len(user)]]) - 1
        cut, nothing = after < before, np.int64(NONE)
        place = np.where(cut, np.arange(len(user)), -1)
        last_cut = np.maximum.reduceat(place, starts)
        has_cut = last_cut >= starts
        return np.stack([
            user[starts], ends - starts + 1, np.add.reduceat(after - before, starts), after[ends], version[ends] + 1,
            np.maximum.reduceat(np.where(cut, nothing, day), starts),
            np.maximum.reduceat(np.where(cut, day, nothing), starts),
            np.where(has_cut, before[np.maximum(last_cut, 0)], nothing),
        ], axis=1)  # fmt: skip


def digest_of(path: Path) -> bytes:
    """The sha256 of a file. InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputError(f"the archive {path} cannot be read: {error.strerror or error}") from None


def read(path: Path, lines: Iterable[str], keys: Sequence[PublicKey]) -> tuple[Archive, Report]:
    """A file read from one end to the other and checked with no database. InputError where it is no export."""
    archive = Archive(path)
    return archive, verify_export(archive, lines, keys)


# All archives of a database ---------------------------------------------------------------------


@dataclass
class _Sums:
    """What the records of a month come to."""

    entries: int = 0
    batches: int = 0
    delta_minor: int = 0
    positions: dict[int, int] = field(default_factory=dict)


class Archives:
    """The archived months of a database while its log is verified, with the folder of their files; None: not looked at.

    ``notes``: the checkpoints that the files were made at; ``seen``: those of them that the file of checkpoints has.
    """

    def __init__(self, conn: Connection, folder: Path | None, keys: Sequence[PublicKey]) -> None:
        self._conn, self._folder, self._keys = conn, folder, keys
        self.months = archives.months(conn)
        self.notes: set[str] = set()
        self.seen: set[str] = set()
        self._opened: dict[dt.date, Archive] = {}
        self._faults: dict[dt.date, Finding] = {}
        if folder is not None:
            for month in self.months:
                self._open(month, folder / month.file_name)

    def _open(self, month: Month, path: Path) -> None:
        if not path.is_file():
            what = f"the archive {path} of {month.name} is not there"
            self._faults[month.month] = Finding("archive_missing", what)
            return
        try:
            self._opened[month.month] = archive = Archive(path)
            self.notes.add(archive.note)
        except InputError as error:
            self._faults[month.month] = Finding("archive_unreadable", f"the archive of {month.name}: {error}")

    def check(self, report: Report, since: int) -> None:
        """Adds what does not hold of archived months; of batches from a position on their records are looked at."""
        report.archives = [month.name for month in self.months]
        report.archives_given = self._folder is not None
        if not self.months:
            return
        sums = self._records(report, since)
        told = {month: counts for month, *counts in self._conn.execute(query("archive_told"))}
        for month in self.months:
            report.tally.add(*self._row(month, sums.get(month.month, _Sums()), told.get(month.month, []), since == 0))
        if self._folder is None:
            return
        for month in self.months:
            if (fault := self._faults.get(month.month)) is not None:
                report.tally.add(fault)
            else:
                self._file(month, sums.get(month.month, _Sums()), report, whole=since == 0)

    def _records(self, report: Report, since: int) -> dict[dt.date, _Sums]:
        found: dict[dt.date, _Sums] = {}
        with self._conn.cursor(name="verify_archived", row_factory=dict_row) as cursor:
            cursor.itersize = 2000
            for row in cursor.execute(query("verify_archived"), {"since": since}):
                batch = batch_of(row)
                record, findings = check_record(batch)
                report.tally.add(*findings)
                report.batches += 1
                if record is None or batch.position is None:
                    continue
                sums = found.setdefault(record.as_of.replace(day=1), _Sums())
                sums.entries += record.users
                sums.batches += 1
                sums.delta_minor += record.delta_minor
                sums.positions[batch.position] = batch.batch_id
                report.archived += record.users
        return found

    def _row(self, month: Month, sums: _Sums, told: Sequence[int], whole: bool) -> Iterator[Finding]:
        """Whether the row of a month says what the signed records of its batches say, and what is told of it."""
        pairs = [("notices", month.notices, told[0]), ("waiting changes", month.waiting, told[1])] if told else []
        if whole:
            pairs += [
                ("entries", month.entries, sums.entries), ("batches", month.batches, sums.batches),
                ("sum of changes", month.delta_minor, sums.delta_minor),
            ]  # fmt: skip
        for name, said, counted in pairs:
            if said != counted:
                what = f"{month.name} was archived with other {name} than the database has of that month"
                first = min(sums.positions, default=None)
                yield Finding("archive_differs", what, str(said), str(counted), position=first)

    def _file(self, month: Month, sums: _Sums, report: Report, *, whole: bool) -> None:
        archive = self._opened[month.month]
        tally = report.tally
        if (digest := digest_of(archive.path)) != month.sha256:
            what = f"the archive {archive.path} of {month.name} is not the file that was recorded: its sha256 differs"
            tally.add(Finding("archive_altered", what, digest.hex(), month.sha256.hex()))
        try:
            found = verify_part(archive, archive.note in self.seen, self._keys)
        except InputError as error:
            tally.add(Finding("archive_unreadable", f"the archive of {month.name}: {error}"))
            return
        tally.take(found.tally)
        report.archived_read += archive.entries
        if odd := sorted(day for day in archive.days if day.replace(day=1) != month.month):
            what = f"the archive {archive.path} of {month.name} has batches of another month"
            tally.add(Finding("archive_of_another_month", what, str(odd[0]), month.name))
        if whole:
            tally.add(*_positions(month, archive, sums))
        for name, said, counted in (
            ("entries", month.entries, archive.entries), ("sum of changes", month.delta_minor, archive.delta_minor),
        ):  # fmt: skip
            if said != counted:
                what = f"the archive {archive.path} has other {name} than were recorded of {month.name}"
                tally.add(Finding("archive_differs", what, str(counted), str(said)))
        tally.add(*_lines(month, archive.lines(), _kept(self._conn, month)))


def _positions(month: Month, archive: Archive, sums: _Sums) -> Iterator[Finding]:
    missing = sorted(set(sums.positions) - set(archive.positions))
    for place in missing[:_NAMED]:
        what = f"the archive {archive.path} of {month.name} does not have this batch ({len(missing)} in all)"
        yield Finding("archive_batch_missing", what, batch_id=sums.positions[place], position=place)


def _kept(conn: Connection, month: Month) -> Lines:
    with conn.cursor(name="archive_lines", binary=True) as cursor:
        cursor.itersize = 10_000
        rows = list(cursor.execute(query("archive_lines"), {"month": month.month}))
    return np.array(rows, dtype=np.int64).reshape(-1, _COLUMNS)


def _lines(month: Month, counted: Lines, kept: Lines) -> Iterator[Finding]:
    """The users of whom something else is kept than the archive comes to."""
    if np.array_equal(counted, kept):
        return
    some: Counter[int] = Counter()
    for rows in (counted, kept):
        some.update(np.unique(rows[:, 0]).tolist())
    by_user = [{int(row[0]): row for row in rows} for rows in (counted, kept)]
    odd = [u for u, times in sorted(some.items()) if times == 1 or not np.array_equal(by_user[0][u], by_user[1][u])]
    for user in odd[:_NAMED]:
        said, there = (_shown(rows.get(user)) for rows in (by_user[1], by_user[0]))
        what = f"what is kept of the user for {month.name} is not what the archive comes to ({len(odd)} users in all)"
        yield Finding("archive_line_differs", what, said, there, user_id=user)


def _shown(row: NDArray[np.int64] | None) -> str | None:
    if row is None:
        return None
    return f"{row[1]} changes by {row[2]}, then {row[3]} in version {row[4]}"
