"""Challengers in the shadow: they decide on the same inputs, change nothing, and stop nobody."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from limits import engine
from limits.decision import decide
from limits.engine import challenging, shards
from limits.errors import NotFound
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import approvals, challengers, comparing, policies
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tests import builders, governance, invariants
from tests.governance import variant

AS_OF = builders.AS_OF
TODAY = dt.date(2026, 9, 30)
#: Nobody may have more than this: with it users 3 to 5 would be cut and user 1 raised less.
CAREFUL = variant(pack="careful", product='"2100 CNY"')
#: Of the same pack, not in force yet.
LATER = variant(pack="careful", effective_on="2026-07-01", product='"1000 CNY"')


@pytest.fixture(autouse=True)
def _invariants(conn: Connection) -> Iterator[None]:
    yield
    invariants.check(conn)


@pytest.fixture
def users(conn: Connection) -> list[int]:
    for user_id in range(1, 6):
        builders.add_steady_user(conn, user_id, credit_limit=100_000 * user_id)
    return list(range(1, 6))


def run(database: Database, settings: Settings, as_of: dt.date = AS_OF) -> ReviewRow:
    row = engine.request_review(database, settings, as_of=as_of, actor="anna")
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None
    assert done.state == "done"
    return done


def rows(conn: Connection) -> list[tuple[object, ...]]:
    return conn.execute(
        """SELECT c.user_id, c.limit_before_minor, c.limit_after_minor, c.binding, c.input_digest = l.input_digest,
                  c.capacity_p50_minor = l.capacity_p50_minor, c.as_of, c.currency::text,
                  c.code_version = l.code_version
             FROM limits.challenger_log c JOIN limits.adjustment_log l USING (review_id, user_id) ORDER BY c.user_id"""
    ).fetchall()


def test_a_challenger_decides_the_same_users_and_changes_nothing(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    for policy in (CAREFUL, LATER, policies.read_pack("cz")[0], policies.read_pack(settings.policy)[0]):
        governance.approve(conn, policy, role="challenger")  # the last one is what decides, and no challenger of itself
    approvals.propose(conn, variant(pack="waiting"), role="challenger", actor="Ann", reason="")
    done = run(database, settings)
    found = rows(conn)
    assert [row[0] for row in found] == users
    assert all(row[4:] == (True, True, AS_OF, "CNY", True) for row in found)
    assert [row[2] for row in found if row[1] >= 300_000] == [210_000, 280_000, 350_000]  # as far as one cut goes
    assert {row[3] for row in found if row[1] >= 300_000} == {Reason.PRODUCT_MAXIMUM}
    limits = conn.execute(
        """SELECT c.user_id, c.limit_minor, l.limit_after_minor FROM limits.credit_lines c
             JOIN limits.adjustment_log l USING (user_id) ORDER BY c.user_id"""
    ).fetchall()
    assert all(limit == logged for _, limit, logged in limits)
    assert all(limit > 70_000 * user for user, limit, _ in limits if user >= 3)
    assert done.users_total == len(limits) == 5
    assert conn.execute("SELECT count(*) FROM limits.challenger_failures").fetchone() == (0,)


def test_another_horizon_has_a_forecast_of_its_own(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    far = variant(pack="far", horizon_months="24")
    governance.approve(conn, far, role="challenger")
    run(database, settings)
    p10 = conn.execute(
        """SELECT c.capacity_p10_minor, l.capacity_p10_minor FROM limits.challenger_log c
             JOIN limits.adjustment_log l USING (review_id, user_id)"""
    ).fetchall()
    assert len(p10) == 5
    assert any(own != champion for own, champion in p10)


@pytest.mark.parametrize("broken", ["deciding", "reading", "writing"])
def test_a_challenger_that_fails_stops_nobody(
    database: Database,
    settings: Settings,
    conn: Connection,
    users: list[int],
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    governance.approve(conn, CAREFUL, role="challenger")

    def stumble(*_: object, **__: object) -> None:
        raise FloatingPointError("cannot get\nthrough")

    if broken == "writing":
        conn.execute("ALTER TABLE limits.challenger_log ADD CHECK (limit_after_minor < 0)")
    else:
        monkeypatch.setattr(challenging, {"deciding": "decide", "reading": "_read"}[broken], stumble)
    done = run(database, settings)
    assert (done.users_total, done.users_quarantined, done.users_skipped) == (5, 0, 0)
    assert rows(conn) == []
    failed = conn.execute("SELECT sum(users), min(user_from), min(error) FROM limits.challenger_failures").fetchone()
    assert failed is not None
    assert failed[:2] == (5, 1)
    assert failed[2].startswith("FloatingPointError: cannot get through" if broken != "writing" else "CheckViolation: ")
    (failure,) = comparing.compare(conn, last=1, today=TODAY).failures
    assert (failure.users, failure.policy_hash) == (5, CAREFUL.policy_hash)


def test_a_challenger_withdrawn_meanwhile_is_a_failure_of_its_own(
    database: Database, settings: Settings, conn: Connection, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = governance.approve(conn, CAREFUL, role="challenger")
    withdrawn: list[bool] = []

    def withdraw(place: str) -> None:
        if place == "decide.decided" and not withdrawn:
            withdrawn.append(approvals.decide(conn, number, "withdraw", actor="Ann", reason="stop") is None)

    monkeypatch.setattr(shards, "reach", withdraw)
    run(database, settings)
    assert rows(conn) == []
    (failure,) = comparing.compare(conn, last=1, today=TODAY).failures
    assert "only an approved challenger is logged" in failure.error


def test_a_user_whose_limit_moved_on_is_logged_once(
    database: Database, settings: Settings, conn: Connection, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    governance.approve(conn, CAREFUL, role="challenger")
    moved: list[int] = []

    def move_one(place: str) -> None:
        if place == "apply.part" and not moved:
            moved.append(1)
            conn.execute(
                "UPDATE limits.credit_lines SET limit_minor = 150000, opening_limit_minor = 150000 WHERE user_id = 1"
            )

    monkeypatch.setattr(shards, "reach", move_one)
    run(database, settings)
    assert [(row[0], row[1]) for row in rows(conn)][:2] == [(1, 150_000), (2, 200_000)]
    assert all(row[4] for row in rows(conn))
    assert conn.execute("SELECT count(*) FROM limits.challenger_failures").fetchone() == (0,)


def test_nobody_forges_or_changes_what_a_challenger_decided(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    governance.approve(conn, CAREFUL, role="challenger")
    done = run(database, settings)
    forged = """INSERT INTO limits.challenger_log (review_id, user_id, policy_hash, as_of, currency, limit_before_minor,
                    limit_after_minor, binding, reason_bits, lowest_ceiling_minor, floor_minor, capacity_p10_minor,
                    capacity_p50_minor, capacity_p90_minor, capacity_method, input_digest, code_version)
                VALUES (%s, 99, %s, %s, 'CNY', 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, sha256('x'), 'x')"""
    policies.store_policy(conn, LATER, "x")
    going = engine.request_review(database, settings, as_of=AS_OF + dt.timedelta(days=1), actor="anna")
    conn.execute("UPDATE limits.reviews SET state = 'running' WHERE review_id = %s", (going.review_id,))
    with database.connect("worker", "attack") as worker:
        for review_id, policy, as_of in (
            (done.review_id, CAREFUL, AS_OF),  # the review is over
            (going.review_id, LATER, going.business_date),  # nobody approved it
            (going.review_id, CAREFUL, AS_OF),  # another date than the review's
            (going.review_id, policies.read_pack("standard")[0], going.business_date),  # the champion itself
        ):
            with pytest.raises(psycopg.Error, match="only an approved challenger"):
                worker.execute(forged, (review_id, policy.policy_hash, as_of))
    conn.execute("UPDATE limits.reviews SET state = 'cancelled' WHERE review_id = %s", (going.review_id,))
    for table in ("challenger_log", "challenger_failures"):
        for statement in ("UPDATE limits.{} SET review_id = 1", "DELETE FROM limits.{}", "TRUNCATE limits.{}"):
            if table == "challenger_failures" and not statement.startswith("TRUNCATE"):
                continue  # it has no row to change
            with pytest.raises(psycopg.Error, match="append-only"), conn.transaction():
                conn.execute("SET LOCAL session_replication_role = replica")
                conn.execute(statement.format(table).encode())


def test_rows_are_as_the_challenger_decided(conn: Connection, users: list[int]) -> None:
    builders.refresh(conn)
    champion = policies.read_pack("standard")[0]
    with conn.transaction():
        decided = engine.decide_users(conn, champion, AS_OF, users, snapshot=False)
    tried = [challengers.Challenger(CAREFUL.policy_hash, "careful", AS_OF, CAREFUL.body)]
    (shadow,) = challenging.shadows(tried, champion, decided)
    expected = decide(decided.portfolio, decided.decisions.capacity, decided.decisions.risk, CAREFUL)
    assert shadow.decisions is not None
    assert shadow.decisions.limit_after.tolist() == expected.limit_after.tolist()
    expected.reason_bits[0] = 2**62
    assert len(challengers.encode(1, b"h" * 32, decided.portfolio, expected, decided.digest, "v")) == 5
    expected.binding[0] = 2**15
    with pytest.raises(OverflowError):
        challengers.encode(1, b"h" * 32, decided.portfolio, expected, decided.digest, "v")


def test_compare_counts_actions_flips_and_missed_payments(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    with pytest.raises(NotFound, match="no review had a challenger yet"):
        comparing.compare(conn, last=5, today=TODAY)
    governance.approve(conn, CAREFUL, role="challenger")
    first = run(database, settings)
    second = run(database, settings, AS_OF + dt.timedelta(days=1))
    issued = dt.date(2026, 7, 5)
    for user_id in (1, 3, 4):
        builders.add_statement(conn, user_id, issued)
        builders.add_repayment(conn, user_id, issued - dt.timedelta(days=1))  # before it: it pays none of this minimum
    builders.add_repayment(conn, 1, issued + dt.timedelta(days=20))
    builders.add_repayment(conn, 3, issued + dt.timedelta(days=21))  # a day late
    builders.add_statement(conn, 5, TODAY - dt.timedelta(days=10))  # not due yet
    builders.add_statement(conn, 2, AS_OF - dt.timedelta(days=40))  # due before the decision
    found = comparing.compare(conn, last=1, today=TODAY)
    assert [one.review_id for one in found.reviews] == [second.review_id]
    found = comparing.compare(conn, last=5, today=TODAY)
    assert [one.review_id for one in found.reviews] == [first.review_id, second.review_id]
    expected: Counter[tuple[int, int, int]] = Counter()
    logged = conn.execute(
        """SELECT l.user_id, l.action::int, sign(c.limit_after_minor - c.limit_before_minor)::int
             FROM limits.challenger_log c JOIN limits.adjustment_log l USING (review_id, user_id)"""
    ).fetchall()
    assert len(logged) == 10
    for user_id, champion, challenger in logged:
        for place, counts in enumerate((True, user_id in (1, 3, 4), user_id in (3, 4))):
            expected[champion, challenger, place] += counts
    for group in found.groups:
        seen = (group.decisions, group.with_statement, group.missed)
        assert seen == tuple(expected[group.champion, group.challenger, place] for place in range(3))
    assert sum(group.missed for group in found.groups) == 4
    assert sum(group.decisions for group in found.groups if group.champion != group.challenger) >= 3
    after = conn.execute("SELECT sum(limit_after_minor) FROM limits.adjustment_log").fetchone()
    assert after == (sum(group.champion_after_minor for group in found.groups),)
    (one,) = comparing.as_dict(found)["challengers"]
    assert one["decisions"] == sum(r["champion"] for r in one["lowest_ceilings"]) == 10
    assert one["challenger"]["exposure_after_minor"] < one["champion"]["exposure_after_minor"]
