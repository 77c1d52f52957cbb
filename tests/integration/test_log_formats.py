"""Entries of both formats in one log: each holds, is proved and replayed, and what is done to it is found."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from limits import engine, log_proof, merkle
from limits.decision import Decisions
from limits.dispositions import Dispositions
from limits.engine.replay_words import field_name
from limits.entry import FORMAT, NONE, RISK, WITHOUT_RISK, Entries, decode, encode
from limits.portfolio import Portfolio
from limits.settings import Settings
from limits.store import migrate, parts, proving, rows
from limits.store.db import Connection, Database
from limits.store.queries import sql_root
from limits.store.reviews import Lease
from limits.store.rows import Rows
from tests import builders, chain, forging, governance, older, replays
from tests.forging import run
from tests.integration.test_log_verify import KEYS, check, check_export, export
from tests.integration.test_migrate import new_database
from tests.integration.test_risk_reviews import IN_B, SECTION
from tests.made_log import MadeLog, entries
from tests.packs import write_pack
from tests.replays import AS_OF, tamper
from tests.risks import in_band

#: Of every three entries of format 2 the one in the middle is of a user who was not scored.
SCORED, NOT_SCORED = 3, 4
ENTRY = "batch_id = %(b)s AND sequence = %(s)s"


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """Two batches of one lane: the first one of format 1, the second one of format 2; sealed."""
    made = MadeLog(conn, tmp_path / "log")
    made.seal()
    made.batch(1, 0, entries(range(1, 21), seed=1, form=WITHOUT_RISK))
    made.batch(1, 0, entries(range(21, 41), seed=2))
    made.seal()
    return made


def batches(conn: Connection) -> list[int]:
    return [number for (number,) in conn.execute("SELECT batch_id FROM limits.batches ORDER BY 1")]


def formats(conn: Connection) -> list[tuple[int, int, int]]:
    """Of each format how many entries there are, and how many say a risk."""
    return conn.execute(
        """SELECT get_byte(entry, 0), count(*), count(risk_points) FROM limits.adjustment_log
            WHERE num_nulls(risk_points, risk_probability_ppm) <> 1 GROUP BY 1 ORDER BY 1"""
    ).fetchall()


# What holds -------------------------------------------------------------------------------------


def test_both_formats_hold_are_exported_and_proved(conn: Connection, log: MadeLog, tmp_path: Path) -> None:
    assert formats(conn) == [(1, 20, 0), (2, 20, 13)]
    report = check(conn, log)
    assert report.tally.kept == [] and report.entries == 40
    for wanted in ({}, {"review_id": 1}):
        found = check_export(log, export(conn, tmp_path / "x.parquet", **wanted))
        assert found.tally.kept == [] and found.entries == 40
    listed = conn.execute("SELECT entry_id, entry, risk_points FROM limits.adjustment_log ORDER BY user_id").fetchall()
    for entry_id, entry, points in (listed[5], listed[20 + SCORED], listed[20 + NOT_SCORED]):
        proof = proving.prove(conn, entry_id, KEYS)
        shown = log_proof.check_inclusion(proof, KEYS).entry
        assert proof["entry"] == entry.hex()
        assert (shown.format, shown.risk_points.tolist()) == (entry[0], [NONE if points is None else points])


# What is done to them ----------------------------------------------------------------------------


def column(place: int, change: str) -> Callable[[Connection, int], None]:
    def do(conn: Connection, batch: int) -> None:
        run(conn, f"UPDATE limits.adjustment_log SET {change} WHERE {ENTRY}", b=batch, s=place)

    return do


def rewritten(form: int, *, columns: bool) -> Callable[[Connection, int], None]:
    """One entry's bytes in the other format, and its columns to match or as they were."""

    def do(conn: Connection, batch: int) -> None:
        where = {"b": batch, "s": SCORED}
        (body,) = conn.execute(f"SELECT entry FROM limits.adjustment_log WHERE {ENTRY}".encode(), where).fetchone() or (
            b"",
        )
        one = decode(body, np.array([0, len(body)]))
        made, _ = encode(_of_format(one, form))
        run(conn, f"UPDATE limits.adjustment_log SET entry = %(e)s WHERE {ENTRY}", e=made.tobytes(), **where)
        if columns:
            risk = "NULL" if form == WITHOUT_RISK else "7"
            column(SCORED, f"risk_points = {risk}, risk_probability_ppm = {risk}")(conn, batch)

    return do


def _of_format(one: Entries, form: int) -> Entries:
    risk = {name: np.full(len(one), NONE if form == WITHOUT_RISK else 7) for name in RISK}
    return dataclasses.replace(one, format=form, **risk)


#: (the batch's format, what is done, at which place, and the finding's kind and words)
FORGED: dict[str, tuple[int, Callable[[Connection, int], None], int, str, str]] = {
    "a risk given to format 1": (
        1, column(SCORED, "risk_points = 5, risk_probability_ppm = 9"), SCORED, "column_differs",
        "risk_points is not what the bytes of the entry say (there is 5, there should be nothing)",
    ),
    "points alone given to format 1": (1, column(SCORED, "risk_points = 0"), SCORED, "column_differs", "risk_points"),
    "a probability alone given to format 1": (
        1, column(SCORED, "risk_probability_ppm = 0"), SCORED, "column_differs", "risk_probability_ppm is not",
    ),
    "the number that stands for none, in format 1": (
        1, column(SCORED, "risk_points = -2147483648"), SCORED, "column_differs", "risk_points is not",
    ),
    "a risk taken from format 2": (
        2, column(SCORED, "risk_points = NULL, risk_probability_ppm = NULL"), SCORED, "column_differs",
        "risk_points is not what the bytes of the entry say (there is nothing, there should be",
    ),
    "points alone taken": (2, column(SCORED, "risk_points = NULL"), SCORED, "column_differs", "risk_points"),
    "a probability alone taken": (
        2, column(SCORED, "risk_probability_ppm = NULL"), SCORED, "column_differs", "risk_probability_ppm",
    ),
    "other points": (2, column(SCORED, "risk_points = risk_points - 1"), SCORED, "column_differs", "risk_points"),
    "another probability": (
        2, column(SCORED, "risk_probability_ppm = risk_probability_ppm # 1"), SCORED, "column_differs",
        "risk_probability_ppm",
    ),
    "a risk given to who was not scored": (
        2, column(NOT_SCORED, "risk_points = 5, risk_probability_ppm = 9"), NOT_SCORED, "column_differs", "risk_points",
    ),
    "bytes of format 1 without their risk": (
        2, rewritten(WITHOUT_RISK, columns=True), SCORED, "format_differs",
        "format of its bytes (there is 1, there should be 2",
    ),
    "bytes of format 1 beside their risk": (
        2, rewritten(WITHOUT_RISK, columns=False), SCORED, "format_differs",
        "format of its bytes (there is 1, there should be 2",
    ),
    "bytes of format 2 with a risk": (
        1, rewritten(FORMAT, columns=True), SCORED, "format_differs",
        "format of its bytes (there is 2, there should be 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_is_done_to_the_risk_is_found_where_it_was_done(conn: Connection, log: MadeLog, name: str) -> None:
    form, forge, place, kind, words = FORGED[name]
    forging.unguard(conn)
    number = batches(conn)[form - 1]
    forge(conn, number)
    report = check(conn, log)
    found = [one for one in report.tally.kept if one.kind == kind]
    assert found and words in found[0].sentence, report.tally.kept
    assert {(one.batch_id, one.sequence, one.entry_id is not None) for one in found} == {(number, place, True)}
    first = report.tally.first_entry
    assert first is not None and (first.batch_id, first.sequence) == (number, place)
    assert ("root_differs" in report.tally.kinds) == (kind == "format_differs")


def test_a_whole_batch_written_anew_in_the_other_format_is_found(conn: Connection, log: MadeLog) -> None:
    forging.unguard(conn)
    number = batches(conn)[1]
    stored = conn.execute(
        "SELECT entry FROM limits.adjustment_log WHERE batch_id = %s ORDER BY sequence", (number,)
    ).fetchall()
    made = decode(b"".join(body for (body,) in stored), np.cumsum([0, *(len(body) for (body,) in stored)]))
    body, offsets = encode(_of_format(made, WITHOUT_RISK))
    for place in range(len(made)):
        entry = body[offsets[place] : offsets[place + 1]].tobytes()
        run(conn, f"UPDATE limits.adjustment_log SET entry = %(e)s WHERE {ENTRY}", e=entry, b=number, s=place)
    run(conn, "UPDATE limits.adjustment_log SET risk_points = NULL, risk_probability_ppm = NULL WHERE batch_id = %(b)s",
        b=number)  # fmt: skip
    assert set(check(conn, log).tally.kinds) == {"root_differs"}
    forging.rerecord(conn, number, root=merkle.root(merkle.leaf_hashes(body, offsets)))
    assert "record_changed" in check(conn, log).tally.kinds


def test_a_risk_beside_an_entry_of_before_there_were_bytes_is_found(conn: Connection, log: MadeLog) -> None:
    forging.unguard(conn)
    old = "batch_id = NULL, sequence = NULL, entry = NULL, consent = NULL"
    run(conn, f"UPDATE limits.adjustment_log SET {old} WHERE {ENTRY}", b=batches(conn)[0], s=0)

    def digest() -> Any:
        return conn.execute("SELECT limits.origin_digest()").fetchone()

    (before,) = digest()
    for change in ("risk_points = 5", "risk_probability_ppm = 5"):
        with conn.transaction(force_rollback=True):
            run(conn, f"UPDATE limits.adjustment_log SET {change} WHERE batch_id IS NULL")
            assert digest() != (before,)
    assert digest() == (before,)


def test_the_database_takes_both_or_none_and_no_impossible_probability(conn: Connection, log: MadeLog) -> None:
    conn.execute("ALTER TABLE limits.adjustment_log DISABLE TRIGGER USER")
    for month in conn.execute("SELECT DISTINCT tableoid::regclass::text FROM limits.adjustment_log").fetchall():
        conn.execute(f"ALTER TABLE {month[0]} DISABLE TRIGGER USER".encode())
    for change in ("risk_points = NULL", "risk_probability_ppm = NULL", "risk_probability_ppm = -1",
                   "risk_probability_ppm = 1000001"):  # fmt: skip
        with pytest.raises(psycopg.errors.CheckViolation, match="adjustment_log_risk_check"):
            conn.execute(f"UPDATE limits.adjustment_log SET {change} WHERE risk_points IS NOT NULL".encode())


def test_a_decision_of_a_review_without_a_model_says_no_risk(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    replays.steady(conn, 1)
    builders.refresh(conn)
    honest = rows.encode

    def encode_with_risk(portfolio: Portfolio, decisions: Decisions, effect: Dispositions) -> Rows:
        return honest(portfolio, dataclasses.replace(decisions, risk=in_band(len(portfolio), 0)), effect)

    monkeypatch.setattr(rows, "encode", encode_with_risk)
    with pytest.raises(psycopg.Error, match="contradicts itself") as refused:
        replays.decide(database, settings, 1, settings.policy)
    assert refused.value.sqlstate == "LM003" and replays.count(conn) == 0


# What was staged before the migration, and what is decided after it ------------------------------


@pytest.fixture
def staged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are staged as the version before did, which knew no risk, and applied by this one."""
    honest = parts.write

    def write(conn: Connection, lease: Lease, made: Rows, *, part_users: int) -> None:
        honest(conn, lease, older.staged(made), part_users=part_users)

    monkeypatch.setattr(parts, "write", write)


@pytest.fixture
def pack(conn: Connection, tmp_path: Path) -> str:
    replays.steady(conn, 1, 2, 3, 4)
    builders.refresh(conn)
    governance.approve_model(conn, IN_B, AS_OF)
    return write_pack(conn, tmp_path, "banded", breakers__population_bps="1000000\n" + SECTION)


@pytest.mark.usefixtures("staged_before")
def test_what_was_staged_before_is_applied_in_format_1_and_replayed(
    database: Database, settings: Settings, conn: Connection, pack: str
) -> None:
    replays.review(database, settings, pack)
    assert formats(conn) == [(1, 4, 0)]
    assert chain.breaches(conn) == []
    found = engine.replay_log(conn)
    assert found.ok and found.equal == 4
    tamper(conn, "UPDATE limits.adjustment_log SET actor = actor")
    for change in ("risk_points = 65", "risk_probability_ppm = 470000"):
        with conn.transaction(force_rollback=True):
            conn.execute(f"UPDATE limits.adjustment_log SET {change} WHERE user_id = 2".encode())
            found = engine.replay_log(conn)
            fields = {field_name(d): (d.logged, d.replayed) for d in found.shown[0].differences}
            name, _, value = change.split()
            assert (found.differing, fields) == (1, {name: (int(value), None)})


@pytest.mark.usefixtures("staged_before")
def test_who_is_decided_again_beside_them_is_of_format_2(
    database: Database, settings: Settings, conn: Connection, pack: str
) -> None:
    replays.review(database, settings, pack, meanwhile=[3])
    assert formats(conn) == [(1, 3, 0), (2, 1, 1)]
    assert chain.breaches(conn) == []
    assert engine.replay_log(conn).equal == 4


def test_replay_names_another_risk_than_was_said(
    database: Database, settings: Settings, conn: Connection, pack: str
) -> None:
    replays.review(database, settings, pack)
    assert formats(conn) == [(2, 4, 4)]
    assert chain.breaches(conn) == []
    ((points, ppm),) = conn.execute(
        "SELECT DISTINCT risk_points, risk_probability_ppm FROM limits.adjustment_log"
    ).fetchall()
    tamper(conn, "UPDATE limits.adjustment_log SET actor = actor")
    for name, value, said in (
        ("risk_points", "NULL", points), ("risk_points", str(points + 1), points),
        ("risk_probability_ppm", "NULL", ppm), ("risk_probability_ppm", "0", ppm),
    ):  # fmt: skip
        with conn.transaction(force_rollback=True):
            conn.execute(f"UPDATE limits.adjustment_log SET {name} = {value} WHERE user_id = 2".encode())
            found = engine.replay_log(conn)
            fields = {field_name(d): (d.logged, d.replayed) for d in found.shown[0].differences}
            assert (found.differing, fields) == (1, {name: (None if value == "NULL" else int(value), said)})


# Migrating --------------------------------------------------------------------------------------


def test_what_a_database_held_before_the_migration_holds_after_it(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made in the schema of then; batches of both formats are then one log."""
    shutil.copytree(str(sql_root()), tmp_path / "sql")
    for file in (tmp_path / "sql" / "migrations").glob("*.sql"):
        if file.name >= "0032":
            file.unlink()
    with new_database(server_url) as url:
        database = Database(url)
        with monkeypatch.context() as then:
            then.setattr(migrate, "sql_root", lambda: tmp_path / "sql")
            assert migrate.apply(database)[-1] == "0031_risk_models"
        with database.connect("owner", "limits test") as conn:
            log = MadeLog(conn, tmp_path / "log")
            log.seal()
            log.batch(1, 0, entries(range(1, 21), seed=1, form=WITHOUT_RISK))
            log.batch(1, 1, entries(range(21, 41), seed=2, form=WITHOUT_RISK))
            log.seal()
            log.batch(2, 0, entries([7], form=WITHOUT_RISK), kind="recompute")
        assert migrate.apply(database)[0] == "0032_entry_risk"
        with database.connect("owner", "limits test") as conn:
            log.conn = conn
            assert check(conn, log).tally.kept == []
            log.batch(1, 0, entries(range(41, 61), seed=3))
            log.seal()
            report = check(conn, log)
            assert report.tally.kept == [] and report.entries == 61 and formats(conn) == [(1, 41, 0), (2, 20, 13)]
            assert check_export(log, export(conn, tmp_path / "x.parquet")).tally.kept == []
            forging.unguard(conn)
            for form, number in ((1, batches(conn)[0]), (2, batches(conn)[3])):
                with conn.transaction(force_rollback=True):
                    change = "risk_points = 5, risk_probability_ppm = 9" if form == 1 else "risk_points = NULL"
                    column(SCORED, change)(conn, number)
                    first = check(conn, log).tally.first_entry
                    assert first is not None and (first.batch_id, first.sequence) == (number, SCORED)
