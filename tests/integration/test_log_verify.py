"""A log that is sound: verified as a whole, since the last time, from an export, and one entry by a proof."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from limits import checkpoint, engine, log_proof
from limits.errors import CheckpointError, EntryError, InputError, NotFound, NotSealed
from limits.log_finding import Report
from limits.log_notes import Known
from limits.settings import Settings
from limits.store import logged_rows, proof_file, proving, verifying
from limits.store.db import Connection, Database
from limits.store.export_check import verify_export
from limits.store.proof_file import ProofFile
from tests import builders
from tests.forging import THIEF, unguard
from tests.made_log import KEY, MadeLog, entries

WHOLE: dict[str, Any] = {"review_id": None, "as_of_from": None, "as_of_to": None}
KEYS = [KEY.public]


def check(conn: Connection, log: MadeLog, known: Known | None = None, *, later: float = 10) -> Report:
    """What the auditor finds some seconds later; in the transaction of the connection, where it is in one."""
    keys = checkpoint.read_public_keys(log.public.read_text())
    now = log.now + dt.timedelta(seconds=later)
    with log.file.open(newline="\n") as lines, conn.transaction():
        conn.execute("SET LOCAL ROLE limits_auditor")
        report, _ = verifying.verify(conn, lines, keys, now=now, sealed_within_seconds=300, known=known)
    return report


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """Three checkpoints over two reviews of two shards and one recompute, and one batch that is not sealed."""
    made = MadeLog(conn, tmp_path / "log")
    made.seal()
    for shard in (0, 1):
        for part in (0, 1):
            first = 1 + 40 * shard + 20 * part
            made.batch(1, shard, entries(range(first, first + 20), seed=first))
    made.seal()
    made.batch(2, 0, entries([7]), kind="recompute", token=1)
    for shard in (0, 1):
        made.batch(3, shard, entries(range(101 + 20 * shard, 121 + 20 * shard), seed=shard, rules=9))
    made.seal()
    made.batch(3, 0, entries(range(200, 205), rules=9))
    return made


def export(conn: Connection, path: Path, **wanted: Any) -> ProofFile:
    with path.open("wb") as file, verifying.one_state(conn):
        proof_file.write(conn, file, proving.newest(conn), WHOLE | wanted)
    return ProofFile(path)


def check_export(log: MadeLog, file: ProofFile, **options: Any) -> Report:
    with log.file.open(newline="\n") as lines:
        return verify_export(file, lines, options.get("keys", KEYS))


# The whole log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at_a_time", [1, 25, 20_000])
def test_a_sound_log_holds(conn: Connection, log: MadeLog, monkeypatch: pytest.MonkeyPatch, at_a_time: int) -> None:
    monkeypatch.setattr(logged_rows, "READ_ENTRIES", at_a_time)
    report = check(conn, log)
    assert report.tally.kept == []
    assert (report.entries, report.batches, report.checkpoints, report.unsealed) == (126, 8, 3, 1)
    assert (report.tree_size, report.checkpoint, report.whole) == (8, 3, True)


def test_what_the_engine_applies_holds(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    for user_id in (1, 2, 3, 4, 5):
        builders.add_steady_user(conn, user_id, credit_limit=200_000 * user_id, raise_consent=user_id != 2)
    builders.refresh(conn)
    log = MadeLog(conn, tmp_path / "log")
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="anna")
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None
    engine.recompute(database, settings, 1, reason="x", actor="Bo", as_of=builders.AS_OF, apply=True)
    log.adopt()
    log.seal()
    report = check(conn, log)
    assert report.tally.kept == []
    assert report.entries == 6 and report.batches >= 3
    found = proving.prove(conn, conn.execute("SELECT max(entry_id) FROM limits.adjustment_log").fetchone()[0])
    assert log_proof.check_inclusion(found, KEYS).entry.user_id.tolist() == [1]
    assert check_export(log, export(conn, tmp_path / "x.parquet")).holds


def test_a_batch_may_wait_for_its_seal_and_not_for_ever(conn: Connection, log: MadeLog) -> None:
    assert check(conn, log, later=299).holds
    report = check(conn, log, later=301)
    assert [one.kind for one in report.tally.kept] == ["not_sealed"]


def test_since_the_last_time_only_what_is_new_is_read(conn: Connection, log: MadeLog) -> None:
    notes = list(checkpoint.split(log.file.read_text().splitlines(keepends=True)))
    known = Known(2, checkpoint.digest(notes[1]))
    report = check(conn, log, known)
    assert report.tally.kept == []
    assert (report.entries, report.left_out, report.whole) == (46, 4, False)
    third = check(conn, log, Known(3, checkpoint.digest(notes[2])))
    assert third.holds and (third.entries, third.left_out) == (5, 7)
    unguard(conn)
    conn.execute(
        "UPDATE limits.adjustment_log SET actor = 'x' WHERE batch_id = (SELECT min(batch_id) FROM limits.batches)"
    )
    assert check(conn, log, known).holds, "what was verified before is not read again"
    assert not check(conn, log).holds
    conn.execute(
        "UPDATE limits.batches SET digest = sha256('x') WHERE batch_id = (SELECT min(batch_id) FROM limits.batches)"
    )
    assert check(conn, log, Known(3, checkpoint.digest(notes[2]))).tally.kinds == {"record_changed": 1}
    conn.execute("DELETE FROM limits.sealed_batches WHERE position = 2")
    assert not check(conn, log, known).holds, "the tree is built from its first leaf on, always"


@pytest.mark.parametrize(
    ("known", "kind"), [(Known(2, bytes(32)), "checkpoint_changed"), (Known(9, bytes(32)), "checkpoint_gone")]
)
def test_since_the_last_time_needs_the_same_file(conn: Connection, log: MadeLog, known: Known, kind: str) -> None:
    assert kind in check(conn, log, known).tally.kinds


def test_a_key_is_introduced_by_the_one_before_it(conn: Connection, log: MadeLog) -> None:
    log.public.write_text(checkpoint.write_public_keys([KEY.public, THIEF.public]))
    log.keys = [THIEF]
    log.seal()
    report = check(conn, log)
    assert report.holds and [one.checkpoint for one in report.tally.remarks] == [4]
    log.keys = [KEY, THIEF]
    log.seal()
    assert [one.checkpoint for one in check(conn, log).tally.remarks] == [4]


def test_an_empty_log_and_one_without_a_checkpoint(conn: Connection, tmp_path: Path) -> None:
    log = MadeLog(conn, tmp_path / "log")
    assert [one.kind for one in check(conn, log).tally.kept] == ["no_checkpoint"]
    log.seal()
    log.seal()
    assert check(conn, log).holds


# Exports ----------------------------------------------------------------------------------------


def test_an_export_holds_with_no_database(conn: Connection, log: MadeLog, tmp_path: Path) -> None:
    report = check_export(log, export(conn, tmp_path / "x.parquet"))
    assert report.tally.kept == []
    assert (report.entries, report.batches, report.checkpoints, report.whole) == (121, 7, 3, True)
    log.seal()
    assert check_export(log, ProofFile(tmp_path / "x.parquet")).holds, "the file of checkpoints has gone on"


@pytest.mark.parametrize(
    ("wanted", "batches"), [({"review_id": 1}, 4), ({"review_id": 2}, 1), ({"as_of_from": "2026-07-01"}, 0)]
)
def test_a_part_of_the_log_holds_by_itself(
    conn: Connection, log: MadeLog, tmp_path: Path, wanted: dict[str, Any], batches: int
) -> None:
    report = check_export(log, export(conn, tmp_path / "x.parquet", **wanted))
    assert report.tally.kept == []
    assert (report.batches, report.whole) == (batches, False)


def rewritten(file: Path, **columns: Any) -> ProofFile:
    """The export with other columns, each made from the values that it has."""
    table = pq.read_table(file)
    said = json.loads(table.schema.metadata[b"limits"])
    rows = {name: table.column(name).to_pylist() for name in table.column_names}
    for name, change in columns.items():
        rows[name] = change(rows[name])
    schema = table.schema.with_metadata({b"limits": json.dumps(said).encode()})
    pq.write_table(table.from_pydict(rows, schema), file)
    return ProofFile(file)


def flipped(batch: int, place: int) -> Any:
    def change(values: list[Any]) -> list[Any]:
        entry = bytearray(values[batch][place])
        entry[20] ^= 1
        values[batch][place] = bytes(entry)
        return values

    return change


@pytest.mark.parametrize(
    ("wanted", "columns", "kind", "position"),
    [
        ({}, {"entry": flipped(2, 3)}, "root_differs", 2),
        ({}, {"entry": lambda v: [*v[:2], [*v[2][:5], *v[2][6:]], *v[3:]]}, "entry_missing", 2),
        ({}, {"entry": lambda v: [*v[:2], [v[2][1], v[2][0], *v[2][2:]], *v[3:]]}, "column_differs", 2),
        ({}, {"record": lambda v: [v[0], v[1].replace("token 3", "token 4"), *v[2:]]}, "lane_broken", 2),
        ({"review_id": 1}, {"record": lambda v: [v[0].replace("token 3", "token 4"), *v[1:]]}, "not_included", 1),
        ({"review_id": 1}, {"position": lambda v: [5, *v[1:]]}, "not_included", 5),
        ({"review_id": 1}, {"path": lambda v: [v[1], *v[1:]]}, "not_included", 1),
        ({"review_id": 1}, {"batch_id": lambda v: [99, *v[1:]]}, "record_of_another_batch", 1),
    ],
)  # fmt: skip
def test_a_forged_export_is_seen(
    conn: Connection, log: MadeLog, tmp_path: Path, wanted: dict[str, Any], columns: dict[str, Any], kind: str,
    position: int,
) -> None:  # fmt: skip
    path = tmp_path / "x.parquet"
    export(conn, path, **wanted)
    if "entry" in columns:
        ids = columns["entry"]
        columns = columns | {"entry_id": lambda v: [n[: len(e)] for n, e in zip(v, lengths, strict=True)]}
        lengths = ids([list(e) for e in pq.read_table(path).column("entry").to_pylist()])
    report = check_export(log, rewritten(path, **columns))
    found = [one for one in report.tally.kept if one.kind == kind]
    assert found and found[0].position == position, report.tally.kept


@pytest.mark.parametrize("wanted", [{}, {"review_id": 1}])
@pytest.mark.parametrize("entries_too", [True, False])
def test_a_batch_without_its_number_is_not_passed_over(
    conn: Connection, log: MadeLog, tmp_path: Path, wanted: dict[str, Any], entries_too: bool
) -> None:
    path = tmp_path / "x.parquet"
    export(conn, path, **wanted)
    columns: dict[str, Any] = {"batch_id": lambda values: [None] * len(values)}
    if entries_too:
        columns |= dict.fromkeys(("entry", "entry_id"), lambda values: [[] for _ in values])
        report = check_export(log, rewritten(path, **columns))
        count = pq.read_metadata(path).num_rows - (not wanted)
        assert report.tally.kinds["batch_unnamed"] == count, "every one but the origin"
    else:
        with pytest.raises(InputError, match="damaged: entries of no batch"):
            check_export(log, rewritten(path, **columns))


def test_an_export_without_one_of_its_batches_is_seen(conn: Connection, log: MadeLog, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    export(conn, path)
    table = pq.read_table(path)
    pq.write_table(pq.read_table(path).filter([k != 3 for k in range(table.num_rows)]), path)
    report = check_export(log, ProofFile(path))
    assert report.tally.kinds["position_missing"] == 1 and report.tally.first_batch.position == 3


def test_an_export_needs_its_checkpoint_in_the_file_and_its_key(conn: Connection, log: MadeLog, tmp_path: Path) -> None:
    file = export(conn, tmp_path / "x.parquet")
    assert "signature_wrong" in check_export(log, file, keys=[THIEF.public]).tally.kinds
    notes = list(checkpoint.split(log.file.read_text().splitlines(keepends=True)))
    log.file.write_text(checkpoint.join(notes[:2]))
    assert "checkpoint_not_in_file" in check_export(log, file).tally.kinds


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 1000])
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="is no export"):
        ProofFile(tmp_path / "x")
    with pytest.raises(InputError, match="cannot be read"):
        ProofFile(tmp_path / "nothing")


# Proofs -----------------------------------------------------------------------------------------


def test_an_entry_is_proved_offline(conn: Connection, log: MadeLog) -> None:
    sealed = conn.execute("SELECT entry_id, user_id FROM limits.adjustment_log WHERE review_id = 1").fetchall()
    for entry_id, user_id in sealed[::7]:
        found = log_proof.load(json.dumps(proving.prove(conn, entry_id)))
        shown = log_proof.check_inclusion(found, KEYS)
        assert shown.entry.user_id.tolist() == [user_id] and shown.record.review == 1 and shown.hashes <= 8


def test_only_what_is_sealed_can_be_proved(conn: Connection, log: MadeLog) -> None:
    (newest,) = conn.execute("SELECT max(entry_id) FROM limits.adjustment_log").fetchone() or (0,)
    with pytest.raises(NotSealed, match="not sealed yet"):
        proving.prove(conn, newest)
    with pytest.raises(NotFound):
        proving.prove(conn, newest + 1)


def test_a_forged_proof_proves_nothing(conn: Connection, log: MadeLog) -> None:
    proof = proving.prove(conn, 1)
    other = proving.prove(conn, 60)
    said = checkpoint.parse(proof["checkpoint"]).checkpoint
    assert log_proof.check_inclusion(proof, KEYS)
    forged: list[tuple[dict[str, Any], type[Exception]]] = [
        (proof | {"entry": other["entry"]}, EntryError),
        (proof | {"batch": other["batch"]}, EntryError),
        (proof | {"log": other["log"]}, EntryError),
        (proof | {"log": {"position": 2, "path": proof["log"]["path"]}}, EntryError),
        (proof | {"batch": proof["batch"] | {"path": proof["batch"]["path"][1:]}}, EntryError),
        (proof | {"checkpoint": proof["checkpoint"].replace("entries 1", "entries 2")}, CheckpointError),
        (proof | {"checkpoint": checkpoint.sign(said, [THIEF])}, CheckpointError),
        (proof | {"entry": "xy"}, InputError),
        ({"format": proof["format"]}, InputError),
    ]  # fmt: skip
    for one, error in forged:
        with pytest.raises(error):
            log_proof.check_inclusion(one, KEYS)


def test_the_log_only_grew(conn: Connection, log: MadeLog) -> None:
    for old, new in ((1, 2), (2, 3), (1, 3), (3, 3)):
        found = proving.consistency(conn, old, new, sizes=False)
        assert log_proof.check_consistency(found, KEYS)[0] <= 8
    for old in range(9):
        assert log_proof.check_consistency(proving.consistency(conn, old, 8, sizes=True), None) == (old, 8)
    with pytest.raises(InputError, match="name the older one first"):
        proving.consistency(conn, 3, 1, sizes=False)
    with pytest.raises(NotFound):
        proving.consistency(conn, 1, 9, sizes=True)
    with pytest.raises(NotFound):
        proving.consistency(conn, 1, 9, sizes=False)


def test_a_tree_that_nobody_signed_proves_nothing(conn: Connection, log: MadeLog) -> None:
    found = proving.consistency(conn, 2, 3, sizes=False)
    for side in ("old", "new"):
        unsigned = found | {side: found[side] | {"checkpoint": None}}
        with pytest.raises(EntryError, match="nobody has signed the tree"):
            log_proof.check_consistency(unsigned, KEYS)
        for odd in (7, ["x"], {}):
            with pytest.raises(InputError):
                log_proof.check_consistency(found | {side: found[side] | {"checkpoint": odd}}, KEYS)
    said, _ = checkpoint.verify(found["old"]["checkpoint"], KEYS)
    other = checkpoint.sign(dataclasses.replace(said, identity="another"), [KEY])
    with pytest.raises(EntryError, match="of different logs"):
        log_proof.check_consistency(found | {"old": found["old"] | {"checkpoint": other}}, KEYS)


def test_rewritten_history_is_not_consistent(conn: Connection, log: MadeLog) -> None:
    found = proving.consistency(conn, 2, 3, sizes=False)
    with pytest.raises(EntryError):
        log_proof.check_consistency(found | {"path": found["path"][::-1]}, KEYS)
    unguard(conn)
    conn.execute("UPDATE limits.sealed_batches SET digest = sha256('x') WHERE position = 1")
    with pytest.raises(EntryError, match="not the one that its checkpoint signs"):
        log_proof.check_consistency(proving.consistency(conn, 2, 3, sizes=False), KEYS)


def test_fields_of_a_place_are_not_lost(conn: Connection, log: MadeLog) -> None:
    unguard(conn)
    conn.execute("UPDATE limits.adjustment_log SET floor_minor = 7 WHERE entry_id = 5")
    (one,) = check(conn, log).tally.kept
    assert one.entry_id == 5 and one.sequence == 4 and one.user_id == 5 and one.review_id == 1 and one.shard == 0
    assert (
        one.position == 1 and one.stored == "7" and one.place.startswith("entry 5, place 4, user 5, review 1, shard 0")
    )
    assert set(one.as_dict()) <= {f.name for f in dataclasses.fields(one)}
