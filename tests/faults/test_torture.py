"""Everything at random, again and again, over one review: the invariants hold after every round."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from limits.store import reviews
from tests import invariants
from tests.faults import proxy
from tests.faults.forked import Worker
from tests.faults.nights import Night, Nights, Result, assert_same

pytestmark = pytest.mark.slow

#: Rounds go on for so long, or until the review is done in spite of all.
SECONDS = 20.0
ROUND_SECONDS = 1.5

#: Every worker is slow, so that there is something to hurt.
SLOW = "decide.decided=sleep:0.2,apply.part=sleep:0.2,again.decided=sleep:0.2"

BACKENDS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name IN ('limits worker', 'limits lease') AND random() < 0.5"""


def failpoints(chance: random.Random, passed: Counter[str]) -> str:
    """One to three rules."""
    names = list(passed)
    actions = ["kill", "kill", "stop", "raise", "sleep:0.3", "sleep:1.2"]
    rules = [f"{name}={chance.choice(actions)}" for name in chance.sample(names, chance.randint(1, 3))]
    return ",".join([SLOW, *(f"{rule}@{chance.randint(1, 3)}" for rule in rules)])


def one_round(chance: random.Random, night: Night, passed: Counter[str], between: proxy.Proxy) -> None:
    between.lose(chance.choice(["request", "reply"]), every=chance.randint(2, 6), times=chance.choice([0, 1, 5]))
    crew: list[Worker] = [night.worker(failpoints(chance, passed), url=between.url) for _ in range(2)]
    until = time.monotonic() + chance.uniform(0.2, ROUND_SECONDS)
    while time.monotonic() < until and any(worker.process.is_alive() for worker in crew):
        time.sleep(0.1)
        if chance.random() < 0.1:
            night.conn.execute(BACKENDS)
    if chance.random() < 0.3:
        return  # left to themselves, beside those of the next round
    for worker in crew:
        worker.kill()
    if chance.random() < 0.7:
        night.end_leases()


@pytest.mark.parametrize("seed", [1, 2])
def test_torture(a_night: Nights, undisturbed: Result, passed: Counter[str], seed: int) -> None:
    chance, begun, rounds = random.Random(seed), time.monotonic(), 0
    with a_night(lease_seconds=2, heartbeat_seconds=0.5) as night, proxy.between(night.database.url) as between:
        while time.monotonic() < begun + SECONDS and reviews.get(night.conn, night.review_id).state != "done":
            one_round(chance, night, passed, between)
            invariants.check(night.conn)
            rounds += 1
        assert rounds > 2, "that was no torture"
        print(f"{rounds} rounds, {between.lost} commits lost, {night.applied()} users applied")
        for worker in night.workers:
            worker.kill()
        assert_same(night.finish(), undisturbed)
