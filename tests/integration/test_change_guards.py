"""Who may not: attacks on what waits, by the application's own roles, all refused by the database."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator

import psycopg
import pytest

from limits.store.db import Connection, Database, Role
from tests import builders, governance, invariants

AS_OF = builders.AS_OF
DECISION = builders.decision("""1, 500000, %(after)s, 0, 0, 0, %(ceilings)s::bigint[], %(lowest)s, %(floor)s, 1, 1, 1,
                                0, 12, %(disposition)s, %(proposed)s, %(effective)s, %(notice)s, %(due)s, 0""")
APPLY = f"""
    SELECT * FROM limits.apply_decisions(%(review)s, 0, 1, 'test', 'CNY', sha256('x'), sha256('m'),
                                         {builders.root(DECISION)}, ARRAY[{DECISION}])"""
#: An offer of what the lowest ceiling allows.
OFFER = {
    "after": 500_000, "ceilings": [600_000], "lowest": 600_000, "floor": 350_000, "disposition": 1,
    "proposed": 600_000, "effective": AS_OF + dt.timedelta(days=30), "notice": 3, "due": AS_OF,
}  # fmt: skip
#: A cut announced, and changes made at once.
CUT = OFFER | {"ceilings": [400_000], "lowest": 400_000, "disposition": 2, "proposed": 400_000, "notice": 4}
AT_ONCE = OFFER | {"disposition": 0, "proposed": None, "effective": None, "notice": 0, "due": None}
RAISED = AT_ONCE | {"after": 600_000}
LOWERED = AT_ONCE | {"after": 400_000, "ceilings": [400_000], "lowest": 400_000, "notice": 2, "due": AS_OF}


@pytest.fixture(autouse=True)
def users(conn: Connection) -> Iterator[None]:
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=500_000)
    body = "a policy"
    conn.execute(
        "INSERT INTO limits.policies VALUES (%s, 'p', '2020-01-01', %s, 'test')",
        (hashlib.sha256(body.encode()).digest(), body),
    )
    proposed = (
        "SELECT limits.propose_policy(policy_hash, 'champion', %s, 'for a test') FROM limits.policies WHERE pack = 'p'"
    )
    number = conn.execute(proposed, (governance.MAKER,)).fetchone()
    assert number is not None
    conn.execute("SELECT limits.decide_policy(%s, 'approve', %s, 'for a test')", (number[0], governance.CHECKER))
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (AS_OF,))
    yield
    invariants.check(conn)


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    with database.connect("worker", "attack") as conn:
        yield conn


def begin(conn: Connection, *, user: int = 1, as_of: dt.date = AS_OF, **about: int | None) -> int:
    """A review of one user that runs, as whoever may work on reviews can make one."""
    found = conn.execute(
        """SELECT limits.begin_recompute(%s, %s, policy_hash, 'test', 'test', gen_random_uuid()::text, %s, %s)
             FROM limits.policies WHERE pack = 'p'""",
        (user, as_of, about.get("request_id"), about.get("change_id")),
    ).fetchone()
    assert found is not None
    builders.keep_snapshot(conn, found[0])
    return int(found[0])


def never_was(conn: Connection, review: int) -> None:
    """Takes a review of one user away that nothing came of, as rolling back its transaction would."""
    for table in ("snapshot_uses", "shards", "reviews"):
        conn.execute(f"DELETE FROM limits.{table} WHERE review_id = %s".encode(), (review,))


def apply(conn: Connection, review: int, row: dict[str, object]) -> list[int]:
    found = conn.execute(APPLY, {"review": review, **row}).fetchall()
    return [stale for (stale,) in found]


def state(conn: Connection) -> tuple[object, ...] | None:
    return conn.execute(
        """SELECT c.limit_minor, (SELECT count(*) FROM limits.pending_changes), (SELECT count(*) FROM limits.notices)
             FROM limits.credit_lines c WHERE user_id = 1"""
    ).fetchone()


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (OFFER, (500_000, 1, 1)),
        (CUT, (500_000, 1, 1)),
        (RAISED, (600_000, 0, 0)),
        (RAISED | {"notice": 1, "due": AS_OF}, (600_000, 0, 1)),
        (LOWERED, (400_000, 0, 1)),
        (AT_ONCE, (500_000, 0, 0)),
        (AT_ONCE | {"notice": 5, "due": AS_OF}, (500_000, 0, 1)),
    ],
    ids=["offer", "announced cut", "raise", "raise told", "cut", "hold", "refusal"],
)
def test_an_honest_row_is_applied(
    conn: Connection, worker: Connection, row: dict[str, object], left: tuple[int, ...]
) -> None:
    assert apply(worker, begin(worker), row) == []
    assert state(conn) == left


@pytest.mark.parametrize(
    "row",
    [
        OFFER | {"proposed": 600_100},  # above the lowest ceiling
        OFFER | {"proposed": 700_000, "ceilings": [600_000, 700_000], "lowest": 700_000},
        OFFER | {"proposed": 500_000},
        OFFER | {"proposed": 400_000},  # an offer to be cut
        OFFER | {"proposed": None},
        OFFER | {"effective": None},
        OFFER | {"effective": AS_OF - dt.timedelta(days=1)},
        OFFER | {"effective": dt.date(2199, 1, 1)},
        OFFER | {"after": 600_000},  # both now and later
        OFFER | {"notice": 0, "due": None},  # an offer that nobody is told of
        OFFER | {"notice": 4},
        OFFER | {"due": None},
        OFFER | {"due": AS_OF - dt.timedelta(days=1)},
        OFFER | {"disposition": 3},
        OFFER | {"disposition": -1},
        CUT | {"proposed": 500_000},
        CUT | {"proposed": 340_000},  # below the floor
        CUT | {"proposed": -1, "floor": 0},
        CUT | {"after": 400_000},
        CUT | {"notice": 0, "due": None},
        RAISED | {"proposed": 600_000},
        RAISED | {"effective": AS_OF},
        RAISED | {"notice": 3, "due": AS_OF},
        RAISED | {"notice": 6, "due": AS_OF},
        LOWERED | {"notice": 0, "due": None},  # a cut that nobody is told of
        LOWERED | {"notice": 1},
        AT_ONCE | {"notice": 1, "due": AS_OF},
        AT_ONCE | {"notice": 6, "due": AS_OF},  # nothing was announced
        AT_ONCE | {"notice": 7, "due": AS_OF},
    ],
    ids=str,
)
def test_a_row_that_contradicts_itself_is_refused(conn: Connection, worker: Connection, row: dict[str, object]) -> None:
    review = begin(worker)
    with pytest.raises(psycopg.Error) as refused:
        apply(worker, review, row)
    assert refused.value.sqlstate == "LM003"
    assert state(conn) == (500_000, 0, 0)


@pytest.mark.parametrize("row", [OFFER, CUT, RAISED], ids=["offer", "announced cut", "raise"])
def test_nothing_is_opened_or_raised_beside_an_open_change(
    conn: Connection, worker: Connection, row: dict[str, object]
) -> None:
    apply(worker, begin(worker), OFFER)
    assert apply(worker, begin(worker), row) == [1]
    assert state(conn) == (500_000, 1, 1)


@pytest.mark.parametrize(
    ("opened", "about", "row"),
    [
        (OFFER, {"user": 2}, RAISED),
        (OFFER, {"as_of": AS_OF + dt.timedelta(days=31)}, RAISED),  # run out
        (CUT, {}, LOWERED),  # before its day
        (OFFER, {}, RAISED | {"after": 610_000, "ceilings": [610_000], "lowest": 610_000}),  # more than was offered
    ],
    ids=["another user", "run out", "too early", "more than offered"],
)
def test_a_change_is_carried_out_as_it_was_made_or_not_at_all(
    conn: Connection, worker: Connection, opened: dict[str, object], about: dict[str, object], row: dict[str, object]
) -> None:
    apply(worker, begin(worker), opened)
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (AS_OF + dt.timedelta(days=31),))
    review = begin(worker, change_id=1, **about)  # type: ignore[arg-type]
    later = AS_OF + dt.timedelta(days=40)
    with pytest.raises(psycopg.Error) as refused:
        apply(worker, review, {**row, **({"due": later} if row["due"] else {})})
    assert refused.value.sqlstate in ("LM003", "LM005")
    assert conn.execute("SELECT state FROM limits.pending_changes").fetchone() == ("open",)
    never_was(conn, review)


@pytest.mark.parametrize(
    ("opened", "row"),
    [
        (CUT, AT_ONCE),  # it is off, and nobody says so
        (CUT, AT_ONCE | {"notice": 5, "due": AS_OF}),
        (CUT, RAISED),
        (OFFER, AT_ONCE | {"notice": 6, "due": AS_OF}),
        (OFFER | {"disposition": 2, "notice": 4}, AT_ONCE),
    ],
    ids=["cut off", "cut refused", "raised instead", "offer withdrawn", "raise off"],
)
def test_what_was_announced_does_not_end_unheard(
    conn: Connection, worker: Connection, opened: dict[str, object], row: dict[str, object]
) -> None:
    apply(worker, begin(worker), {**opened, "effective": AS_OF})
    review = begin(worker, change_id=1)
    with pytest.raises(psycopg.Error, match="does not tell what became of change 1"):
        apply(worker, review, row)
    assert state(conn) == (500_000, 1, 1)
    assert conn.execute("SELECT state FROM limits.pending_changes").fetchone() == ("open",)
    if opened is not OFFER:
        assert apply(worker, review, AT_ONCE | {"notice": 6, "due": AS_OF}) == []
        assert conn.execute("SELECT state FROM limits.pending_changes").fetchone() == ("suppressed",)
        return
    never_was(conn, review)


def test_a_change_is_carried_out_once(conn: Connection, worker: Connection) -> None:
    apply(worker, begin(worker), OFFER)
    assert apply(worker, begin(worker, change_id=1), RAISED) == []
    assert conn.execute("SELECT state, applied_review_id FROM limits.pending_changes").fetchone() == ("applied", 2)
    second = begin(worker)
    with pytest.raises(psycopg.errors.CheckViolation):
        worker.execute("UPDATE limits.reviews SET state = 'paid' WHERE review_id = %s", (second,))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.execute("UPDATE limits.reviews SET change_id = 1 WHERE review_id = %s", (second,))
    third = begin(worker, change_id=1)
    with pytest.raises(psycopg.Error, match="change 1 is applied"):
        apply(worker, third, RAISED)
    never_was(conn, third)


def test_a_request_is_answered_by_a_decision_about_it(database: Database, conn: Connection, worker: Connection) -> None:
    ask = "SELECT limits.ask_for_limit(%s, %s, %s, 'CNY', %s, 'test')"
    with database.connect("operations", "attack") as operations:
        assert operations.execute(ask, (1, AS_OF, 560_000, "key")).fetchone() == (1,)
        assert operations.execute(ask, (1, AS_OF, 560_000, "key")).fetchone() == (None,)
        for user, day, amount in ((1, AS_OF, 500_000), (9, AS_OF, 600_000), (1, AS_OF, 10**15 + 1),
                                  (1, dt.date(2199, 1, 1), 600_000), (1, AS_OF, None)):  # fmt: skip
            with pytest.raises(psycopg.Error):
                operations.execute(ask, (user, day, amount, f"key {user} {day} {amount}"))
    for review, row in (
        (begin(worker, request_id=1, user=2), RAISED),
        (begin(worker, request_id=1), RAISED),  # more than was asked for
        (begin(worker, request_id=1), OFFER),
        (begin(worker, request_id=1), AT_ONCE),  # refused, and nobody is told
        (begin(worker, request_id=1), RAISED | {"after": 550_000}),
        (begin(worker, request_id=1, as_of=AS_OF - dt.timedelta(days=1)), AT_ONCE),
    ):
        with pytest.raises(psycopg.Error) as refused:
            apply(worker, review, row)
        assert refused.value.sqlstate in ("LM003", "LM005")
    assert apply(worker, begin(worker, request_id=1), RAISED | {"after": 560_000}) == []
    assert conn.execute("SELECT answer FROM limits.limit_requests").fetchone() == ("granted",)
    with pytest.raises(psycopg.Error) as refused:
        apply(worker, begin(worker, request_id=1), AT_ONCE)
    assert refused.value.sqlstate == "LM005"


@pytest.mark.parametrize(
    ("kind", "ending", "as_of"),
    [
        ("offer", "applied", AS_OF),
        ("offer", "open", AS_OF),
        ("offer", "expired", AS_OF + dt.timedelta(days=30)),  # its last day
        ("offer", "expired", dt.date(2199, 1, 1)),
        ("offer", "suppressed", AS_OF),
        ("cut", "declined", AS_OF),
        ("cut", "expired", AS_OF + dt.timedelta(days=40)),
        ("cut", "suppressed", AS_OF),
    ],
)
def test_a_change_does_not_end_otherwise(
    conn: Connection, worker: Connection, kind: str, ending: str, as_of: dt.date
) -> None:
    apply(worker, begin(worker), OFFER if kind == "offer" else CUT)
    with pytest.raises(psycopg.Error, match="cannot be"):
        worker.execute("SELECT * FROM limits.end_change(1, %s, %s, 'x', 'x')", (ending, as_of))
    for actor, reason in (("", "x"), ("x", "")):
        with pytest.raises(psycopg.Error, match="cannot be"):
            worker.execute("SELECT * FROM limits.end_change(1, 'declined', %s, %s, %s)", (AS_OF, actor, reason))
    assert conn.execute("SELECT state FROM limits.pending_changes").fetchone() == ("open",)


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO limits.pending_changes (user_id) VALUES (1)",
        "UPDATE limits.pending_changes SET state = 'open', ended_at = NULL",
        "UPDATE limits.pending_changes SET proposed_minor = 1",
        "DELETE FROM limits.pending_changes",
        "TRUNCATE limits.pending_changes",
        "INSERT INTO limits.limit_requests (user_id) VALUES (1)",
        "UPDATE limits.limit_requests SET answer = 'granted'",
        "DELETE FROM limits.limit_requests",
        "INSERT INTO limits.notices (user_id) VALUES (1)",
        "DELETE FROM limits.notices",
        "UPDATE limits.consents SET state = 'given'",
        "DELETE FROM limits.consents",
        "UPDATE limits.credit_lines SET limit_before_cut_minor = 1",
        "UPDATE limits.reviews SET change_id = 1",
        "ALTER TABLE limits.consents DISABLE TRIGGER end_raises",
        "SELECT limits.end_raises_of_opted_out()",
        "SELECT limits.end_answered(NULL, NULL)",
        "SELECT limits.check_answer(NULL, NULL, NULL)",
    ],
)
def test_the_roles_of_the_application_may_not(database: Database, conn: Connection, role: Role, statement: str) -> None:
    with database.connect(role, "attack") as attack, pytest.raises(psycopg.errors.InsufficientPrivilege):
        attack.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT limits.ask_for_limit(1, '2026-06-30', 600000, 'CNY', 'k', 'x')",
        "SELECT limits.set_consent(1, 'raises', 'given', '2026-06-30', 'x', 'x')",
    ],
)
def test_a_worker_speaks_for_no_user(worker: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.execute(statement.encode())


def test_an_auditor_ends_nothing(database: Database) -> None:
    with database.connect("auditor", "attack") as auditor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        auditor.execute("SELECT limits.end_change(1, 'declined', '2026-06-30', 'x', 'x')")


@pytest.mark.parametrize(
    "values",
    [
        "9, 'raises', 'given', '2026-06-30', 'x', 'x'",
        "1, 'money', 'given', '2026-06-30', 'x', 'x'",
        "1, 'raises', 'maybe', '2026-06-30', 'x', 'x'",
        "1, 'raises', 'given', '2199-01-01', 'x', 'x'",
        "1, 'raises', 'given', NULL, 'x', 'x'",
        "1, 'raises', 'given', '2026-06-30', '', 'x'",
        "1, 'raises', 'given', '2026-06-30', 'x', ''",
    ],
)
def test_consent_that_says_nothing_is_refused(database: Database, conn: Connection, values: str) -> None:
    with database.connect("operations", "attack") as operations, pytest.raises(psycopg.Error):
        operations.execute(f"SELECT limits.set_consent({values})".encode())
    assert conn.execute("SELECT count(*) FROM limits.consents").fetchone() == (0,)
