"""A month of the log goes into an archive whole or not at all, and both the file and what stays can be checked."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from limits.entry import FORMAT, WITHOUT_RISK
from limits.errors import ArchiveRefused, InArchive, InputError
from limits.log_finding import Report
from limits.log_notes import Known
from limits.store import archives, archiving, failpoints, log_as_of, proving, verifying
from limits.store.archiving import archive, obstacle
from limits.store.db import Connection, Database, Role
from tests.made_log import KEY, UNGUARDED, MadeLog, entries

MARCH, APRIL, JUNE = dt.date(2021, 3, 1), dt.date(2021, 4, 1), dt.date(2021, 6, 1)
KEYS = [KEY.public]
Login = Callable[[str, Role], Connection]


def old(users: range, day: dt.date, log: MadeLog, review: int, form: int = FORMAT) -> int:
    """A batch as of a day long ago, applied on the day after, of which everything is delivered."""
    night = dt.datetime.combine(day, dt.time(2, 0), dt.UTC) + dt.timedelta(days=1)
    made = entries(users, seed=users[0], form=form)
    # Who is in two of the batches goes on where the first one ended.
    made = dataclasses.replace(made, version_before=made.sequence * 0)
    return log.batch(review, 0, made, as_of=day, decided_at=night - dt.timedelta(hours=1), applied_at=night)


def fill(log: MadeLog) -> None:
    """March (20 entries) and April (two batches, 25) of 2021, and 10 entries of a month that has to stay.

    March and the beginning of April were logged in format 1, the rest in format 2.
    """
    log.seal()
    old(range(1, 21), dt.date(2021, 3, 10), log, 1, WITHOUT_RISK)
    old(range(101, 121), dt.date(2021, 4, 20), log, 2, WITHOUT_RISK)
    old(range(201, 206), dt.date(2021, 4, 30), log, 3)
    log.batch(4, 0, entries(range(301, 311)))
    log.conn.execute("UPDATE limits.notices SET delivered_at = now(), body = '{}'")
    log.seal()


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    made = MadeLog(conn, tmp_path / "log")
    fill(made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def take(database: Database, log: MadeLog, folder: Path, month: dt.date = MARCH) -> archiving.Archived:
    return archive(database, month, folder, lambda: log.file.open(newline="\n"), KEYS, "Eva")


def verify(log: MadeLog, folder: Path | None, known: Known | None = None) -> Report:
    with log.file.open(newline="\n") as lines, log.conn.transaction():
        log.conn.execute("SET LOCAL ROLE limits_auditor")
        now = log.now + dt.timedelta(seconds=10)
        report, _ = verifying.verify(
            log.conn, lines, KEYS, now=now, sealed_within_seconds=300, known=known, folder=folder
        )
    return report


def left(conn: Connection) -> list[str]:
    """The months of the log that the database has entries of."""
    rows = conn.execute("SELECT DISTINCT to_char(as_of, 'YYYY-MM') FROM limits.adjustment_log ORDER BY 1").fetchall()
    return [month for (month,) in rows]


# What goes, and what stays -----------------------------------------------------------------------


def test_a_month_goes_and_everything_is_still_verified(database: Database, log: MadeLog, folder: Path) -> None:
    (before,) = log.conn.execute("SELECT sum(limit_after_minor - limit_before_minor) FROM limits.adjustment_log "
                                 "WHERE as_of < '2021-04-01'").fetchone() or (None,)  # fmt: skip
    done = take(database, log, folder)
    assert done.now and not done.reused and left(log.conn) == ["2021-04", "2026-06"]
    month = done.month
    assert (month.entries, month.batches, month.delta_minor, month.actor) == (20, 1, before, "Eva")
    assert month.file_name == "log-2021-03.parquet" and (month.changes, month.notices, month.waiting) == (6, 12, 4)
    assert log.conn.execute("SELECT to_regclass('limits.adjustment_log_2021_03')").fetchone() == (None,)
    take(database, log, folder, APRIL)
    report = verify(log, folder)
    assert report.tally.kept == [] and (report.entries, report.batches) == (10, 4)
    assert (report.archived, report.archived_read, report.unread) == (45, 45, 0)
    assert report.archives == ["2021-03", "2021-04"]
    blind = verify(log, None)
    assert blind.holds and (blind.unread, blind.archived_read) == (45, 0)


def test_letters_and_challengers_of_an_archived_month_go_with_a_user_who_is_erased(
    database: Database, log: MadeLog, folder: Path
) -> None:
    log.conn.execute("UPDATE limits.notices SET body = jsonb_build_object('to', 'Zoe')")
    march = "SELECT user_id FROM limits.notices WHERE as_of < '2021-04-01' LIMIT 1"
    (user,) = log.conn.execute(march).fetchone() or (0,)
    log.conn.execute(REVIEW.format("done"))
    (review,) = log.conn.execute("SELECT max(review_id) FROM limits.reviews").fetchone() or (0,)
    log.conn.execute(UNGUARDED)
    log.conn.execute("""INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)
                        SELECT %s, 9, 1, 20, array_agg(n), 20 FROM generate_series(1, 20) n""", [review])  # fmt: skip
    log.conn.execute("RESET session_replication_role")
    take(database, log, folder)
    assert log.conn.execute("SELECT FROM limits.adjustment_log WHERE user_id = %s", [user]).fetchone() is None
    assert log.conn.execute("SELECT limits.reviews_of(%s)", [user]).fetchall() == [(review,)]
    (counts,) = log.conn.execute("SELECT limits.delete_user_rows(%s)", [user]).fetchone() or ({},)
    assert counts["notices"] > 0
    bodies = log.conn.execute("SELECT user_id = %s, body::text FROM limits.notices GROUP BY 1, 2", [user]).fetchall()
    assert sorted(bodies) == [(False, '{"to": "Zoe"}'), (True, "{}")]


def test_only_what_came_since_is_asked_for(database: Database, log: MadeLog, folder: Path) -> None:
    first = verify(log, None)
    assert first.holds and first.checkpoint is not None
    with log.file.open(newline="\n") as lines:
        _, newest = verifying.verify(log.conn, lines, KEYS, now=log.now, sealed_within_seconds=300)
    assert newest is not None
    take(database, log, folder)
    log.batch(5, 0, entries(range(401, 406)))
    log.seal()
    since = verify(log, None, Known(newest.number, newest.digest))
    assert since.tally.kept == [] and (since.entries, since.left_out, since.unread) == (5, 4, 0)


def test_readers_name_the_file(database: Database, log: MadeLog, folder: Path) -> None:
    from limits.store import log as store

    conn = log.conn
    (number,) = conn.execute("SELECT min(entry_id) FROM limits.adjustment_log").fetchone() or (0,)
    take(database, log, folder)
    for read in (store.entry, proving.prove):
        with pytest.raises(InArchive, match=r"log-2021-03\.parquet \(2021-03, entries from"):
            read(conn, number)
    with pytest.raises(InArchive, match=r"the entries of 2021-03 lie in the archive log-2021-03\.parquet"):
        archives.require_here(conn, dt.date(2021, 3, 31))
    archives.require_here(conn, APRIL)
    assert [month.name for month in archives.of_days(conn, None, None)] == ["2021-03"]
    assert archives.of_days(conn, APRIL, None) == [] and archives.of_days(conn, None, dt.date(2021, 2, 28)) == []


def test_the_limit_after_the_archive_is_the_one_it_ended_with(database: Database, log: MadeLog, folder: Path) -> None:
    """User 1 was raised in March; the line opened with another limit."""
    log.conn.execute(
        "INSERT INTO limits.users (user_id, currency, opened_on, source) VALUES (1, 'CZK', '2020-01-01', 't')"
    )
    log.conn.execute("INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on) "
                     "VALUES (1, 'CZK', 5, 5, '2020-01-01')")  # fmt: skip
    (after,) = log.conn.execute("SELECT limit_after_minor FROM limits.adjustment_log WHERE user_id = 1").fetchone() or (
        0,
    )
    take(database, log, folder)
    found = log_as_of.standing(log.conn, 1, JUNE)
    assert (found.limit_minor, found.since, found.archive) == (after, dt.date(2021, 3, 10), "log-2021-03.parquet")
    assert found.known_minor is None
    with pytest.raises(InArchive, match="2021-03"):
        log_as_of.standing(log.conn, 1, dt.date(2021, 3, 31))


# What is refused ---------------------------------------------------------------------------------

REVIEW = """INSERT INTO limits.reviews (kind, schedule, business_date, state, policy_hash, actor)
            SELECT 'scheduled', 'x', '2021-03-31', '{}', policy_hash, 'x' FROM limits.policies WHERE pack = 'cz'
             LIMIT 1"""
OWED = f"""WITH r AS ({REVIEW.format("done")} RETURNING review_id)
           INSERT INTO limits.reconciliations (review_id) TABLE r"""
MESSAGE = """INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)
             VALUES (1, 1, 1, '2021-03-10', 'limit_raised')"""
OPEN = "UPDATE limits.pending_changes SET state = 'open', ended_at = NULL WHERE change_id = 1"
NOT_TOLD = "UPDATE limits.notices SET delivered_at = NULL, body = NULL WHERE notice_id = 1"
OLD = "UPDATE limits.adjustment_log SET batch_id = NULL WHERE user_id = 3"
LATE = "UPDATE limits.batches SET applied_at = '2026-06-10' WHERE review_id = 1"

#: name: (the month, what somebody does before, what the refusal says).
OBSTACLES: dict[str, tuple[dt.date, str, str]] = {
    "too young": (dt.date(2026, 6, 1), "", "days ago, and the log is kept for 1830 days at least"),
    "kept longer": (MARCH, "UPDATE limits.retention SET log_days = 36500", "is kept for 36500 days at least"),
    "nothing of it": (dt.date(2021, 2, 1), "", "the log has no entries of it"),
    "decided late": (
        MARCH,
        LATE,
        "1 of it was applied on 2026-06-10, and the log is kept for 1830 days from then, too",
    ),
    "applied in the end": (MARCH, LATE.replace("2026-06-10", "infinity"), "of it was applied on infinity"),
    "not the oldest": (APRIL, "", "2021-03 is still here, and the oldest month goes first"),
    "a review": (MARCH, REVIEW.format("owed"), "of that month is owed"),
    "not sealed": (MARCH, "DELETE FROM limits.sealed_batches WHERE position = 1", "is not sealed: limits log seal"),
    "the origin": (MARCH, OLD, "is of before batches had records"),
    "a change": (MARCH, OPEN, "was offered or announced in that month and is open"),
    "a notice": (MARCH, NOT_TOLD, "is not delivered"),
    "a message": (MARCH, MESSAGE, "a message to user 1 about entry 1 is not delivered"),
    "a reconciliation": (MARCH, OWED, "of that month is not reconciled yet"),
}


def test_what_has_to_stay_stays(log: MadeLog) -> None:
    """By the one function that both the command and the taking itself ask."""
    conn = log.conn
    assert obstacle(conn, MARCH) is None
    conn.execute("ALTER TABLE limits.adjustment_log DROP CONSTRAINT adjustment_log_entry_check")
    for name, (month, before, why) in OBSTACLES.items():
        with conn.transaction(force_rollback=True):
            conn.execute("SET LOCAL session_replication_role = replica")
            for table in ("batches", "sealed_batches", "adjustment_log", "adjustment_log_2021_03"):
                conn.execute(f"ALTER TABLE limits.{table} DISABLE TRIGGER ALL".encode())
            if before:
                assert conn.execute(before.encode()).rowcount > 0, name
            found = obstacle(conn, month)
            assert found is not None and why in found, (name, found)
            with pytest.raises(psycopg.Error, match="is not archived"):
                conn.execute("SELECT limits.archive_month(%s, 20, 1, 0, 'x', sha256('x'), 'x')", (month,))
    assert left(conn) == ["2021-03", "2021-04", "2026-06"]


def test_nobody_keeps_the_log_for_less_than_the_law_says(conn: Connection, login: Login) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE limits.retention SET log_days = 1829")
    for role in ("operations", "worker", "sealer", "auditor"):
        one = login(f"limits_test_{role}", role)  # type: ignore[arg-type]
        for statement in (
            "UPDATE limits.retention SET log_days = 1830",
            "SELECT limits.archive_month('2021-03-01', 20, 1, 0, 'x', sha256('x'), 'x')",
            "INSERT INTO limits.archived_months (month) VALUES ('2021-03-01')",
            "ALTER TABLE limits.adjustment_log DETACH PARTITION limits.adjustment_log_2021_03",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                one.execute(statement.encode())


def test_what_was_archived_is_never_rewritten(database: Database, log: MadeLog, folder: Path) -> None:
    take(database, log, folder)
    log.conn.execute("SET session_replication_role = replica")
    for table in ("archived_months", "archived_lines"):
        for statement in (f"UPDATE limits.{table} SET delta_minor = 0", f"DELETE FROM limits.{table}",
                          f"TRUNCATE limits.{table} CASCADE"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                log.conn.execute(statement.encode())


def test_nothing_is_decided_as_of_an_archived_date(database: Database, log: MadeLog, folder: Path) -> None:
    take(database, log, folder)
    review = REVIEW.format("owed")
    for day in ("2021-03-31", "2020-12-31"):
        with pytest.raises(psycopg.Error, match="nothing is decided as of"):
            log.conn.execute(review.replace("2021-03-31", day).encode())
    # Whoever archives just now is waited for, by a date that may go and by no other.
    with database.connect("owner", "archiving") as other, other.transaction():
        other.execute("SELECT FROM limits.turns WHERE turn = 'month' FOR UPDATE")
        log.conn.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            log.conn.execute(review.replace("2021-03-31", "2021-04-30").encode())
        log.conn.execute(review.replace("2021-03-31", "2026-06-30").encode())
    log.conn.execute(review.replace("2021-03-31", "2021-04-30").encode())


def test_what_does_not_hold_is_not_archived(database: Database, log: MadeLog, folder: Path) -> None:
    with log.conn.transaction():
        log.conn.execute("ALTER TABLE limits.adjustment_log_2021_03 DISABLE TRIGGER ALL")
        log.conn.execute("UPDATE limits.adjustment_log SET capacity_p50_minor = 7 WHERE user_id = 3")
    with pytest.raises(ArchiveRefused, match=r"does not hold: entry .*capacity_p50_minor is not what the bytes"):
        take(database, log, folder)
    assert list(folder.iterdir()) == [] and left(log.conn)[0] == "2021-03"


def test_another_file_of_the_name_is_not_taken(database: Database, log: MadeLog, folder: Path) -> None:
    take(database, log, folder)
    (folder / "log-2021-04.parquet").write_bytes((folder / "log-2021-03.parquet").read_bytes())
    with pytest.raises(ArchiveRefused, match="is there and has other entries; move it away"):
        take(database, log, folder, APRIL)
    assert left(log.conn) == ["2021-04", "2026-06"]


def test_an_archive_is_never_written_through_what_somebody_put_there(
    database: Database, log: MadeLog, folder: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    name = folder / "log-2021-03.parquet"
    name.symlink_to(precious)
    with pytest.raises(ArchiveRefused, match="no file of its own but a link"):
        take(database, log, folder)
    name.unlink()
    os.mkfifo(name)
    with pytest.raises(ArchiveRefused, match="no file of its own but a link, a folder or a device"):
        take(database, log, folder)
    name.unlink()
    part = folder / ".log-2021-03.parquet.part"
    part.mkdir()
    with pytest.raises(InputError, match="cannot write"):
        take(database, log, folder)
    part.rmdir()
    part.symlink_to(precious)
    take(database, log, folder)
    assert precious.read_text() == "precious" and not name.is_symlink() and os.listdir(folder) == [name.name]


# Killed, twice, and in the way --------------------------------------------------------------------

KILLED = """
import sys, pathlib, datetime
from limits.store import archiving
from limits.store.db import Database
from tests.made_log import KEY
from limits.store import failpoints
failpoints.read(sys.argv[4])
archiving.archive(Database(sys.argv[1]), datetime.date(2021, 3, 1), pathlib.Path(sys.argv[2]),
                  lambda: open(sys.argv[3], newline="\\n"), [KEY.public], "Eva")
"""


@pytest.mark.parametrize(
    ("point", "gone", "file"),
    [
        ("sql:verify_batches", False, False),
        ("archive:written", False, True),
        ("sql:archive_take", False, True),
        ("archive:taken", True, True),
    ],
)
def test_killed_anywhere_nothing_is_lost(
    database: Database, log: MadeLog, folder: Path, point: str, gone: bool, file: bool
) -> None:
    arguments = [database.url, str(folder), str(log.file), f"{point}=kill"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -9, done.stderr
    assert ("2021-03" not in left(log.conn)) is gone
    assert (folder / "log-2021-03.parquet").exists() is file
    again = take(database, log, folder)
    assert (again.now, again.reused) == (not gone, file)
    assert [path.name for path in folder.iterdir()] == ["log-2021-03.parquet"]
    assert verify(log, folder).tally.kept == []


def test_of_two_at_once_one_archives(database: Database, log: MadeLog, folder: Path) -> None:
    def one(_: int) -> str:
        try:
            return "now" if take(database, log, folder).now else "before"
        except ArchiveRefused as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        came = sorted(pool.map(one, range(3)))
    others = {"before", "another process is archiving a month of the log just now: wait for it"}
    assert came.count("now") == 1 and set(came) <= others | {"now"}
    assert verify(log, folder).tally.kept == []


def test_a_reader_is_waited_for_and_keeps_nobody_for_long(
    database: Database, log: MadeLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "TRIES", 2)
    monkeypatch.setattr(archiving, "PAUSE_SECONDS", 0.1)
    with database.connect("owner", "reader") as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM limits.adjustment_log")
        with pytest.raises(ArchiveRefused, match="the same command goes on from it"):
            take(database, log, folder)
        assert left(reader)[0] == "2021-03"
    assert take(database, log, folder).reused


def test_done_before_says_so_and_wants_the_file(database: Database, log: MadeLog, folder: Path, tmp_path: Path) -> None:
    take(database, log, folder)
    assert not take(database, log, folder).now
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(ArchiveRefused, match=r"by Eva as log-2021-03.parquet, and .* does not have that file"):
        take(database, log, tmp_path / "elsewhere")
    with (folder / "log-2021-03.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArchiveRefused, match="is not that file: its sha256 is not"):
        take(database, log, folder)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.read("")
    assert os.environ.get(failpoints.VARIABLE) is None
