"""What a worker does: plan a review that is owed, lease shards, decide and apply them chunk by chunk.

Whatever happens to a worker, the next one reads from the database who has no decision yet
and goes on from there; nothing else is remembered between two chunks.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from limits.engine import gate
from limits.engine.challenging import in_words
from limits.engine.lease import LeaseKeeper
from limits.engine.line import Line
from limits.engine.reconciling import reconcile_owed
from limits.engine.scoring import fitting
from limits.engine.shards import Task, run_shard
from limits.errors import (
    BreakerTripped,
    DecidedTooLongAgo,
    KillSwitchEngaged,
    LeaseLost,
    LimitsError,
    PartDamaged,
    PolicyError,
    PolicyNotApproved,
    ReviewRefused,
    RiskModelError,
    SnapshotError,
)  # fmt: skip
from limits.policy import Policy, parse_policy
from limits.risk import Scorecard
from limits.settings import Settings
from limits.store import approvals, challengers, policies, record, reviews, risk_models, workers
from limits.store.challengers import Challenger
from limits.store.db import TROUBLE, Connection, Database
from limits.store.failpoints import reach
from limits.store.reviews import Lease, ReviewRow

log = structlog.get_logger()

#: What a worker waits between looks while others hold what is left of a review's stage, in seconds: the next stage
#: often begins right then, and a message takes longer. Longer and longer, so that a hundred who wait ask little.
PAUSES = (0.01, 0.01, 0.01, 0.02, 0.02, 0.04, 0.08, 0.16, 0.32)

#: What keeps a shard from going on that neither another try nor another worker would mend.
_STOPPED = (
    PolicyNotApproved, ReviewRefused, KillSwitchEngaged, DecidedTooLongAgo, BreakerTripped, PartDamaged, SnapshotError,
)  # fmt: skip


@dataclass(frozen=True)
class Worked:
    """What one call of ``work`` came to.

    ``unknown``: there is no such review. ``over``: it is done, failed or cancelled.
    ``waits``: its turn comes after an earlier date, or it waits for a person. ``busy``: others hold what is left of
    it. ``more``: stopped or out of time with work left, which somebody should be woken for.
    """

    state: Literal["unknown", "over", "waits", "busy", "more"]
    shards: int = 0
    users: int = 0
    finished: ReviewRow | None = None  # the review, when this call finished it


def work(
    database: Database,
    settings: Settings,
    review_id: int,
    *,
    worker: str,
    seconds: float = 60.0,
    stop: Callable[[], bool] = lambda: False,
    wake: Callable[[int, int], None] = lambda review_id, n: None,
) -> Worked:
    """Works on a review until nothing is left to lease, ``seconds`` have passed or ``stop`` says so.

    ``wake(review_id, n)`` is called when n more workers would find something to do.
    """
    with Line(database, settings) as line:
        try:
            if reviews.plan(line.conn, review_id, shard_users=settings.shard_users) == "planned":
                log.info("review planned", review_id=review_id)
                wake(review_id, _wanted(line.conn, review_id))
            row = reviews.find(line.conn, review_id)
            if row is None:
                log.warning("message for an unknown review ignored", review_id=review_id)
                return Worked("unknown")
            if row.is_final:
                return Worked("over")
            if row.state in ("owed", "held"):
                return Worked("waits")
            approvals.require(line.conn, row.policy_hash)
            text = policies.load_policy(line.conn, row.policy_hash)
            policy = parse_policy(text, file=f"policy of review {review_id}")
            risk_models.require(line.conn, row.risk_model)
            model = risk_models.load(line.conn, row.risk_model)
            fitting(policy, model)
            tried = challengers.challengers(line.conn, champion=row.policy_hash, as_of=row.business_date)
        except (PolicyError, PolicyNotApproved, RiskModelError) as error:
            _fail(line.conn, review_id, error)
            return Worked("over")
        return _work_shards(database, settings, line, row, policy, model, tried, worker, seconds, stop, wake)


def _fail(conn: Connection, review_id: int, error: LimitsError) -> None:
    """The review cannot go on before somebody mends its policy or its model; asked for again it does."""
    reviews.fail(conn, review_id, str(error))
    log.error("review failed", review_id=review_id, error=str(error))


def _work_shards(
    database: Database,
    settings: Settings,
    line: Line,
    row: ReviewRow,
    policy: Policy,
    model: Scorecard | None,
    tried: Sequence[Challenger],
    worker: str,
    seconds: float,
    stop: Callable[[], bool],
    wake: Callable[[int, int], None],
) -> Worked:
    until = time.monotonic() + seconds

    def enough() -> bool:
        return stop() or time.monotonic() > until

    shards = users = 0
    looks = 0  # in vain, one after the other
    with LeaseKeeper(database, settings) as keeper:
        while not enough():
            lease = reviews.lease(line.conn, row.review_id, worker=worker, seconds=settings.lease_seconds)
            reach("leased")
            if lease is None:
                looks = _look_for_more(line.conn, row, wake, looks)
                if looks > len(PAUSES):
                    return Worked("busy", shards, users)
                continue
            looks = 0
            keeper.hold(lease)
            try:
                run = run_shard(Task(settings, line, lease, row, policy, keeper, tried, model, enough))
            except _STOPPED as error:
                return Worked(_put_down(line.conn, lease, row, error), shards, users)
            except LeaseLost as error:
                log.warning("lease lost", review_id=row.review_id, shard=lease.shard, reason=str(error))
                continue
            except record.MISFIT as error:
                # Nobody can go on before somebody mends it; the next one need not wait for the lease to end.
                reviews.give_back(line.conn, lease, error=in_words(error))
                raise
            except record.REFUSED as error:
                if isinstance(error, TROUBLE):
                    raise
                # A row that no rule foresaw: the next try may find it mended; until then the status says what it is.
                reviews.give_back(line.conn, lease, error=in_words(error))
                log.exception("shard put down", review_id=row.review_id, shard=lease.shard)
                return Worked("waits", shards, users)
            finally:
                keeper.release()
            shards, users = shards + run.done, users + run.users
            if run.finished is not None:
                log_finished(run.finished)
                reconcile_owed(line.conn)
                return Worked("over", shards, users, run.finished)
    return Worked("more", shards, users)


def _look_for_more(conn: Connection, row: ReviewRow, wake: Callable[[int, int], None], looks: int) -> int:
    """Where there is nothing to lease: takes the review a step further, or waits a little for others who are at it.

    Gives how many looks were in vain, one after the other; more than there are pauses when that was enough.
    """
    if not looks:
        # What is over adds up, or nothing more is applied: with a clock this was done long ago.
        reconcile_owed(conn)
    if gate.advance(conn, row):
        reach("gate.advanced")
        wake(row.review_id, _wanted(conn, row.review_id))
        return 0
    if looks < len(PAUSES) and not reviews.others_at_it(conn, row.review_id):
        return len(PAUSES)  # what they held may have come free since it was looked for: one look more
    if looks < len(PAUSES):
        time.sleep(PAUSES[looks])
    return looks + 1


def _wanted(conn: Connection, review_id: int) -> int:
    """How many more workers would find something to do, as far as there are any."""
    shards, processes = reviews.progress(conn, review_id).shards, workers.processes(conn)
    return min(shards, processes or shards) - 1


def _put_down(conn: Connection, lease: Lease, row: ReviewRow, error: LimitsError) -> Literal["over", "waits"]:
    """Gives back a shard that cannot go on now, and says what becomes of its review."""
    if isinstance(error, PolicyNotApproved):  # withdrawn meanwhile
        reviews.give_back(conn, lease)
        _fail(conn, row.review_id, error)
        return "over"
    if isinstance(error, ReviewRefused):  # cancelled meanwhile, and the lease with it; or held
        reviews.give_back(conn, lease)
        log.warning("review stopped", review_id=row.review_id, reason=str(error))
        return "over" if reviews.get(conn, row.review_id).is_final else "waits"
    if isinstance(error, PartDamaged | SnapshotError):
        # A person has to mend it: the review's status says what, and the next tick tries again.
        reviews.give_back(conn, lease, error=in_words(error))
        log.error("shard put down", review_id=row.review_id, shard=lease.shard, error=str(error))
        return "waits"
    reviews.give_back(conn, lease)
    if isinstance(error, DecidedTooLongAgo | BreakerTripped):
        figures = error.figures if isinstance(error, BreakerTripped) else {}
        with contextlib.suppress(ReviewRefused):  # another worker was quicker
            gate.hold(conn, row, str(error), figures)
    else:
        log.warning("nothing applied", review_id=row.review_id, reason=str(error))
    return "waits"


def log_finished(row: ReviewRow) -> None:
    """One line with what a review came to."""
    log.info(
        "review finished",
        review_id=row.review_id,
        schedule=row.schedule,
        as_of=row.business_date.isoformat(),
        users=row.users_total,
        raised=row.users_raised,
        held=row.users_held,
        lowered=row.users_lowered,
        quarantined=row.users_quarantined,
        skipped=row.users_skipped,
    )
    aside = (row.users_quarantined or 0) + (row.users_skipped or 0)
    if row.users_total == aside > 0:
        log.warning(
            "review decided nobody; see limits review show", review_id=row.review_id, schedule=row.schedule,
            quarantined=row.users_quarantined, skipped=row.users_skipped,
        )  # fmt: skip
