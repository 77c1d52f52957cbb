"""Who decides what decides: attacks on approvals and overrides, and what becomes of a review without them."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.cli import doctor
from limits.engine import asking, governing, shards
from limits.errors import ApprovalRefused, NotFound, PolicyError, PolicyNotApproved, ReviewRefused
from limits.money import Money
from limits.policy import Policy
from limits.settings import Settings
from limits.store import approvals, overrides, policies, reviews, schedules
from limits.store.db import Connection, Database, Role
from tests import builders, governance, invariants, packs
from tests.governance import variant

AS_OF = builders.AS_OF
ROLES: list[Role] = ["worker", "operations", "auditor"]


@pytest.fixture(autouse=True)
def _invariants(conn: Connection) -> Iterator[None]:
    yield
    invariants.check(conn)


@pytest.fixture
def users(conn: Connection) -> list[int]:
    for user_id in range(1, 6):
        builders.add_steady_user(conn, user_id, credit_limit=200_000 * user_id)
    return list(range(1, 6))


def propose(conn: Connection, policy: Policy, actor: str = "Ann Lee") -> int:
    return approvals.propose(conn, policy, role="champion", actor=actor, reason="a test")


def state(conn: Connection, number: int) -> str:
    return approvals.get(conn, number).state


def withdraw(conn: Connection, why: str = "stop", pack: str = "standard") -> int:
    (one,) = (one for one in approvals.history(conn, pack) if one.state == "approved")
    assert approvals.decide(conn, one.approval_id, "withdraw", actor="Dora", reason=why)
    return one.approval_id


# Nobody writes the tables but the functions ---------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO limits.policy_approvals (policy_hash, state, maker, checker)
           SELECT policy_hash, 'approved', 'a', 'b' FROM limits.policies""",
        "UPDATE limits.policy_approvals SET state = 'approved', checker = 'x'",
        "UPDATE limits.policy_approvals SET maker_session = 'somebody'",
        "DELETE FROM limits.policy_approvals",
        "TRUNCATE limits.policy_approvals",
        """INSERT INTO limits.overrides (user_id, kind, currency, reason, starts_on, expires_on, state, maker, checker)
           VALUES (1, 'hold', 'CNY', 'x', '2026-01-01', '2026-02-01', 'approved', 'a', 'b')""",
        "UPDATE limits.overrides SET state = 'approved', checker = 'x'",
        "DELETE FROM limits.overrides",
        "DELETE FROM limits.challenger_log",
        "TRUNCATE limits.challenger_log",
        "UPDATE limits.challenger_log SET limit_after_minor = 1",
        "DELETE FROM limits.challenger_failures",
        "ALTER TABLE limits.reviews DISABLE TRIGGER approved_policy",
        "DROP TRIGGER approved_policy ON limits.reviews",
        "UPDATE limits.policies SET body = 'x'",
        "SELECT limits.check_second_person('x', 'a', 'b', 'c')",
    ],
)
def test_the_roles_of_the_application_may_not(
    login: Callable[[str, Role], Connection], role: Role, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        login("limits_test_intruder", role).execute(statement.encode())


@pytest.mark.parametrize("role", ["worker", "auditor"])
def test_only_operations_propose_and_approve(login: Callable[[str, Role], Connection], role: Role) -> None:
    for statement in (
        "SELECT limits.propose_policy('x', 'champion', 'a', '')",
        "SELECT limits.decide_policy(1, 'approve', 'b', '')",
        "SELECT limits.propose_override(1, 'hold', NULL, '2026-01-01', '2026-02-01', 'a', '')",
        "SELECT limits.decide_override(1, 'approve', 'b', '')",
        "SELECT limits.end_override(1, 'b', '')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login("limits_test_intruder", role).execute(statement.encode())


# Two people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Ann Lee", "  ann  LEE ", "AnnLee", "Ann\tLee", "Ann\u200b Lee", "Ａｎｎ Lee", "Ann\u00a0Lee"]
)
def test_the_maker_does_not_approve_under_another_spelling(conn: Connection, name: str) -> None:
    number = propose(conn, variant())
    with pytest.raises(ApprovalRefused, match=r"proposed by Ann Lee, who may not decide"):
        approvals.decide(conn, number, "approve", actor=name, reason="")
    # Not even the owner, past the functions.
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute(
            "UPDATE limits.policy_approvals SET state = 'approved', checker = %s WHERE approval_id = %s", (name, number)
        )
    assert state(conn, number) == "proposed"


def test_one_login_does_not_approve_what_it_proposed(
    conn: Connection, login: Callable[..., Connection], users: list[int]
) -> None:
    maker = login("limits_test_maker")
    number = propose(maker, variant())
    hold = overrides.propose(
        maker,
        1,
        "hold",
        None,
        starts_on=asking.today(),
        expires_on=asking.today() + dt.timedelta(days=9),
        actor="Ann",
        reason="x",
    )
    again = login("limits_test_maker")
    for name in ("Bob", "Ann Lee"):
        with pytest.raises(ApprovalRefused, match=r"another login|somebody else"):
            approvals.decide(again, number, "approve", actor=name, reason="")
    with pytest.raises(ApprovalRefused, match="another login"):
        overrides.decide(again, hold, "approve", actor="Bob", reason="")
    checker = login("limits_test_checker")
    assert approvals.decide(checker, number, "approve", actor="Bob", reason="seen")
    assert overrides.decide(checker, hold, "approve", actor="Bob", reason="seen")
    one = approvals.get(conn, number)
    assert (one.maker_session, one.checker_session) == ("limits_test_maker", "limits_test_checker")


def test_a_verdict_has_a_name(conn: Connection) -> None:
    number = propose(conn, variant())
    for name in ("", "   ", "\u200b"):
        with pytest.raises((ApprovalRefused, psycopg.errors.CheckViolation)):
            approvals.decide(conn, number, "approve", actor=name, reason="")
    with pytest.raises(psycopg.errors.CheckViolation):
        propose(conn, variant("# 2"), actor=" ")


def test_a_second_click_changes_nothing(conn: Connection, database: Database) -> None:
    number = propose(conn, variant())
    with pytest.raises(ApprovalRefused, match=f"is proposed as champion already .number {number}, proposed by Ann Lee"):
        propose(conn, variant())
    assert approvals.decide(conn, number, "approve", actor="Bob", reason="once")
    seen = approvals.get(conn, number)
    assert not approvals.decide(conn, number, "approve", actor="Carl", reason="twice")
    assert approvals.get(conn, number) == seen
    with pytest.raises(ApprovalRefused, match="is approved and cannot be rejected"):
        approvals.decide(conn, number, "reject", actor="Carl", reason="")
    assert approvals.decide(conn, number, "withdraw", actor="Ann Lee", reason="a mistake")  # to stop it one is enough
    assert not approvals.decide(conn, number, "withdraw", actor="Bob", reason="")
    with pytest.raises(ApprovalRefused, match="is withdrawn and cannot be approved"):
        approvals.decide(conn, number, "approve", actor="Bob", reason="")
    one = approvals.get(conn, number)
    assert (one.checker, one.withdrawn_by, one.withdrawn_reason) == ("Bob", "Ann Lee", "a mistake")
    with pytest.raises(ApprovalRefused, match="there is no proposal 99999"):
        approvals.decide(conn, 99999, "approve", actor="Bob", reason="")
    with pytest.raises(NotFound, match="there is no proposal 99999"):
        governing.decide_policy(database, 99999, "approve", actor="Bob", reason="")


def test_two_approvals_at_once_leave_one(conn: Connection, database: Database) -> None:
    numbers = [propose(conn, variant(f"# {place}")) for place in range(6)]
    start = threading.Barrier(len(numbers))

    def approve(number: int) -> None:
        with database.connect("operations", "limits test") as own:
            start.wait()
            approvals.decide(own, number, "approve", actor="Bob", reason="")

    threads = [threading.Thread(target=approve, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    standing = [one for one in approvals.history(conn, "standard") if one.state == "approved"]
    assert len(standing) == 1
    superseded = [one for one in approvals.history(conn, "standard") if one.state == "withdrawn"]
    assert len(superseded) == len(numbers)  # the other five, and the one that had been approved before
    assert all(one.withdrawn_reason.startswith("superseded by ") for one in superseded)
    named = {one.policy_hash.hex() for one in approvals.history(conn, "standard")}
    assert {one.withdrawn_reason.removeprefix("superseded by ") for one in superseded} <= named


def test_an_approval_waits_for_one_that_is_not_committed_yet(conn: Connection, database: Database) -> None:
    withdraw(conn)  # nothing else that both would have to lock
    first, second = propose(conn, variant("# 1")), propose(conn, variant("# 2"))
    done = threading.Event()

    def approve() -> None:
        with database.connect("operations", "limits test") as own:
            approvals.decide(own, second, "approve", actor="Bob", reason="")
        done.set()

    thread = threading.Thread(target=approve)
    with conn.transaction():
        approvals.decide(conn, first, "approve", actor="Bob", reason="")
        thread.start()
        assert not done.wait(0.5)
    assert done.wait(60)
    thread.join()
    assert (state(conn, first), state(conn, second)) == ("withdrawn", "approved")


def test_what_is_approved_is_what_the_text_says(conn: Connection, database: Database) -> None:
    policy = variant(pack="sly")
    conn.execute(
        "INSERT INTO limits.policies VALUES (%s, 'standard', %s, %s, 'x')",
        (policy.policy_hash, policy.effective_on, policy.body),
    )
    row = conn.execute("SELECT limits.propose_policy(%s, 'champion', 'Ann', '')", (policy.policy_hash,)).fetchone()
    assert row is not None
    with pytest.raises(PolicyError, match=r"is kept as pack standard.*but its text says sly"):
        governing.decide_policy(database, row[0], "approve", actor="Bob", reason="")


# No review without an approval --------------------------------------------------------------------


@pytest.fixture
def edited(tmp_path: Path) -> Policy:
    """The standard policy, edited after it was approved; the file is tmp_path/edited.toml."""
    policy = variant()
    (tmp_path / "edited.toml").write_text(policy.body)
    return policy


def test_an_edited_file_is_refused_by_both_hashes(
    database: Database, settings: Settings, conn: Connection, users: list[int], edited: Policy, tmp_path: Path
) -> None:
    file, approved = str(tmp_path / "edited.toml"), policies.read_pack("standard")[0]
    both = f"policy {edited.policy_hash.hex()} .*is not approved; approved for .* is {approved.policy_hash.hex()}; one"
    with pytest.raises(PolicyNotApproved, match=both):
        engine.request_review(database, settings, as_of=AS_OF, actor="anna", policy=file)
    with pytest.raises(PolicyNotApproved, match=both):
        engine.recompute(database, settings, 1, reason="x", actor="anna", as_of=AS_OF, apply=True, policy=file)
    assert conn.execute("SELECT count(*) FROM limits.reviews").fetchone() == (0,)
    # Trying and looking need no approval.
    assert engine.dry_run(database, settings, as_of=AS_OF, policy=file).users == 5
    assert not engine.recompute(database, settings, 1, reason="x", actor="anna", as_of=AS_OF, policy=file).applied
    # Nor does the database take the row from anybody, the owner included.
    policies.store_policy(conn, edited, "x")
    for role in ("owner", "worker", "operations"):
        with (
            database.connect(role, "attack") as attack,
            pytest.raises(psycopg.Error, match="is not approved") as caught,
        ):
            attack.execute(
                """INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor)
                   VALUES ('scheduled', 'x', %s, %s, 'x')""",
                (AS_OF, edited.policy_hash),
            )
        assert caught.value.sqlstate == "LM004"
    governance.approve(conn, edited)
    assert engine.request_review(database, settings, as_of=AS_OF, actor="anna", policy=file).created
    with pytest.raises(PolicyNotApproved, match=f"is {edited.policy_hash.hex()}"):  # the shipped one was superseded
        engine.request_review(database, settings, as_of=AS_OF, actor="anna", schedule="other", policy="standard")


def test_a_hash_that_nobody_keeps_is_refused(conn: Connection) -> None:
    with pytest.raises(PolicyNotApproved, match="is not kept in the database"):
        approvals.require(conn, b"\0" * 32)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        conn.execute("SELECT limits.propose_policy(%s, 'champion', 'Ann', '')", (b"\0" * 32,))


def test_another_pack_or_role_says_that_none_is_approved(conn: Connection) -> None:
    other = variant(pack="other")
    with pytest.raises(PolicyNotApproved, match="none is approved"):
        approvals.require_policy(conn, other)
    governance.approve(conn, other, role="challenger")
    with pytest.raises(PolicyNotApproved, match="none is approved"):
        approvals.require_policy(conn, other)
    assert conn.execute("SELECT count(*) FROM limits.policies WHERE pack = 'other'").fetchone() == (1,)


def test_a_running_review_fails_when_its_policy_is_withdrawn(
    database: Database, settings: Settings, conn: Connection, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="anna")
    chunks: list[int] = []

    def withdraw_before_the_second(place: str) -> None:
        chunks.extend([1] if place == "apply.part" else [])
        if place == "apply.part" and len(chunks) == 2:
            withdraw(conn, pack=packs.OWN)

    monkeypatch.setattr(shards, "reach", withdraw_before_the_second)
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    failed = reviews.get(conn, row.review_id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "is not approved; for that pack and date none is approved; one person proposes it" in failed.error
    made = conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone()
    assert made is not None and 0 < made[0] < 5, "what was applied before stands, and nothing came after"
    # Nothing is left for a sweeper to wake anybody for, and asking again says why.
    assert reviews.unfinished(conn) == []
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    with pytest.raises(PolicyNotApproved):
        engine.request_review(database, settings, as_of=AS_OF, actor="anna")
    governance.approve(conn, policies.read_pack(settings.policy)[0])
    assert engine.request_review(database, settings, as_of=AS_OF, actor="anna").state == "running"
    finished = engine.work(database, settings, row.review_id, worker="test").finished
    assert finished is not None
    assert (finished.state, finished.users_total) == ("done", 5)


def test_an_owed_review_fails_when_its_policy_is_withdrawn(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="anna")
    withdraw(conn, pack=packs.OWN)
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    assert reviews.get(conn, row.review_id).state == "failed"
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone() == (0,)


def test_a_withdrawal_waits_for_what_is_being_applied(database: Database, conn: Connection) -> None:
    done = threading.Event()
    policy = policies.read_pack("standard")[0]

    def stop() -> None:
        with database.connect("operations", "limits test") as own:
            withdraw(own)
        done.set()

    with database.connect("worker", "limits test") as worker:
        with worker.transaction():
            approvals.require(worker, policy.policy_hash)
            thread = threading.Thread(target=stop)
            thread.start()
            assert not done.wait(0.5)
        assert done.wait(60)
        thread.join()
        with pytest.raises(PolicyNotApproved):
            approvals.require(worker, policy.policy_hash)


def test_the_clock_owes_nothing_by_a_policy_that_is_not_approved(
    database: Database, settings: Settings, conn: Connection
) -> None:
    schedules.add_schedule(
        conn, "nightly", pack="standard", run_at=dt.time(2), time_zone="UTC", starts_on=dt.date(2026, 6, 1)
    )
    withdraw(conn)
    now = dt.datetime(2026, 6, 30, 3, tzinfo=dt.UTC)
    with database.connect("worker", "limits test") as clock:
        (row,) = schedules.list_schedules(clock)
        owed = engine.owe_due(clock, row, now=now, actor="scheduler")
        assert isinstance(owed.refused, PolicyNotApproved)
        assert (owed.left, owed.passed) == (30, ())
        (finding,) = [one for one in doctor._schedules(clock, settings) if one.state == "fail"]
    assert finding.state == "fail"
    assert "nightly owes no review: policy " in finding.says
    assert finding.mend.startswith("limits policy propose standard")
    assert conn.execute("SELECT count(*) FROM limits.reviews").fetchone() == (0,)


# Overrides ------------------------------------------------------------------------------------------


def test_an_override_counts_from_its_approval_to_its_last_day(conn: Connection, users: list[int]) -> None:
    today = asking.today()  # not once for all tests: they may run through midnight
    until = today + dt.timedelta(days=30)
    number = overrides.propose(
        conn, 1, "cap", Money(150_000, "CNY"), starts_on=today, expires_on=until, actor="Ann", reason="divorce"
    )
    assert overrides.in_force(conn, 1, today) == []
    with pytest.raises(ApprovalRefused, match=f"override {number} was proposed by Ann"):
        overrides.decide(conn, number, "approve", actor=" ANN", reason="")
    with pytest.raises(ApprovalRefused, match="is proposed; what is approved can be ended"):
        overrides.end(conn, number, actor="Bob", reason="")
    assert overrides.decide(conn, number, "approve", actor="Bob", reason="seen the papers")
    assert not overrides.decide(conn, number, "approve", actor="Carl", reason="")
    with pytest.raises(ApprovalRefused, match="is approved and cannot be rejected"):
        overrides.decide(conn, number, "reject", actor="Carl", reason="")
    (one,) = overrides.in_force(conn, 1, today)
    assert (one.amount, one.maker, one.checker) == ("1,500.00 CNY", "Ann", "Bob")
    assert overrides.in_force(conn, 1, today - dt.timedelta(days=1)) == []
    assert overrides.in_force(conn, 1, until - dt.timedelta(days=1)) == [one]
    assert overrides.in_force(conn, 1, until) == []
    assert overrides.in_force(conn, 2, today) == []
    assert overrides.end(conn, number, actor="Ann", reason="settled")
    assert not overrides.end(conn, number, actor="Ann", reason="")
    assert overrides.in_force(conn, 1, today) == []
    assert overrides.get(conn, number).ended_reason == "settled"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"user_id": 99}, "no user 99 with a credit line"),
        ({"kind": "hold"}, "a hold has no amount"),
        ({"amount": None}, "a hold has no amount"),
        ({"amount": Money(1, "CZK")}, "is in CNY, not in CZK"),
        ({"expires_on": 0}, "an override from .* on ends between"),
        ({"expires_on": 367}, "an override from .* on ends between"),
        ({"starts_on": -1}, "at the earliest, not from"),
    ],
    ids=str,
)
def test_an_override_that_cannot_be_is_one_sentence(
    conn: Connection, users: list[int], given: dict[str, object], says: str
) -> None:
    """Dates are given as days from today."""
    values: dict[str, object] = {
        "user_id": 1, "kind": "cap", "amount": Money(1, "CNY"), "starts_on": 0, "expires_on": 1, "actor": "Ann",
        "reason": "x",
    }  # fmt: skip
    values |= given
    for name in ("starts_on", "expires_on"):
        values[name] = asking.today() + dt.timedelta(days=int(str(values[name])))
    with pytest.raises((ApprovalRefused, NotFound), match=says):
        overrides.propose(conn, **values)  # type: ignore[arg-type]
    assert overrides.list_overrides(conn) == []


def test_a_refusal_of_the_review_itself_is_still_a_refusal() -> None:
    assert issubclass(PolicyNotApproved, ReviewRefused)
