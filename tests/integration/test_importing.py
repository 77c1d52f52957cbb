"""Imports: what is let in, what is quarantined and why, and that doing it twice, at once or half changes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from limits.errors import InputError
from limits.samples import berka
from limits.store import quarantine
from limits.store.db import Connection, Database
from limits.store.importing import COLUMNS, import_file
from limits.store.queries import sql_root
from tests.imports import TODAY, USERS, load, load_path, one, refused, rows, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def three_users(ops: Connection, tmp_path: Path) -> None:
    assert load(ops, "users", tmp_path, USERS, source="crm").new == 3


#: Everything an import writes but the rows of imports, which say that it was done.
STATE = """
    SELECT (SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM limits.{} t)
"""
TABLES = ("users", "user_profiles", "credit_lines", "events", "event_keys", "statements", "repayments", "credit_checks",
          "quarantine", "dirty_months")  # fmt: skip


def state(conn: Connection) -> dict[str, str]:
    return {table: one(conn, STATE.format(table)) for table in TABLES}


def reasons(conn: Connection) -> list[tuple[int, str, str]]:
    return rows(conn, "SELECT line, reason, detail FROM limits.quarantine WHERE kind <> 'users' ORDER BY line")


# One bad row of every kind ------------------------------------------------------------------

EVENT = "e1,1,2026-03-31T09:30:00Z,income,100.00,CNY"
BAD_EVENTS = [
    # what is changed, for what, and why it is not let in
    ("100.00", "0", "amount_not_positive", 'amount "0" is not above zero'),
    ("100.00", "-0.00", "amount_not_positive", 'amount "-0.00"'),
    ("100.00", "-5", "amount_not_positive", 'amount "-5" is not above zero'),
    ("100.00", "NaN", "not_a_number", 'amount "NaN" is not a decimal number'),
    ("100.00", "Infinity", "not_a_number", "Infinity"),
    ("100.00", "-inf", "not_a_number", "-inf"),
    ("100.00", "1e3", "not_a_number", "1e3"),
    ("100.00", '"1,000"', "not_a_number", 'amount "1,000"'),
    ("100.00", ".5", "not_a_number", '".5"'),
    ("100.00", "5.", "not_a_number", '"5."'),
    ("100.00", "+5", "not_a_number", '"+5"'),
    ("100.00", " 5", "not_a_number", '" 5"'),
    ("100.00", "0x10", "not_a_number", "0x10"),
    ("100.00", "٣", "not_a_number", "٣"),
    ("100.00", "1.005", "too_many_decimals", 'amount "1.005" has more than the 2 decimals of its currency'),
    ("100.00", "10000000000000.01", "amount_too_large", "larger than 1000000000000000 minor units"),
    ("100.00", "9" * 199, "amount_too_large", "999..."),
    (",1,", ",77,", "unknown_user", 'there is no user "77"'),
    (",1,", ",0,", "not_a_number", 'user_id "0" is not a number'),
    (",1,", ",-1,", "not_a_number", 'user_id "-1"'),
    (",1,", ",9223372036854775808,", "not_a_number", 'user_id "9223372036854775808"'),
    (",1,", ",one,", "not_a_number", 'user_id "one"'),
    ("income", "salary", "unknown_kind", 'kind "salary" is none of income, essential'),
    ("income", "Income", "unknown_kind", 'kind "Income"'),
    ("CNY", "EUR", "wrong_currency", 'currency "EUR" is not CNY, the currency of user 1'),
    ("CNY", "cny", "unknown_currency", 'currency "cny"'),
    ("CNY", "CNY ", "unknown_currency", 'currency "CNY "'),
    ("CNY", "XXX", "unknown_currency", 'currency "XXX"'),
    ("2026-03-31T09:30:00Z", "2026-07-01T00:00:00Z", "in_future", 'occurred_at "2026-07-01T00:00:00Z" is after today'),
    ("2026-03-31T09:30:00Z", "2026-06-30T23:00:00-01:00", "in_future", "after today, 2026-06-30"),
    ("2026-03-31T09:30:00Z", "2024-03-14T23:59:59Z", "before_account", "before the account was opened, 2024-03-15"),
    ("2026-03-31T09:30:00Z", "2024-03-15T00:30:00+01:00", "before_account", "2024-03-15T00:30:00+01:00"),
    ("2026-03-31T09:30:00Z", "2026-03-31T09:30:00", "not_an_instant", "2026-03-31T09:30:00"),
    ("2026-03-31T09:30:00Z", "2026-03-31", "not_an_instant", "is not an instant with its zone"),
    ("2026-03-31T09:30:00Z", "2026-02-29T09:30:00Z", "not_an_instant", "2026-02-29"),
    ("2026-03-31T09:30:00Z", "2026-03-31T24:00:00Z", "not_an_instant", "24:00"),
    ("2026-03-31T09:30:00Z", "2026-03-31T09:30:00+15:00", "not_an_instant", "+15:00"),
    ("2026-03-31T09:30:00Z", "31/03/2026 09:30", "not_an_instant", "31/03/2026"),
    ("2026-03-31T09:30:00Z", "infinity", "not_an_instant", "infinity"),
    ("e1,", ",", "missing_field", "source_id is empty"),
    ("100.00", "", "missing_field", "amount is empty"),
    (",CNY", ",", "missing_field", "currency is empty"),
    (",CNY", "", "too_few_fields", "the row has 5 fields, the heading has 6"),
    (",CNY", ",CNY,", "too_many_fields", "the row has 7 fields"),
    ("income", '"income', "unbalanced_quotes", "the quotes of"),
    ("income", "inc\0me", "nul_byte", "U+0000"),
    ("income", "inc\x1bme", "unprintable_character", "U+001B"),
    ("e1", "e" * 201, "field_too_long", "has 201 characters"),
    ("e1", "e" * 20_000, "line_too_long", "at most 16384"),
]  # fmt: skip


def test_bad_events_are_quarantined_and_the_rest_is_let_in(ops: Connection, three_users: None, tmp_path: Path) -> None:
    bad = [EVENT.replace(part, instead) for part, instead, _, _ in BAD_EVENTS]
    assert EVENT not in bad
    before, after = EVENT.replace("e1", "before"), EVENT.replace("e1", "after")
    counts = load(ops, "events", tmp_path, "\n".join([before, *bad, after]).encode())
    assert (counts.total, counts.new, counts.known, counts.quarantined) == (len(bad) + 2, 2, 0, len(bad))
    refused(ops, bad, BAD_EVENTS)
    assert rows(ops, "SELECT source_id FROM limits.events ORDER BY 1") == [("after",), ("before",)]


def test_broken_utf8_is_quarantined_with_its_bytes(ops: Connection, three_users: None, tmp_path: Path) -> None:
    bad = EVENT.encode().replace(b"income", b"inc\xff\xfeme")
    assert load(ops, "events", tmp_path, bad + b"\n" + EVENT.encode()).new == 1
    [(line, reason, raw, digest)] = rows(ops, "SELECT line, reason, raw, row_digest FROM limits.quarantine")
    assert (line, reason, digest) == (2, "broken_utf8", hashlib.sha256(bad).digest())
    assert r"inc\xff\xfeme" in raw


BAD_OTHERS = [
    ("statements", "s1,1,2026-03-31,2026-04-25,-5.00,100.00,10.00,CNY", [
        ("-5.00", "minus five", "not_a_number"), ("-5.00", "-10000000000000.01", "amount_too_large"),
        ("100.00", "-1", "amount_negative"), ("100.00", "NaN", "not_a_number"),
        ("10.00", "100.01", "minimum_above_due"),
        ("2026-04-25", "2026-03-30", "dates_out_of_order"), ("2026-04-25", "2027-04-25", "dates_out_of_order"),
        ("2026-04-25", "2026-04-31", "not_a_date"), ("2026-03-31", "2026-07-01", "in_future"),
        ("2026-03-31", "2024-03-14", "before_account"), (",1,", ",9,", "unknown_user"),
        ("CNY", "JPY", "too_many_decimals"),
        ("CNY", "USD", "wrong_currency"), ("100.00", "", "missing_field"),
    ]),
    ("statements", "s1,1,2026-03-31,2026-04-25,-5.00,100.00,10.00,CNY,30", [
        (",30", ",-1", "not_a_number"), (",30", ",1.5", "not_a_number"), (",30", ",NaN", "not_a_number"),
        (",30", ", 30", "not_a_number"), (",30", ",3651", "number_too_large"), (",30", ",99999", "number_too_large"),
        (",30", "," + "9" * 190, "number_too_large"), (",30", "", "too_few_fields"), (",30", ",30,", "too_many_fields"),
        (",30", ",31", "duplicate_id_other_content"), (",30", ",", "duplicate_id_other_content"),
        ("10.00", "100.01", "minimum_above_due"),
    ]),
    ("repayments", "r1,1,2026-03-31,100.00,CNY", [
        ("100.00", "0", "amount_not_positive"), ("100.00", "nan", "not_a_number"),
        ("100.00", "1" * 17, "amount_too_large"),
        ("2026-03-31", "2026-07-01", "in_future"), ("2026-03-31", "2024-03-14", "before_account"),
        ("2026-03-31", "2026-3-31", "not_a_date"), ("2026-03-31", "20260331", "not_a_date"),
        ("2026-03-31", "9999-12-31", "not_a_date"), (",1,", ",9,", "unknown_user"), ("r1", "", "missing_field"),
        ("CNY", "EUR", "wrong_currency"),
    ]),
    ("credit-checks", "c1,1,2026-03-31,2,5000.00,250.00,1,CNY", [
        (",2,", ",-2,", "not_a_number"), (",2,", ",2.0,", "not_a_number"), (",2,", ",10000,", "number_too_large"),
        (",1,CNY", ",many,CNY", "not_a_number"), ("5000.00", "-1", "amount_negative"),
        ("250.00", "inf", "not_a_number"),
        ("2026-03-31", "2026-07-01", "in_future"), ("c1,1", "c1,9", "unknown_user"), ("CNY", "EUR", "wrong_currency"),
        (",2,", ",,", "missing_field"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "good", "bad"), BAD_OTHERS, ids=["statements", "statements reported", "repayments", "credit-checks"]
)
def test_bad_statements_repayments_and_credit_checks(
    ops: Connection, three_users: None, tmp_path: Path, kind: str, good: str, bad: Sequence[tuple[str, str, str]]
) -> None:
    lines = [good.replace(part, instead, 1) for part, instead, _ in bad]
    body = "\n".join([good, *lines, good, good[:2].replace("1", "9") + good[2:]]).encode()
    counts = load(ops, kind, tmp_path, body)
    assert [(line, reason) for line, reason, _ in reasons(ops)] == [
        (number, reason) for number, (_, _, reason) in enumerate(bad, start=3)
    ]
    assert (counts.new, counts.known, counts.quarantined) == (2, 1, len(bad))
    once = state(ops)
    again = load(ops, kind, tmp_path, body)
    assert (again.new, again.known, again.quarantined) == (0, 3, len(bad))
    assert state(ops) == once
    other = re.sub(r"(\d)\.00,CNY", r"\1.01,CNY", good) if kind != "credit-checks" else good.replace(",2,", ",3,")
    assert load(ops, kind, tmp_path, other.encode(), name="later.csv").quarantined == 1
    assert rows(ops, "SELECT reason, detail FROM limits.quarantine ORDER BY import_id DESC LIMIT 1") == [
        ("duplicate_id_other_content", f'source_id "{good[:2]}" was imported before with other content')
    ]


def test_how_late_a_user_was_may_be_reported_with_a_statement_or_not(
    ops: Connection, three_users: None, tmp_path: Path
) -> None:
    line = b"s1,1,2026-03-31,2026-04-25,5,10,1,CNY"
    assert load(ops, "statements", tmp_path, line).new == 1
    also = [line + b",", line.replace(b"s1", b"s2") + b",0", line.replace(b"s1", b"s3") + b",0003650"]
    counts = load(ops, "statements", tmp_path, b"\n".join(also), name="more.csv")
    assert (counts.new, counts.known) == (2, 1), "a statement that came before the column is the same row"
    again = load(
        ops, "statements", tmp_path, also[2].replace(b"000", b"") + b"\n" + line.replace(b"s1", b"s3") + b",7\n"
    )
    assert (again.known, again.quarantined) == (1, 1)
    reported = rows(ops, "SELECT source_id, days_past_due FROM limits.statements ORDER BY source_id")
    assert reported == [("s1", None), ("s2", 0), ("s3", 3650)]


def test_a_credit_check_may_be_older_than_the_account_and_a_due_date_later_than_today(
    ops: Connection, three_users: None, tmp_path: Path
) -> None:
    assert load(ops, "credit-checks", tmp_path, b"c1,1,2024-03-01,0,0,0,0,CNY\n").new == 1
    assert load(ops, "statements", tmp_path, b"s1,1,2026-06-30,2026-07-25,0,0,0,CNY\n").new == 1


# Identity, months, the same again -----------------------------------------------------------


def test_the_same_id_with_other_content_is_refused_and_the_first_wins(
    ops: Connection, three_users: None, tmp_path: Path
) -> None:
    same = EVENT.replace("100.00", "100.0").replace("T09:30:00Z", " 17:30+08:00")  # written otherwise
    body = f"{EVENT}\n{EVENT.replace('100', '200')}\n{same}\n{EVENT.replace('Z', '.000001Z')}\n".encode()
    counts = load(ops, "events", tmp_path, body)
    assert (counts.new, counts.known, counts.quarantined) == (1, 1, 2)
    other = 'source_id "e1" stands in line 2 with other content'
    assert reasons(ops) == [(n, "duplicate_id_other_content", other) for n in (3, 5)]
    assert rows(ops, "SELECT amount_minor FROM limits.events") == [(10_000,)]
    # A corrected date moves to another partition; it is the same id all the same.
    moved = EVENT.replace("2026-03", "2026-05")
    assert load(ops, "events", tmp_path, moved.encode(), name="moved.csv").quarantined == 1
    assert load(ops, "events", tmp_path, moved.encode(), source="another bank").new == 1


def test_a_bad_row_does_not_take_the_id(ops: Connection, three_users: None, tmp_path: Path) -> None:
    counts = load(ops, "events", tmp_path, f"{EVENT.replace('100.00', '0')}\n{EVENT}\n".encode())
    assert (counts.new, counts.quarantined) == (1, 1)


def test_minor_units_are_exact_in_every_currency(ops: Connection, three_users: None, tmp_path: Path) -> None:
    amounts = [("1", "CNY", "10000000000000"), ("1", "CNY", "0.07"), ("1", "CNY", "1000.1"), ("2", "JPY", "123"),
               ("3", "KWD", "0.001"), ("3", "KWD", "1.5"), ("1", "CNY", "000012.30")]  # fmt: skip
    lines = [f"e{n},{u},2026-01-01T00:00:00Z,fee,{a},{c}" for n, (u, c, a) in enumerate(amounts)]
    assert load(ops, "events", tmp_path, "\n".join(lines).encode()).new == len(amounts)
    found = rows(ops, "SELECT amount_minor FROM limits.events ORDER BY source_id")
    assert found == [(10**15,), (7,), (100_010,), (123,), (1,), (1500,), (1230,)]


def test_late_events_mark_the_month_they_belong_to(
    ops: Connection, conn: Connection, three_users: None, tmp_path: Path
) -> None:
    conn.execute("DELETE FROM limits.dirty_months")
    body = (
        f"{EVENT}\n{EVENT.replace('e1', 'e2')}\n{EVENT.replace('e1', 'e3').replace('2026-03-31', '2025-01-31')}\n"
        f"{EVENT.replace('e1', 'e4').replace('2026-03-31T09:30:00Z', '2025-07-01T01:00:00+02:00')}\n"  # June in UTC
    )
    load(ops, "events", tmp_path, body.encode())
    load(ops, "statements", tmp_path, b"s1,1,2026-01-31,2026-02-20,1,1,1,CNY\n")
    load(ops, "repayments", tmp_path, b"r1,1,2024-12-31,1,CNY\n")
    marks = [month for _, month in rows(ops, "SELECT DISTINCT user_id, month FROM limits.dirty_months ORDER BY month")]
    assert marks == [
        dt.date(2024, 12, 1),
        dt.date(2025, 1, 1),
        dt.date(2025, 6, 1),
        dt.date(2026, 2, 1),
        dt.date(2026, 3, 1),
    ]
    conn.execute("DELETE FROM limits.dirty_months")
    load(ops, "events", tmp_path, body.encode())
    assert one(ops, "SELECT count(*) FROM limits.dirty_months") == 0


def test_partitions_hold_utc_months_whatever_the_session_says(
    ops: Connection, three_users: None, tmp_path: Path
) -> None:
    ops.execute("SET TimeZone TO 'Asia/Tokyo'")
    body = "\n".join(EVENT.replace("e1", d).replace("2026-03-31T09:30:00Z", d)
                     for d in ("2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z", "2026-03-01T00:00:00Z"))  # fmt: skip
    assert load(ops, "events", tmp_path, body.encode()).new == 3
    found = rows(ops, "SELECT tableoid::regclass::text, count(*) FROM limits.events GROUP BY 1 ORDER BY 1")
    assert found == [("limits.events_2026_03", 2), ("limits.events_2026_04", 1)]
    ops.execute("SET TimeZone TO 'UTC'")


def test_a_row_refused_once_is_let_in_when_it_is_right(ops: Connection, tmp_path: Path) -> None:
    assert load(ops, "events", tmp_path, EVENT.encode()).quarantined == 1
    load(ops, "users", tmp_path, USERS)
    assert load(ops, "events", tmp_path, EVENT.encode()).new == 1
    assert load(ops, "events", tmp_path, EVENT.encode()).known == 1


def test_without_a_date_today_is_the_databases(ops: Connection, three_users: None, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    lines = [
        EVENT.replace("e1", f"e{days}").replace("2026-03-31", str(now.date() + dt.timedelta(days=days)))
        for days in (-1, 2)
    ]
    counts = load(ops, "events", tmp_path, "\n".join(lines).encode(), today=None)
    assert (counts.new, counts.quarantined) == (1, 1)


def test_the_import_is_on_record_and_the_quarantine_can_be_read(
    ops: Connection, database: Database, three_users: None, tmp_path: Path
) -> None:
    body = f"{EVENT}\n{EVENT.replace('100.00', 'NaN')}\n{EVENT.replace(',1,', ',9,')}\n".encode()
    counts = load(ops, "events", tmp_path, body)
    file = tmp_path / "events.csv"
    columns = "kind, source, file_name, file_sha256, actor, rows_total, rows_new, rows_known, rows_quarantined"
    done = "finished_at >= started_at AND import_id = %s"
    assert rows(ops, f"SELECT {columns} FROM limits.imports WHERE {done}", counts.import_id) == [
        ("events", "bank", "events.csv", hashlib.sha256(file.read_bytes()).digest(), "tester", 3, 1, 0, 2)
    ]
    with database.connect("auditor", "limits test") as auditor:
        listed = quarantine.list_rows(auditor, kind="events", reason=None, limit=50)
        assert [(row["source"], row["file_name"], row["line"], row["reason"], row["detail"]) for row in listed] == [
            ("bank", "events.csv", 3, "not_a_number", 'amount "NaN" is not a decimal number'),
            ("bank", "events.csv", 4, "unknown_user", 'there is no user "9"'),
        ]
        assert len(quarantine.list_rows(auditor, kind="events", reason="unknown_user", limit=50)) == 1
        assert len(quarantine.list_rows(auditor, kind=None, reason=None, limit=1)) == 1
        assert quarantine.list_rows(auditor, kind="users") == []
        with pytest.raises(InputError, match="there is no reason 'bad'; the reasons are line_too_long"):
            quarantine.list_rows(auditor, reason="bad")


def test_every_reason_has_a_text_and_every_text_is_used() -> None:
    root = Path(str(sql_root()))
    files = [root / "migrations" / "0004_imports.sql", *(root / "queries").glob("import_*_check.sql")]
    text = "\n".join(file.read_text() for file in files)
    written = set(re.findall(r"ARRAY\[\s*'(\w+)',\s+(?:format\(|CASE|'\w+ )", text))
    written |= set(re.findall(r"choice_fault\([^,]+,[^,]+,\s*'(\w+)'", text))
    written |= set(re.findall(r"reason = '(\w+)'", (root / "queries" / "import_erased.sql").read_text()))
    lines = (ROOT / "limits" / "store" / "lines.py").read_text()
    written |= set(re.findall(r'"([a-z0-9]+(?:_[a-z0-9]+)+)"', lines)) - {"unicode_escape"}
    assert written == set(quarantine.REASONS)


def test_the_columns_are_those_the_samples_write() -> None:
    assert (COLUMNS["users"], COLUMNS["events"]) == (berka.USER_COLUMNS, berka.EVENT_COLUMNS)


def test_the_sample_borrowers_are_let_in_whole(ops: Connection, tmp_path: Path) -> None:
    files = berka.write_import_files(tmp_path, TODAY)
    for new in (True, False):
        for kind, file, count in (
            ("users", files.users, files.user_count),
            ("events", files.events, files.event_count),
        ):
            counts = load_path(ops, kind, file, berka.SOURCE)
            assert (counts.new, counts.known, counts.quarantined) == ((count, 0, 0) if new else (0, count, 0))


# The file as a whole ------------------------------------------------------------------------


def test_a_file_that_cannot_be_used_writes_nothing(ops: Connection, three_users: None, tmp_path: Path) -> None:
    before = one(ops, "SELECT count(*) FROM limits.imports")
    (tmp_path / "empty.csv").touch()
    write(tmp_path, "users", USERS, "users.csv")
    for name, message in (
        ("missing.csv", "cannot be read: No such file or directory"),
        (".", "is a folder; name a CSV file in it"),
        ("empty.csv", "empty.csv is empty; its first line must name the columns: source_id,user_id"),
        ("users.csv", 'the heading of users.csv does not name "source_id"'),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            load_path(ops, "events", tmp_path / name)
    for kind, source, message in (
        ("event", "bank", "no kind of file 'event'"),
        ("events", "", "source"),
        ("events", "x\n", "source"),
    ):
        with pytest.raises(InputError, match=message):
            load_path(ops, kind, tmp_path / "users.csv", source)
    assert one(ops, "SELECT count(*) FROM limits.imports") == before
    assert load(ops, "events", tmp_path, EVENT.encode()).new == 1  # the connection is still good


def test_columns_may_stand_in_any_order_and_a_pipe_is_read(ops: Connection, three_users: None, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = (
        b"\xef\xbb\xbfcurrency,amount,kind,occurred_at,user_id,source_id\r\nCNY,1.00,fee,2026-01-01T00:00:00Z,1,p1\r\n"
    )
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    told: list[tuple[int, int]] = []
    counts = import_file(
        ops,
        "events",
        pipe,
        source="bank",
        actor="a",
        progress=lambda done, total: told.append((done, total)),
        today=TODAY,
    )
    writer.join()
    assert (counts.new, counts.total) == (1, 1)
    assert told[-1] == (len(content), len(content))


def test_an_import_may_be_part_of_a_larger_transaction(ops: Connection, three_users: None, tmp_path: Path) -> None:
    with ops.transaction(force_rollback=True):
        for kind, row in (("repayments", b"r1,1,2026-01-01,1,CNY\n"), ("events", EVENT.encode())):
            assert load(ops, kind, tmp_path, row).new == 1
    assert one(ops, "SELECT count(*) FROM limits.events") == 0


def test_who_may_only_connect_keeps_nothing_from_being_imported(
    database: Database, conn: Connection, ops: Connection, tmp_path: Path
) -> None:
    """An advisory lock can be taken and kept by anybody, so none is waited for; a turn can be had by who may import."""
    for kind, source in (("users", ""), ("users", "crm"), ("events", "bank")):
        conn.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"limits.import {kind} {source}",))
    ops.execute("SET lock_timeout = '2s'")
    assert load(ops, "users", tmp_path, USERS, source="crm").new == 3
    load(ops, "events", tmp_path, EVENT.encode(), source="bank")
    assert rows(conn, "SELECT kind, source FROM limits.import_turns ORDER BY kind") == [
        ("events", "bank"),
        ("users", ""),
    ]
    with database.connect("auditor", "test") as auditor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        auditor.execute("SELECT FROM limits.import_turns FOR UPDATE")
