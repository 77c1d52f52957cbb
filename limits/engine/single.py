"""One user, decided for operations: shown first, applied when asked, once for each key."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from dataclasses import dataclass

import structlog

from limits.engine.asking import policy_for, refuse_future, today
from limits.engine.deciding import Decided, code_version, decide_users
from limits.errors import DatabaseError, KeyReused, ReviewRefused, UserHeld
from limits.policy import Policy
from limits.portfolio import UNBOUNDED
from limits.settings import Settings
from limits.store import approvals, policies, recomputes, record, reviews
from limits.store import log as adjustment_log
from limits.store.db import TROUBLE, Connection, Database
from limits.store.log import LogEntry

log = structlog.get_logger()

#: How often a recompute is tried when the limit changes under it or the connection breaks.
TRIES = 4


@dataclass(frozen=True)
class Recompute:
    """One user decided. ``applied``: it is in the log. ``repeated``: an earlier call with the same key put it there."""

    entry: LogEntry
    applied: bool
    repeated: bool = False


def recompute(
    database: Database,
    settings: Settings,
    user_id: int,
    *,
    reason: str,
    actor: str,
    as_of: dt.date | None = None,
    apply: bool = False,
    key: str | None = None,
    policy: str | None = None,
) -> Recompute:
    """Decides one user as of a date (None: today) and applies it when asked to.

    A second call with the same key gives the entry that the first one made. KeyReused when
    the key stands for something else; UserHeld while a review is about to decide the user;
    ReviewRefused when there is nothing to decide on; PolicyNotApproved, when applied, for a
    policy that is not approved to decide.
    """
    with database.connect("operations", "limits recompute") as conn:
        if key is not None and (done := _done_before(conn, key, user_id, reason, as_of)):
            return done
        date = as_of or today()
        refuse_future(date)
        last = recomputes.last_decided(conn, user_id)
        if last is not None and last > date:
            raise ReviewRefused(
                f"user {user_id} has been decided as of {last}; a recompute is as of that date or later, not {date}"
            )
        chosen = policy_for(policy or settings.policy, date)
        if apply:
            approvals.require_policy(conn, chosen)
        reviews.refresh_cash_flow(conn)
        if not apply:
            return Recompute(_preview(conn, chosen, date, user_id, actor, reason), applied=False)
    return _apply(database, user_id, date, chosen, actor, reason, key)


def decide_one(conn: Connection, policy: Policy, as_of: dt.date, user_id: int, *, snapshot: bool = True) -> Decided:
    """One user decided; ReviewRefused says why when nothing could be."""
    decided = decide_users(conn, policy, as_of, [user_id], snapshot=snapshot)
    if not len(decided.portfolio):
        why = decided.exceptions[0]
        detail = f": {why.detail}" if why.detail else ""
        raise ReviewRefused(f"user {user_id} gets no decision as of {as_of} ({why.reason}){detail}")
    return decided


def _preview(conn: Connection, policy: Policy, as_of: dt.date, user_id: int, actor: str, reason: str) -> LogEntry:
    """The entry that the log would hold; its numbers of entry and review are 0."""
    decided = decide_one(conn, policy, as_of, user_id)
    facts = recomputes.facts(conn, policy.currency)
    made, capacity = decided.decisions, decided.decisions.capacity
    before, after = int(made.limit_before[0]), int(made.limit_after[0])
    version = int(decided.portfolio.version[0])
    return LogEntry(
        entry_id=0,
        review_id=0,
        shard=0,
        user_id=user_id,
        as_of=as_of,
        decided_at=facts.decided_at,
        currency=policy.currency,
        exponent=facts.exponent,
        limit_before_minor=before,
        limit_after_minor=after,
        version_before=version,
        version_after=version + (after != before),
        action=(after > before) - (after < before),
        binding=int(made.binding[0]),
        reason_bits=int(made.reason_bits[0]),
        ceilings_minor=[value if value < UNBOUNDED else None for value in made.ceilings[0].tolist()],
        lowest_ceiling_minor=int(made.lowest_ceiling[0]),
        floor_minor=int(made.floor[0]),
        capacity_p10_minor=int(capacity.p10[0]),
        capacity_p50_minor=int(capacity.p50[0]),
        capacity_p90_minor=int(capacity.p90[0]),
        capacity_method=int(capacity.method[0]),
        months_observed=int(capacity.months_observed[0]),
        policy_hash=policy.policy_hash,
        input_digest=decided.digests[0],
        code_version=code_version(),
        actor=actor,
        role="champion",
        session_role=facts.session_role,
        review_kind="recompute",
        schedule=None,
        review_reason=reason,
        pack=policy.pack,
        policy_effective_on=policy.effective_on,
    )


def _apply(
    database: Database, user_id: int, as_of: dt.date, policy: Policy, actor: str, reason: str, key: str | None
) -> Recompute:
    """Applies in one transaction. A key of our own stands in for one not given, so that after
    a COMMIT of unknown outcome a new connection can tell by the key what became of it.
    """
    own = key or f"own-{uuid.uuid4().hex}"
    unknown = False  # whether a COMMIT of ours may have taken effect
    for attempt in range(1, TRIES + 1):
        try:
            with database.connect("operations", "limits recompute") as conn:
                if done := _done_before(conn, own, user_id, reason, as_of):
                    return Recompute(done.entry, applied=True, repeated=not unknown)
                _refuse_held(conn, user_id)
                reviews.ensure_month(conn, as_of)
                entry = _apply_once(conn, user_id, as_of, policy, actor, reason, own)
                if entry is not None:
                    return Recompute(entry, applied=True)
        except TROUBLE as error:
            unknown = True
            if attempt == TRIES:
                raise DatabaseError(
                    f"the database cannot be reached ({' '.join(str(error).split())}); "
                    f"run the same command again, with --key it can never be done twice"
                ) from error
        time.sleep(0.1 * 2**attempt)
    raise ReviewRefused(f"the limit of user {user_id} keeps changing meanwhile; nothing was applied, try again")


def _apply_once(
    conn: Connection, user_id: int, as_of: dt.date, policy: Policy, actor: str, reason: str, key: str
) -> LogEntry | None:
    """One try; None when another call with the key was quicker or the limit moved on: nothing is done then."""
    entry: LogEntry | None = None
    with conn.transaction() as transaction:
        policy_hash = policies.store_policy(conn, policy, actor)
        lease = recomputes.begin(
            conn,
            user_id=user_id,
            as_of=as_of,
            policy_hash=policy_hash,
            actor=actor,
            reason=reason,
            key=key,
            worker=actor,
        )
        if lease is None:
            return None
        decided = decide_one(conn, policy, as_of, user_id, snapshot=False)
        stale = record.apply_decisions(
            conn, lease, decided.portfolio, decided.decisions, decided.digests, code_version()
        )
        if stale:
            raise record.Rollback(transaction)
        done, finished = reviews.finish(conn, lease, reviews.get(conn, lease.review_id))
        assert done, "one user, one decision"
        assert finished is not None, "one shard, one review"
        entry_id = recomputes.entry_of(conn, lease.review_id, user_id, as_of)
        assert entry_id is not None, "it has just been applied"
        entry = adjustment_log.entry(conn, entry_id)
    if entry is not None:
        log.info("user recomputed", user_id=user_id, review_id=entry.review_id, entry_id=entry_id, actor=actor)
    return entry


def _done_before(conn: Connection, key: str, user_id: int, reason: str, as_of: dt.date | None) -> Recompute | None:
    """What the key stands for, when it stands for this; None when it is new."""
    known = recomputes.of_key(conn, key)
    if known is None:
        return None
    same_date = as_of is None or known.business_date == as_of
    if (known.user_id, known.reason) != (user_id, reason) or not same_date or known.entry_id is None:
        raise KeyReused(
            f"key {key!r} was used for user {known.user_id} as of {known.business_date} with the reason "
            f"{known.reason!r} (review {known.review_id}); choose another key"
        )
    return Recompute(adjustment_log.entry(conn, known.entry_id), applied=True, repeated=True)


def _refuse_held(conn: Connection, user_id: int) -> None:
    held = recomputes.held_by(conn, user_id)
    if held is None:
        return
    raise UserHeld(
        f"review {held.review_id} (schedule {held.schedule}, as of {held.business_date}) holds user {user_id} since "
        f"{held.started_at:%Y-%m-%d %H:%M:%S} UTC and has not come to the user yet; try again when it is done "
        f"(limits review show {held.review_id}), or look without --apply"
    )
