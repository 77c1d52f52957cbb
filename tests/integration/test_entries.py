"""The log's bytes: what a batch is made of, by the engine and by the database, and what is refused."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from limits import engine
from limits.entry import OriginRecord, encode
from limits.record_text import TEXT
from limits.settings import Settings
from limits.store import entries
from limits.store import rows as decision_rows
from limits.store.db import Connection, Database
from limits.store.rows import Rows
from tests import builders, chain

AS_OF = builders.AS_OF

#: Of each entry the bytes as they stand there, and as the database makes them from its columns.
LOGGED = f"""
    SELECT l.entry, limits.entry_bytes(ROW({", ".join(builders.DECISION_FIELDS)}, NULL)::limits.decision_row, sequence)
      FROM limits.adjustment_log l
      LEFT JOIN (SELECT entry_id, effective_on FROM limits.pending_changes) p USING (entry_id)
      LEFT JOIN (SELECT entry_id, due_on AS notice_due_on, kind FROM limits.notices) n USING (entry_id)
     CROSS JOIN LATERAL (SELECT coalesce(array_position(ARRAY['raised', 'lowered', 'offered', 'announced', 'refused',
                                                              'withdrawn'], n.kind), 0)::smallint) k(notice)
     ORDER BY batch_id, sequence"""


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    """Somebody who is raised, somebody who is held, somebody who is lowered."""
    builders.add_steady_user(conn, 1, credit_limit=300_000)
    builders.add_steady_user(conn, 2, credit_limit=600_000, raise_consent=False)
    builders.add_steady_user(conn, 3, credit_limit=800_000, status="blocked")
    builders.refresh(conn)


def decide(database: Database, settings: Settings, user_id: int) -> None:
    engine.recompute(database, settings, user_id, reason="x", actor="Bo", as_of=AS_OF, apply=True)


def test_the_bytes_are_those_that_the_database_makes_of_the_columns(
    database: Database, settings: Settings, conn: Connection
) -> None:
    for user_id in (1, 2, 3):
        decide(database, settings, user_id)
    found = conn.execute(LOGGED.encode()).fetchall()
    assert len(found) == 3
    assert [stored for stored, _ in found] == [made for _, made in found]
    assert chain.breaches(conn) == []


@pytest.mark.parametrize(
    "change",
    [
        "limit_after_minor = limit_after_minor - 1", "actor = 'Cy'", "ceilings_minor[1] = 5", "consent = 2",
        "session_role = 'x'", "entry = set_byte(entry, 30, 9)", "sequence = 1", "decided_at = '2026-01-01'",
    ],
)  # fmt: skip
def test_what_is_changed_afterwards_is_seen(
    database: Database, settings: Settings, conn: Connection, change: str
) -> None:
    decide(database, settings, 1)
    assert chain.breaches(conn) == []
    (month,) = conn.execute("SELECT DISTINCT tableoid::regclass::text FROM limits.adjustment_log").fetchone() or ("",)
    conn.execute(f"ALTER TABLE {month} DISABLE TRIGGER USER".encode())
    conn.execute(f"UPDATE limits.adjustment_log SET {change}".encode())
    assert chain.breaches(conn) != []


@pytest.mark.parametrize("actor", ["Ann", "Zoë  Ng", "100%", "田中", "a\nb", "’"])
def test_words_of_the_record_are_written_alike_by_the_database(conn: Connection, actor: str) -> None:
    assert conn.execute("SELECT limits.record_word(%s)", (actor,)).fetchone() == (TEXT.write(actor),)


def test_what_was_logged_before_there_were_entries_has_one_digest(conn: Connection) -> None:
    kept = conn.execute("SELECT entries, digest, limits.origin_digest() FROM limits.log_origin").fetchone()
    assert kept is not None and kept[1] == kept[2]
    assert OriginRecord.parse(OriginRecord(kept[0], kept[1]).write()) == OriginRecord(0, kept[1])


def test_an_entry_of_one_user_that_says_something_else_is_refused(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = entries.batch

    def forge(rows: Rows) -> entries.Batch:
        said = entries.entries(rows)
        body, offsets = encode(dataclasses.replace(said, limit_after_minor=said.limit_after_minor + 1))
        return entries.Batch(decision_rows.with_field(rows, body, offsets), honest(rows).root)

    monkeypatch.setattr(entries, "batch", forge)
    with pytest.raises(psycopg.Error, match="is not what was decided") as refused:
        decide(database, settings, 1)
    assert refused.value.sqlstate == "LM003"
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone() == (0,)
