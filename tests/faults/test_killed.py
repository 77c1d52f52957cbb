"""kill -9 before and after every statement of deciding and applying: another worker finishes, and nobody can tell.

After a statement is before the next one, or before or after COMMIT: the named failpoints beside
the statements' own.
"""

from __future__ import annotations

from collections import Counter

import pytest

from limits.errors import SettingsError
from limits.store import failpoints, reviews
from tests import invariants
from tests.faults.nights import Night, Nights, Result, assert_same

pytestmark = pytest.mark.slow

#: The failpoints are shared out to so many tests, so that processes of tests can share them.
SHARES = 6

#: Of these the last passing matters as much as the first.
NAMED = ("decide.", "apply.", "again.", "sql:decision_apply", "sql:part_take", "sql:review_complete", "leased")


def kills(passed: Counter[str]) -> list[str]:
    """Every failpoint at its first passing, and some at their last one."""
    found = [f"{name}=kill@1" for name in passed]
    return found + [f"{name}=kill@{times}" for name, times in passed.items() if name.startswith(NAMED) and times > 1]


def test_the_failpoints_are_those_of_deciding_and_of_applying(passed: Counter[str]) -> None:
    """So that the next test cannot miss one because it was never reached."""
    assert passed.keys() >= {
        "leased", "gate.advanced", "decide.decided", "decide.commit", "decide.committed", "apply.part", "apply.commit",
        "apply.committed", "apply.finished", "again.decided", "again.commit", "again.committed", "sql:shard_lease",
        "sql:shard_held", "sql:part_write", "sql:shard_exceptions", "sql:shard_decided", "sql:gate_pass",
        "sql:part_take", "sql:decision_types", "sql:decision_apply", "sql:shard_again", "sql:gate_shift",
        "sql:approval_require", "sql:shard_accounted", "sql:shard_finish", "sql:review_complete",
    }  # fmt: skip


@pytest.mark.parametrize("share", range(SHARES))
def test_a_worker_killed_at_a_failpoint(a_night: Nights, undisturbed: Result, passed: Counter[str], share: int) -> None:
    for failpoint in kills(passed)[share::SHARES]:
        with a_night() as night:
            night.hurt(failpoint)
            invariants.check(night.conn)
            assert_same(night.finish(), undisturbed)


def test_a_worker_killed_again_and_again(night: Night, undisturbed: Result, passed: Counter[str]) -> None:
    """One review through all of it: at each failpoint the worker that has come the furthest is killed."""
    killed = 0
    for name in passed:
        worker = night.worker(f"{name}=kill@1")
        killed += night.wait(worker) == -9
        night.end_leases()
    assert killed >= len(passed) // 2
    assert_same(night.finish(), undisturbed)


@pytest.mark.parametrize("statement", ["log_ensure_month", "refresh_lock", "review_lock", "shard_plan", "review_start"])
def test_a_worker_killed_while_it_plans(a_night: Nights, statement: str) -> None:
    with a_night(plan=False) as night:
        night.ask()
        night.hurt(f"sql:{statement}=kill@1")
        assert reviews.get(night.conn, night.review_id).state == "owed"
        night.finish()


def test_an_error_that_nobody_expects(night: Night, undisturbed: Result) -> None:
    """It ends what the worker was doing; what it did is undone as a whole or stays as a whole."""
    names = (
        "sql:shard_lease", "leased", "decide.decided", "sql:part_write", "decide.commit",
        "decide.committed", "sql:gate_pass", "gate.advanced", "apply.part", "sql:part_take", "sql:decision_apply",
        "apply.commit", "apply.committed", "sql:shard_again", "again.decided", "again.commit", "again.committed",
        "sql:shard_finish", "sql:review_complete",
    )  # fmt: skip
    for name in names:
        worker = night.worker(f"{name}=raise@1")
        night.wait(worker)
        assert f"failpoint {name}" in worker.said(), f"{name} was not reached"
        night.end_leases()
        invariants.check(night.conn)
    assert_same(night.finish(), undisturbed)


def test_an_error_while_deciding_that_does_not_come_again_is_nobodys_fault(night: Night, undisturbed: Result) -> None:
    worker = night.worker("sql:pack_read=raise@3")
    assert worker.wait() == 0, worker.said()
    assert_same(night.result(), undisturbed)


@pytest.mark.parametrize("text", ["decide.commit", "decide.commit=explode", "=kill", "a=kill@x", "a=kill,b"])
def test_a_failpoint_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="LIMITS_TEST_FAILPOINTS cannot be used"):
        failpoints.read(text)


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    failpoints.read("here=raise")
    with pytest.raises(RuntimeError, match="failpoint here"):
        failpoints.reach("here")
    failpoints.reach("here")
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoints.read()
    failpoints.reach("here")
