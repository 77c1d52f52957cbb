"""SIGSTOP past the lease, then SIGCONT: whoever took over finishes, and the one that wakes up writes nothing."""

from __future__ import annotations

import signal

import pytest

from limits.store import reviews
from tests.faults.nights import LIMIT_SECONDS, Nights, Result, assert_same
from tests.faults.processes import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "place",
    [
        "decide.decided",  # between deciding and committing
        "decide.commit",  # inside a transaction that holds the shard's row
        "sql:gate_pass",  # at the gate, with the review's row locked
        "apply.part",
        "sql:decision_apply@3",  # a part is removed and not applied yet
        "apply.commit@4",  # all is written, the lines are locked
        "again.decided",
        "again.commit",
        "sql:shard_finish",
    ],
)
def test_a_worker_stopped_past_its_lease_writes_nothing(a_night: Nights, undisturbed: Result, place: str) -> None:
    name, _, at = place.partition("@")
    with a_night(lease_seconds=2, heartbeat_seconds=0.5) as night:
        stopped = night.worker(f"{name}=stop@{at or 1}")
        until(lambda: stopped.state in "TX")
        assert stopped.process.is_alive(), stopped.said()
        other = night.worker()
        assert other.wait(LIMIT_SECONDS) == 0, other.said()
        assert reviews.get(night.conn, night.review_id).state == "done"
        assert_same(night.result(), undisturbed)
        stopped.send(signal.SIGCONT)
        assert stopped.wait() == 0, stopped.said()
        assert_same(night.result(), undisturbed)
        assert "review finished" not in stopped.said()
        assert "lease lost" in stopped.said() or "gave up" in stopped.said() or "database trouble" in stopped.said()
