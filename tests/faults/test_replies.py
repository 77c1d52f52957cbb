"""A COMMIT whose reply is lost, or that is lost itself: whatever it was about is done exactly once."""

from __future__ import annotations

import pytest

from tests.faults import proxy
from tests.faults.nights import LIMIT_SECONDS, Nights, Result, assert_same
from tests.faults.proxy import Loss

pytestmark = pytest.mark.slow

LOSSES = pytest.mark.parametrize("loss", ["request", "reply"])

#: What is sent in the transaction whose COMMIT is lost.
MARKS = {
    "snapshot": b"ISOLATION LEVEL REPEATABLE READ",
    "decide": b"INSERT INTO limits.shard_parts",
    "gate": b"limits.pass_gate(",
    "apply": b"DELETE FROM limits.shard_parts",
    "again": b"limits.require_approved",
    "finish": b"SET state = 'done', finished_at",
}


@LOSSES
@pytest.mark.parametrize("what", MARKS)
def test_a_worker_does_once_what_it_cannot_know_the_outcome_of(
    a_night: Nights, undisturbed: Result, what: str, loss: Loss
) -> None:
    with a_night() as night, proxy.between(night.database.url) as between:
        between.lose(loss, MARKS[what])
        worker = night.worker(url=between.url)
        assert worker.wait(LIMIT_SECONDS) == 0, worker.said()
        assert between.lost == 1, worker.said()
        assert_same(night.result(), undisturbed)


@LOSSES
def test_a_third_of_the_commits_of_a_night(a_night: Nights, undisturbed: Result, loss: Loss) -> None:
    """A worker that gives a shard up for so much trouble keeps its lease, which has to end first."""
    with a_night(lease_seconds=3, heartbeat_seconds=0.5) as night, proxy.between(night.database.url) as between:
        between.lose(loss, every=3, times=1000)
        workers = [night.worker(url=between.url) for _ in range(2)]
        for worker in workers:
            assert worker.wait(LIMIT_SECONDS) == 0, worker.said()
        assert between.lost > 10
        assert_same(night.result(), undisturbed)
