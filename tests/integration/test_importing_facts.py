"""Imports of what is known beside money: documents, consents, identifiers and frauds."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from limits.store import quarantine
from limits.store.db import Connection, Database
from tests.imports import USERS, load, one, rows

PHONE = "+8613800138000"
SHA = hashlib.sha256(PHONE.encode()).hexdigest()
OTHER_SHA = hashlib.sha256(b"other").hexdigest()

GOOD = {
    "documents": "a1,1,2026-03-31,complete,2027-03-31",
    "consents": "a1,1,2026-03-31,raises,given",
    "identifiers": f"a1,1,phone,{SHA},2026-03-31",
    "frauds": "a1,1,2026-03-31,",
}
#: The same id with other content.
OTHER = {
    "documents": "a1,1,2026-03-31,complete,2027-04-01",
    "consents": "a1,1,2026-03-31,raises,withdrawn",
    "identifiers": f"a1,1,phone,{OTHER_SHA},2026-03-31",
    "frauds": "a1,1,2026-03-30,",
}
#: What is wrong with any of them: a part, what stands in its place, and the reason.
BAD_ANYWHERE = [
    ("a1,", ",", "missing_field"), (",1,", ",,", "missing_field"), (",1,", ",9,", "unknown_user"),
    (",1,", ",0,", "not_a_number"), (",1,", ",-1,", "not_a_number"), (",1,", ",9223372036854775808,", "not_a_number"),
    (",1,", ",1;DROP TABLE users,", "not_a_number"), ("2026-03-31", "", "missing_field"),
    ("2026-03-31", "2026-07-01", "in_future"), ("2026-03-31", "9999-12-31", "not_a_date"),
    ("2026-03-31", "1899-12-31", "not_a_date"), ("2026-03-31", "2026-02-29", "not_a_date"),
    ("2026-03-31", "infinity", "not_a_date"), ("2026-03-31", "2026-03-31 ", "not_a_date"),
    ("a1,", '"a1,', "unbalanced_quotes"), ("a1,", "a1,x,", "too_many_fields"), ("a1,1,", "a1\0,1,", "nul_byte"),
    ("a1,1,", "a1\u202e,1,", "unprintable_character"), ("a1,", "a" * 201 + ",", "field_too_long"),
]  # fmt: skip
BAD = {
    "documents": [
        ("complete", "Complete", "unknown_status"), ("complete", "", "missing_field"),
        ("complete", "missing", "valid_until_of_missing"), ("2027-03-31", "2026-03-30", "dates_out_of_order"),
        ("2027-03-31", "never", "not_a_date"), ("2027-03-31", "9999-12-31", "not_a_date"),
    ],
    "consents": [
        ("raises", "cuts", "unknown_kind"), ("raises", "", "missing_field"), ("given", "yes", "unknown_status"),
        ("given", "WITHDRAWN", "unknown_status"), (",given", "", "too_few_fields"),
    ],
    "identifiers": [
        ("phone", "iban", "unknown_kind"), (SHA, PHONE, "not_a_sha256"), (SHA, SHA.upper(), "not_a_sha256"),
        (SHA, SHA[:-1], "not_a_sha256"), (SHA, SHA + "0", "not_a_sha256"), (SHA, "", "missing_field"),
        (SHA, f"1 Main Street, {PHONE}", "too_many_fields"), (SHA, f'"{PHONE}', "unbalanced_quotes"),
    ],
    "frauds": [
        ("31,", "31,2026-03-30", "dates_out_of_order"), ("31,", "31,2026-07-01", "in_future"),
        ("31,", "31,no", "not_a_date"), ("31,", "31,0", "not_a_date"),
    ],
}  # fmt: skip
TABLES = ("documents", "consents", "identifiers", "frauds", "quarantine", "dirty_months")


@pytest.fixture(autouse=True)
def three_users(ops: Connection, tmp_path: Path) -> None:
    assert load(ops, "users", tmp_path, USERS, source="crm").new == 3


def state(conn: Connection) -> list[str]:
    text = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM limits.{} t"
    return [one(conn, text.format(table)) for table in TABLES]


def spoilt(kind: str) -> tuple[list[str], list[str]]:
    """Lines that cannot be let in, and why not."""
    good, cases = GOOD[kind], [*BAD_ANYWHERE, *BAD[kind]]
    lines = [good.replace(part, instead, 1) for part, instead, _ in cases]
    assert good not in lines
    return lines, [reason for _, _, reason in cases]


@pytest.mark.parametrize("kind", GOOD)
def test_bad_rows_are_quarantined_and_the_rest_is_let_in_once(ops: Connection, tmp_path: Path, kind: str) -> None:
    lines, reasons = spoilt(kind)
    good = GOOD[kind]
    body = "\n".join([good, *lines, good, good.replace("a1", "a2"), OTHER[kind]]).encode()
    before = one(ops, "SELECT count(*) FROM limits.dirty_months")
    counts = load(ops, kind, tmp_path, body)
    file = hashlib.sha256((tmp_path / f"{kind}.csv").read_bytes()).digest()
    assert (counts.total, counts.new, counts.known, counts.quarantined) == (len(lines) + 4, 2, 1, len(lines) + 1)
    found = rows(ops, "SELECT line, reason, detail, raw, row_digest FROM limits.quarantine ORDER BY line")
    assert [row[:2] for row in found[:-1]] == list(enumerate(reasons, start=3))
    assert found[-1][1:3] == ("duplicate_id_other_content", 'source_id "a1" stands in line 2 with other content')
    for (_, reason, detail, raw, digest), line in zip(found[:-1], lines, strict=True):
        assert reason in quarantine.REASONS and len(detail) <= 200 and detail.isprintable() and raw.isprintable()
        assert digest == (file if kind == "identifiers" else hashlib.sha256(line.encode()).digest())
    assert one(ops, f"SELECT count(*) FROM limits.{kind}") == 2
    assert one(ops, "SELECT count(*) FROM limits.dirty_months") == before

    once = state(ops)
    again = load(ops, kind, tmp_path, body)
    assert (again.new, again.known, again.quarantined) == (0, 3, len(lines) + 1)
    assert state(ops) == once


@pytest.mark.parametrize("kind", GOOD)
def test_the_first_content_of_an_id_stays(ops: Connection, tmp_path: Path, kind: str) -> None:
    load(ops, kind, tmp_path, GOOD[kind].encode())
    kept = state(ops)[:4]
    assert load(ops, kind, tmp_path, OTHER[kind].encode(), name="later.csv").quarantined == 1
    assert rows(ops, "SELECT reason, detail FROM limits.quarantine") == [
        ("duplicate_id_other_content", 'source_id "a1" was imported before with other content')
    ]
    assert state(ops)[:4] == kept
    assert load(ops, kind, tmp_path, OTHER[kind].encode(), source="another").new == 1


@pytest.mark.parametrize("kind", GOOD)
def test_they_may_be_older_than_the_account(ops: Connection, tmp_path: Path, kind: str) -> None:
    assert load(ops, kind, tmp_path, GOOD[kind].replace("2026-03-31", "2024-03-14").encode()).new == 1


@pytest.mark.parametrize("kind", GOOD)
def test_two_imports_at_once_let_a_row_in_once(ops: Connection, database: Database, tmp_path: Path, kind: str) -> None:
    results = []

    def run(name: str) -> None:
        with database.connect("operations", "limits test") as conn:
            results.append(load(conn, kind, tmp_path, GOOD[kind].encode(), name=name))

    threads = [threading.Thread(target=run, args=(f"{number}.csv",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((counts.new, counts.known) for counts in results) == [(0, 1), (1, 0)]
    assert one(ops, f"SELECT count(*) FROM limits.{kind}") == 1


def test_what_is_let_in_is_what_the_file_says(ops: Connection, tmp_path: Path) -> None:
    load(ops, "documents", tmp_path, b"a1,1,2026-03-31,complete,2199-12-31\na2,2,2026-06-30,missing,\n")
    load(ops, "consents", tmp_path, b"a1,1,2026-06-30,automation,withdrawn\n")
    load(ops, "identifiers", tmp_path, f"a1,3,bank_card,{SHA},2026-06-30\n".encode())
    load(ops, "frauds", tmp_path, b"a1,1,2026-03-31,2026-03-31\n")
    columns = {
        "documents": "user_id, checked_on::text, status, valid_until::text",
        "consents": "user_id, effective_on::text, subject, state",
        "identifiers": "user_id, kind, value_sha256, seen_on::text",
        "frauds": "user_id, confirmed_on::text, withdrawn_on::text, withdrawn",
    }
    found = {kind: rows(ops, f"SELECT {names} FROM limits.{kind} ORDER BY 1") for kind, names in columns.items()}
    assert found == {
        "documents": [(1, "2026-03-31", "complete", "2199-12-31"), (2, "2026-06-30", "missing", None)],
        "consents": [(1, "2026-06-30", "automation", "withdrawn")],
        "identifiers": [(3, "bank_card", SHA, "2026-06-30")],
        "frauds": [(1, "2026-03-31", "2026-03-31", True)],
    }


# Withdrawals --------------------------------------------------------------------------------

PLAIN, TAKEN_BACK = "f1,1,2026-03-31,", "f1,1,2026-03-31,2026-05-15"


@pytest.mark.parametrize("lines", [[PLAIN, TAKEN_BACK], [TAKEN_BACK, PLAIN]], ids=["in order", "withdrawn first"])
@pytest.mark.parametrize("together", [True, False], ids=["one file", "two files"])
def test_a_fraud_is_withdrawn_by_a_second_row(
    ops: Connection, tmp_path: Path, lines: Sequence[str], together: bool
) -> None:
    files = ["\n".join(lines)] if together else lines
    counts = [load(ops, "frauds", tmp_path, text.encode(), name=f"{n}.csv") for n, text in enumerate(files)]
    rows_in = 2 if lines[0] == PLAIN else 1  # what a withdrawal says is known when the plain row comes
    assert sum(count.new for count in counts) == rows_in and sum(count.known for count in counts) == 2 - rows_in
    cases = "SELECT user_id, source_id, confirmed_on::text, withdrawn_on::text FROM limits.fraud_cases"
    assert rows(ops, cases) == [(1, "f1", "2026-03-31", "2026-05-15")]
    again = load(ops, "frauds", tmp_path, "\n".join(lines).encode())
    assert (again.new, again.known, again.quarantined) == (0, 2, 0)


@pytest.mark.parametrize("together", [True, False], ids=["one file", "two files"])
def test_a_withdrawal_has_to_be_of_that_fraud_and_there_is_one(ops: Connection, tmp_path: Path, together: bool) -> None:
    wrong = ["f1,2,2026-03-31,2026-05-15", "f1,1,2026-03-30,2026-05-15"]
    lines = [PLAIN, *wrong, TAKEN_BACK, TAKEN_BACK.replace("05-15", "05-16")]
    counts = [
        load(ops, "frauds", tmp_path, text.encode(), name=f"{n}.csv")
        for n, text in enumerate(["\n".join(lines)] if together else lines)
    ]
    assert [sum(getattr(c, name) for c in counts) for name in ("new", "known", "quarantined")] == [2, 0, 3]
    found = rows(ops, "SELECT raw, reason, detail FROM limits.quarantine ORDER BY quarantine_id")
    assert [(raw, reason) for raw, reason, _ in found] == [
        (line, "duplicate_id_other_content") for line in (*wrong, lines[-1])
    ]
    places = ["stands in line 2", "stands in line 2", "stands in line 5"] if together else ["was imported before"] * 3
    assert all(place in detail for place, (_, _, detail) in zip(places, found, strict=True))
    assert rows(ops, "SELECT user_id, withdrawn_on::text FROM limits.fraud_cases") == [(1, "2026-05-15")]


# Secrets ------------------------------------------------------------------------------------


def test_nothing_of_a_file_of_identifiers_is_kept_in_the_clear(ops: Connection, tmp_path: Path) -> None:
    lines, _ = spoilt("identifiers")
    lines += [GOOD["identifiers"].replace(SHA, PHONE), f"a3,{PHONE},phone,{SHA},2026-03-31", OTHER["identifiers"]]
    lines += [GOOD["identifiers"].replace(SHA, PHONE * 2000), PHONE, f"\udcff{PHONE}"]
    body = "\n".join([GOOD["identifiers"], *lines]).encode("utf-8", "surrogateescape")
    assert load(ops, "identifiers", tmp_path, body).quarantined == len(lines)
    kept = "\n".join(text for (text,) in rows(ops, "SELECT q::text FROM limits.quarantine q"))
    assert len(kept.splitlines()) == len(lines)
    # The one exception: a user_id that is none is shown, so that the file can be mended.
    shown = [line for line in kept.splitlines() if PHONE in line]
    assert len(shown) == 1 and f'user_id ""{PHONE}""' in shown[0]
    assert "Main Street" not in kept and SHA not in kept and OTHER_SHA not in kept


@pytest.mark.parametrize(
    "table",
    ["identifiers", "frauds", "fraud_cases", "fraud_identifiers", "documents", "consents"],
)
def test_an_auditor_does_not_read_what_is_known_of_people(database: Database, table: str) -> None:
    with database.connect("auditor", "limits test") as auditor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        auditor.execute(f"SELECT * FROM limits.{table}")


@pytest.mark.parametrize("role", ["worker", "operations"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.frauds SET withdrawn_on = confirmed_on", "DELETE FROM limits.frauds",
        "UPDATE limits.consents SET state = 'given'", "DELETE FROM limits.consents",
        "UPDATE limits.documents SET status = 'complete'", "TRUNCATE limits.documents",
        "DELETE FROM limits.fraud_identifiers", "INSERT INTO limits.fraud_identifiers VALUES ('phone', 'x', 1)",
        "UPDATE limits.identifiers SET seen_on = '2026-01-01'", "DELETE FROM limits.identifiers",
    ],
)  # fmt: skip
def test_what_was_let_in_is_never_edited(database: Database, role: str, statement: str) -> None:
    with (
        database.connect(role, "limits test") as acting,  # type: ignore[arg-type]
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        acting.execute(statement)


def test_a_worker_lets_nothing_in(database: Database) -> None:
    with database.connect("worker", "limits test") as worker:
        for kind in GOOD:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(f"INSERT INTO limits.{kind} (user_id) VALUES (1)")
