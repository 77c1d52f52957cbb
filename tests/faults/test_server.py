"""The server fails: backends are ended in the middle of a statement, all of it is stopped at once, its disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits.store import reviews
from tests import invariants
from tests.faults.clusters import Cluster, cluster, small_disk
from tests.faults.nights import LIMIT_SECONDS, Night, Nights, Result, assert_same
from tests.faults.processes import until

pytestmark = pytest.mark.slow

#: Statements by what they write, in the order in which a night comes to them, each held up when all is written.
WRITES = [
    ("shard_parts", "INSERT"), ("review_exceptions", "INSERT"), ("shards", "UPDATE"), ("reviews", "UPDATE"),
    ("shard_parts", "DELETE"), ("adjustment_log", "INSERT"), ("credit_lines", "UPDATE"), ("batches", "INSERT"),
    ("notices", "INSERT"), ("outbox", "INSERT"), ("decided_meanwhile", "DELETE"),
]  # fmt: skip

HOLD = """
    CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(TG_ARGV[0]), hashtext(TG_OP)); RETURN NULL; END'"""

#: Workers that are held up.
HELD = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'limits worker' AND wait_event = 'advisory'"""


def hold(night: Night, table: str, event: str) -> Callable[[], None]:
    """From now on whoever writes there waits at the end of the statement, until what this gives is called."""
    key = (table, event)
    if night.conn.execute("SELECT to_regproc('public.hold')").fetchone() == (None,):
        night.conn.execute(HOLD)
    night.conn.execute(
        f"CREATE TRIGGER zz_hold AFTER {event} ON limits.{table} EXECUTE FUNCTION public.hold('{table}')".encode()
    )
    night.conn.execute("SELECT pg_advisory_lock(hashtext(%s), hashtext(%s))", key)

    def let_go() -> None:
        night.conn.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", key)

    return let_go


@pytest.mark.parametrize("share", range(2))
def test_backends_ended_in_the_middle_of_each_statement(a_night: Nights, undisturbed: Result, share: int) -> None:
    for table, event in WRITES[share::2]:
        with a_night() as night:
            let_go = hold(night, table, event)
            worker = night.worker()
            until(lambda night=night: night.conn.execute(HELD).fetchone() is not None)  # type: ignore[misc]
            ended = night.conn.execute(f"SELECT pg_terminate_backend(pid) FROM ({HELD}) held".encode()).fetchall()
            assert (True,) in ended
            let_go()
            # Between two shards the worker leaves it to the sweeper, which asks for it again.
            night.end_leases() if table == "shards" else None
            assert worker.wait(LIMIT_SECONDS) == 0, worker.said()
            assert "terminating connection" in worker.said()
            assert_same(night.result(), undisturbed)


@pytest.fixture
def small(scratch: Path) -> Iterator[Cluster]:
    with small_disk(scratch / f"disk-{time.monotonic_ns()}") as folder, cluster(folder) as made:
        yield made


def test_a_server_stopped_at_once_and_a_disk_that_is_full(small: Cluster, undisturbed: Result) -> None:
    """One after the other, while one review is decided and applied: setting a server up takes longer than both."""
    slow = "decide.commit=sleep:0.2,apply.commit=sleep:0.2"
    with small.night(lease_seconds=2, heartbeat_seconds=0.5) as night:
        worker = night.worker(slow)
        until(lambda: any(row[2] == "apply" for row in shards(night)))
        stop_and_start(small, night)
        until(lambda: night.applied() >= 6)
        stop_and_start(small, night)
        until(lambda: night.applied() >= 12)
        assert worker.process.is_alive(), worker.said()

        filler = small.fill()
        assert settled(night) < 48, "there was room for all"
        assert "No space left on device" in worker.said()
        assert reviews.get(night.conn, night.review_id).state == "running"
        invariants.check(night.conn)
        filler.unlink()
        small.start()  # where it went down for want of room for its log
        reconnect(night)
        assert worker.wait(LIMIT_SECONDS) == 0, worker.said()
        assert_same(night.result(), undisturbed)


def settled(night: Night) -> int:
    """How many are applied, when none have come for three seconds: room in files that are there is used up first."""
    seen, since = night.applied(), time.monotonic()
    while time.monotonic() < since + 3.0:
        time.sleep(0.2)
        if (now := night.applied()) != seen:
            seen, since = now, time.monotonic()
    return seen


def shards(night: Night) -> list[tuple[int, str, str]]:
    return night.conn.execute("SELECT shard, state, stage FROM limits.shards ORDER BY shard").fetchall()


def stop_and_start(small: Cluster, night: Night) -> None:
    """What anybody has seen committed is there afterwards."""
    seen = night.conn.execute("SELECT entry_id, user_id FROM limits.adjustment_log").fetchall()
    decided = [row[0] for row in shards(night) if row[2] == "apply"]
    small.stop_at_once()
    time.sleep(0.3)
    small.start()
    reconnect(night)
    assert set(night.conn.execute("SELECT entry_id, user_id FROM limits.adjustment_log").fetchall()) >= set(seen)
    assert {row[0] for row in shards(night) if row[2] == "apply"} >= set(decided)
    invariants.check(night.conn)


def reconnect(night: Night) -> None:
    night.conn.close()
    night.conn = night.database.connect("owner", "limits test")
