"""What a worker does: plan a review that is owed, lease shards, decide and apply them chunk by chunk.

Whatever happens to a worker, the next one reads from the database who has no decision yet
and goes on from there; nothing else is remembered between two chunks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import structlog

from limits.engine.challenging import in_words, shadows
from limits.engine.challenging import record as record_shadows
from limits.engine.deciding import code_version, decide_users
from limits.engine.lease import LeaseKeeper
from limits.errors import LeaseLost, LimitsError, PolicyError, PolicyNotApproved, ReviewRefused
from limits.policy import Policy, parse_policy
from limits.settings import Settings
from limits.store import approvals, challengers, policies, record, reviews
from limits.store.challengers import Challenger
from limits.store.db import TROUBLE, Connection, Database
from limits.store.queries import query
from limits.store.reviews import Lease, ReviewException, ReviewRow

log = structlog.get_logger()

#: Times in a row that a shard may make no progress before the worker gives it back.
PATIENCE = 5

#: What a chunk may raise without any of its users being to blame: the connection, a lock
#: waited for too long, a full disk; a right or a column that is missing; a lease or review
#: lost; no memory; or a decision that an earlier commit of unknown outcome had made after all.
NOT_THE_USER = (*TROUBLE, *record.MISFIT, record.AlreadyDecided, LeaseLost, ReviewRefused, MemoryError)

#: Tests only: seconds to wait between deciding a chunk and applying it, so that there is
#: something to kill.
TEST_DELAY = "LIMITS_TEST_CHUNK_DELAY"


@dataclass(frozen=True)
class Worked:
    """What one call of ``work`` came to.

    ``unknown``: there is no such review. ``over``: it is done, failed or cancelled.
    ``waits``: its turn comes after an earlier date. ``busy``: others hold what is left of
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
                wake(review_id, reviews.progress(line.conn, review_id).shards - 1)
            row = reviews.find(line.conn, review_id)
            if row is None:
                log.warning("message for an unknown review ignored", review_id=review_id)
                return Worked("unknown")
            if row.is_final:
                return Worked("over")
            if row.state == "owed":
                return Worked("waits")
            approvals.require(line.conn, row.policy_hash)
            text = policies.load_policy(line.conn, row.policy_hash)
            policy = parse_policy(text, file=f"policy of review {review_id}")
            tried = challengers.challengers(line.conn, champion=row.policy_hash, as_of=row.business_date)
        except (PolicyError, PolicyNotApproved) as error:
            _fail(line.conn, review_id, error)
            return Worked("over")
        return _work_shards(database, settings, line, row, policy, tried, worker, seconds, stop)


def _fail(conn: Connection, review_id: int, error: LimitsError) -> None:
    """The review cannot go on before somebody mends its policy; asked for again it does."""
    reviews.fail(conn, review_id, str(error))
    log.error("review failed", review_id=review_id, error=str(error))


class Line:
    """The connection of one worker to the database, opened anew after it broke."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._conn: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def conn(self) -> Connection:
        """The connection; the first use after trouble makes a new one."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database, self._settings)
        return self._conn

    def close(self) -> None:
        """Gives the connection up, whatever state it is in."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def connect(database: Database, settings: Settings) -> Connection:
    """A connection for working on shards.

    It waits for a lock no longer than a lease lasts, and a transaction that says nothing for
    that long is ended by the server: a worker that is stopped in the middle of one would
    otherwise keep its shard locked against whoever takes over.
    """
    conn = database.connect("worker", "limits worker")
    milliseconds = str(round(settings.lease_seconds * 1000))
    conn.execute(query("session_patience"), {"milliseconds": milliseconds})
    return conn


def _work_shards(
    database: Database,
    settings: Settings,
    line: Line,
    row: ReviewRow,
    policy: Policy,
    tried: Sequence[Challenger],
    worker: str,
    seconds: float,
    stop: Callable[[], bool],
) -> Worked:
    until = time.monotonic() + seconds

    def enough() -> bool:
        return stop() or time.monotonic() > until

    shards = users = 0
    with LeaseKeeper(database, settings) as keeper:
        while not enough():
            lease = reviews.lease(line.conn, row.review_id, worker=worker, seconds=settings.lease_seconds)
            if lease is None:
                return Worked("busy", shards, users)
            keeper.hold(lease)
            try:
                run = run_shard(settings, line, lease, row, policy, keeper=keeper, tried=tried, stop=enough)
            except PolicyNotApproved as error:  # withdrawn meanwhile
                reviews.give_back(line.conn, lease)
                _fail(line.conn, row.review_id, error)
                return Worked("over", shards, users)
            except ReviewRefused as error:  # cancelled meanwhile
                log.warning("review stopped", review_id=row.review_id, reason=str(error))
                return Worked("over", shards, users)
            except LeaseLost as error:
                log.warning("lease lost", review_id=row.review_id, shard=lease.shard, reason=str(error))
                continue
            except record.MISFIT as error:
                # Nobody can go on before somebody mends it; the next one need not wait for the lease to end.
                reviews.give_back(line.conn, lease, error=in_words(error))
                raise
            finally:
                keeper.release()
            shards, users = shards + run.done, users + run.users
            if run.finished is not None:
                log_finished(run.finished)
                return Worked("over", shards, users, run.finished)
    return Worked("more", shards, users)


@dataclass(frozen=True)
class ShardRun:
    """What working on one shard came to."""

    done: bool
    users: int
    finished: ReviewRow | None = None


def run_shard(
    settings: Settings,
    line: Line,
    lease: Lease,
    row: ReviewRow,
    policy: Policy,
    *,
    keeper: LeaseKeeper,
    tried: Sequence[Challenger] = (),
    stop: Callable[[], bool] = lambda: False,
) -> ShardRun:
    """Decides and applies a leased shard, one transaction for each chunk of users.

    Each round asks the database who is left: users decided by an earlier holder of the
    lease, or by a commit whose reply was lost, are not; users whose limit moved meanwhile
    are, and are decided again. ``tried``: challengers that decide in the shadow.
    """
    users, fruitless, before = 0, 0, -1
    while True:
        try:
            left = reviews.remaining(line.conn, lease, row.business_date)
            users += max(before - len(left), 0)
            fruitless = fruitless + 1 if len(left) == before else 0
            before = len(left)
            if fruitless >= PATIENCE:
                reviews.give_back(line.conn, lease, error=f"no progress with {len(left)} users left")
                raise LeaseLost(f"shard {lease.shard} of review {lease.review_id} makes no progress; given back")
            if not left:
                done, finished = reviews.finish(line.conn, lease, row)
                if not done:
                    raise LeaseLost(f"shard {lease.shard} of review {lease.review_id} does not add up; left alone")
                return ShardRun(True, users, finished)
            for start in range(0, len(left), settings.chunk_users):
                keeper.check()
                if stop():
                    users += before - len(reviews.remaining(line.conn, lease, row.business_date))
                    reviews.give_back(line.conn, lease)
                    return ShardRun(False, users)
                chunk = left[start : start + settings.chunk_users]
                _run_chunk(line.conn, lease, row, policy, chunk, keeper, tried)
        except (*TROUBLE, record.AlreadyDecided) as error:
            # Also when COMMIT itself failed: whether it took effect is read in the next round.
            fruitless += 1
            log.warning("database trouble", review_id=lease.review_id, shard=lease.shard, error=in_words(error))
            if fruitless >= PATIENCE:
                raise
            line.close()
            time.sleep(min(0.2 * 2**fruitless, 3.0))
            keeper.check()


def _run_chunk(
    conn: Connection,
    lease: Lease,
    row: ReviewRow,
    policy: Policy,
    user_ids: Sequence[int],
    keeper: LeaseKeeper,
    tried: Sequence[Challenger],
) -> None:
    """Decides some users and applies it in one transaction; users whose line moved on are left for the next round.

    When the engine cannot get through them, halves are tried, down to the user whose data
    it cannot get through, who is set aside with the error.
    """
    try:
        decided = decide_users(conn, policy, row.business_date, user_ids)
        made = shadows(tried, policy, decided)
        _wait_for_the_test()
        keeper.check()
        with conn.transaction():
            # Before anything is staged; whoever withdraws the policy now waits for this transaction.
            approvals.require(conn, row.policy_hash)
            if len(decided.portfolio):
                stale = record.apply_decisions(
                    conn,
                    lease,
                    decided.portfolio,
                    decided.decisions,
                    decided.dispositions,
                    decided.digests,
                    code_version(),
                )
                if stale:
                    log.info("limits moved on meanwhile", review_id=lease.review_id, users=len(stale))
                record_shadows(conn, lease, decided, made, leave_out=stale)
            # After the decisions: those check the lease while it is not yet locked by this transaction.
            reviews.record_exceptions(conn, lease, row.business_date, decided.exceptions)
    except NOT_THE_USER:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it concerns one user and not the night
        if len(user_ids) == 1:
            _set_aside(conn, lease, row, user_ids[0], error)
            return
        middle = len(user_ids) // 2
        for half in (user_ids[:middle], user_ids[middle:]):
            _run_chunk(conn, lease, row, policy, half, keeper, tried)


def _set_aside(conn: Connection, lease: Lease, row: ReviewRow, user_id: int, error: Exception) -> None:
    log.error("user set aside", review_id=lease.review_id, user_id=user_id, exc_info=error)
    aside = ReviewException(user_id, "quarantined", "engine_error", in_words(error))
    reviews.record_exceptions(conn, lease, row.business_date, [aside])


def _wait_for_the_test() -> None:
    delay = os.environ.get(TEST_DELAY)
    if delay:
        time.sleep(float(delay))


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
