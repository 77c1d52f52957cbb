"""What does not add up is found and named, a review that does not halts the next one, and the rest goes on."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.errors import ApprovalRefused, NotFound
from limits.money import EXPONENTS, major, money
from limits.settings import Settings, make_settings
from limits.store import gates, reconciling, reviews
from limits.store.db import Connection, Database, Role
from limits.store.reviews import ReviewRow
from tests import builders, invariants, packs
from tests.conftest import copied, copy_database

AS_OF = builders.AS_OF
NEXT = AS_OF + dt.timedelta(days=1)
USERS = range(1, 7)
Login = Callable[[str, Role], Connection]

LOG = "limits.adjustment_log_2026_06"
JULY = "limits.adjustment_log_2026_07"
MESSAGE = "INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)"


@pytest.fixture(scope="module")
def world(server_url: str, template: str, scratch: Path) -> str:
    """The name of a database in which two reviews are done, of which the second is not reconciled; each user was
    raised by the first. Each test has a copy.
    """
    name = "limits_reconciled"
    made = copy_database(server_url, template, name)
    with made.connect("owner", "limits test") as conn:
        for user_id in USERS:
            builders.add_steady_user(conn, user_id, credit_limit=300_000)
        builders.refresh(conn)
    settings = make_settings(
        database_url=made.url, broker_url=None, home=scratch / "reconciled", policy=str(scratch / f"{packs.OWN}.toml"),
        shard_users=3,
    )  # fmt: skip
    review(made, settings, AS_OF)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("limits.engine.running.reconcile_owed", lambda conn: [])
        review(made, settings, NEXT)
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest, server_url: str, template: str) -> Iterator[Database]:
    """A copy of that world for a test that asks for its ``row``, else one with nothing in it."""
    source = request.getfixturevalue("world") if "row" in request.fixturenames else template
    with copied(server_url, source) as copy:
        yield copy


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, policy=settings.policy, shard_users=3
    )


@pytest.fixture
def row(conn: Connection) -> ReviewRow:
    """The second of the reviews of that world."""
    return reviews.list_reviews(conn)[0]


def review(database: Database, settings: Settings, as_of: dt.date) -> ReviewRow:
    asked = engine.request_review(database, settings, as_of=as_of, actor="Ann")
    engine.work(database, settings, asked.review_id, worker="test", seconds=300)
    with database.connect("owner", "limits test") as conn:
        return reviews.get(conn, asked.review_id)


def tamper(conn: Connection, *statements: str) -> None:
    """As a superuser who has put all triggers out of the way."""
    tables = (
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'limits'::regnamespace AND relkind = 'r'"
    )
    for (table,) in conn.execute(tables).fetchall():
        conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    for statement in statements:
        assert conn.execute(statement.encode()).rowcount > 0, statement


def test_an_untouched_world_adds_up(conn: Connection, row: ReviewRow) -> None:
    assert (row.state, row.users_total) == ("done", len(USERS))
    seen: list[tuple[int, int]] = []
    found = reconciling.of_everything(conn, progress=lambda done, total: seen.append((done, total)))
    assert found.ok and (found.users, found.reviews, found.named) == (len(USERS), 2, [])
    assert seen[-1] == (3000, 3000) and sorted(seen) == seen
    assert reconciling.of_review(conn, row.review_id).ok
    assert reconciling.of_user(conn, 1).ok
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log WHERE action <> 0").fetchone() == (6,)
    with pytest.raises(NotFound, match="no user 99"):
        reconciling.of_user(conn, 99)
    with pytest.raises(NotFound, match="no review 99"):
        reconciling.of_review(conn, 99)


#: What does not add up of user 1, and what was done for that.
OF_USER = {
    "a limit": ({"limit"}, ["UPDATE limits.credit_lines SET limit_minor = limit_minor + 1 WHERE user_id = 1"]),
    "a version": ({"version"}, ["UPDATE limits.credit_lines SET version = 7 WHERE user_id = 1"]),
    "an opening limit": (
        {"opening"},
        ["UPDATE limits.credit_lines SET limit_minor = limit_minor + 5 WHERE user_id = 1",
         "UPDATE limits.credit_lines SET opening_limit_minor = opening_limit_minor + 5 WHERE user_id = 1"],
    ),
    "a line that is gone": ({"line"}, ["DELETE FROM limits.credit_lines WHERE user_id = 1"]),
    "a change that is gone, and the line put back": (
        {"opening", "beginning", "message_astray"},
        [f"DELETE FROM {LOG} WHERE user_id = 1",
         "UPDATE limits.credit_lines SET limit_minor = opening_limit_minor, version = 0 WHERE user_id = 1"],
    ),
    "a change that is gone": (
        {"limit", "version", "opening", "beginning", "message_astray"}, [f"DELETE FROM {LOG} WHERE user_id = 1"]
    ),
    "a change of another size": (
        {"limit", "chain"}, [f"UPDATE {LOG} SET limit_after_minor = limit_after_minor - 1 WHERE user_id = 1"]
    ),
    "a change of another size, and the line with it": (
        {"chain"},
        [f"UPDATE {LOG} SET limit_after_minor = limit_after_minor - 1 WHERE user_id = 1",
         "UPDATE limits.credit_lines SET limit_minor = limit_minor - 1 WHERE user_id = 1"],
    ),
    "a hold at another limit": (
        {"chain"},
        [f"UPDATE {JULY} SET limit_before_minor = 1, limit_after_minor = 1 WHERE user_id = 1"],
    ),
    "a hold of another version": (
        {"order"}, [f"UPDATE {JULY} SET version_before = 9, version_after = 9 WHERE user_id = 1"]
    ),
    "a first version": (
        {"beginning"},
        [f"UPDATE {LOG} SET version_before = 8, version_after = 9 WHERE user_id = 1",
         f"UPDATE {JULY} SET version_before = 9, version_after = 9 WHERE user_id = 1"],
    ),
    "a message that is gone": ({"message_missing"}, ["DELETE FROM limits.outbox WHERE user_id = 1"]),
    "a message about nothing": (
        {"message_astray"}, [f"{MESSAGE} VALUES (900000, 1, 1, '{AS_OF}', 'limit_raised')"]
    ),
    "a message about a hold": (
        {"message_astray"},
        [f"{MESSAGE} SELECT entry_id, review_id, user_id, as_of, 'limit_raised' FROM {JULY} WHERE user_id = 1"],
    ),
    "a message of the other kind": ({"message"}, ["UPDATE limits.outbox SET kind = 'limit_lowered' WHERE user_id = 1"]),
}  # fmt: skip
#: The same of review 1.
OF_REVIEW = {
    "counts of the row": (
        {"review_raised", "review_held"},
        ["UPDATE limits.reviews SET users_raised = 5, users_held = 1 WHERE review_id = 1"],
    ),
    "cuts of the row": (
        {"review_lowered", "review_users"},
        ["UPDATE limits.reviews SET users_lowered = 1, users_total = 7 WHERE review_id = 1"],
    ),
    "exposure of the row": (
        {"review_before", "review_after"},
        ["UPDATE limits.reviews SET exposure_before_minor = 0, exposure_after_minor = 0 WHERE review_id = 1"],
    ),
    "users put aside": (
        {"review_quarantined", "review_skipped"},
        ["UPDATE limits.reviews SET users_quarantined = 1, users_skipped = NULL WHERE review_id = 1"],
    ),
    "an exception that nobody counted": (
        {"review_skipped", "review_users"},
        ["INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason) VALUES (1, 77, 'skipped', 'x')"],
    ),
    "users of a batch": ({"batch_users"}, ["UPDATE limits.batches SET users = 9 WHERE review_id = 1 AND shard = 0"]),
    "the sum of a batch": (
        {"batch_delta"}, ["UPDATE limits.batches SET delta_minor = 1 WHERE review_id = 1 AND shard = 1"]
    ),
    "a batch that is gone": (
        {"batch_users", "batch_delta"}, ["DELETE FROM limits.batches WHERE review_id = 1 AND shard = 1"]
    ),
    "counts of a shard": (
        {"shard_raised", "shard_held", "shard_lowered"},
        ["UPDATE limits.shards SET users_raised = 9, users_held = 9, users_lowered = 9 WHERE review_id = 1"],
    ),
    "exposure of a shard": (
        {"shard_before", "shard_after"},
        ["UPDATE limits.shards SET exposure_before_minor = 1, exposure_after_minor = 1 WHERE review_id = 1"],
    ),
    "a shard that is gone": (
        {"shard_raised", "shard_held", "shard_lowered", "shard_before", "shard_after"},
        ["DELETE FROM limits.shards WHERE review_id = 1 AND shard = 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_USER)
def test_what_does_not_add_up_of_a_user_is_found_and_named(conn: Connection, row: ReviewRow, name: str) -> None:
    expected, statements = OF_USER[name]
    tamper(conn, *statements)
    everything, one = reconciling.of_everything(conn), reconciling.of_user(conn, 1)
    assert {m.what for m in one.named} == expected
    assert all(m.user_id == 1 and "user 1" in m.words for m in one.named)
    assert {m.what for m in everything.named if not m.what.startswith(("shard", "batch", "review"))} == expected
    assert one.count == len(one.named)
    assert reconciling.of_user(conn, 2).ok, "nobody else is concerned"


def test_a_break_is_named_by_both_entries_whatever_is_asked(
    conn: Connection, database: Database, settings: Settings, row: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raise and two holds after it, which are of one version and lie in the table the other way about."""
    with monkeypatch.context() as patched:
        patched.setattr("limits.engine.running.reconcile_owed", lambda conn: [])
        last = review(database, settings, NEXT + dt.timedelta(days=1))
    entries = "SELECT entry_id, limit_after_minor FROM limits.adjustment_log WHERE user_id = 1 ORDER BY entry_id"
    (raised, limit), (held, _), _ = conn.execute(entries.encode()).fetchall()
    tamper(
        conn,
        f"UPDATE {LOG} SET limit_after_minor = limit_after_minor - 1050 WHERE user_id = 1",
        "UPDATE limits.credit_lines SET limit_minor = limit_minor - 1050 WHERE user_id = 1",
        f"UPDATE {JULY} SET actor = actor WHERE entry_id = {held}",
    )
    words = (
        f"user 1, entry {held}: it begins at a limit of {major(limit, 2)} CNY, and entry {raised} before it ended at "
        f"{major(limit - 1050, 2)} CNY"
    )
    asked = (reconciling.of_everything(conn), reconciling.of_user(conn, 1), reconciling.of_review(conn, last.review_id))
    for found in asked:
        (chain,) = (m for m in found.named if m.what == "chain")
        assert (chain.words, chain.entry_id, chain.entry_before, chain.currency) == (words, held, raised, "CNY")


def test_amounts_are_written_with_their_currency(conn: Connection) -> None:
    def written(minor: int, currency: str | None) -> str:
        row = conn.execute("SELECT limits.in_major(%s, %s)", (minor, currency)).fetchone()
        assert row is not None
        return str(row[0])

    for currency, exponent in EXPONENTS.items():
        for minor in (0, 5, 100, 6_480_000, -1_234_567, 10**15):
            assert written(minor, currency) == money(minor, exponent, currency)
    assert written(6_480_000, None) == "6480000", "of several currencies, or of none"


@pytest.mark.parametrize("name", OF_REVIEW)
def test_what_does_not_add_up_of_a_review_is_found_and_named(conn: Connection, row: ReviewRow, name: str) -> None:
    expected, statements = OF_REVIEW[name]
    tamper(conn, *statements)
    everything, one = reconciling.of_everything(conn), reconciling.of_review(conn, 1)
    assert {m.what for m in one.named} == {m.what for m in everything.named} == expected
    assert all(m.review_id == 1 and m.words.startswith("review 1") for m in one.named)
    assert reconciling.of_review(conn, row.review_id).ok, "no other review is concerned"


@pytest.mark.parametrize(
    "change",
    ["review_id = 999", "as_of = as_of - 1", "review_id = 2"],
    ids=["of no review", "of no date", "of another"],
)
def test_an_entry_under_another_review_is_found(conn: Connection, row: ReviewRow, change: str) -> None:
    tamper(conn, f"UPDATE {LOG} SET {change} WHERE user_id = 1")
    found = reconciling.of_everything(conn)
    kinds = {m.what for m in found.named}
    assert {"astray", "review_raised", "shard_raised", "batch_users", "message"} <= kinds
    (astray,) = [m for m in found.named if m.what == "astray"]
    assert (astray.counted, astray.shard) == (1, 0)


def test_of_many_the_first_are_named_and_all_are_counted(conn: Connection, row: ReviewRow) -> None:
    tamper(
        conn,
        """INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)
           SELECT 900000 + n, 1, n, '2026-06-30', 'limit_raised' FROM generate_series(1, 5000) n""",
    )
    found = reconciling.of_everything(conn)
    assert (found.count, len(found.named)) == (5000, reconciling.NAMED)
    assert [m.entry_id for m in found.named] == [900_001 + n for n in range(reconciling.NAMED)]


def test_pieces_leave_out_nobody(conn: Connection, row: ReviewRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "USERS", 2)
    monkeypatch.setattr(reconciling, "ENTRIES", 4)
    assert reconciling.of_everything(conn).ok
    tamper(
        conn,
        "DELETE FROM limits.credit_lines WHERE user_id IN (1, 6)",
        "DELETE FROM limits.outbox WHERE user_id IN (2, 5)",
        "INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)"
        f" VALUES (900000, 1, 1, '{AS_OF}', 'limit_raised'), (-5, 1, 1, '{AS_OF}', 'limit_raised')",
    )
    found = reconciling.of_everything(conn)
    assert [(m.what, m.user_id) for m in found.named] == [
        ("line", 1), ("line", 6), ("message_astray", 1), ("message_missing", 2), ("message_missing", 5),
        ("message_astray", 1),
    ]  # fmt: skip


# After a review ------------------------------------------------------------------------------


def test_a_review_that_is_over_is_reconciled_once(database: Database, conn: Connection, row: ReviewRow) -> None:
    first = reconciling.outcome(conn, 1)
    assert first is not None and first.ok and first.at is not None and first.detail == ""
    owed = reconciling.outcome(conn, row.review_id)
    assert owed is not None and (owed.at, owed.ok) == (None, None)
    assert reconciling.owed(conn) == [row.review_id]
    with database.connect("worker", "limits test") as worker:
        (found,) = engine.reconcile_owed(worker)
        assert found.ok and found.review_id == row.review_id
        assert engine.reconcile_owed(worker) == []
        assert reconciling.reconcile(worker, row.review_id) == found, "the second caller gets what the first found"
    assert not gates.switch(conn).engaged
    invariants.check(conn)


@pytest.mark.parametrize(
    "name", ["a limit", "a version", "an opening limit", "a change that is gone", "a change of another size"]
)  # fmt: skip
def test_what_its_users_ever_changed_is_looked_at(conn: Connection, row: ReviewRow, name: str) -> None:
    """By the review of the day after, in which they were held: of their changes, that one there is enough."""
    tamper(conn, *OF_USER[name][1])
    found = reconciling.reconcile(conn, row.review_id)
    assert found is not None and found.ok is False and "user 1" in found.detail
    assert gates.switch(conn).engaged


def test_the_messages_of_the_review_are_looked_at(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.add_steady_user(conn, 1, credit_limit=300_000)
    builders.refresh(conn)
    monkeypatch.setattr("limits.engine.running.reconcile_owed", lambda conn: [])
    done = review(database, settings, AS_OF)
    tamper(conn, "DELETE FROM limits.outbox")
    found = reconciling.reconcile(conn, done.review_id)
    assert found is not None and found.detail.endswith("a limit changed without a message")


def test_one_that_does_not_add_up_halts_the_next_apply_until_somebody_lets_it_go_on(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    conn.execute("UPDATE limits.credit_lines SET limit_minor = limit_minor + 100 WHERE user_id = 3")
    later = review(database, settings, NEXT + dt.timedelta(days=1))
    assert (later.state, later.stage) == ("running", "apply"), "decided, and not applied"
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log WHERE review_id > 2").fetchone() == (0,)
    switch = gates.switch(conn)
    assert (switch.engaged, switch.actor) == (True, "reconcile")
    assert switch.reason.startswith(f"reconciliation of review {row.review_id}: user 3: the limit is ")
    with pytest.raises(ApprovalRefused):
        gates.set_switch(conn, False, actor="Reconcile", reason="x")
    conn.execute("UPDATE limits.credit_lines SET limit_minor = limit_minor - 100 WHERE user_id = 3")
    assert gates.set_switch(conn, False, actor="Bo", reason="put back what somebody had written by hand")
    engine.work(database, settings, later.review_id, worker="test")
    assert reviews.get(conn, later.review_id).state == "done"
    found = reconciling.outcome(conn, later.review_id)
    assert found is not None and found.ok
    assert not gates.switch(conn).engaged
    (trouble,) = reconciling.troubles(conn)
    assert (trouble.review_id, trouble.mismatches) == (row.review_id, 1)


def test_what_was_let_pass_halts_no_second_time_unless_it_is_off_by_another_amount(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    conn.execute("UPDATE limits.credit_lines SET version = 7 WHERE user_id = 3")
    assert [found.mismatches for found in engine.reconcile_owed(conn)] == [1]
    gates.set_switch(conn, False, actor="Bo", reason="nobody knows the version it had")
    later = review(database, settings, NEXT + dt.timedelta(days=1))
    assert later.state == "done"
    found = reconciling.outcome(conn, later.review_id)
    assert found is not None and (found.ok, found.mismatches, found.known) == (True, 0, 1)
    assert not gates.switch(conn).engaged
    assert [one.review_id for one in reconciling.troubles(conn)] == [row.review_id, later.review_id]
    assert not reconciling.of_everything(conn).ok, "whoever asks is told"
    conn.execute("UPDATE limits.credit_lines SET version = 8 WHERE user_id = 3")
    last = review(database, settings, NEXT + dt.timedelta(days=2))
    found = reconciling.outcome(conn, last.review_id)
    assert found is not None and (found.ok, found.mismatches, found.known) == (False, 1, 0)
    assert gates.switch(conn).engaged
    for statement in (b"DELETE FROM limits.mismatches", b"TRUNCATE limits.mismatches"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)


def test_a_switch_that_is_engaged_already_says_both(conn: Connection, row: ReviewRow) -> None:
    gates.set_switch(conn, True, actor="Ann", reason="a feed broke")
    tamper(conn, "UPDATE limits.credit_lines SET version = 5 WHERE user_id IN (1, 2)")
    reconciling.reconcile(conn, row.review_id)
    switch = gates.switch(conn)
    assert (switch.engaged, switch.actor) == (True, "Ann")
    assert "2 things do not add up, the first: user 1: the version is 5" in switch.reason
    assert switch.reason.endswith("before that: a feed broke")
    assert [(turn.actor, turn.engaged) for turn in gates.turns(conn)] == [("reconcile", True), ("Ann", True)]


def test_amounts_that_cannot_be_added_up_do_not_add_up(conn: Connection, row: ReviewRow) -> None:
    tamper(
        conn,
        f"UPDATE {LOG} SET limit_after_minor = 9223372036854775807, lowest_ceiling_minor = 9223372036854775807"
        " WHERE user_id = 1",
        "UPDATE limits.credit_lines SET opening_limit_minor = 9223372036854775807 WHERE user_id = 1",
    )
    found = reconciling.reconcile(conn, row.review_id)
    assert found is not None and found.ok is False
    assert gates.switch(conn).engaged


def test_two_at_once_look_once(database: Database, conn: Connection, row: ReviewRow) -> None:
    tamper(conn, "UPDATE limits.credit_lines SET version = 5 WHERE user_id = 1")

    def look(_: int) -> reconciling.Reconciliation | None:
        with database.connect("worker", "limits test") as worker:
            return reconciling.reconcile(worker, row.review_id)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(look, range(4)))
    assert found[0] is not None and found == [found[0]] * 4
    assert len(gates.turns(conn)) == 1


def test_a_cancelled_review_is_reconciled_too(database: Database, settings: Settings, conn: Connection) -> None:
    builders.add_steady_user(conn, 1)
    asked = engine.request_review(database, settings, as_of=AS_OF, actor="Ann")
    gates.cancel(conn, asked.review_id, actor="Bo", reason="x")
    assert reconciling.owed(conn) == [asked.review_id]
    (found,) = engine.reconcile_owed(conn)
    assert found.ok


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO limits.reconciliations (review_id) VALUES (1)",
        "UPDATE limits.reconciliations SET ok = true, at = now()",
        "DELETE FROM limits.reconciliations",
        "TRUNCATE limits.reconciliations",
        "SELECT limits.halt_for_mismatch(1, 'x')",
        "SELECT * FROM limits.reconciliations FOR UPDATE",
        "INSERT INTO limits.mismatches (mismatch, found_by, words) VALUES ('x', 1, 'x')",
    ],
)
def test_the_outcome_is_written_by_the_function_alone(
    database: Database, row: ReviewRow, role: Role, statement: str
) -> None:
    with database.connect(role, "attack") as attacker, pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(statement.encode())


def test_the_outcome_stays(conn: Connection, row: ReviewRow) -> None:
    reconciling.reconcile(conn, row.review_id)
    again = b"UPDATE limits.reconciliations SET ok = false, detail = 'x'"
    for statement in (again, b"DELETE FROM limits.reconciliations"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="stays"):
            conn.execute(statement)


def test_who_reads_the_log_may_look_and_not_write(login: Login, row: ReviewRow) -> None:
    auditor = login("limits_test_auditor", "auditor")
    assert reconciling.of_everything(auditor).ok
    assert reconciling.of_review(auditor, row.review_id).ok
    assert reconciling.of_user(auditor, 1).ok
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reconciling.reconcile(auditor, row.review_id)
