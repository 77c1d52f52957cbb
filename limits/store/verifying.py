"""The whole log of a database checked against a file of checkpoints and the public keys of who signs them.

Passes over one state of the database: the checkpoints and the tree over all leaves; the batches with
their entries, from a position on; archived months; and what belongs to no batch.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg.pq import TransactionStatus

from limits import checkpoint, log_notes
from limits.checkpoint import PublicKey
from limits.entry import OriginRecord, record_digest
from limits.errors import CheckpointError
from limits.log_check import Batch, Stored, check_batch
from limits.log_finding import KEPT, Finding, Report
from limits.log_notes import Growth, Known, Noted, Row
from limits.merkle import EMPTY, HASH_BYTES
from limits.money import EXPONENTS
from limits.record_text import INSTANT
from limits.store.archive_check import Archives
from limits.store.db import Connection
from limits.store.logged_rows import Reader
from limits.store.queries import query

#: Called with the entries checked so far, and how many there are about.
Progress = Callable[[int, int], None]

_MOST_MISSING = 1000  # positions that are named one by one
_ALL: dict[str, Any] = {"review_id": None, "as_of_from": None, "as_of_to": None, "until": 2**63 - 1}


def verify(
    conn: Connection,
    lines: Iterable[str],
    keys: Sequence[PublicKey],
    *,
    now: dt.datetime,
    sealed_within_seconds: float,
    known: Known | None = None,
    folder: Path | None = None,
    progress: Progress = lambda done, all_of_them: None,
) -> tuple[Report, Noted | None]:
    """What the log holds and what does not, and the newest checkpoint that it was held against.

    lines     of the file of checkpoints
    known     the checkpoint that was verified the last time: entries that are under it are not read again, and what
              belongs to no batch is not looked for
    folder    of the archives; None: of archived months no more than the records is looked at, and report.archived says
              of how many entries
    """
    report = Report(whole=known is None, since=None if known is None else known.number)
    with one_state(conn):
        archived = Archives(conn, folder, keys)
        newest, since = _tree(conn, lines, keys, known, report, archived)
        reader = Reader(conn)
        expected = newest.checkpoint.entries if newest is not None and newest.checkpoint is not None else 0
        for group in reader.ahead("verify_batches", **_ALL | {"since": since}):
            _check(group, report)
            progress(report.entries, expected)
        archived.check(report, since)
        _unsealed(reader, report, now, sealed_within_seconds)
        if known is None:
            _origin(conn, report)
            _strays(conn, reader, report)
    return report, newest


@contextlib.contextmanager
def one_state(conn: Connection) -> Iterator[None]:
    """A transaction in which all reads see one state of the database; the caller's own, where there is one."""
    begun = conn.info.transaction_status == TransactionStatus.IDLE
    with conn.transaction():
        if begun:
            conn.execute(query("verify_begin"))
        yield


def _check(group: list[tuple[Batch, Stored]], report: Report) -> None:
    for batch, stored in group:
        report.tally.add(*check_batch(batch, stored))
        report.batches += 1
        report.entries += len(stored)


# Checkpoints and the tree -----------------------------------------------------------------------


def _tree(
    conn: Connection, lines: Iterable[str], keys: Sequence[PublicKey], known: Known | None, report: Report,
    archived: Archives,
) -> tuple[Noted | None, int]:  # fmt: skip
    """The newest checkpoint that was reached, and from which leaf on entries are to be read."""
    sizes: list[int] = []

    def watched() -> Iterator[tuple[Noted | None, list[Finding]]]:
        for one, found in log_notes.read(lines, keys, _identity(conn), known):
            if known is not None and one is not None and one.checkpoint is not None and one.number == known.number:
                sizes.append(one.checkpoint.tree_size)
                report.since_at = one.checkpoint.at
            if one is not None and one.note in archived.notes:
                archived.seen.add(one.note)
            yield one, found

    growth = Growth(log_notes.beside(watched(), _rows(conn)))
    report.tally.add(*growth.start())
    for position, batch_id, digest, there, now, users in _leaves(conn):
        report.tally.add(*_gap(growth, position))
        leaf = digest if len(digest) == HASH_BYTES else EMPTY
        report.tally.add(*growth.leaf(leaf, _entries_of(conn, batch_id) if users is None else users))
        if batch_id is None:
            report.tally.add(*_is_origin(conn, digest))
        elif not there:
            what = "the batch that stands at this position is gone"
            report.tally.add(Finding("batch_missing", what, batch_id=batch_id, position=position))
        elif known is not None and (not sizes or position < sizes[0]):  # its note is read when its turn comes
            report.left_out += 1
            if now != digest:
                what = "the record is not the one that was sealed"
                stored = now.hex() if now else None
                changed = Finding("record_changed", what, stored, digest.hex(), batch_id=batch_id, position=position)
                report.tally.add(changed)
    report.tally.add(*growth.end())
    report.tree_size, report.checkpoints = growth.size, growth.checkpoints
    if growth.last is not None and growth.last.checkpoint is not None:
        report.checkpoint, report.at = growth.last.number, growth.last.checkpoint.at
    else:
        report.tally.add(Finding("no_checkpoint", "no checkpoint could be held against the log"))
    return growth.last, sizes[0] if sizes else 0


def _gap(growth: Growth, position: int) -> Iterator[Finding]:
    """The positions that are missing before this one; leaves stand in for them where they are few."""
    gone = position - growth.size
    if gone > _MOST_MISSING:
        what = "no sealed batches stand at these positions"
        yield Finding("position_missing", what, position=growth.size, to_position=position - 1)
        return
    for _ in range(gone):
        yield Finding("position_missing", "no sealed batch stands at this position", position=growth.size)
        yield from growth.leaf(EMPTY, 0)


def _identity(conn: Connection) -> str | None:
    """Of which log the first checkpoint of the database is; it stays so when the database moves."""
    first = next(_rows(conn), None)
    try:
        return checkpoint.parse(first.note).checkpoint.identity if first is not None else None
    except CheckpointError:
        return None


def _rows(conn: Connection) -> Iterator[Row]:
    with conn.cursor(name="verify_checkpoints", binary=True) as cursor:
        cursor.itersize = 1000
        for row in cursor.execute(query("verify_checkpoints")):
            yield Row(*row)


def _leaves(conn: Connection) -> Iterator[tuple[int, int | None, bytes, bool, bytes | None, int | None]]:
    with conn.cursor(name="verify_leaves", binary=True) as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(query("verify_leaves"))


def _entries_of(conn: Connection, batch_id: int | None) -> int:
    """How many entries a leaf without a batch stands for: those of the origin."""
    row = conn.execute(query("verify_origin_said")).fetchone() if batch_id is None else None
    return int(row[0]) if row else 0


def _is_origin(conn: Connection, digest: bytes) -> Iterator[Finding]:
    row = conn.execute(query("verify_origin_said")).fetchone()
    if row is None:
        yield Finding("origin_missing", "the record of what was logged before there were batches is gone", position=0)
        return
    now = record_digest(OriginRecord(row[0], row[1]).write())
    if now != digest:
        what = "the record of what was logged before there were batches is not the one that was sealed"
        yield Finding("origin_changed", what, now.hex(), digest.hex(), position=0)


# What no checkpoint is over, and what belongs to no batch -------------------------------------------


def _unsealed(reader: Reader, report: Report, now: dt.datetime, within_seconds: float) -> None:
    before = INSTANT.write(now - dt.timedelta(seconds=within_seconds))
    for group in reader.groups("verify_unsealed"):
        _check(group, report)
        for batch, _ in group:
            report.unsealed += 1
            columns = batch.columns or {}
            if str(columns["applied_at"]) < before:
                what = (
                    f"applied {_age(str(columns['applied_at']), now)} ago, longer than --sealed-within "
                    f"{within_seconds:.0f}: the sealer does not run, refuses it, or it was put in later"
                )
                report.tally.add(
                    Finding("not_sealed", what, batch_id=batch.batch_id, review_id=columns["review_id"],
                            shard=columns["shard"])
                )  # fmt: skip


def _age(applied_at: str, now: dt.datetime) -> str:
    try:
        return f"{(now - INSTANT.parse(applied_at)).total_seconds():,.0f} s"
    except ValueError:
        return "at no time that can be read, long"


def _origin(conn: Connection, report: Report) -> None:
    row = conn.execute(query("verify_origin")).fetchone()
    if row is None:
        report.tally.add(Finding("origin_missing", "what was logged before there were batches is written nowhere"))
        return
    entries, digest, entries_now, digest_now = row
    if entries_now > entries:
        many = min(entries_now - entries, KEPT)
        what = "it belongs to no batch and was not there before there were batches"
        for entry_id, *place in conn.execute(query("verify_origin_newest"), {"many": many}):
            where = dict(zip(("user_id", "review_id", "shard"), place, strict=True))
            report.tally.add(Finding("entry_without_batch", what, entry_id=entry_id).at(**where))
    elif digest_now != digest:
        what = "what was logged before there were batches was altered: an entry of it was edited, removed or added"
        said, now = f"{entries} entries, {digest.hex()}", f"{entries_now} entries, {digest_now.hex()}"
        report.tally.add(Finding("origin_entries_changed", what, now, said, position=0))


def _strays(conn: Connection, reader: Reader, report: Report) -> None:
    row = conn.execute(query("verify_counts")).fetchone()
    assert row is not None, "a SELECT without FROM gives a row"
    entries, notices, waiting = row
    report.tally.add(*_currencies(conn))
    for batch_id, positions in conn.execute(query("verify_twice"), {"many": KEPT}):
        what = "it stands at more than one position"
        report.tally.add(Finding("batch_twice", what, f"{positions}", batch_id=batch_id, position=positions[1]))
    if entries != reader.counts.entries:
        for found in conn.execute(query("verify_strays"), {"many": KEPT}):
            report.tally.add(_stray(*found))
    if (notices, waiting) != (reader.counts.notices, reader.counts.waiting):
        for what, entry_id, user_id, review_id in conn.execute(query("verify_told_strays"), {"many": KEPT}):
            why = f"a {what} of an entry that the log does not have"
            report.tally.add(Finding("told_of_nothing", why, entry_id=entry_id, user_id=user_id, review_id=review_id))


def _currencies(conn: Connection) -> Iterator[Finding]:
    """Currencies whose minor unit is not the one of ISO 4217: every amount that people read would be another."""
    for currency, exponent in conn.execute(query("verify_currencies")):
        if exponent != (known := EXPONENTS.get(currency)):
            what = f"the number of decimals of {currency} is not the one that amounts were written with"
            yield Finding("currency_differs", what, str(exponent), None if known is None else str(known))


def _stray(
    entry_id: int, user_id: int, review_id: int, shard: int, batch_id: int, sequence: int | None, review: int | None,
    as_of: str, day: str, archive: str | None,
) -> Finding:  # fmt: skip
    where = {"user_id": user_id, "review_id": review_id, "shard": shard, "batch_id": batch_id, "sequence": sequence}
    if review is None:
        what = "it belongs to a batch that there is not"
        return Finding("entry_of_no_batch", what, entry_id=entry_id).at(**where)
    if archive is not None:
        what = f"its month is archived, and entries of it stand in {archive} and not here"
        return Finding("entry_of_archive", what, entry_id=entry_id).at(**where)
    what = "it stands under another review or date than its batch"
    stored, expected = f"review {review_id} as of {as_of}", f"review {review} as of {day}"
    return Finding("entry_moved", what, stored, expected, entry_id=entry_id).at(**where)
