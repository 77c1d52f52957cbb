"""Whatever is altered of an entry, past all guards, is found by a replay, and named with both values."""

from __future__ import annotations

from pathlib import Path

import pytest

from limits import engine
from limits.cli import common, run
from limits.engine.differing import Difference
from limits.engine.replay_words import field_name, value_of
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests.packs import write_pack
from tests.replays import USERS, fill, review, tamper


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    fill(conn)


@pytest.fixture
def one_review(database: Database, settings: Settings) -> int:
    """A review that raises, holds and cuts at once."""
    return review(database, settings, settings.policy)


#: What is done to a column of an entry, and the field that is named.
COLUMNS = [
    ("limit_before_minor", "limit_before_minor + 1", "limit_before_minor"),
    ("limit_after_minor", "limit_after_minor - 1", "limit_after_minor"),
    ("version_before", "version_before + 1", "version_before"),
    ("version_after", "version_after + 1", "version_after"),
    ("action", "1 - action", "action"),
    ("binding", "binding + 1", "binding"),
    ("reason_bits", "reason_bits # 1", "reason_bits"),
    ("lowest_ceiling_minor", "lowest_ceiling_minor + 1", "lowest_ceiling_minor"),
    ("floor_minor", "floor_minor + 1", "floor_minor"),
    ("capacity_p10_minor", "capacity_p10_minor - 1", "capacity_p10_minor"),
    ("capacity_p50_minor", "capacity_p50_minor - 1", "capacity_p50_minor"),
    ("capacity_p90_minor", "capacity_p90_minor - 1", "capacity_p90_minor"),
    ("capacity_method", "capacity_method + 1", "capacity_method"),
    ("months_observed", "months_observed + 1", "months_observed"),
    ("risk_points", "0", "risk_points"),
    ("risk_probability_ppm", "0", "risk_probability_ppm"),
    ("disposition", "1", "disposition"),
    ("proposed_minor", "7", "proposed_minor"),
    ("ceilings_minor[2]", "ceilings_minor[2] + 1", "ceiling product_maximum"),
    ("ceilings_minor[2]", "NULL", "ceiling product_maximum"),
    ("ceilings_minor[52]", "7", "ceiling override"),
    # What stands for "no bound" inside the product is NULL in the log, and never the number.
    ("ceilings_minor[52]", str(2**60), "ceiling override"),
    ("ceilings_minor[52]", str(-(2**63)), "bytes"),
    ("ceilings_minor", "ceilings_minor || 5::bigint", "ceilings"),
    ("ceilings_minor", "trim_array(ceilings_minor, 1)", "ceilings"),
    ("ceilings_minor", "ARRAY[ceilings_minor]", "ceilings"),
    ("ceilings_minor", "'{}'", "ceilings"),
    ("ceilings_minor", "array_fill(NULL::bigint, '{55}', '{0}')", "ceilings"),
    ("as_of", "as_of - 1", "as_of"),
    ("currency", "'EUR'", "currency"),
    ("user_id", "user_id + 100", "user"),
    ("policy_hash", "(SELECT policy_hash FROM limits.policies WHERE pack = 'cz' LIMIT 1)", "policy_hash"),
]


def test_an_altered_column_is_found_and_named(conn: Connection, one_review: int) -> None:
    row = conn.execute("SELECT entry_id FROM limits.adjustment_log WHERE user_id = 4").fetchone()
    assert row is not None
    tamper(conn, "UPDATE limits.adjustment_log SET actor = 'nobody'")  # of that a decision says nothing
    meant: list[dict[str, int]] = [{}, {"review_id": one_review}, {"entry_id": row[0]}]
    assert all(engine.replay_log(conn, **of).ok for of in meant)
    for column, value, field in COLUMNS:
        with conn.transaction(force_rollback=True):
            conn.execute(f"UPDATE limits.adjustment_log SET {column} = {value} WHERE user_id = 4".encode())
            for of in meant:
                found = engine.replay_log(conn, **of)
                assert (found.ok, found.differing, found.failed) == (False, 1, 0), (column, value)
                (one,) = found.shown
                assert one.entry_id == row[0]
                fields = {field_name(d): (d.logged, d.replayed) for d in one.differences}
                assert field in fields, (column, value, fields)
                assert field == "bytes" or fields[field][0] != fields[field][1]
                if "ceilings_minor" not in column and field not in ("as_of", "currency", "user", "policy_hash"):
                    assert set(fields) == {field}, "nothing else differs"


#: What is done to what an entry opened, and the field that is named, with the values of log and replay.
OPENED = [
    ("UPDATE limits.notices SET due_on = due_on + 1", "notice_due_on", "2026-07-01", "2026-06-30"),
    ("UPDATE limits.notices SET kind = 'refused'", "notice", "refused", "offered"),
    ("UPDATE limits.notices SET kind = 'gone'", "notice", 99, "offered"),
    ("DELETE FROM limits.notices", "notice", "none", "offered"),
    ("UPDATE limits.notices SET user_id = 5", "notice", "none", "offered"),
    ("UPDATE limits.pending_changes SET effective_on = '2026-08-01'", "effective_on", "2026-08-01", "2026-07-30"),
    ("UPDATE limits.pending_changes SET kind = 'announced'", "change_kind", "announced", "offered"),
    ("UPDATE limits.pending_changes SET proposed_minor = 1", "change_proposed", 1, 640000),
    ("UPDATE limits.pending_changes SET limit_minor = 1", "change_limit", 1, 540000),
    ("DELETE FROM limits.pending_changes", "change_kind", "none", "offered"),
]


def test_what_waits_and_what_is_told_belongs_to_the_entry(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    offers = write_pack(conn, tmp_path, "offers", consent__raises='"offer"')
    review(database, settings, offers)
    tamper(conn, "UPDATE limits.notices SET created_at = created_at")
    assert engine.replay_log(conn).ok
    for statement, field, said, replay in OPENED:
        with conn.transaction(force_rollback=True):
            conn.execute(f"{statement} WHERE user_id = 4".encode())
            found = engine.replay_log(conn)
            assert found.differing == 1
            fields = {
                field_name(d): (value_of(d, d.logged), value_of(d, d.replayed)) for d in found.shown[0].differences
            }
            assert fields.get(field) == (said, replay), (statement, fields)


def test_an_entry_put_in_is_no_decision(conn: Connection, one_review: int) -> None:
    conn.execute("CREATE TEMPORARY TABLE copied AS SELECT * FROM limits.adjustment_log WHERE user_id = 4")
    for review_id, user_id in ((one_review, 77), (one_review + 1000, 4)):
        conn.execute("UPDATE copied SET entry_id = entry_id + 5000, review_id = %s, user_id = %s", (review_id, user_id))
        tamper(conn, "INSERT INTO limits.adjustment_log SELECT * FROM copied")
    found = engine.replay_log(conn)
    assert (found.ok, found.equal, found.differing, found.failed) == (False, USERS, 1, 1)
    assert found.shown[0].differences == [Difference("user", 77, None)]
    assert f"there is no review {one_review + 1000}" in found.failures[0].error


def test_a_table_names_the_ceiling_with_both_values(
    database: Database, conn: Connection, one_review: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    tamper(conn, "UPDATE limits.adjustment_log SET ceilings_minor[5] = 1234567 WHERE user_id IN (4, 7)")
    assert run(["log", "replay", "--all", "--limit", "1"]) == 1
    out, err = capsys.readouterr()
    heading, first, last = out.splitlines()
    assert heading == "entry\tas of\treview\tuser\tfield\tlog\treplay"
    assert first.split("\t")[1:6] == ["2026-06-30", str(one_review), "4", "ceiling ability_to_pay", "1234567"]
    assert last == "9 entries decided again from 5 snapshots: 2 differ (ceiling ability_to_pay in 2)"
    assert err == f"amounts are minor units\n1 more entries differ: --limit shows more\n{common.WHAT_TO_DO}\n"
