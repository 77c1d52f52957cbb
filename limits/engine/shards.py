"""Working on one leased shard: deciding it as a whole, or applying what was decided, part by part.

Whatever happens to a worker, the next one reads from the database what is left to do; nothing
else is remembered between two transactions.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from limits.budget import raises_of
from limits.engine import challenging, gate, renewing
from limits.engine.challenging import in_words, shadows
from limits.engine.deciding import Decided, decide_users, made_by
from limits.engine.lease import LeaseKeeper
from limits.engine.line import Line
from limits.errors import DecidedTooLongAgo, KillSwitchEngaged, LeaseLost, PartDamaged, ReviewRefused, SnapshotError
from limits.policy import Policy
from limits.portfolio import Int, Portfolio
from limits.risk import Scorecard
from limits.settings import Settings
from limits.store import approvals, gates, packing, parts, record, reviews, risk_models, rows, snapshots
from limits.store.challengers import Challenger
from limits.store.db import TROUBLE
from limits.store.failpoints import reach
from limits.store.reviews import Lease, ReviewException, ReviewRow
from limits.store.rows import Rows

log = structlog.get_logger()

#: Times in a row that a shard may make no progress before the worker gives it back.
PATIENCE = 5

#: What deciding or applying may raise without any of the users being to blame: the connection, a
#: lock waited for too long, a full disk; a right or a column that is missing; a lease or review
#: lost; no memory; a snapshot that cannot be kept; or a decision that an earlier commit of
#: unknown outcome had made after all.
NOT_THE_USER = (
    *TROUBLE, *record.MISFIT, record.AlreadyDecided, LeaseLost, ReviewRefused, KillSwitchEngaged, DecidedTooLongAgo,
    PartDamaged, SnapshotError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A leased shard of a review, and all that working on it needs."""

    settings: Settings
    line: Line
    lease: Lease
    row: ReviewRow
    policy: Policy
    keeper: LeaseKeeper
    tried: Sequence[Challenger] = ()
    model: Scorecard | None = None
    stop: Callable[[], bool] = field(default=lambda: False)

    def left(self) -> list[int]:
        """Users of the shard that have neither a decision in the log nor an exception yet."""
        return reviews.remaining(self.line.conn, self.lease, self.row.business_date)


@dataclass(frozen=True)
class ShardRun:
    """What working on one shard came to. ``users``: who got a decision or an exception."""

    done: bool
    users: int
    finished: ReviewRow | None = None


def run_shard(task: Task) -> ShardRun:
    """Decides a shard, or applies it: whichever the review is about.

    Trouble with the database is tried again on a new connection. Each round asks the database
    what is left: what an earlier holder of the lease has done, or a commit whose reply was lost,
    is not done again.
    """
    run = _decide_shard if task.lease.stage == "decide" else _apply_shard
    fruitless, before = 0, task.lease.users_total
    while True:
        try:
            if fruitless:
                left = len(task.left())
                fruitless = 1 if left < before else fruitless
                before = left
            return run(task)
        except (*TROUBLE, record.AlreadyDecided) as error:
            # Also when COMMIT itself failed: whether it took effect is read in the next round.
            fruitless += 1
            log.warning(
                "database trouble", review_id=task.lease.review_id, shard=task.lease.shard, error=in_words(error)
            )
            if fruitless >= PATIENCE:
                raise
            task.line.close()
            time.sleep(min(0.2 * 2**fruitless, 3.0))
            task.keeper.check()


# Deciding -----------------------------------------------------------------------------------


def _decide_shard(task: Task) -> ShardRun:
    """Decides all users of a shard from one snapshot and keeps the decisions, in one transaction; applies nothing."""
    conn, lease = task.line.conn, task.lease
    aside: list[ReviewException] = []
    users = task.left()
    packing.refresh(conn, task.row.business_date, user_ids=np.array(users, dtype=np.int64))
    decided, made = _decide(task, users, aside)
    shadow = shadows(task.tried, task.policy, decided, task.model)
    reach("decide.decided")
    task.keeper.check()
    with conn.transaction():
        reviews.check_held(conn, lease)
        digest = _keep_snapshot(task, decided) if len(made) else None
        if len(made):
            parts.write(conn, lease, made, part_users=task.settings.chunk_users)
            if task.policy.budget.bounds:
                gates.write_raises(conn, lease, raises_of(decided.portfolio, decided.decisions, task.policy))
            challenging.keep(conn, lease, decided, shadow)
        exceptions = [*decided.exceptions, *aside]
        reviews.record_exceptions(conn, lease, task.row.business_date, exceptions)
        reviews.decided(conn, lease, snapshot_digest=digest, tally=decided.tally(aside))
        reach("decide.commit")
    reach("decide.committed")
    return ShardRun(True, len(exceptions))


def _decide(task: Task, user_ids: Sequence[int], aside: list[ReviewException]) -> tuple[Decided, Rows]:
    """Decides some users and encodes the decisions; whose data the engine cannot get through is put to ``aside``."""
    try:
        return _decide_and_encode(task, user_ids)
    except NOT_THE_USER:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it concerns one user and not the night
        culprits = dict(_culprits(task, user_ids, error))
        aside += [set_aside(task.lease, user_id, why) for user_id, why in culprits.items()]
        return _decide_and_encode(task, [user_id for user_id in user_ids if user_id not in culprits])


def _decide_and_encode(task: Task, user_ids: Sequence[int]) -> tuple[Decided, Rows]:
    decided = decide_users(
        task.line.conn, task.policy, task.row.business_date, user_ids, given=_given(task), model=task.model
    )
    return decided, rows.encode(decided.portfolio, decided.decisions, decided.dispositions)


def _given(task: Task) -> Callable[[Portfolio], Portfolio]:
    """Who is decided once the gate has allotted the budget is decided within it."""
    if task.lease.stage == "decide" or not task.policy.budget.bounds:
        return lambda portfolio: portfolio
    return functools.partial(gate.within, *gates.granted(task.line.conn, task.lease))


def _culprits(task: Task, user_ids: Sequence[int], error: Exception) -> list[tuple[int, Exception]]:
    """The users that the engine cannot get through, each with the error: halves are tried, down to one user."""
    if len(user_ids) == 1:
        return [(user_ids[0], error)]
    found = []
    middle = len(user_ids) // 2
    for half in (user_ids[:middle], user_ids[middle:]):
        task.keeper.check()
        try:
            _decide_and_encode(task, half)
        except NOT_THE_USER:
            raise
        except Exception as one:  # noqa: BLE001  as above
            found += _culprits(task, half, one)
    return found


def set_aside(lease: Lease, user_id: int, error: Exception) -> ReviewException:
    """The user gets no decision, and the error says why."""
    log.error("user set aside", review_id=lease.review_id, user_id=user_id, exc_info=error)
    return ReviewException(user_id, "quarantined", "engine_error", in_words(error))


# Applying -----------------------------------------------------------------------------------


def _apply_shard(task: Task) -> ShardRun:
    """Applies the parts of a shard, one transaction each; then decides again and applies who is left.

    Left are users for whom the decision was out of date, and those whose raise the budget does not let through
    in full. They are decided from what is there now, within the budget.
    """
    conn, lease = task.line.conn, task.lease
    began = reviews.accounted(conn, lease)
    cut = _cut_by_budget(task)
    for number in parts.left(conn, lease):
        task.keeper.check()
        if task.stop():
            return _not_done(task, began)
        reach("apply.part")
        with conn.transaction():
            stale = _apply_part(task, _take(task, number), *cut)
            reach("apply.commit")
        reach("apply.committed")
        if stale:
            log.info("limits moved on meanwhile", review_id=lease.review_id, users=len(stale))
    with conn.transaction():
        reviews.check_held(conn, lease)
        challenging.record_kept(conn, lease, leave_out=task.left())
    fruitless, before = 0, -1
    while left := task.left():
        fruitless = fruitless + 1 if len(left) == before else 0
        before = len(left)
        if fruitless >= PATIENCE:
            reviews.give_back(conn, lease, error=f"no progress with {len(left)} users left")
            raise LeaseLost(f"shard {lease.shard} of review {lease.review_id} makes no progress; given back")
        for start in range(0, len(left), task.settings.chunk_users):
            task.keeper.check()
            if task.stop():
                return _not_done(task, began)
            _decide_again(task, left[start : start + task.settings.chunk_users])
    done, finished = reviews.finish(conn, lease, task.row)
    reach("apply.finished")
    if not done:
        raise LeaseLost(f"shard {lease.shard} of review {lease.review_id} does not add up; left alone")
    return ShardRun(True, lease.users_total - began, finished)


def _cut_by_budget(task: Task) -> tuple[Int, Int]:
    """Users of the shard whose raise the budget does not let through in full, in order, and what it leaves of each."""
    if not task.policy.budget.bounds:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    raises, granted = gates.granted(task.line.conn, task.lease)
    less = granted < raises.delta
    return raises.user_id[less], granted[less]


def _take(task: Task, number: int) -> Rows:
    """A part, for the transaction that applies it. ReviewRefused when the review was held or the shard lost."""
    lease = task.lease
    try:
        part = parts.take(task.line.conn, lease, number)
    except record.REFUSED as error:
        if error.sqlstate == reviews.LOST:
            raise ReviewRefused(error.diag.message_primary or str(error)) from error
        raise
    if part is None:
        raise LeaseLost(f"part {number} of shard {lease.shard} of review {lease.review_id} is gone")
    return part


def _apply_part(task: Task, part: Rows, cut: Int, granted: Int) -> list[int]:
    """Applies a part but for whom the budget cut; also out: who was overtaken, which it gives."""
    conn, lease = task.line.conn, task.lease
    kept = ~np.isin(part.user_id, cut)
    made = part if kept.all() else part.only(kept)
    stale = _apply(task, made, lease.snapshot_digest) if len(made) else []
    if stale or not kept.all():
        overtaken = part.only(np.isin(part.user_id, stale))
        renewing.taken_out(conn, lease, overtaken, part.only(~kept), granted[np.isin(cut, part.user_id)])
    return stale


def _not_done(task: Task, began: int) -> ShardRun:
    users = reviews.accounted(task.line.conn, task.lease) - began
    reviews.give_back(task.line.conn, task.lease)
    return ShardRun(False, users)


def _decide_again(task: Task, user_ids: Sequence[int]) -> None:
    """Decides some users anew and applies it, in one transaction."""
    conn, lease = task.line.conn, task.lease
    aside: list[ReviewException] = []
    # Before reading: whoever decides one of them from now on, or imports news, makes this decision out of date as well.
    reviews.begin_again(conn, lease, user_ids)
    decided, made = _decide(task, user_ids, aside)
    shadow = shadows(task.tried, task.policy, decided, task.model)
    reach("again.decided")
    task.keeper.check()
    with conn.transaction():
        # Before anything is written; whoever withdraws policy or model now waits for this transaction.
        approvals.require(conn, task.row.policy_hash)
        risk_models.require(conn, task.row.risk_model)
        if len(made):
            stale = _apply(task, made, _keep_snapshot(task, decided))
            challenging.record(conn, lease, decided, shadow, leave_out=stale)
            made = made.only(~np.isin(made.user_id, stale))
        # After the decisions: those check the lease while it is not yet locked by this transaction.
        exceptions = [*decided.exceptions, *aside]
        reviews.record_exceptions(conn, lease, task.row.business_date, exceptions)
        renewing.put_in(conn, lease, task.policy, made, exceptions)
        reach("again.commit")
    reach("again.committed")


def _keep_snapshot(task: Task, decided: Decided) -> bytes:
    return snapshots.store(
        task.line.conn, task.lease.review_id, task.lease.shard, decided.portfolio, body=decided.snapshot,
        folder=task.settings.snapshot_store,
    )  # fmt: skip


def _apply(task: Task, made: Rows, digest: bytes | None) -> list[int]:
    assert digest is not None, "what was decided was decided on a snapshot"
    return record.apply_decisions(
        task.line.conn, task.lease, made, currency=task.policy.currency, input_digest=digest,
        made_by=made_by(),
    )  # fmt: skip
