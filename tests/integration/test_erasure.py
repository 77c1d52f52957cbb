"""Erasing a user: nothing is left of the person, and log, sums, replay and reviews go on holding."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.errors import ApprovalRefused, ErasureRefused
from limits.settings import Settings, make_settings
from limits.store import load, packing, persons, verifying
from limits.store.db import Connection, Database, Role
from tests import builders, imports, invariants, packs, sealing
from tests.conftest import copied, copy_database
from tests.erasing import AS_OF, DAY, KEPT, NAME, OTHERS, REFERENCE, USER, erase, left_of, live, others, saying, tables

Login = Callable[[str, Role], Connection]

#: docs/log.md, the table of what becomes of rows: its lines as the sets of tables that each begins with.
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "log.md").read_text()
LINES = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|$", PAGE[PAGE.index("## Erasing a user") :], re.MULTILINE)


@pytest.fixture(scope="module")
def lived(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> str:
    """The name of a database in which users have lived, and one is to be erased."""
    name = "limits_lived"
    made = copy_database(server_url, template, name)
    with made.connect("owner", "limits test") as conn:
        live(made, settings_of(made, scratch), conn, tmp_path_factory.mktemp("lived"))
    return name


@pytest.fixture
def database(lived: str, server_url: str) -> Iterator[Database]:
    """A copy of it for one test."""
    with copied(server_url, lived) as copy:
        yield copy


@pytest.fixture
def settings(database: Database, scratch: Path) -> Settings:
    return settings_of(database, scratch)


def settings_of(database: Database, scratch: Path) -> Settings:
    return make_settings(
        database_url=database.url, broker_url=None, home=scratch / "lived", chunk_users=3,
        policy=str(scratch / f"{packs.OWN}.toml"),
    )  # fmt: skip


# What is left -------------------------------------------------------------------------------------


def test_nothing_is_left_but_what_the_log_stands_on(conn: Connection) -> None:
    """A table that is made later and has a user_id is found here, and has to be put on one side or the other."""
    before, of_others = left_of(conn, USER), others(conn)
    assert saying(conn, REFERENCE) == set(), "the reference is encrypted"
    written = {"overrides", "quarantine", "reviews", "limit_requests", "fraud_clearances", "pending_changes"}
    assert written <= saying(conn, NAME), "there is something to be found"
    unseen = {"decided_meanwhile", "archived_lines", "erasures", "erasure_proposals"}
    named = {name for name, columns in tables(conn).items() if "user_id" in columns}
    assert named - set(before) <= unseen, "of all else there is a row, so that its absence says something"

    shards = sealing.count(conn, "shard_raises")
    assert sealing.count(conn, "event_keys") == sealing.count(conn, "events")

    done = erase(conn)

    assert sealing.count(conn, "shard_raises") == shards - 1 > 0, "of the user's shard, and of no other"
    assert sealing.count(conn, "event_keys") == sealing.count(conn, "events") > 0, "they hold a digest of the event"
    assert set(left_of(conn, USER)) <= KEPT
    assert saying(conn, NAME) == set() and saying(conn, REFERENCE) == set()
    for name, digest in others(conn):
        assert (name, digest) in of_others, f"{name} says the same of everybody else"
    assert {name: done.counts[name] for name in before if name not in KEPT} == {
        name: count for name, count in before.items() if name not in KEPT
    } | {"dirty_users": done.counts["dirty_users"]}


def test_the_page_says_of_each_table_what_becomes_of_it(conn: Connection) -> None:
    listed = [name for names, _ in LINES for name in re.findall(r"\w+", names)]
    deleted = {name for names, what in LINES if what.strip() == "deleted" for name in re.findall(r"\w+", names)}
    assert len(listed) == len(set(listed))
    there = {name for name, columns in tables(conn).items() if columns}
    assert there <= set(listed), "docs/log.md, Erasing a user, must say of each table what becomes of it"
    done = erase(conn)
    assert deleted | {"shard_raises", "notices", "pending_changes", "overrides", "review_exceptions",
                                   "reviews", "quarantine"} == set(done.counts)  # fmt: skip
    assert there - deleted == KEPT


def test_lines_in_quarantine_are_emptied_where_a_field_is_the_user(conn: Connection) -> None:
    erase(conn)
    rows = conn.execute("SELECT line, reason, detail, raw FROM limits.quarantine ORDER BY line").fetchall()
    gone = ("the user was erased; the line is not kept", "(not kept: the user was erased)")
    # The second is of user 3 and has an amount of 11: it cannot be told apart, and only its look is lost.
    assert rows == [(2, "not_a_number", *gone), (3, "unknown_kind", *gone)]


# What goes on -------------------------------------------------------------------------------------


def test_the_log_verifies_adds_up_and_is_decided_again(conn: Connection, database: Database, tmp_path: Path) -> None:
    files = sealing.Files(tmp_path / "seal")
    sealing.step(database, files.sealer())
    before = conn.execute(
        "SELECT md5(string_agg(l::text, '' ORDER BY entry_id)) FROM limits.adjustment_log l"
    ).fetchone()
    erase(conn)
    after = conn.execute(
        "SELECT md5(string_agg(l::text, '' ORDER BY entry_id)) FROM limits.adjustment_log l"
    ).fetchone()
    assert before == after
    with files.checkpoints.open(newline="\n") as lines, database.connect("auditor", "limits test") as auditor:
        report, _ = verifying.verify(
            auditor, lines, files.public_keys(), now=dt.datetime.now(dt.UTC), sealed_within_seconds=300, known=None
        )
        assert report.holds, report
        again = engine.replay_log(auditor)
    assert again.ok and again.entries == sealing.count(conn, "adjustment_log") > 6
    assert sealing.breaches(conn, files) == []
    invariants.check(conn)


def test_reviews_leave_the_user_out(conn: Connection, database: Database, settings: Settings) -> None:
    erase(conn)
    number = sealing.review(database, settings, AS_OF + 5 * DAY)
    row = conn.execute("SELECT state, users_total FROM limits.reviews WHERE review_id = %s", (number,)).fetchone()
    assert row == ("done", len(OTHERS))
    assert set(left_of(conn, USER)) <= KEPT, "nor does packing bring anything back"
    with database.connect("worker", "limits test") as worker:
        packing.rebuild(worker, AS_OF + 5 * DAY)
    assert set(left_of(conn, USER)) <= KEPT
    checked = packing.examine(conn, AS_OF + 5 * DAY, users=None)
    assert (checked.compared, checked.different) == (len(OTHERS), None), "what limits doctor asks"
    portfolio, (aside,) = load.load_portfolio(conn, AS_OF, "CNY", user_ids=[USER, *OTHERS])
    assert portfolio.user_id.tolist() == list(OTHERS)
    assert (aside.user_id, aside.outcome, aside.reason) == (USER, "skipped", "erased")
    with pytest.raises(ErasureRefused, match=f"user {USER} was erased on .*nothing is decided"):
        engine.recompute(database, settings, USER, reason="x", actor="Ann", apply=True)
    invariants.check(conn)


def test_an_import_keeps_the_reason_and_the_place_alone(conn: Connection, database: Database, tmp_path: Path) -> None:
    erase(conn)
    body = f"e-1,{USER},2026-06-02T09:00:00Z,income,{NAME},CNY\ne-2,3,2026-06-02T09:00:00Z,income,5,CNY\n".encode()
    user = (
        f"{USER},2026-06-29,active,{NAME},,CNY,,2023-01-15,,,,,,,,\n0{USER},2026-06-28,active,{NAME},,CNY,,2023-01-15"
        ",,,,,,,,\n"
    ).encode()
    with database.connect("operations", "limits test") as ops:
        counts = imports.load(ops, "events", tmp_path, body, source="later")
        assert (counts.new, counts.quarantined) == (1, 1)
        assert imports.load(ops, "users", tmp_path, user, source="later").quarantined == 2
        assert imports.load(ops, "events", tmp_path, body, source="later").known == 1
    rows = conn.execute("SELECT kind, line, reason, raw FROM limits.quarantine WHERE source = 'later'").fetchall()
    kept = "(not kept: the user was erased)"
    assert rows == [("events", 2, "erased", kept), ("users", 2, "erased", kept), ("users", 3, "erased", kept)]
    digests = conn.execute("SELECT DISTINCT row_digest FROM limits.quarantine WHERE source = 'later'").fetchall()
    files = conn.execute("SELECT DISTINCT file_sha256 FROM limits.imports WHERE source = 'later'").fetchall()
    assert sorted(digests) == sorted(files), "the digest of a line would tell whether a guess of it is right"
    assert saying(conn, NAME) == set() and set(left_of(conn, USER)) <= KEPT


def test_nothing_more_is_written_about_the_user(conn: Connection) -> None:
    erase(conn)
    for write in (
        lambda: builders.add_profile(conn, USER, AS_OF + 9 * DAY),
        lambda: builders.add_events(conn, USER, "income", [(AS_OF, 5)]),
        lambda: builders.add_statement(conn, USER, AS_OF),
        lambda: builders.add_repayment(conn, USER, AS_OF),
        lambda: builders.add_credit_check(conn, USER, AS_OF),
        lambda: builders.add_documents(conn, USER, AS_OF),
        lambda: builders.add_consent(conn, USER, AS_OF),
        lambda: builders.add_identifier(conn, USER, "x"),
        lambda: builders.add_fraud(conn, USER, AS_OF),
        lambda: builders.add_clearance(conn, USER, AS_OF),
        lambda: builders.add_request(conn, USER, AS_OF),
        lambda: builders.add_override(conn, USER, "hold"),
    ):
        with pytest.raises(psycopg.Error, match=f"user {USER} was erased on") as refused, conn.transaction():
            write()
        assert refused.value.sqlstate == "LM031"
    with pytest.raises(ErasureRefused, match="was erased on"):
        persons.put(conn, USER, "again", actor="Ann")


# What is refused ------------------------------------------------------------------------------------

#: What is in the way, and how it is put there.
IN_THE_WAY = {
    "the account is blocked; close it first":
        f"UPDATE limits.user_profiles SET status = 'blocked' WHERE user_id = {USER}",
    "7 minor units are owed by the user": f"UPDATE limits.statements SET balance_minor = 7 WHERE user_id = {USER}",
    "3 minor units are owed to the user": f"UPDATE limits.statements SET balance_minor = -3 WHERE user_id = {USER}",
    "review 1 is not over": "UPDATE limits.reviews SET state = 'failed' WHERE review_id = 1",
    "was offered or announced and is open":
        f"""INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                                proposed_minor, effective_on)
            VALUES (-1, 1, {USER}, 'offer', '2026-06-30', 'CNY', 1, 2, '2026-07-30')""",
    "is not delivered": f"UPDATE limits.notices SET body = NULL, delivered_at = NULL WHERE user_id = {USER}",
    "the message about entry": f"UPDATE limits.outbox SET delivered_at = NULL WHERE user_id = {USER}",
    "is neither approved nor rejected":
        f"UPDATE limits.overrides SET state = 'proposed', checker = NULL WHERE user_id = {USER}",
}  # fmt: skip


def test_it_is_refused_while_something_is_in_the_way(conn: Connection) -> None:
    """When it is proposed, and again when it is carried out: much can have happened in between."""
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    for words, statement in IN_THE_WAY.items():
        with conn.transaction(force_rollback=True):
            sealing.force(conn, statement)
            for call in (
                lambda: persons.propose_erasure(conn, USER, actor="Ann", reason="x"),
                lambda: persons.erase(conn, USER, actor="Bo"),
            ):
                with (
                    pytest.raises(ErasureRefused, match=f"user {USER} cannot be erased: .*{words}"),
                    conn.transaction(),
                ):
                    call()
    with pytest.raises(ErasureRefused, match="user 99 cannot be erased: there is no such user"):
        persons.propose_erasure(conn, 99, actor="Ann", reason="x")
    assert persons.erase(conn, USER, actor="Bo").user_id == USER, "and nothing else was in the way"


def test_what_was_repaid_after_the_newest_statement_counts(conn: Connection) -> None:
    builders.add_statement(conn, USER, AS_OF + 9 * DAY, balance=500)
    builders.add_repayment(conn, USER, AS_OF + 9 * DAY, 200)
    builders.add_repayment(conn, USER, AS_OF + 10 * DAY, 499)
    with pytest.raises(ErasureRefused, match="1 minor units are owed by the user"):
        erase(conn)
    builders.add_repayment(conn, USER, AS_OF + 11 * DAY, 1)
    assert erase(conn).user_id == USER


def test_it_takes_two_people_and_is_done_once(conn: Connection, login: Login) -> None:
    first, second = login("limits_test_ann", "operations"), login("limits_test_bo", "operations")
    with pytest.raises(ErasureRefused, match="nobody proposed it within 30 days"):
        persons.erase(second, USER, actor="Bo")
    persons.propose_erasure(first, USER, actor="Ann", reason="asked for it")
    with pytest.raises(ApprovalRefused, match="which may not decide on it under another name"):
        persons.erase(first, USER, actor="Bo")
    with pytest.raises(ApprovalRefused, match="somebody else has to"):
        persons.erase(second, USER, actor=" ANN")
    assert len(persons.proposals(conn)) == 1
    done = persons.erase(second, USER, actor="Bo")
    assert (done.maker, done.reason, done.checker) == ("Ann", "asked for it", "Bo")
    assert persons.proposals(conn) == [] and persons.erasures(conn) == [done]
    for call in (
        lambda: persons.erase(second, USER, actor="Bo"),
        lambda: persons.propose_erasure(first, USER, actor="Ann", reason="again"),
    ):
        with pytest.raises(ErasureRefused, match=f"user {USER} cannot be erased: that was done on"):
            call()
    row = conn.execute("SELECT maker_session, session_role FROM limits.erasures").fetchone()
    assert row == ("limits_test_ann", "limits_test_bo")


def test_a_proposal_ends_after_30_days(conn: Connection) -> None:
    conn.execute(
        """INSERT INTO limits.erasure_proposals (user_id, proposed_at, maker, reason)
           VALUES (%s, now() - interval '30 days 1 minute', 'Ann', 'long ago')""",
        (USER,),
    )
    with pytest.raises(ErasureRefused, match="nobody proposed it within 30 days"):
        persons.erase(conn, USER, actor="Bo")
    assert persons.proposals(conn) == []


@pytest.mark.parametrize("role", ["worker", "auditor", "sealer", "monitor"])
def test_no_other_role_erases_or_reads_who_somebody_is(database: Database, conn: Connection, role: Role) -> None:
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    with database.connect(role, "limits test") as other:
        for statement in (
            f"SELECT limits.erase_user({USER}, 'Bo')", f"SELECT limits.delete_user_rows({USER})",
            "SELECT * FROM limits.persons", "SELECT * FROM limits.person_keys", "SELECT * FROM limits.person_lookup",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(statement.encode())


def test_nobody_makes_a_record_or_takes_one_back(database: Database, conn: Connection) -> None:
    erase(conn)
    with database.connect("operations", "limits test") as ops:
        for statement in (
            "INSERT INTO limits.erasures SELECT * FROM limits.erasures", "DELETE FROM limits.erasures",
            f"SELECT limits.delete_user_rows({OTHERS[0]})", "UPDATE limits.erasing SET erased = 0",
            "DELETE FROM limits.challenger_log",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                ops.execute(statement.encode())
    for setting in ("SET LOCAL ROLE limits_owner", "SET LOCAL session_replication_role = replica"):
        for statement in (
            "DELETE FROM limits.erasures", "UPDATE limits.erasures SET reason = 'x'", "TRUNCATE limits.erasures",
            "DELETE FROM limits.erasure_proposals", "TRUNCATE limits.erasure_proposals",
            f"DELETE FROM limits.challenger_log WHERE user_id = {OTHERS[0]}", "TRUNCATE limits.challenger_log",
            f"UPDATE limits.challenger_log SET user_id = {USER}",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"), conn.transaction():
                conn.execute(setting.encode())
                conn.execute(statement.encode())


# At once with others ----------------------------------------------------------------------------------


def test_killed_half_way_it_is_as_if_it_never_was(database: Database, conn: Connection) -> None:
    """It is stopped before the last table, when all others are emptied, and its process is ended there."""
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    before = left_of(conn, USER), saying(conn, NAME), others(conn)
    failed: list[Exception] = []
    with (
        database.connect("owner", "erasing") as eraser, database.connect("owner", "in the way") as holder,
        holder.transaction(),
    ):  # fmt: skip
        holder.execute("LOCK TABLE limits.dirty_months IN SHARE MODE")
        thread = _start(lambda: persons.erase(eraser, USER, actor="Bo"), failed)
        _wait_until_waiting(conn, "erasing")
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'erasing'")
        thread.join(60)
    assert len(failed) == 1 and isinstance(failed[0], psycopg.OperationalError)
    assert (left_of(conn, USER), saying(conn, NAME), others(conn)) == before
    assert persons.erasures(conn) == [] and persons.erase(conn, USER, actor="Bo").user_id == USER


def test_what_is_being_imported_goes_as_well(database: Database, conn: Connection) -> None:
    """The import had begun before, and would bring the user back by its commit."""
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    failed: list[Exception] = []
    with database.connect("owner", "importing") as importer, database.connect("owner", "erasing") as eraser:
        with importer.transaction():
            builders.add_documents(importer, USER, AS_OF)
            thread = _start(lambda: persons.erase(eraser, USER, actor="Bo"), failed)
            _wait_until_waiting(conn, "erasing")
        thread.join(60)
    assert failed == [] and set(left_of(conn, USER)) <= KEPT


def test_who_writes_behind_an_erasure_is_refused(database: Database, conn: Connection, tmp_path: Path) -> None:
    """An import whose lines were judged, and a worker that read the user to pack, before it committed."""
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    conn.execute("DELETE FROM limits.packed_users")
    failed: list[Exception] = []
    body = f"e-1,{USER},2026-06-02T09:00:00Z,income,5,CNY\n".encode()
    with (
        database.connect("operations", "importing") as importer, database.connect("worker", "packing") as packer,
        database.connect("owner", "erasing") as eraser,
    ):  # fmt: skip
        with eraser.transaction():
            persons.erase(eraser, USER, actor="Bo")
            threads = [
                _start(lambda: imports.load(importer, "events", tmp_path, body), failed),
                _start(lambda: packing.rebuild(packer, AS_OF + 5 * DAY), failed),
            ]
            _wait_until_waiting(conn, "importing")
            _wait_until_waiting(conn, "packing")
        for thread in threads:
            thread.join(60)
    assert [type(error) for error in failed] == [ErasureRefused]
    assert set(left_of(conn, USER)) <= KEPT
    assert sealing.count(conn, "packed_users") >= len(OTHERS), "it read the users anew, without the one"


def test_it_gives_way_to_who_writes_for_long(database: Database, conn: Connection) -> None:
    persons.propose_erasure(conn, USER, actor="Ann", reason="asked for it")
    conn.execute("ALTER FUNCTION limits.erase_user SET lock_timeout = '100ms'")
    with database.connect("owner", "importing") as importer, importer.transaction(force_rollback=True):
        builders.add_documents(importer, OTHERS[0], AS_OF)
        with pytest.raises(ErasureRefused, match="somebody else is writing; try again later"):
            persons.erase(conn, USER, actor="Bo")
    assert persons.erase(conn, USER, actor="Bo").user_id == USER


def _start(call: Callable[[], object], failed: list[Exception]) -> threading.Thread:
    def guarded() -> None:
        try:
            call()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


def _wait_until_waiting(conn: Connection, name: str) -> None:
    """Until a connection waits for a lock of another."""
    waiting = "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
    until = time.monotonic() + 30
    while not conn.execute(waiting, (name,)).fetchall():
        assert time.monotonic() < until, f"{name} does not wait"
        time.sleep(0.01)
