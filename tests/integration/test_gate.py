"""The gate: what trips a breaker is held before anything is applied, and goes on by a second person only."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.engine import gate
from limits.errors import ApprovalRefused, LeaseLost, PolicyNotApproved, ReviewRefused
from limits.settings import Settings
from limits.store import approvals, gates, policies, reviews
from limits.store.db import Connection, Database, Role
from limits.store.reviews import ReviewRow
from tests import builders, governance, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
USERS = 6

Login = Callable[[str, Role], Connection]


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    """Users whom every review raises: half of them are more than the standard policy lets one review raise."""
    for user_id in range(1, USERS + 1):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)


def ask(database: Database, settings: Settings, as_of: dt.date = AS_OF, policy: str = "standard") -> ReviewRow:
    return engine.request_review(database, settings, as_of=as_of, actor="Ann", policy=policy)


def work(database: Database, settings: Settings, row: ReviewRow) -> engine.Worked:
    return engine.work(database, settings, row.review_id, worker="test")


@pytest.fixture
def held(database: Database, settings: Settings, conn: Connection) -> ReviewRow:
    """A review that a breaker holds."""
    row = ask(database, settings)
    work(database, settings, row)
    row = reviews.get(conn, row.review_id)
    assert row.state == "held"
    return row


def count(conn: Connection, table: str) -> int:
    found = conn.execute(f"SELECT count(*) FROM limits.{table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def what(conn: Connection, row: ReviewRow) -> list[str]:
    return [event.what for event in gates.events(conn, row.review_id)]


# Held --------------------------------------------------------------------------------------------


def test_a_review_that_does_too_much_is_held_before_anything_is_applied(
    database: Database, settings: Settings, conn: Connection, held: ReviewRow
) -> None:
    assert count(conn, "adjustment_log") == 0
    assert conn.execute("SELECT count(*) FROM limits.credit_lines WHERE version <> 0").fetchone() == (0,)
    (event,) = gates.events(conn, held.review_id)
    assert (event.what, event.actor, event.reason) == ("held", "gate", held.error)
    assert "users raised: 100.00%, more than 50.00%" in event.reason
    assert (event.figures["users"], event.figures["raised"]) == (USERS, USERS)
    (unfinished,) = reviews.unfinished(conn)
    assert (unfinished.state, unfinished.work) == ("held", 0), "nobody is woken for it"
    assert work(database, settings, held).state == "waits"
    assert reviews.lease(conn, held.review_id, worker="test", seconds=1) is None
    later = ask(database, settings, AS_OF + dt.timedelta(days=1))
    assert reviews.plan(conn, later.review_id, shard_users=10) == "waits", "dates are reviewed in order"


def test_a_second_person_releases_it(database: Database, settings: Settings, conn: Connection, held: ReviewRow) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="half of them were waiting for it")
    row = work(database, settings, held).finished
    assert row is not None
    assert (row.state, row.users_raised, row.error) == ("done", USERS, None)
    assert what(conn, held) == ["held", "released", "canary"]
    released = gates.events(conn, held.review_id)[1]
    assert (released.actor, released.reason) == ("Bo", "half of them were waiting for it")
    invariants.check(conn)


@pytest.mark.parametrize("actor", ["Ann", " a n N", "ANN", "", "\u200b"])
@pytest.mark.parametrize("do", [gates.release, gates.cancel])
def test_who_asked_for_it_neither_releases_nor_cancels_what_is_held(
    conn: Connection, held: ReviewRow, actor: str, do: Callable[..., object]
) -> None:
    with pytest.raises(ApprovalRefused):
        do(conn, held.review_id, actor=actor, reason="I am sure")
    assert reviews.get(conn, held.review_id).state == "held"


@pytest.mark.parametrize("do", [gates.release, gates.cancel])
def test_another_name_on_the_same_login_is_the_same_person(
    conn: Connection, held: ReviewRow, login: Login, do: Callable[..., object]
) -> None:
    conn.execute("ALTER TABLE limits.reviews DISABLE TRIGGER guard_review")
    conn.execute("UPDATE limits.reviews SET session_role = 'limits_test_one'")
    conn.execute("ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER guard_review")
    with pytest.raises(ApprovalRefused, match="limits_test_one"):
        do(login("limits_test_one", "operations"), held.review_id, actor="Bo", reason="x")
    do(login("limits_test_two", "operations"), held.review_id, actor="Bo", reason="x")


def test_the_login_of_who_asked_is_written_down_by_the_database(conn: Connection, login: Login) -> None:
    asked = login("limits_test_one", "operations")
    policy_hash = policies.store_policy(asked, policies.read_pack("standard")[0], "Ann")
    insert = "INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor{}) VALUES {}"
    row = f"('scheduled', 'x', '{AS_OF}', '\\x{policy_hash.hex()}', 'Ann'"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked.execute(insert.format(", session_role", row + ", 'somebody')").encode())
    asked.execute(insert.format("", row + ")").encode())
    assert conn.execute("SELECT session_role FROM limits.reviews").fetchone() == ("limits_test_one",)


def test_what_was_decided_more_than_a_day_ago_is_not_released(conn: Connection, held: ReviewRow) -> None:
    conn.execute("UPDATE limits.shards SET decided_at = decided_at - interval '24 hours' WHERE shard = 3")
    with pytest.raises(ReviewRefused, match="more than 24 hours ago; cancel it"):
        gates.release(conn, held.review_id, actor="Bo", reason="x")
    assert reviews.get(conn, held.review_id).state == "held"
    assert gates.cancel(conn, held.review_id, actor="Bo", reason="too old")


def test_what_a_withdrawn_policy_decided_is_not_released(conn: Connection, held: ReviewRow) -> None:
    (one,) = (one for one in approvals.history(conn, "standard") if one.state == "approved")
    approvals.decide(conn, one.approval_id, "withdraw", actor="Dora", reason="stop")
    with pytest.raises(PolicyNotApproved):
        gates.release(conn, held.review_id, actor="Bo", reason="x")
    assert reviews.get(conn, held.review_id).state == "held"


def test_a_review_is_released_once(conn: Connection, held: ReviewRow) -> None:
    gates.release(conn, held.review_id, actor="Bo", reason="x")
    with pytest.raises(ReviewRefused, match="is running and not held"):
        gates.release(conn, held.review_id, actor="Cy", reason="x")
    assert what(conn, held) == ["held", "released"]


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (gates.release, gates.release, "running"),
        (gates.release, gates.cancel, "cancelled"),
        (gates.cancel, gates.release, "cancelled"),
        (gates.cancel, gates.cancel, "cancelled"),
    ],
    ids=["two release", "released, then cancelled", "cancelled, then released", "two cancel"],
)
def test_those_who_race_follow_one_another(
    database: Database, conn: Connection, held: ReviewRow, first: Callable[..., object],
    second: Callable[..., object], state: str,
) -> None:  # fmt: skip
    with (
        database.connect("operations", "second") as other,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        with conn.transaction():
            first(conn, held.review_id, actor="Bo", reason="first")
            waiting = pool.submit(second, other, held.review_id, actor="Cy", reason="second")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        error = waiting.exception(timeout=60)
    assert isinstance(error, ReviewRefused) == (second is gates.release), "nobody releases what is not held any more"
    assert reviews.get(conn, held.review_id).state == state
    assert len(what(conn, held)) == (3 if (first, second) == (gates.release, gates.cancel) else 2)


# Cancelled ---------------------------------------------------------------------------------------


def test_a_cancelled_review_drops_its_parts_and_lets_the_next_date_run(
    database: Database, settings: Settings, conn: Connection, held: ReviewRow, tmp_path: Path
) -> None:
    later = ask(database, settings, AS_OF + dt.timedelta(days=1), write_pack(conn, tmp_path))
    assert count(conn, "shard_parts") > 0
    assert gates.cancel(conn, held.review_id, actor="Bo", reason="a feed broke")
    assert not gates.cancel(conn, held.review_id, actor="Bo", reason="a feed broke")
    assert (count(conn, "shard_parts"), count(conn, "decided_meanwhile")) == (0, 0)
    row = reviews.get(conn, held.review_id)
    assert (row.state, row.is_final, row.error) == ("cancelled", True, "cancelled by Bo: a feed broke")
    assert work(database, settings, held).state == "over"
    assert work(database, settings, later).finished is not None
    assert count(conn, "adjustment_log") == USERS
    invariants.check(conn)


def test_a_review_cancelled_half_way_keeps_what_it_applied(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    wide = write_pack(conn, tmp_path)
    row = ask(database, settings, policy=wide)
    stopped = engine.work(database, settings, row.review_id, worker="test", stop=lambda: count(conn, "batches") > 1)
    assert stopped.state == "more"
    applied = count(conn, "adjustment_log")
    assert 0 < applied < USERS
    assert gates.cancel(conn, row.review_id, actor="Ann", reason="to stop what runs one person is enough")
    assert work(database, settings, row).state == "over"
    assert count(conn, "adjustment_log") == applied
    later = ask(database, settings, AS_OF + dt.timedelta(days=1), wide)
    assert work(database, settings, later).finished is not None
    invariants.check(conn)


def test_whoever_decides_or_applies_a_shard_of_a_cancelled_review_has_lost_it(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = ask(database, settings)
    reviews.plan(conn, row.review_id, shard_users=2)
    lease = reviews.lease(conn, row.review_id, worker="test", seconds=30)
    assert lease is not None
    gates.cancel(conn, row.review_id, actor="Ann", reason="x")
    with pytest.raises(LeaseLost):
        reviews.check_held(conn, lease)
    assert reviews.lease(conn, row.review_id, worker="test", seconds=30) is None


def test_what_is_done_is_not_cancelled(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    row = ask(database, settings, policy=write_pack(conn, tmp_path))
    work(database, settings, row)
    with pytest.raises(ReviewRefused, match="is done"):
        gates.cancel(conn, row.review_id, actor="Bo", reason="x")


# Resumed -----------------------------------------------------------------------------------------


def test_a_failed_review_is_resumed_and_still_passes_the_gate(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = ask(database, settings)
    (one,) = (one for one in approvals.history(conn, "standard") if one.state == "approved")
    approvals.decide(conn, one.approval_id, "withdraw", actor="Dora", reason="stop")
    work(database, settings, row)
    assert reviews.get(conn, row.review_id).state == "failed"
    with pytest.raises(PolicyNotApproved):
        gates.resume(conn, row.review_id, actor="Ann", reason="x")
    governance.approve(conn, policies.read_pack("standard")[0])
    assert gates.resume(conn, row.review_id, actor="Ann", reason="approved again")
    assert not gates.resume(conn, row.review_id, actor="Ann", reason="approved again")
    work(database, settings, row)
    assert reviews.get(conn, row.review_id).state == "held", "a resumption lets nothing through"
    assert what(conn, row) == ["resumed", "held"]


@pytest.mark.parametrize("state", ["held", "cancelled"])
def test_what_did_not_fail_is_not_resumed(conn: Connection, held: ReviewRow, state: str) -> None:
    if state == "cancelled":
        gates.cancel(conn, held.review_id, actor="Bo", reason="x")
    with pytest.raises(ReviewRefused, match=f"is {state} and did not fail"):
        gates.resume(conn, held.review_id, actor="Bo", reason="x")


# Faults ------------------------------------------------------------------------------------------


def test_a_worker_that_dies_before_the_gate_leaves_work_for_the_sweeper(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ask(database, settings, policy=write_pack(conn, tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(gate, "advance", lambda *_: False)
        assert work(database, settings, row).state == "busy"
    (left,) = reviews.unfinished(conn)
    assert (left.free, left.leased, left.work) == (1, 0, 1), "all is decided, and somebody has to see to the gate"
    assert work(database, settings, row).finished is not None


def test_a_worker_that_dies_between_the_gate_and_the_first_change_loses_nothing(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ask(database, settings, policy=write_pack(conn, tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr("limits.engine.shards._apply_shard", _die)
        with pytest.raises(KeyboardInterrupt):
            work(database, settings, row)
    assert (reviews.get(conn, row.review_id).stage, count(conn, "adjustment_log")) == ("apply", 0)
    conn.execute("UPDATE limits.shards SET leased_until = clock_timestamp() WHERE state = 'leased'")
    assert work(database, settings, row).finished is not None
    assert what(conn, row).count("passed") == 1
    invariants.check(conn)


def _die(task: object) -> None:
    raise KeyboardInterrupt


def test_the_gate_is_passed_once_by_those_who_race(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ask(database, settings, policy=write_pack(conn, tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(gate, "advance", lambda *_: False)
        work(database, settings, row)

    def race(_: int) -> bool:
        with database.connect("worker", "race") as one:
            return gate.advance(one, row)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(race, range(4))) == [False, False, False, True]
    assert what(conn, row) == ["passed"]


# Breakers that the policy may leave out ------------------------------------------------------------


@pytest.mark.parametrize(("bps", "expected"), [(1999, "held"), (2000, "done")])
def test_the_largest_raise_of_one_user(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, bps: int, expected: str
) -> None:
    """The policy raises by a fifth at most, or by 2,000 CNY where that is more."""
    conn.execute("DELETE FROM limits.credit_lines WHERE user_id < 6")
    pack = write_pack(conn, tmp_path, breakers__user_raise_bps=str(bps))
    row = ask(database, settings, policy=pack)
    work(database, settings, row)
    row = reviews.get(conn, row.review_id)
    assert (row.state, "the largest raise of one user: 20.00%" in (row.error or "")) == (expected, bps < 2000)


def test_the_population_against_the_review_before(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    pack = write_pack(conn, tmp_path, breakers__population_bps="1666")
    assert work(database, settings, ask(database, settings, policy=pack)).finished is not None, "there is none before"
    builders.add_user(conn, USERS + 1)
    second = ask(database, settings, AS_OF + dt.timedelta(days=1), pack)
    work(database, settings, second)
    row = reviews.get(conn, second.review_id)
    assert row.state == "held"
    assert row.error == "users more or fewer than in the review before: 16.67%, more than 16.66%"


# Which way, by whom ----------------------------------------------------------------------------------

ROLES: tuple[Role, ...] = ("worker", "operations", "auditor")
STATES = ("owed", "running", "held", "done", "failed", "cancelled")
#: What a role of the application may write itself; everything else goes through a function, or not at all.
MAY = {
    ("worker", "owed", "running"), ("worker", "owed", "failed"), ("worker", "running", "failed"),
}  # fmt: skip
#: Functions: from which states they may be called, and by whom.
FUNCTIONS = {
    "pass_gate(%s, 'x', '{}')": ({"running"}, {"worker"}),
    "hold_review(%s, 'x', 'x', '{}')": ({"running"}, {"worker"}),
    "release_review(%s, 'Bo', 'x')": ({"held"}, {"operations"}),
    "cancel_review(%s, 'Bo', 'x')": ({"owed", "running", "held", "failed", "cancelled"}, {"operations"}),
    "resume_review(%s, 'Bo', 'x')": ({"owed", "running", "failed"}, {"operations"}),
}
WAYS = {
    "owed": (), "running": ("running",), "held": ("running", "held"), "done": ("running", "done"),
    "failed": ("failed",), "cancelled": ("cancelled",),
}  # fmt: skip


def in_state(conn: Connection, database: Database, settings: Settings, state: str) -> int:
    """A review in a state, its shards decided and not done."""
    row = ask(database, settings)
    for step in WAYS[state]:
        conn.execute("UPDATE limits.reviews SET state = %s WHERE review_id = %s", (step, row.review_id))
    conn.execute(
        """INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total, stage, decided_at)
           VALUES (%s, 0, 1, 1, '{1}', 1, 'apply', clock_timestamp())""",
        (row.review_id,),
    )
    return row.review_id


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("old", STATES)
def test_which_way_a_role_may_move_a_review(
    database: Database, settings: Settings, conn: Connection, login: Login, role: Role, old: str
) -> None:
    review_id = in_state(conn, database, settings, old)
    intruder = login("limits_test_intruder", role)
    found = set()
    for new in STATES:
        if new == old:
            continue
        with intruder.transaction(force_rollback=True), Refusals(found, (role, old, new)):
            intruder.execute("UPDATE limits.reviews SET state = %s WHERE review_id = %s", (new, review_id))
    assert found == {way for way in MAY if way[:2] == (role, old)}
    for column in ("stage = 'apply'", "released_shards = 1", "session_role = 'x'"):
        with pytest.raises(psycopg.Error), intruder.transaction():
            intruder.execute(f"UPDATE limits.reviews SET {column} WHERE review_id = %s".encode(), (review_id,))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("old", STATES)
def test_which_function_a_role_may_call(
    database: Database, settings: Settings, conn: Connection, login: Login, role: Role, old: str
) -> None:
    review_id = in_state(conn, database, settings, old)
    intruder = login("limits_test_intruder", role)
    found: set[str] = set()
    for call in FUNCTIONS:
        with intruder.transaction(force_rollback=True), Refusals(found, call):
            intruder.execute(f"SELECT limits.{call}".encode(), (review_id,))
    assert found == {call for call, (states, roles) in FUNCTIONS.items() if old in states and role in roles}
    for inner in ("release_next", "at_the_gate", "lock_review"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), intruder.transaction():
            intruder.execute(f"SELECT limits.{inner}(%s)".encode(), (review_id,))


class Refusals:
    """Adds what was not refused."""

    def __init__(self, found: set, one: object) -> None:  # type: ignore[type-arg]
        self.found, self.one = found, one

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            self.found.add(self.one)
            return False
        if not isinstance(error, psycopg.Error):
            return False
        assert error.sqlstate in ("42501", "LM021"), error
        raise psycopg.Rollback


@pytest.mark.parametrize("role", ["worker", "operations"])
def test_a_review_does_not_begin_behind_the_gate(conn: Connection, login: Login, role: Role) -> None:
    policy_hash = policies.store_policy(conn, policies.read_pack("standard")[0], "Ann")
    for state, stage, shards in (("running", "apply", 9), ("running", "decide", 0), ("owed", "apply", 9)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login("limits_test_intruder", role).execute(
                """INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor, state, stage,
                                               released_shards)
                   VALUES ('scheduled', 'x', %s, %s, 'x', %s, %s, %s)""",
                (AS_OF, policy_hash, state, stage, shards),
            )


def test_a_review_is_done_when_its_shards_are(
    database: Database, settings: Settings, conn: Connection, login: Login
) -> None:
    review_id = in_state(conn, database, settings, "running")
    worker = login("limits_test_intruder", "worker")
    with pytest.raises(psycopg.Error, match="shards that are not done"):
        worker.execute("UPDATE limits.reviews SET state = 'done' WHERE review_id = %s", (review_id,))
    conn.execute("UPDATE limits.shards SET state = 'done', users_held = 1")
    done = """UPDATE limits.reviews
                 SET state = 'done', users_raised = 0, users_held = %s, users_lowered = 0, users_quarantined = 0,
                     users_skipped = 0, exposure_before_minor = 0, exposure_after_minor = 0
               WHERE review_id = %s"""
    conn.execute("UPDATE limits.reviews SET users_total = 1")
    with pytest.raises(psycopg.Error, match="other sums than these"):
        worker.execute(done, (0, review_id))
    worker.execute(done, (1, review_id))
    for change in ("users_held = 2", "error = 'x'", "state = 'failed'", "finished_at = now()"):
        with pytest.raises(psycopg.Error, match=r"stays so|cannot become"):
            worker.execute(f"UPDATE limits.reviews SET {change} WHERE review_id = %s".encode(), (review_id,))


@pytest.mark.parametrize("table", ["gate_events", "kill_switch_events"])
@pytest.mark.parametrize("role", ["owner", "worker", "operations"])
def test_what_happened_at_the_gate_is_not_rewritten(
    database: Database, conn: Connection, held: ReviewRow, table: str, role: Role
) -> None:
    gates.set_switch(conn, True, actor="Ann", reason="x")
    with database.connect(role, "attack") as other:
        if role == "owner":
            other.execute("SET session_replication_role = replica")
        for statement in (f"UPDATE limits.{table} SET actor = 'x'", f"DELETE FROM limits.{table}",
                          f"TRUNCATE limits.{table}"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(statement.encode())
