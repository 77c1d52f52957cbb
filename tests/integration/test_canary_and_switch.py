"""A few shards first, and a switch that stops everything."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from pathlib import Path

import pytest

from limits import breakers, engine
from limits.engine import shards
from limits.errors import ApprovalRefused, KillSwitchEngaged, ReviewRefused
from limits.settings import Settings, make_settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
#: Users in shards of their own, all held, so that there is little to compute.
USERS = 21


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, chunk_users=1, shard_users=1
    )


@pytest.fixture
def row(database: Database, settings: Settings, conn: Connection, tmp_path: Path) -> ReviewRow:
    for user_id in range(1, USERS + 1):
        builders.add_user(conn, user_id)
    builders.refresh(conn)
    policy = write_pack(conn, tmp_path)
    return engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=policy)


def work(database: Database, settings: Settings, row: ReviewRow) -> engine.Worked:
    return engine.work(database, settings, row.review_id, worker="test")


def applied(conn: Connection) -> int:
    found = conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone()
    assert found is not None
    return int(found[0])


# The canary --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "stages"),
    [([1], [1]), ([1] * 2, [1, 2]), ([1] * 10, [1, 10]), ([1] * 11, [1, 2, 11]), ([1] * 50, [1, 5, 50]),
     ([1] * 100, [1, 10, 100]), ([1] * 101, [2, 11, 101]), ([1] * 1000, [10, 100, 1000]),
     ([10, 90, 300, 300, 300], [1, 2, 5]), ([5, 5, 45, 45, 900], [2, 4, 5]), ([11, 989], [1, 2]),
     ([10, 91, 899], [1, 3]), ([500, 500], [1, 2])],
)  # fmt: skip
def test_one_user_in_a_hundred_then_one_in_ten_then_all(conn: Connection, users: list[int], stages: list[int]) -> None:
    assert released(conn, users) == stages


@pytest.mark.parametrize("users", [1, 7, 8, 99, 100, 101, 2_345, 10_000, 100_000, 1_000_000, 3_141_593])
@pytest.mark.parametrize("most", [1, 13, 20_000])
def test_shards_are_cut_where_the_stages_end(conn: Connection, users: int, most: int) -> None:
    if users / most > 50_000:
        return
    sizes = breakers.shard_sizes(users, most)
    assert (sum(sizes), min(sizes) > 0, max(sizes) <= most) == (users, True, True)
    ends = {sum(sizes[:stage]) for stage in released(conn, sizes)}
    assert ends == {-(-users // 100), -(-users // 10), users}, "the database takes the same stages"


def test_shards_of_a_small_and_of_a_large_review() -> None:
    assert breakers.shard_sizes(0, 20_000) == []
    assert breakers.shard_sizes(500, 20_000) == [5, 45, 450]
    assert breakers.shard_sizes(10_000, 20_000) == [100, 900, 4500, 4500]
    assert breakers.shard_sizes(20_000, 20_000) == [200, 1800, *[4500] * 4]
    assert breakers.shard_sizes(100_000, 20_000) == [1000, 4500, 4500, *[11_250] * 8]
    assert set(breakers.shard_sizes(1_000_000, 20_000)[2:8]) == {15_000}, "an even number of them"


def released(conn: Connection, users: list[int]) -> list[int]:
    """How many shards, of so many users each, one stage after the other releases."""
    found, so_far = [], 0
    while (row := conn.execute("SELECT limits.next_release(%s::bigint[], %s)", (users, so_far)).fetchone()) != (None,):
        assert row is not None
        so_far = row[0]
        found.append(so_far)
    return found


def test_each_stage_is_applied_before_the_next_is_released(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    assert work(database, settings, row).finished is not None
    steps = conn.execute(
        """SELECT e.what, (SELECT count(*) FROM limits.adjustment_log l WHERE l.decided_at < e.at)
             FROM limits.gate_events e ORDER BY e.event_id"""
    ).fetchall()
    assert steps == [("passed", 0), ("canary", 1), ("canary", 3)]
    figures = gates.events(conn, row.review_id)[2].figures
    assert (figures["users"], figures["decided_users"], figures["renewed"], figures["aside"]) == (3, 3, 0, 0)
    invariants.check(conn)


def test_a_canary_that_comes_out_otherwise_than_decided_holds_the_review(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = reviews.finish

    def slip(connection: Connection, lease: reviews.Lease, review: ReviewRow) -> object:
        conn.execute("UPDATE limits.shards SET exposure_after_minor = exposure_after_minor + 1 WHERE shard = 0")
        monkeypatch.setattr(shards.reviews, "finish", finish)
        return finish(connection, lease, review)

    monkeypatch.setattr(shards.reviews, "finish", slip)
    work(database, settings, row)
    held = reviews.get(conn, row.review_id)
    assert (held.state, held.error) == (
        "held", "limits changed by 1 minor units, where 0 had been decided"
    )  # fmt: skip
    assert (held.released_shards, applied(conn)) == (1, 1), "a canary is as far as it got"
    gates.release(conn, row.review_id, actor="Bo", reason="looked at")
    work(database, settings, row)
    again = reviews.get(conn, row.review_id)
    assert (again.state, again.released_shards, applied(conn)) == ("held", 3, 3), "looked at again before all"


def test_a_worker_with_nothing_to_lease_goes_on_when_another_ends_soon(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    assert reviews.plan(conn, row.review_id, shard_users=1) == "planned"
    held = reviews.lease(conn, row.review_id, worker="another", seconds=30)
    assert held is not None

    def give_back() -> None:
        while other.execute("SELECT count(*) FROM limits.shards WHERE stage = 'decide'").fetchone() != (1,):
            time.sleep(0.01)
        assert reviews.give_back(other, held)

    with database.connect("worker", "test") as other, concurrent.futures.ThreadPoolExecutor() as pool:
        given = pool.submit(give_back)
        assert work(database, settings, row).finished is not None, "no message woke it"
        given.result()
    invariants.check(conn)


def test_a_worker_with_nothing_to_lease_does_not_wait_for_ever(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    assert reviews.plan(conn, row.review_id, shard_users=1) == "planned"
    assert reviews.lease(conn, row.review_id, worker="another", seconds=30) is not None
    assert work(database, settings, row).state == "busy"


# The kill switch ---------------------------------------------------------------------------------


def test_while_it_is_engaged_reviews_decide_and_wait(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    assert gates.set_switch(conn, True, actor="Ann", reason="a feed broke")
    assert not gates.set_switch(conn, True, actor="Bo", reason="again")
    assert work(database, settings, row).state == "busy"
    assert (reviews.get(conn, row.review_id).stage, applied(conn)) == ("apply", 0)
    (left,) = reviews.unfinished(conn)
    assert left.work == 0, "the sweeper wakes nobody"
    attempts = conn.execute("SELECT max(attempts) FROM limits.shards").fetchone()
    assert work(database, settings, row).state == "busy"
    assert conn.execute("SELECT max(attempts) FROM limits.shards").fetchone() == attempts, "and nobody takes a shard"
    with pytest.raises(KillSwitchEngaged, match="the kill switch is engaged: nothing applied"):
        engine.recompute(
            database, settings, 1, reason="x", actor="x", as_of=AS_OF, apply=True, policy=_policy(conn, settings)
        )
    assert applied(conn) == 0
    for name in ("Ann", "a n n"):
        with pytest.raises(ApprovalRefused, match="the kill switch was engaged by Ann"):
            gates.set_switch(conn, False, actor=name, reason="mended")
    assert gates.set_switch(conn, False, actor="Bo", reason="mended")
    assert reviews.unfinished(conn)[0].work > 0
    assert work(database, settings, row).finished is not None
    assert [(turn.engaged, turn.actor, turn.reason) for turn in gates.turns(conn)] == [
        (False, "Bo", "mended"),
        (True, "Ann", "a feed broke"),
    ]
    invariants.check(conn)


def test_who_waited_behind_it_for_more_than_a_day_is_not_applied(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow
) -> None:
    gates.set_switch(conn, True, actor="Ann", reason="a feed broke")
    work(database, settings, row)
    gates.set_switch(conn, False, actor="Bo", reason="mended")
    conn.execute("UPDATE limits.shards SET decided_at = decided_at - interval '25 hours' WHERE shard = 1")
    assert work(database, settings, row).state == "waits"
    held = reviews.get(conn, row.review_id)
    assert held.state == "held" and held.error is not None and "more than 24 hours ago; cancel it" in held.error
    assert applied(conn) == 1, "the canary, which is younger here"
    with pytest.raises(ReviewRefused, match="more than 24 hours ago; cancel it"):
        gates.release(conn, row.review_id, actor="Bo", reason="x")
    assert gates.cancel(conn, row.review_id, actor="Bo", reason="too old")
    assert work(database, settings, row).state == "over" and applied(conn) == 1


def _policy(conn: Connection, settings: Settings) -> str:
    return str(Path(str(settings.home)).parent / "policy.toml")


def test_it_waits_for_who_applies_and_nobody_overtakes_it(database: Database, conn: Connection) -> None:
    """Two who share the switch by turns, without a moment between them, would keep a row's lock busy for ever."""
    end = time.monotonic() + 60.0
    ready = threading.Barrier(5)

    def share(_: int) -> int:
        seen = 0
        with database.connect("owner", "applies") as one:
            while time.monotonic() < end:
                with one.transaction():
                    found = one.execute("SELECT engaged FROM limits.kill_switch FOR SHARE").fetchone()
                    if found == (True,):
                        break
                    seen += 1
                    time.sleep(0.05)
                if seen == 1:
                    ready.wait(60)
        return seen

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sharing = [pool.submit(share, number) for number in range(4)]
        ready.wait(60)
        began = time.monotonic()
        assert gates.set_switch(conn, True, actor="Ann", reason="x")
        took = time.monotonic() - began
        assert all(one.result() > 0 for one in sharing)
    assert took < 2.0


def test_nothing_is_applied_after_it_has_returned(
    database: Database, settings: Settings, conn: Connection, row: ReviewRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limits.engine.shards.reach", lambda place: time.sleep(0.05 if place == "apply.part" else 0))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        working = pool.submit(work, database, settings, row)
        while applied(conn) < 4:
            assert not working.done()
            time.sleep(0.02)
        began = time.monotonic()
        gates.set_switch(conn, True, actor="Ann", reason="x")
        took = time.monotonic() - began
        there = applied(conn)
        assert working.result(timeout=60).state in ("waits", "busy")
    print(f"the switch took {took * 1000:.0f} ms")
    assert took < 2.0
    assert applied(conn) == there < USERS
    assert conn.execute("SELECT count(*) FROM limits.shards WHERE state = 'leased'").fetchone() == (0,)
    invariants.check(conn)
