"""Sealing: what holds is sealed under signed checkpoints, what does not is refused, whatever dies meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from limits import checkpoint
from limits.errors import InputError, LimitsError, SealBusy, SealError
from limits.merkle import leaf_hash
from limits.settings import Settings
from limits.store import failpoints, seal_keys, sealing, sealing_check
from limits.store.checkpoint_file import CheckpointFile
from limits.store.db import Connection, Database
from tests import builders
from tests.sealing import Files, breaches, count, force, notes, recompute, step

AS_OF = builders.AS_OF


@pytest.fixture
def database(reviewed_copy: Database) -> Database:
    """16 batches of three, two to a lane."""
    return reviewed_copy


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "seal")


def numbers(conn: Connection) -> list[int]:
    return [number for (number,) in conn.execute("SELECT batch_id FROM limits.batches ORDER BY 1")]


# What holds --------------------------------------------------------------------------------------


def test_the_log_grows_under_one_tree_whoever_seals(
    database: Database, settings: Settings, conn: Connection, files: Files
) -> None:
    kept = files.sealer()
    assert step(database, kept).checkpoint_id == 1
    for number, user_id in enumerate((1, 2, 3), start=2):
        recompute(database, settings, user_id, day=30 + number)
        sealer = kept if number % 2 else files.sealer()
        assert step(database, sealer).checkpoint_id == number
    assert breaches(conn, files) == []


def test_numbers_that_commit_late_are_sealed_in_the_order_of_sealing(
    database: Database, settings: Settings, conn: Connection, files: Files
) -> None:
    """By what is missing and never by what is newer: the first batch comes in sight after the others."""
    hidden = numbers(conn)[-1]
    force(conn, "CREATE TABLE limits.hidden AS SELECT * FROM limits.batches WHERE batch_id = "
          f"{hidden}", f"DELETE FROM limits.batches WHERE batch_id = {hidden}")  # fmt: skip
    recompute(database, settings, 1, day=30)
    later = numbers(conn)[-1]
    assert later > hidden
    assert step(database, files.sealer()).batches == len(numbers(conn))
    force(conn, "INSERT INTO limits.batches OVERRIDING SYSTEM VALUE SELECT * FROM limits.hidden")
    assert step(database, files.sealer()).batches == 1
    last = conn.execute("SELECT batch_id FROM limits.sealed_batches ORDER BY position DESC LIMIT 2").fetchall()
    assert last == [(hidden,), (later,)]
    assert breaches(conn, files) == []


def test_a_checkpoint_says_now_and_then_that_nothing_is_new(database: Database, files: Files) -> None:
    step(database, files.sealer())
    assert step(database, files.sealer(idle_seconds=3600)).checkpoint_id is None
    quiet = step(database, files.sealer(idle_seconds=0.001))
    assert (quiet.checkpoint_id, quiet.batches) == (2, 0)


def test_a_step_that_has_no_more_time_signs_what_it_has(
    database: Database, conn: Connection, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "STEP_SECONDS", -1)
    monkeypatch.setattr(sealing, "GROUP_USERS", 3)
    sealer, sizes = files.sealer(), []
    while True:
        done = step(database, sealer)
        sizes.append(done.tree_size)
        if not done.more:
            break
    assert len(sizes) > 2 and sizes == sorted(sizes)
    assert breaches(conn, files) == []


# What does not hold ------------------------------------------------------------------------------

#: What somebody above every guard does to the second batch, and what the sealer says to it. A batch has the sequences
#: 0 to 2, and follows the first batch in its lane.
_ENTRIES, _BATCH = "UPDATE limits.adjustment_log SET ", "UPDATE limits.batches SET "
_REHASHED = """UPDATE limits.batches SET record = r, digest = sha256('\\x00' || convert_to(r, 'UTF8')), {more}
               FROM (SELECT batch_id AS n, {made} AS r FROM limits.batches) x WHERE n = batch_id AND batch_id = 2"""
DAMAGE = {
    "a capacity": (_ENTRIES + "months_observed = 3 WHERE batch_id = 2", "months_observed is not what the bytes"),
    "a ceiling": (_ENTRIES + "ceilings_minor[2] = 9 WHERE batch_id = 2 AND sequence = 1", "ceilings_minor is not"),
    "ceilings less": (_ENTRIES + "ceilings_minor = ceilings_minor[1:40] WHERE batch_id = 2", "ceilings_minor is not"),
    "no ceilings": (_ENTRIES + "ceilings_minor = NULL WHERE batch_id = 2 AND sequence = 1", "ceilings_minor is not"),
    "a user": (_ENTRIES + "user_id = user_id + 500 WHERE batch_id = 2 AND sequence = 0", "user_id is not what"),
    "an actor": (_ENTRIES + "actor = 'Cy' WHERE batch_id = 2 AND sequence = 2", "actor is not what the record"),
    "a moment": (_ENTRIES + "decided_at = decided_at - interval '1 us' WHERE batch_id = 2", "decided_at is not what"),
    "a login": (_ENTRIES + "session_role = 'x' WHERE batch_id = 2 AND sequence = 1", "session_role is not what"),
    "a consent": (_ENTRIES + "consent = 4 WHERE batch_id = 2 AND sequence = 1", "consent is not what the bytes"),
    "a risk": (
        _ENTRIES + "risk_points = 3, risk_probability_ppm = 4 WHERE batch_id = 2 AND sequence = 1",
        "risk_points is not what the bytes of the entry say",
    ),
    "a notice": ("UPDATE limits.notices SET due_on = due_on + 1", "the day its notice is due is not what"),
    "a byte": (
        _ENTRIES + "entry = set_byte(entry, 60, 9) WHERE batch_id = 2 AND sequence = 1",
        "floor_minor is not what",
    ),
    "no bytes": (
        _ENTRIES + "entry = NULL WHERE batch_id = 2 AND sequence = 1",
        "its bytes cannot be read: has 0 bytes",
    ),
    "bytes of no entry": (
        _ENTRIES + "entry = '\\x00' WHERE batch_id = 2 AND sequence = 1",
        "its bytes cannot be read: is of format 0",
    ),
    "bytes and column": (
        _ENTRIES + "months_observed = 3, entry = overlay(entry placing int2send(3::int2) from 90) WHERE batch_id = 2",
        "do not hash to the root",
    ),
    "an entry gone": (
        "DELETE FROM limits.adjustment_log WHERE batch_id = 2 AND sequence = 1",
        "place 1: there is no entry",
    ),
    "all entries gone": ("DELETE FROM limits.adjustment_log WHERE batch_id = 2", "none or next to none of the entries"),
    "an entry more": (
        """INSERT INTO limits.adjustment_log SELECT (jsonb_populate_record(l, jsonb_build_object(
               'user_id', 999, 'entry_id', 9999, 'sequence', 3))).* FROM limits.adjustment_log l
            WHERE batch_id = 2 AND sequence = 2""",
        "the batch has no such place",
    ),
    "an entry put elsewhere": (
        _ENTRIES + "batch_id = 1 WHERE batch_id = 2 AND sequence = 2",
        "place 2: there is no entry",
    ),
    "a sequence": (_ENTRIES + "sequence = 7 WHERE batch_id = 2 AND sequence = 2", "the batch has no such place"),
    "a sequence twice": (_ENTRIES + "sequence = 1 WHERE batch_id = 2 AND sequence = 2", "more than one entry"),
    "sequences swapped": (
        _ENTRIES + "sequence = 1 - sequence WHERE batch_id = 2 AND sequence < 2",
        "sequence is not what the bytes",
    ),
    "a root": (_BATCH + "root = sha256('x') WHERE batch_id = 2", "root of the batch is not what its record says"),
    "a sum": (
        _BATCH + "delta_minor = delta_minor + 1 WHERE batch_id = 2",
        "delta_minor of the batch is not what its record says",
    ),
    "a shard": (_BATCH + "shard = 5 WHERE batch_id = 2", "the record does not follow the one before it"),
    "the sum everywhere": (
        _REHASHED.format(
            more="delta_minor = delta_minor + 1",
            made="regexp_replace(record, 'delta_minor -?[0-9]+', 'delta_minor ' || delta_minor + 1)",
        ),
        "the changes do not add up",
    ),
    "the root everywhere": (
        _REHASHED.format(
            more="root = sha256('x')",
            made="regexp_replace(record, 'root [0-9a-f]+', 'root ' || encode(sha256('x'), 'hex'))",
        ),
        "do not hash to the root",
    ),
    "the record": (
        _REHASHED.format(more="users = users", made="replace(record, 'kind scheduled', 'kind recompute')"),
        "kind of the record is not that of its review",
    ),
    "the lane": (
        _REHASHED.format(
            more="users = users", made="regexp_replace(record, 'previous [0-9a-f]+', 'previous ' || repeat('ab', 32))"
        ),
        "the record does not follow",
    ),
    "a record that is none": (_REHASHED.format(more="users = users", made="'x'"), "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_does_not_hold_is_refused_and_the_others_go_on(
    database: Database, conn: Connection, files: Files, damage: str
) -> None:
    statement, says = DAMAGE[damage]
    everything = set(numbers(conn))
    force(
        conn,
        "ALTER TABLE limits.adjustment_log ALTER ceilings_minor DROP NOT NULL",
        "ALTER TABLE limits.adjustment_log DROP CONSTRAINT adjustment_log_entry_check",
        statement,
    )
    done = step(database, files.sealer())
    why = {one.batch_id: one.why for one in done.refused}
    if damage == "a notice":  # of every entry that has one
        assert len(why) > 1 and all(says in one for one in why.values())
    else:
        assert says in why[2]
        assert len(why) == 1 + (damage in ("an entry put elsewhere", "a shard")), (
            "and the other one, whose count or lane that is"
        )
    sealed = {number for (number,) in conn.execute("SELECT batch_id FROM limits.sealed_batches WHERE position > 0")}
    assert sealed == everything - set(why)
    again = step(database, files.sealer())
    assert (again.checkpoint_id, len(again.refused)) == (None, len(why)), "and nothing is signed around it"
    assert count(conn, "seal_troubles") == len(why), "said once"


def test_a_digest_that_is_not_that_of_its_record(database: Database, conn: Connection, files: Files) -> None:
    (name,) = conn.execute(
        "SELECT conname::text FROM pg_constraint WHERE conrelid = 'limits.batches'::regclass "
        "AND pg_get_constraintdef(oid) LIKE '%sha256%'"
    ).fetchone() or ("",)
    force(conn, f"ALTER TABLE limits.batches DROP CONSTRAINT {name}",
          f"UPDATE limits.batches SET digest = sha256('x') WHERE batch_id = {numbers(conn)[-1]}")  # fmt: skip
    (one,) = step(database, files.sealer()).refused
    assert one.why.startswith("the digest is not that of the record (")


def test_a_batch_that_is_mended_is_sealed(database: Database, conn: Connection, files: Files) -> None:
    second = numbers(conn)[1]
    change = "UPDATE limits.adjustment_log SET months_observed = months_observed {} 1 WHERE batch_id = " + str(second)
    force(conn, change.format("+"))
    sealer = files.sealer()
    assert [one.batch_id for one in step(database, sealer).refused] == [second]
    assert sealing.state(conn).refused_batch == second
    force(conn, change.format("-"))
    done = step(database, sealer)
    assert (done.batches, done.refused) == (1, [])
    assert sealing.state(conn).refused == 0
    assert breaches(conn, files) == []


def test_a_lane_follows_what_is_sealed_and_not_what_was_made_of_it(
    database: Database, settings: Settings, conn: Connection, files: Files
) -> None:
    """The first of a lane is sealed and then rehashed, digest and all; what the next one follows is the old one."""
    first, second, *_ = numbers(conn)
    hidden = f"batch_id > {first}"
    force(conn, f"CREATE TABLE limits.hidden AS SELECT * FROM limits.batches WHERE {hidden}",
          f"DELETE FROM limits.batches WHERE {hidden}")  # fmt: skip
    step(database, files.sealer())
    force(conn, "INSERT INTO limits.batches OVERRIDING SYSTEM VALUE SELECT * FROM limits.hidden",
          "UPDATE limits.batches SET record = 'x', digest = sha256('\\x00' || 'x'::bytea) WHERE batch_id = 1"
          )  # fmt: skip
    (batch,) = sealing_check.unsealed(conn, second - 1, 1)
    assert batch["before"] not in (None, leaf_hash(b"x"))
    assert step(database, files.sealer()).refused == []


@pytest.mark.parametrize(
    "change", ["UPDATE limits.log_origin SET entries = 1", "UPDATE limits.log_origin SET digest = sha256('y')",
               "DELETE FROM limits.log_origin"],
)  # fmt: skip
def test_without_the_origin_nothing_is_sealed(database: Database, conn: Connection, files: Files, change: str) -> None:
    force(conn, change)
    done = step(database, files.sealer())
    assert (done.checkpoint_id, [one.batch_id for one in done.refused]) == (None, [None])
    assert count(conn, "sealed_batches") == 0 and sealing.state(conn).refused == 1


# Tree, checkpoint and key do not fit together ------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE limits.sealed_batches SET digest = sha256('x') WHERE position = 1", "do not come to the root"),
        ("DELETE FROM limits.sealed_batches WHERE position = 1", "position 1 is gone"),
        ("INSERT INTO limits.sealed_batches SELECT max(position) + 1, 77, sha256('x') FROM limits.sealed_batches",
         "somebody else than the sealer"),
        ("UPDATE limits.checkpoints SET entries = 1", "its note says otherwise"),
        ("UPDATE limits.checkpoints SET note = replace(note, 'entries', 'entry')", "is not the one in the database"),
    ],
)  # fmt: skip
def test_nothing_is_signed_over_leaves_that_were_altered(
    database: Database, settings: Settings, conn: Connection, files: Files, change: str, says: str
) -> None:
    step(database, files.sealer())
    recompute(database, settings, 1, day=30)
    force(conn, change)
    before = files.checkpoints.read_bytes()
    for sealer in (files.sealer(), files.sealer(new_file=True)):
        with pytest.raises(SealError, match=says):
            step(database, sealer)
    assert files.checkpoints.read_bytes() == before and count(conn, "checkpoints") == 1


def test_a_checkpoint_of_somebody_with_the_sealers_login_alone_is_not_gone_on_from(
    database: Database, conn: Connection, files: Files, tmp_path: Path
) -> None:
    step(database, files.sealer())
    stranger = Files(tmp_path / "stranger")
    shutil.copy(files.checkpoints, stranger.checkpoints)
    step(database, stranger.sealer(new_key=True, idle_seconds=0.001))
    shutil.copy(stranger.checkpoints, files.checkpoints)
    with pytest.raises(SealError, match=r"is signed by first\+.*and the key file .* has first\+"):
        step(database, files.sealer())


def test_a_signature_that_is_none_is_not_gone_on_from(database: Database, conn: Connection, files: Files) -> None:
    step(database, files.sealer())
    forged = files.checkpoints.read_text().replace("entries ", "entries 1")
    force(conn, "UPDATE limits.checkpoints SET note = regexp_replace(note, 'entries ', 'entries 1'),"
          " entries = ('1' || entries)::bigint")  # fmt: skip
    files.checkpoints.write_text(forged)
    with pytest.raises(SealError, match="was not signed here"):
        step(database, files.sealer())


def test_a_new_key_is_introduced_by_the_old_one(database: Database, conn: Connection, files: Files) -> None:
    sealer = files.sealer()
    step(database, sealer)
    second = seal_keys.rotate(files.key, "second", files.public, files.checkpoints)
    done = step(database, sealer)
    assert (done.checkpoint_id, done.batches, done.key_id) == (2, 0, second.key_id), "at once, though nothing is new"
    signers = [[one.name for one in checkpoint.parse(note).signatures] for note in notes(conn)]
    assert signers == [["first"], ["second", "first"]]
    assert step(database, files.sealer(idle_seconds=0.001)).checkpoint_id == 3
    seal_keys.rotate(files.key, "third", files.public, files.checkpoints)
    assert step(database, sealer).checkpoint_id == 4
    assert [one.name for one in checkpoint.parse(notes(conn)[-1]).signatures] == ["third", "second"]
    assert [key.name for key in files.public_keys()] == ["first", "second", "third"]
    assert breaches(conn, files) == []


def test_keys_changed_twice_before_a_checkpoint_are_introduced_by_the_one_that_signed(
    database: Database, conn: Connection, files: Files
) -> None:
    step(database, files.sealer())
    for name in ("second", "third"):
        seal_keys.rotate(files.key, name, files.public, files.checkpoints)
    assert step(database, files.sealer()).checkpoint_id == 2
    assert [one.name for one in checkpoint.parse(notes(conn)[-1]).signatures] == ["third", "first"]
    seal_keys.rotate(files.key, "fourth", files.public, files.checkpoints)
    assert [key.public.name for key in seal_keys.read(files.key)] == ["fourth", "third", "first"]
    step(database, files.sealer())
    seal_keys.rotate(files.key, "fifth", files.public, files.checkpoints)
    assert [key.public.name for key in seal_keys.read(files.key)] == ["fifth", "fourth", "third"], "no older ones"
    assert step(database, files.sealer()).checkpoint_id == 4
    assert breaches(conn, files) == []


def test_public_keys_whose_last_line_is_open_get_one_more(files: Files) -> None:
    files.sealer()
    files.public.write_text(files.public.read_text().rstrip("\n"))
    seal_keys.rotate(files.key, "second", files.public, files.checkpoints)
    assert [key.name for key in files.public_keys()] == ["first", "second"]


def test_a_key_that_nobody_could_check_is_not_made(tmp_path: Path) -> None:
    public = tmp_path / "public_keys"
    public.mkdir()
    with pytest.raises(InputError, match="the public key cannot be added"):
        seal_keys.new(tmp_path / "key", "first", public)
    assert os.listdir(tmp_path) == ["public_keys"]


def test_another_key_signs_only_when_told_so(database: Database, conn: Connection, files: Files) -> None:
    step(database, files.sealer())
    files.key.unlink()
    with pytest.raises(InputError, match="there is no key to sign with"):
        step(database, files.sealer())
    seal_keys.new(files.key, "other", files.public)
    with pytest.raises(SealError, match="--new-key"):
        step(database, files.sealer())
    sealer = files.sealer(new_key=True)
    assert step(database, sealer).checkpoint_id == 2
    assert step(database, sealer).checkpoint_id is None and step(database, files.sealer()).checkpoint_id is None
    assert breaches(conn, files) == []


# Killed and together -----------------------------------------------------------------------------

FAILPOINTS = [
    "sql:seal_turn", "sql:seal_append", "sql:seal_checkpoint", "seal:signed", "seal:committed", "seal:written",
    "seal:noted",
]  # fmt: skip


def in_child(run: Callable[[], object]) -> int:
    """The exit status of a forked child that does it."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("place", FAILPOINTS)
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_killed_anywhere_it_goes_on(
    database: Database, settings: Settings, conn: Connection, files: Files, place: str, first: bool
) -> None:
    if not first:
        step(database, files.sealer())
        recompute(database, settings, 1, day=30)

    def die() -> None:
        failpoints.read(f"{place}=kill")
        step(database, files.sealer())

    assert in_child(die) == 9
    done = step(database, files.sealer())
    committed = place in ("seal:committed", "seal:written", "seal:noted")
    assert (done.checkpoint_id is None, done.caught_up) == (committed, int(place == "seal:committed"))
    assert count(conn, "sealed_batches") == count(conn, "batches") + 1
    assert count(conn, "checkpoints") == (1 if first else 2)
    assert breaches(conn, files) == []


def test_of_two_sealers_each_batch_is_sealed_once(
    database: Database, settings: Settings, conn: Connection, files: Files, tmp_path: Path
) -> None:
    """Two on one machine with one file, and one elsewhere with a file of its own, while reviews go on."""
    elsewhere = Files(tmp_path / "elsewhere")
    shutil.copy(files.key, elsewhere.key)
    stop, unexpected = threading.Event(), list[BaseException]()

    def seal(own: Files) -> None:
        sealer = own.sealer(new_file=True)
        with database.connect("sealer", "limits test") as mine:
            while not stop.wait(0.01):
                try:
                    sealer.step(mine)
                except SealBusy:
                    continue
                except BaseException as error:
                    unexpected.append(error)
                    return

    threads = [threading.Thread(target=seal, args=(own,)) for own in (files, files, elsewhere)]
    for thread in threads:
        thread.start()
    for day in range(31, 39):
        recompute(database, settings, day % 7 + 1, day=day)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert unexpected == []
    for own in (files, elsewhere):
        own.sealer(new_file=True).step(database.connect("sealer", "limits test"))
        elsewhere.public.write_text(files.public.read_text())
        assert breaches(conn, own) == []
    assert count(conn, "sealed_batches") == count(conn, "batches") + 1


def test_the_turn_and_the_file_are_for_one_at_a_time(database: Database, files: Files) -> None:
    with CheckpointFile(files.checkpoints, make=True), pytest.raises(SealBusy, match="has the file"):
        step(database, files.sealer())
    with database.connect("worker", "limits test") as other, other.transaction():
        other.execute("SELECT FROM limits.turns WHERE turn = 'seal' FOR UPDATE")
        with pytest.raises(SealBusy, match="has the turn"):
            step(database, files.sealer())
    assert step(database, files.sealer()).checkpoint_id == 1


# Rights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.adjustment_log SET actor = 'x'", "DELETE FROM limits.adjustment_log",
        "UPDATE limits.batches SET root = sha256('x')", "INSERT INTO limits.batches DEFAULT VALUES",
        "UPDATE limits.sealed_batches SET digest = sha256('x')", "DELETE FROM limits.checkpoints",
        "UPDATE limits.seal_troubles SET why = 'x'", "DELETE FROM limits.seal_anchor",
        "UPDATE limits.credit_lines SET limit_minor = 1", "SELECT body FROM limits.notices",
        "SELECT user_id FROM limits.credit_lines", "UPDATE limits.turns SET turn = 'x'",
        "INSERT INTO limits.reviews DEFAULT VALUES", "UPDATE limits.log_origin SET entries = 1",
    ],
)  # fmt: skip
def test_a_sealer_writes_nothing_else(database: Database, statement: str) -> None:
    with database.connect("sealer", "limits test") as sealer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        sealer.execute(statement.encode())


def test_a_key_that_cannot_be_read_is_said_and_not_shown(files: Files, database: Database) -> None:
    secret = files.key.read_text()
    files.key.write_text(secret[:-5] + "AAAA\n")
    with pytest.raises(LimitsError) as caught:
        step(database, files.sealer())
    assert secret.split("+")[-1][:10] not in str(caught.value) and str(files.key) in str(caught.value)
