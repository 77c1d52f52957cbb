"""Ways to change what is archived, as superuser or in the files: each is seen, and where it was done is named.

The log of these tests: the origin; at positions 1 to 3 March (20 entries) and April (20 and 5 entries) of 2021, which
are archived; at position 4 ten entries of June 2026, which are not.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from psycopg import sql

from limits.errors import EntryError
from limits.log_finding import Finding
from limits.store import archiving, proof_file, proving
from limits.store.db import Connection, Database
from limits.store.verifying import one_state
from tests import forging
from tests.conftest import execute, url_of
from tests.forging import run
from tests.integration.test_archiving import APRIL, KEYS, MARCH, fill, verify
from tests.made_log import MadeLog

MARCH_FILE, APRIL_FILE = "log-2021-03.parquet", "log-2021-04.parquet"


@dataclasses.dataclass(frozen=True)
class World:
    conn: Connection
    log: MadeLog
    folder: Path
    spare: Path


def forge(*statements: str) -> Callable[[World], None]:
    def do(world: World) -> None:
        for statement in statements:
            run(world.conn, statement)

    return do


@pytest.fixture(scope="module")
def made(server_url: str, template: str, scratch: Path) -> Iterator[World]:
    """The log, archived, in a database of these tests' own with nothing left that guards it."""
    name = "limits_archive_forging"
    execute(
        server_url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    )
    database = Database(url_of(server_url, name))
    with database.connect("owner", "limits test") as conn:
        log = MadeLog(conn, scratch / name)
        fill(log)
        folder, spare = scratch / name / "archives", scratch / name / "spare"
        folder.mkdir()
        spare.mkdir()
        for month in (MARCH, APRIL):
            # What a thief may have at hand: the month as it was, and archives that are proved but not the right ones.
            conn.execute(f"CREATE TABLE IF NOT EXISTS kept_{month:%m} AS SELECT * FROM limits.adjustment_log "
                         f"WHERE as_of BETWEEN '{month}' AND '{month + dt.timedelta(days=29)}'".encode())  # fmt: skip
            if month == APRIL:
                _part_of(conn, spare / "part.parquet")
            archiving.archive(database, month, folder, lambda: log.file.open(newline="\n"), KEYS, "Eva")
        forging.unguard(conn)
        yield World(conn, log, folder, spare)
    execute(server_url, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    shutil.rmtree(scratch / name)  # the process that has run these tests may be given more of them


def _part_of(conn: Connection, path: Path) -> None:
    with path.open("wb") as file, one_state(conn):
        wanted = {"review_id": 2, "as_of_from": None, "as_of_to": None}
        proof_file.write(conn, file, proving.newest(conn), wanted)


@pytest.fixture
def world(made: World, tmp_path: Path) -> Iterator[World]:
    """All of it for one test: what is done to the database is taken back, and the files are copies."""
    shutil.copytree(made.folder, tmp_path / "archives")
    with made.conn.transaction(force_rollback=True):
        yield dataclasses.replace(made, folder=tmp_path / "archives")


# Ways -------------------------------------------------------------------------------------------


def file_gone(world: World) -> None:
    (world.folder / APRIL_FILE).unlink()


def file_cut(world: World) -> None:
    path = world.folder / APRIL_FILE
    path.write_bytes(path.read_bytes()[:-100])


def byte_changed(world: World) -> None:
    """The same rows once more, of which one byte of one entry is another."""
    path = world.folder / APRIL_FILE
    table = pq.read_table(path)
    rows = table.to_pylist()
    entry = bytearray(rows[0]["entry"][2])
    entry[60] ^= 1
    rows[0]["entry"][2] = bytes(entry)
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)


def other_month(world: World) -> None:
    shutil.copy(world.folder / MARCH_FILE, world.folder / APRIL_FILE)


def part_alone(world: World) -> None:
    shutil.copy(world.spare / "part.parquet", world.folder / APRIL_FILE)


def part_recorded(world: World) -> None:
    """The row made to fit the shorter file."""
    part_alone(world)
    digest = archiving.digest_of(world.folder / APRIL_FILE)
    assert world.conn.execute(
        "UPDATE limits.archived_months SET sha256 = %s WHERE month = '2021-04-01'", (digest,)
    ).rowcount


def put_back(world: World) -> None:
    world.conn.execute("CREATE TABLE limits.adjustment_log_2021_04 PARTITION OF limits.adjustment_log "
                       "FOR VALUES FROM ('2021-04-01') TO ('2021-05-01')")  # fmt: skip
    run(
        world.conn,
        "INSERT INTO limits.adjustment_log OVERRIDING SYSTEM VALUE SELECT * FROM kept_04 WHERE user_id = 103",
    )


def called_archived(world: World) -> None:
    """The newest month deleted, and called archived in a file that there is not."""
    run(world.conn, "DELETE FROM limits.adjustment_log WHERE as_of > '2026-01-01'")
    run(
        world.conn,
        """INSERT INTO limits.archived_months
           SELECT '2026-06-01', 10, 1, 3, 80000, 6, 2, 46, 55, 'log-2026-06.parquet', sha256('x'), 'Eva', 'eva'""",
    )


def called_archived_in_another(world: World) -> None:
    called_archived(world)
    shutil.copy(world.folder / APRIL_FILE, world.folder / "log-2026-06.parquet")


#: name: (what is done, the word for it, the batch's position, the user, found without the archives too)
TAMPERING: dict[str, tuple[Callable[[World], None], str, int | None, int | None, bool]] = {
    "a file gone": (file_gone, "archive_missing", None, None, False),
    "a file cut": (file_cut, "archive_unreadable", None, None, False),
    "one byte of an entry": (byte_changed, "root_differs", 2, None, False),
    "one byte, by the sha256": (byte_changed, "archive_altered", None, None, False),
    "the file of another month": (other_month, "archive_of_another_month", None, None, False),
    "the file of another month, by what is not in it": (other_month, "archive_batch_missing", 2, None, False),
    "a part of the month": (part_alone, "archive_batch_missing", 3, None, False),
    "a part of the month, recorded so": (part_recorded, "archive_batch_missing", 3, None, False),
    "entries put back": (put_back, "entry_of_archive", None, 103, True),
    "a month deleted and called archived": (called_archived, "archive_missing", None, None, False),
    "a month called archived, in another's file":
        (called_archived_in_another, "archive_batch_missing", 4, None, False),
    "how many": (forge("UPDATE limits.archived_months SET entries = 24 WHERE month = '2021-04-01'"),
                 "archive_differs", 2, None, True),
    "how much": (forge("UPDATE limits.archived_months SET delta_minor = 0 WHERE month = '2021-04-01'"),
                 "archive_differs", 2, None, True),
    "the sha256": (forge("UPDATE limits.archived_months SET sha256 = sha256('x') WHERE month = '2021-04-01'"),
                   "archive_altered", None, None, False),
    "the row of a month": (forge("DELETE FROM limits.archived_lines WHERE month = '2021-04-01'",
                                 "DELETE FROM limits.archived_months WHERE month = '2021-04-01'"),
                           "entries_missing", 2, None, True),
    "what is kept of a user": (
        forge("UPDATE limits.archived_lines SET limit_after_minor = limit_after_minor + 1 WHERE user_id = 101"),
        "archive_line_differs", None, 101, False),
    "what is kept of a user, gone": (forge("DELETE FROM limits.archived_lines WHERE user_id = 101"),
                                     "archive_line_differs", None, 101, False),
    "a user invented": (
        forge("INSERT INTO limits.archived_lines VALUES (999, '2021-04-01', 1, 5, 5, 1, '2021-04-20', NULL, NULL)"),
        "archive_line_differs", None, 999, False),
    "a record": (forge("UPDATE limits.batches SET record = replace(record, 'users 20', 'users 21') "
                       "WHERE review_id = 2"),
                 "record_changed", 2, None, True),
    "a batch": (forge("DELETE FROM limits.batches WHERE review_id = 2"), "batch_missing", 2, None, True),
    "a leaf": (forge("UPDATE limits.sealed_batches SET digest = sha256('x') WHERE position = 2"),
               "record_changed", 2, None, True),
    "a notice": (forge("DELETE FROM limits.notices WHERE notice_id = (SELECT min(notice_id) FROM limits.notices)"),
                 "archive_differs", 1, None, True),
    "a notice of nothing": (
        forge("INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on) "
              "VALUES (9000, 1, 9000, 'raised', '2021-03-30', '2021-04-30')"), "archive_differs", 1, None, True),
}  # fmt: skip


def names(found: Finding, position: int | None, user: int | None) -> bool:
    return (position is None or found.position == position) and (user is None or found.user_id == user)


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_with_archives_is_seen_and_located(world: World, name: str) -> None:
    do, kind, position, user, without = TAMPERING[name]
    do(world)
    report = verify(world.log, world.folder)
    found = [one for one in report.tally.kept if one.kind == kind]
    assert found, f"{kind} is not among {report.tally.kinds}"
    assert any(names(one, position, user) for one in found), found
    blind = verify(world.log, None)
    assert blind.holds is not without and blind.unread > 0


def test_before_anything_is_done_it_holds(world: World) -> None:
    report = verify(world.log, world.folder)
    assert report.tally.kept == [] and (report.entries, report.archived_read) == (10, 45)


def test_what_was_put_back_is_not_proved(world: World) -> None:
    put_back(world)
    row = world.conn.execute("SELECT entry_id FROM limits.adjustment_log WHERE user_id = 103").fetchone()
    assert row is not None
    with pytest.raises(EntryError, match=f"entry {row[0]} cannot be proved: its month is archived, and it stands in"):
        proving.prove(world.conn, row[0])
