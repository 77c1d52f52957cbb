"""Ways to change history as superuser, in the tables or in the files: each is seen, and where it was done is named.

The log of these tests: the position of a batch is its number in BATCHES plus one.

    checkpoint 1    the origin
    checkpoint 2    batches 0 to 3: review 1, shards 0 and 1, two batches each, 20 entries a batch
    checkpoint 3    batch 4: review 2, one user; batches 5 and 6: review 3, shards 0 and 1
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from limits import checkpoint, merkle
from limits.checkpoint import Checkpoint
from limits.log_finding import Finding
from limits.store.db import Connection, Database
from tests import forging
from tests.conftest import execute, url_of
from tests.forging import THIEF, run
from tests.integration.test_log_verify import check
from tests.made_log import KEY, MadeLog, entries

#: Where most of the forging is done: a batch with a predecessor in its lane, and one of its entries.
BATCH, PLACE = 1, 3
ENTRY = "batch_id = %(b)s AND sequence = %(s)s"


@dataclasses.dataclass(frozen=True)
class World:
    conn: Connection
    log: MadeLog
    numbers: list[int]

    @property
    def batch(self) -> int:
        return self.numbers[BATCH]

    def forge(self, statement: str) -> None:
        """Forges; b and s are the batch and the place in it."""
        run(self.conn, statement, b=self.batch, s=PLACE)


@pytest.fixture(scope="module")
def made(server_url: str, template: str, scratch: Path) -> Iterator[tuple[MadeLog, list[int]]]:
    """The log, in a database of these tests' own with nothing left that guards it."""
    name = "limits_forging"
    execute(
        server_url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    )
    with Database(url_of(server_url, name)).connect("owner", "limits test") as conn:
        log = MadeLog(conn, scratch / name)
        log.seal()
        numbers = []
        for shard in (0, 1):
            for part in (0, 1):
                first = 1 + 40 * shard + 20 * part
                numbers.append(log.batch(1, shard, entries(range(first, first + 20), seed=first)))
        log.seal()
        numbers.append(log.batch(2, 0, entries([7]), kind="recompute", token=1))
        numbers += [log.batch(3, k, entries(range(101 + 20 * k, 121 + 20 * k), seed=k, rules=9)) for k in (0, 1)]
        log.seal()
        forging.unguard(conn)
        yield log, numbers
    execute(server_url, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def world(made: tuple[MadeLog, list[int]], tmp_path: Path) -> Iterator[World]:
    """What a test does to it is undone."""
    log, numbers = made
    with log.conn.transaction(force_rollback=True):
        yield World(log.conn, log.moved(log.conn, tmp_path / "log"), numbers)


def edit(column: str, value: str) -> Callable[[World], None]:
    return lambda world: world.forge(f"UPDATE limits.adjustment_log SET {column} = {value} WHERE {ENTRY}")


# What is done -----------------------------------------------------------------------------------


def column_and_bytes(world: World) -> None:
    forging.rewrite(world.conn, world.batch, PLACE, limit_after_minor=5)


def rehashed(world: World) -> None:
    root = forging.rewrite(world.conn, world.batch, PLACE, capacity_p10_minor=5)
    forging.rerecord(world.conn, world.batch, root=root)


def rehashed_before_another(world: World) -> None:
    root = forging.rewrite(world.conn, world.numbers[BATCH - 1], PLACE, capacity_p10_minor=5)
    forging.rerecord(world.conn, world.numbers[BATCH - 1], sealed=True, root=root)


def rehashed_leaf(world: World) -> None:
    root = forging.rewrite(world.conn, world.batch, PLACE, capacity_p10_minor=5)
    forging.rerecord(world.conn, world.batch, sealed=True, root=root)


def rehashed_and_signed(world: World) -> None:
    rehashed_leaf(world)
    forging.write_file(world.log, forging.resign(world.conn, world.log, THIEF))


def rehashed_and_signed_in_the_database(world: World) -> None:
    rehashed_leaf(world)
    forging.resign(world.conn, world.log, THIEF, first=2)


def deleted_batch(world: World) -> None:
    world.forge("DELETE FROM limits.adjustment_log WHERE batch_id = %(b)s")
    world.forge("DELETE FROM limits.batches WHERE batch_id = %(b)s")


def old_backup(world: World) -> None:
    conn = world.conn
    run(conn, "DELETE FROM limits.checkpoints WHERE checkpoint_id > 2")
    run(conn, "DELETE FROM limits.sealed_batches WHERE position > 4")
    for table in ("batches", "adjustment_log"):
        run(conn, f"DELETE FROM limits.{table} WHERE batch_id >= %(b)s", b=world.numbers[4])


def truncated_with_the_file(world: World) -> None:
    old_backup(world)
    run(world.conn, "DELETE FROM limits.checkpoints WHERE checkpoint_id > 1")
    forging.write_file(world.log, forging.read_file(world.log)[:2])


def cut_tail(world: World) -> None:
    """The end of the log with its sealed positions, and the checkpoint made fit by somebody without the key."""
    conn = world.conn
    run(conn, "DELETE FROM limits.sealed_batches WHERE position = 7")
    for table in ("batches", "adjustment_log"):
        run(conn, f"DELETE FROM limits.{table} WHERE batch_id = %(b)s", b=world.numbers[6])
    run(conn, "UPDATE limits.checkpoints SET tree_size = 7, entries = entries - 20 WHERE checkpoint_id = 3")


COPY = (
    """INSERT INTO limits.adjustment_log SELECT (jsonb_populate_record(NULL::limits.adjustment_log,
              to_jsonb(l) || jsonb_build_object('entry_id', 9000, 'user_id', 9000, {}))).*
            FROM limits.adjustment_log l WHERE """
    + ENTRY
)


def unsealed_batch(world: World) -> None:
    world.log.batch(1, 0, entries(range(900, 905)))
    world.log.now += dt.timedelta(hours=1)


def sealed_batch(world: World) -> None:
    number = world.log.batch(1, 0, entries(range(900, 905)))
    _, digest, _ = world.log.unsealed[-1]
    run(world.conn, "INSERT INTO limits.sealed_batches VALUES (8, %(b)s, %(d)s)", b=number, d=digest)


def squeezed_in(world: World) -> None:
    """A forged batch at position 3, all others one further on."""
    number = world.log.batch(1, 0, entries(range(900, 905)))
    _, digest, _ = world.log.unsealed[-1]
    for position in range(7, 2, -1):
        run(world.conn, "UPDATE limits.sealed_batches SET position = position + 1 WHERE position = %(p)s", p=position)
    run(world.conn, "INSERT INTO limits.sealed_batches VALUES (3, %(b)s, %(d)s)", b=number, d=digest)


def reordered(world: World) -> None:
    world.forge(
        "UPDATE limits.adjustment_log SET sequence = 2 * %(s)s + 1 - sequence "
        "WHERE batch_id = %(b)s AND sequence IN (%(s)s, %(s)s + 1)"
    )


def reordered_bytes(world: World) -> None:
    world.forge(
        "UPDATE limits.adjustment_log l SET entry = o.entry FROM limits.adjustment_log o WHERE l.batch_id = %(b)s "
        "AND o.batch_id = l.batch_id AND l.sequence IN (%(s)s, %(s)s + 1) AND o.sequence = 2 * %(s)s + 1 - l.sequence"
    )


def swapped_shards(world: World) -> None:
    for table in ("batches", "adjustment_log"):
        run(
            world.conn, f"UPDATE limits.{table} SET shard = 1 - shard WHERE batch_id IN (%(a)s, %(b)s)",
            a=world.numbers[1], b=world.numbers[3],
        )  # fmt: skip


def swapped_shards_with_records(world: World) -> None:
    swapped_shards(world)
    forging.rerecord(world.conn, world.numbers[1], shard=1)
    forging.rerecord(world.conn, world.numbers[3], shard=0)


def moved_batch(world: World) -> None:
    for table in ("batches", "adjustment_log"):
        world.forge(f"UPDATE limits.{table} SET review_id = 2 WHERE batch_id = %(b)s")


def swapped_positions(world: World) -> None:
    for old, new in ((2, 90), (3, 2), (90, 3)):
        run(world.conn, "UPDATE limits.sealed_batches SET position = %(n)s WHERE position = %(o)s", o=old, n=new)


def sealed_twice(world: World) -> None:
    run(
        world.conn,
        "INSERT INTO limits.sealed_batches SELECT 8, batch_id, digest FROM limits.sealed_batches WHERE position = 2",
    )


def edited_note(world: World) -> None:
    run(
        world.conn,
        "UPDATE limits.checkpoints SET note = replace(note, 'entries 80', 'entries 60') WHERE checkpoint_id = 2",
    )


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[World], None]:
    return lambda world: forging.write_file(world.log, change(forging.read_file(world.log)))


def file_cut_within_a_note(world: World) -> None:
    world.log.file.write_text(world.log.file.read_text()[:-40])


def file_of_another_log(world: World) -> None:
    notes: list[str] = []
    for old in forging.read_file(world.log):
        previous = checkpoint.digest(notes[-1]) if notes else checkpoint.ZEROS
        said = dataclasses.replace(checkpoint.parse(old).checkpoint, identity="another/log", previous=previous)
        notes.append(checkpoint.sign(said, [KEY]))
    forging.write_file(world.log, notes)


def signed_by_another(world: World) -> None:
    last = forging.read_file(world.log)[2]
    forged = checkpoint.sign(checkpoint.parse(last).checkpoint, [THIEF])
    run(world.conn, "UPDATE limits.checkpoints SET note = %(n)s WHERE checkpoint_id = 3", n=forged)
    forging.write_file(world.log, [*forging.read_file(world.log)[:2], forged])


def signed_empty_log(world: World) -> None:
    """A forged checkpoint after the last one, over leaves that were never there, by another key."""
    last = checkpoint.parse(world.log.last and forging.read_file(world.log)[-1]).checkpoint
    made = Checkpoint(last.identity, 9, merkle.root(world.log.leaves), 200, last.at, world.log.last)
    forging.write_file(world.log, [*forging.read_file(world.log), checkpoint.sign(made, [THIEF])])


def swapped_key(world: World) -> None:
    world.log.public.write_text(checkpoint.write_public_keys([THIEF.public]))


def changed_record(world: World) -> None:
    world.forge("UPDATE limits.batches SET record = replace(record, 'actor ', 'actor B') WHERE batch_id = %(b)s")


def broken_record(world: World) -> None:
    world.forge("UPDATE limits.batches SET record = replace(record, 'kind ', 'kynd ') WHERE batch_id = %(b)s")


def lane_made_to_fit(world: World) -> None:
    """A rehashed batch, and after it in the lane the next one made to follow it."""
    root = forging.rewrite(world.conn, world.numbers[0], PLACE, capacity_p10_minor=5)
    digest = forging.rerecord(world.conn, world.numbers[0], root=root)
    forging.rerecord(world.conn, world.numbers[1], previous=digest)


def origin_changed(world: World) -> None:
    run(world.conn, "UPDATE limits.log_origin SET entries = 5")


def before_the_origin(world: World) -> None:
    world.forge(
        "UPDATE limits.adjustment_log SET batch_id = NULL, sequence = NULL, entry = NULL, consent = NULL WHERE " + ENTRY
    )


def invented_origin(world: World) -> None:
    world.forge(COPY.format("'batch_id', NULL, 'sequence', NULL, 'entry', NULL, 'consent', NULL"))


NOTICED, WAITING = 0, 3  # places of entries with a notice, and with a notice and a waiting change


def beside(table: str, place: int, change: str) -> Callable[[World], None]:
    def forge(world: World) -> None:
        run(
            world.conn, f"{change} WHERE entry_id = (SELECT entry_id FROM limits.adjustment_log WHERE {ENTRY})"
            .replace("TABLE", f"limits.{table}"), b=world.batch, s=place,
        )  # fmt: skip

    return forge


# The table --------------------------------------------------------------------------------------

#: name: (what is done, the word for it, the batch by its number in the log, the place in the batch, the checkpoint).
#: None: that it is not of one. A batch of (a, b): one of the positions a to b.
TAMPERING: dict[str, tuple[Callable[[World], None], str, int | tuple[int, int] | None, int | None, int | None]] = {
    # One column of one entry.
    "limit after": (edit("limit_after_minor", "limit_after_minor + 1"), "column_differs", BATCH, PLACE, None),
    "limit before": (edit("limit_before_minor", "0"), "column_differs", BATCH, PLACE, None),
    "version before": (edit("version_before", "99"), "column_differs", BATCH, PLACE, None),
    "version after": (edit("version_after", "99"), "column_differs", BATCH, PLACE, None),
    "action": (edit("action", "-1"), "column_differs", BATCH, PLACE, None),
    "action of a hold emptied": (edit("action", "NULL"), "column_differs", BATCH, PLACE, None),
    "a ceiling": (edit("ceilings_minor[1]", "5"), "column_differs", BATCH, PLACE, None),
    "a ceiling taken away": (edit("ceilings_minor[1]", "NULL"), "column_differs", BATCH, PLACE, None),
    "one ceiling more": (edit("ceilings_minor[12]", "5"), "column_differs", BATCH, PLACE, None),
    "all ceilings": (edit("ceilings_minor", "'{}'"), "column_differs", BATCH, PLACE, None),
    "lowest ceiling": (edit("lowest_ceiling_minor", "5"), "column_differs", BATCH, PLACE, None),
    "floor": (edit("floor_minor", "5"), "column_differs", BATCH, PLACE, None),
    "reasons": (edit("reason_bits", "reason_bits # 4"), "column_differs", BATCH, PLACE, None),
    "binding": (edit("binding", "binding + 1"), "column_differs", BATCH, PLACE, None),
    "capacity": (edit("capacity_p50_minor", "5"), "column_differs", BATCH, PLACE, None),
    "method": (edit("capacity_method", "9"), "column_differs", BATCH, PLACE, None),
    "months observed": (edit("months_observed", "99"), "column_differs", BATCH, PLACE, None),
    "points": (edit("risk_points", "risk_points + 1"), "column_differs", BATCH, PLACE, None),
    "points taken away": (edit("risk_points", "NULL"), "column_differs", BATCH, PLACE, None),
    "probability": (edit("risk_probability_ppm", "risk_probability_ppm # 1"), "column_differs", BATCH, PLACE, None),
    "disposition": (edit("disposition", "2"), "column_differs", BATCH, PLACE, None),
    "what was proposed": (edit("proposed_minor", "NULL"), "column_differs", BATCH, PLACE, None),
    "consent": (edit("consent", "consent # 1"), "column_differs", BATCH, PLACE, None),
    "user": (edit("user_id", "9000"), "column_differs", BATCH, PLACE, None),
    "actor": (edit("actor", "'Bo'"), "shared_differs", BATCH, PLACE, None),
    "instant": (edit("decided_at", "decided_at - interval '1 microsecond'"), "shared_differs", BATCH, PLACE, None),
    "policy": (edit("policy_hash", "sha256('x')"), "shared_differs", BATCH, PLACE, None),
    "input": (edit("input_digest", "sha256('x')"), "shared_differs", BATCH, PLACE, None),
    "code version": (edit("code_version", "'9.9'"), "shared_differs", BATCH, PLACE, None),
    "login": (edit("session_role", "'postgres'"), "shared_differs", BATCH, PLACE, None),
    "role": (edit("role", "'challenger'"), "shared_differs", BATCH, PLACE, None),
    "currency": (edit("currency", "'EUR'"), "shared_differs", BATCH, PLACE, None),
    "shard": (edit("shard", "7"), "shared_differs", BATCH, PLACE, None),
    "date": (edit("as_of", "as_of - 1"), "entry_missing", BATCH, PLACE, None),
    "date, another month": (edit("as_of", "as_of - 20"), "entry_moved", BATCH, PLACE, None),
    "review": (edit("review_id", "99"), "entry_moved", BATCH, PLACE, None),
    # Bytes, and more and more to match.
    "bytes": (edit("entry", "set_byte(entry, 40, 9)"), "column_differs", BATCH, PLACE, None),
    "bytes cut": (edit("entry", "substr(entry, 1, 50)"), "entry_unreadable", BATCH, PLACE, None),
    "bytes gone": (edit("entry", "NULL"), "entry_unreadable", BATCH, PLACE, None),
    "column and bytes": (column_and_bytes, "root_differs", BATCH, None, None),
    "rehashed": (rehashed, "record_changed", BATCH, None, None),
    "rehashed, the next one made to fit": (lane_made_to_fit, "record_changed", 0, None, None),
    "rehashed, seen by the next of its lane": (rehashed_before_another, "lane_broken", BATCH, None, 2),
    "rehashed with its leaf": (rehashed_leaf, "tree_differs", (1, 4), None, 2),
    "rehashed, signed by another": (rehashed_and_signed, "signature_wrong", None, None, 1),
    "rehashed, signed by another in the database":
        (rehashed_and_signed_in_the_database, "tree_differs", (1, 4), None, 2),
    "record": (changed_record, "record_changed", BATCH, None, None),
    "record broken": (broken_record, "record_unreadable", BATCH, None, None),
    "users of a batch": (lambda w: w.forge("UPDATE limits.batches SET users = 19 WHERE batch_id = %(b)s"),
                         "batch_column_differs", BATCH, None, None),
    "when a batch was applied":
        (lambda w: w.forge("UPDATE limits.batches SET applied_at = 'infinity' WHERE batch_id = %(b)s"),
         "batch_column_differs", BATCH, None, None),
    "columns of a batch emptied": (
        lambda w: w.forge("UPDATE limits.batches SET record = NULL, digest = NULL, root = NULL, applied_at = NULL, "
                          "users = NULL, review_id = NULL, shard = NULL, token = NULL WHERE batch_id = %(b)s"),
        "record_unreadable", BATCH, None, None),
    "a position far away": (
        lambda w: w.forge("UPDATE limits.sealed_batches SET position = 9e18 WHERE batch_id = %(b)s"),
        "position_missing", (2, 2), None, 2),
    "token of a batch": (lambda w: w.forge("UPDATE limits.batches SET token = 9 WHERE batch_id = %(b)s"),
                         "batch_column_differs", BATCH, None, None),
    # Taken away.
    "an entry": (lambda w: w.forge(f"DELETE FROM limits.adjustment_log WHERE {ENTRY}"),
                 "entry_missing", BATCH, PLACE, None),
    "the last entry of a batch": (
        lambda w: w.forge("DELETE FROM limits.adjustment_log WHERE batch_id = %(b)s AND sequence = 16 + %(s)s"),
        "entry_missing", BATCH, 19, None),
    "all entries of a batch": (lambda w: w.forge("DELETE FROM limits.adjustment_log WHERE batch_id = %(b)s"),
                               "entries_missing", BATCH, None, None),
    "a batch with its entries": (deleted_batch, "batch_missing", BATCH, None, None),
    "a batch without its entries": (lambda w: w.forge("DELETE FROM limits.batches WHERE batch_id = %(b)s"),
                                    "entry_of_no_batch", BATCH, 0, None),
    "a sealed position": (lambda w: w.forge("DELETE FROM limits.sealed_batches WHERE batch_id = %(b)s"),
                          "position_missing", (2, 2), None, None),
    "the end of the log": (cut_tail, "log_cut_off", (7, 7), None, 3),
    "an old backup": (old_backup, "log_cut_off", (5, 7), None, 3),
    "an old backup, with the file cut": (truncated_with_the_file, "checkpoint_not_in_database", None, None, 2),
    # Put in.
    "an entry twice": (lambda w: w.forge(COPY.format("'consent', 0")), "entry_twice", BATCH, PLACE, None),
    "an entry more": (lambda w: w.forge(COPY.format("'sequence', 20")), "entry_beyond", BATCH, 20, None),
    "an entry of a batch that is not there":
        (lambda w: w.forge(COPY.format("'batch_id', 999")), "entry_of_no_batch", 999, PLACE, None),
    "an entry from before the origin": (invented_origin, "entry_without_batch", None, None, None),
    "a batch, not sealed": (unsealed_batch, "not_sealed", 7, None, None),
    "a batch, sealed at the end": (sealed_batch, "not_signed", (8, 8), None, None),
    "a batch, sealed in between": (squeezed_in, "tree_differs", (1, 4), None, 2),
    # Moved.
    "two entries change places": (reordered, "column_differs", BATCH, PLACE, None),
    "two entries change bytes": (reordered_bytes, "column_differs", BATCH, PLACE, None),
    "two batches change shards": (swapped_shards, "batch_column_differs", BATCH, None, None),
    "two batches change shards, and records": (swapped_shards_with_records, "record_changed", BATCH, None, None),
    "a batch to another review": (moved_batch, "batch_column_differs", BATCH, None, None),
    "two positions": (swapped_positions, "tree_differs", (1, 4), None, 2),
    "a batch sealed twice": (sealed_twice, "batch_twice", (8, 8), None, None),
    "a leaf": (lambda w: w.forge("UPDATE limits.sealed_batches SET digest = sha256('x') WHERE batch_id = %(b)s"),
               "tree_differs", (1, 4), None, 2),
    "made to look older": (before_the_origin, "entry_missing", BATCH, PLACE, None),
    "the origin": (origin_changed, "origin_changed", (0, 0), None, None),
    # Checkpoints in the database.
    "a note": (edited_note, "checkpoint_differs", None, None, 2),
    "a root": (lambda w: run(w.conn, "UPDATE limits.checkpoints SET root = sha256('x') WHERE checkpoint_id = 2"),
               "checkpoint_column_differs", None, None, 2),
    "a checkpoint": (lambda w: run(w.conn, "DELETE FROM limits.checkpoints WHERE checkpoint_id = 2"),
                     "checkpoint_deleted", None, None, 2),
    "the last checkpoint": (lambda w: run(w.conn, "DELETE FROM limits.checkpoints WHERE checkpoint_id = 3"),
                            "checkpoint_not_in_database", None, None, 3),
    # The file of checkpoints, and the keys.
    "the file cut": (lines(lambda notes: notes[:2]), "checkpoint_not_in_file", None, None, 3),
    "the file empty": (lines(lambda notes: []), "checkpoint_not_in_file", None, None, 1),
    "the file cut within a note": (file_cut_within_a_note, "checkpoints_cut_off", None, None, 3),
    "a note of the file": (lines(lambda notes: [notes[0], notes[1].replace("entries 80", "entries 60"), notes[2]]),
                           "signature_wrong", None, None, 2),
    "a note of the file gone": (lines(lambda notes: [notes[0], notes[2]]), "checkpoint_chain", None, None, 2),
    "a note of the file twice": (lines(lambda notes: [notes[0], notes[1], notes[1], notes[2]]),
                                 "checkpoint_chain", None, None, 3),
    "notes of the file change places": (lines(lambda notes: [notes[1], notes[0], notes[2]]),
                                        "checkpoint_chain", None, None, 1),
    "the file of another log": (file_of_another_log, "checkpoint_of_another_log", None, None, 1),
    "signed by another key": (signed_by_another, "signature_wrong", None, None, 3),
    "one checkpoint more": (signed_empty_log, "log_cut_off", (8, 8), None, 4),
    "other public keys": (swapped_key, "signature_wrong", None, None, 1),
    # What stands beside the log.
    "day of a notice": (beside("notices", NOTICED, "UPDATE TABLE SET due_on = due_on + 1"),
                        "notice_differs", BATCH, NOTICED, None),
    "kind of a notice": (beside("notices", NOTICED, "UPDATE TABLE SET kind = 'refused'"),
                         "notice_differs", BATCH, NOTICED, None),
    "a notice gone": (beside("notices", NOTICED, "DELETE FROM TABLE"), "notice_differs", BATCH, NOTICED, None),
    "a notice of nothing": (
        lambda w: run(w.conn, "INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on) "
                              "VALUES (9000, 1, 9000, 'raised', '2026-06-30', '2026-07-30')"),
        "told_of_nothing", None, None, None),
    "numbers of two entries change places": (
        lambda w: w.forge("UPDATE limits.adjustment_log l SET entry_id = o.entry_id FROM limits.adjustment_log o "
                          "WHERE l.batch_id = %(b)s AND o.batch_id = %(b)s AND l.sequence IN (6, 8) "
                          "AND o.sequence = 14 - l.sequence"), "number_out_of_order", BATCH, 7, None),
    "decimals of a currency": (
        lambda w: run(w.conn, "UPDATE limits.currencies SET exponent = 0 WHERE currency = 'CZK'"),
        "currency_differs", None, None, None),
    "day of a waiting change": (beside("pending_changes", WAITING, "UPDATE TABLE SET effective_on = effective_on + 1"),
                                "waiting_differs", BATCH, WAITING, None),
    "amount of a waiting change": (beside("pending_changes", WAITING, "UPDATE TABLE SET proposed_minor = 1"),
                                   "waiting_differs", BATCH, WAITING, None),
    "a waiting change gone": (beside("pending_changes", WAITING, "DELETE FROM TABLE"),
                              "waiting_differs", BATCH, WAITING, None),
}  # fmt: skip


def names(found: Finding, world: World, batch: int | tuple[int, int] | None, place: int | None) -> bool:
    """Whether a finding names the batch and the place."""
    if place is not None and found.sequence != place:
        return False
    if isinstance(batch, tuple):
        return (found.position, found.to_position if found.to_position is not None else found.position) == batch
    numbers = [*world.numbers, *(number for number, _, _ in world.log.unsealed if number is not None)]
    return batch is None or found.batch_id == (numbers[batch] if batch < len(numbers) else batch)


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_seen_and_located(world: World, name: str) -> None:
    forge, kind, batch, place, number = TAMPERING[name]
    forge(world)
    report = check(world.conn, world.log)
    assert not report.holds
    found = [one for one in report.tally.kept if one.kind == kind]
    assert found, f"{kind} is not among {report.tally.kinds}"
    assert any(names(one, world, batch, place) for one in found), found
    tally = report.tally
    if place is not None:
        assert tally.first_entry is not None and names(tally.first_entry, world, batch, place), tally.first_entry
    if batch is not None:
        assert tally.first_batch is not None
    if number is not None:
        assert tally.first_checkpoint is not None and tally.first_checkpoint.checkpoint == number


def test_before_anything_is_done_the_log_holds(world: World) -> None:
    report = check(world.conn, world.log)
    assert report.tally.kept == [] and report.entries == 121
    assert len(TAMPERING) >= 25
