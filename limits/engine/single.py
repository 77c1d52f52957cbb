"""One user, decided for operations: shown first, applied when asked, once for each key."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from limits.dispositions import ending
from limits.engine.asking import policy_for, refuse_future, today
from limits.engine.deciding import Decided, code_version, decide_users, made_by
from limits.engine.scoring import Score, model_of, model_on, said
from limits.errors import DatabaseError, KeyReused, NoDecision, ReviewRefused
from limits.policy import Policy
from limits.portfolio import UNBOUNDED, Portfolio
from limits.risk import Scorecard, losses
from limits.settings import Settings
from limits.store import approvals, pending, policies, recomputes, record, reviews, rows, snapshots
from limits.store import log as adjustment_log
from limits.store.db import TROUBLE, Connection, Database, Role
from limits.store.failpoints import reach
from limits.store.log import LogEntry
from limits.store.pending import Change
from limits.store.reviews import Lease

log = structlog.get_logger()

#: How often a recompute is tried when the limit changes under it or the connection breaks.
TRIES = 4


@dataclass(frozen=True)
class Recompute:
    """One user decided. ``applied``: it is in the log. ``repeated``: an earlier call with the same key put it there."""

    entry: LogEntry
    applied: bool
    repeated: bool = False
    score: Score | None = None  # of one that is only shown


@dataclass(frozen=True)
class Order:
    """One user to be decided and applied, once for the key.

    ``request_minor``: the amount the user asks for, written down as a request before it is
    decided. ``change``: the offered or announced change that this carries out.
    ``snapshot_store``: the folder for what it is decided from; None: the database.
    """

    user_id: int
    as_of: dt.date
    policy: Policy
    actor: str
    reason: str
    key: str | None = None
    role: Role = "operations"
    request_minor: int | None = None
    change: Change | None = None
    snapshot_store: Path | None = None

    def given(self, portfolio: Portfolio) -> Portfolio:
        """What is known beside what is loaded.

        Asking, and accepting an offer, is a request for the amount. An announced raise is one
        too, unless the user has taken back the consent it was announced on. An announced cut
        goes no deeper than it was announced. What is carried out does not wait any longer.
        """
        if self.request_minor is not None:
            return dataclasses.replace(portfolio, requested_limit=np.full_like(portfolio.version, self.request_minor))
        if self.change is None:
            return portfolio
        portfolio = dataclasses.replace(portfolio, change_pending=np.zeros_like(portfolio.change_pending))
        proposed = self.change.proposed_minor
        if not self.change.is_raise:
            return dataclasses.replace(portfolio, override_floor=np.maximum(portfolio.override_floor, proposed))
        unwanted = portfolio.opted_out | (~portfolio.raise_consent & self.policy.raises.consent)
        asked = np.where(unwanted & (self.change.kind == "announced"), UNBOUNDED, proposed)
        return dataclasses.replace(portfolio, requested_limit=asked)

    @property
    def effect(self) -> Policy:
        """The policy by which the decision takes effect: what was announced is not announced again."""
        return self.policy if self.change is None else taking_effect(self.policy)


def taking_effect(policy: Policy) -> Policy:
    """The policy by which a change that had waited takes effect: a cut is not announced again."""
    consent = policy.consent.model_copy(update={"cuts": "at_once"})
    return policy.model_copy(update={"consent": consent})


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
    the key stands for something else; KillSwitchEngaged while nothing may be
    applied; ReviewRefused when there is nothing to decide on; PolicyNotApproved, when applied, for
    a policy that is not approved to decide.
    """
    with database.connect("operations", "limits recompute") as conn:
        if key is not None and (done := done_before(conn, key, user_id, reason, as_of)):
            return done
        date = as_of or today()
        refuse_past(conn, user_id, date)
        chosen = policy_for(policy or settings.policy, date)
        if apply:
            approvals.require_policy(conn, chosen)
        reviews.refresh_cash_flow(conn)
        order = Order(user_id, date, chosen, actor, reason, key, snapshot_store=settings.snapshot_store)
        if not apply:
            entry, scored = _preview(conn, order)
            return Recompute(entry, applied=False, score=scored)
    return apply_order(database, order)


def refuse_past(conn: Connection, user_id: int, date: dt.date) -> None:
    """Raises ReviewRefused for a date that has not come or lies before the user's newest decision; NotFound."""
    refuse_future(date)
    last = recomputes.last_decided(conn, user_id)
    if last is not None and last > date:
        raise ReviewRefused(
            f"user {user_id} has been decided as of {last}; a recompute is as of that date or later, not {date}"
        )


def decide_one(conn: Connection, order: Order, model: Scorecard | None, *, snapshot: bool = True) -> Decided:
    """One user decided; NoDecision says why when nothing could be."""
    decided = decide_users(
        conn, order.policy, order.as_of, [order.user_id], snapshot=snapshot, given=order.given, effect=order.effect,
        model=model,
    )  # fmt: skip
    if not len(decided.portfolio):
        why = decided.exceptions[0]
        detail = f": {why.detail}" if why.detail else ""
        raise NoDecision(
            f"user {order.user_id} gets no decision as of {order.as_of} ({why.reason}){detail}", why.reason
        )
    if order.change is None or order.change.kind != "announced":
        return decided
    told = ending(decided.dispositions, decided.portfolio, decided.decisions, raises=order.change.is_raise)
    return dataclasses.replace(decided, dispositions=told)


def _preview(conn: Connection, order: Order) -> tuple[LogEntry, Score | None]:
    """The entry that the log would hold, and the score; its numbers of entry and review are 0."""
    model = model_on(conn, order.policy, order.as_of)
    decided = decide_one(conn, order, model)
    made = decided.decisions
    scored = None if model is None else said(model, made.risk, losses(model, decided.portfolio, made.capacity)[0])
    return _entry_of(conn, order, decided), scored


def _entry_of(conn: Connection, order: Order, decided: Decided) -> LogEntry:
    policy = order.policy
    facts = recomputes.facts(conn, policy.currency)
    made, capacity, effect = decided.decisions, decided.decisions.capacity, decided.dispositions
    before, after = int(made.limit_before[0]), int(effect.limit_after[0])
    waits = bool(effect.disposition[0])
    version = int(decided.portfolio.version[0])
    return LogEntry(
        entry_id=0,
        review_id=0,
        shard=0,
        user_id=order.user_id,
        as_of=order.as_of,
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
        input_digest=decided.digest,
        code_version=code_version(),
        actor=order.actor,
        role="champion",
        session_role=facts.session_role,
        review_kind="recompute",
        schedule=None,
        review_reason=order.reason,
        pack=policy.pack,
        policy_effective_on=policy.effective_on,
        disposition=int(effect.disposition[0]),
        proposed_minor=int(effect.proposed[0]) if waits else None,
        effective_on=effect.effective_on[0].item() if waits else None,
        risk_points=int(made.risk.points[0]) if made.risk.scored[0] else None,
        risk_probability_ppm=int(made.risk.probability_ppm[0]) if made.risk.scored[0] else None,
    )


def apply_order(database: Database, order: Order) -> Recompute:
    """Applies in one transaction. A key of our own stands in for one not given, so that after
    a COMMIT of unknown outcome a new connection can tell by the key what became of it.
    """
    own = order.key or f"own-{uuid.uuid4().hex}"
    unknown = False  # whether a COMMIT of ours may have taken effect
    for attempt in range(1, TRIES + 1):
        try:
            with database.connect(order.role, "limits recompute") as conn:
                if done := done_before(conn, own, order.user_id, order.reason, order.as_of):
                    return Recompute(done.entry, applied=True, repeated=not unknown)
                reviews.ensure_month(conn, order.as_of)
                entry = _apply_once(conn, order, own)
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
    raise ReviewRefused(f"the limit of user {order.user_id} keeps changing meanwhile; nothing was applied, try again")


def _apply_once(conn: Connection, order: Order, key: str) -> LogEntry | None:
    """One try; None when another call with the key was quicker or the limit moved on: nothing is done then."""
    entry: LogEntry | None = None
    with conn.transaction() as transaction:
        lease = _begin(conn, order, key)
        if lease is None:
            raise record.Rollback(transaction)
        model = model_of(conn, order.policy, lease.review_id)
        decided = decide_one(conn, order, model, snapshot=False)
        stale = record.apply_decisions(
            conn,
            lease,
            rows.encode(decided.portfolio, decided.decisions, decided.dispositions),
            currency=decided.portfolio.currency,
            input_digest=snapshots.store(
                conn,
                lease.review_id,
                lease.shard,
                decided.portfolio,
                body=decided.snapshot,
                folder=order.snapshot_store,
            ),
            made_by=made_by(),
        )
        if stale:
            raise record.Rollback(transaction)
        reach("order.applied")
        entry_id = recomputes.entry_of(conn, lease.review_id, order.user_id, order.as_of)
        assert entry_id is not None, "it has just been applied"
        entry = adjustment_log.entry(conn, entry_id)
        reach("order.commit")
    reach("order.committed")
    if entry is not None:
        log.info("user recomputed", user_id=order.user_id, review_id=entry.review_id, entry_id=entry.entry_id,
                 actor=order.actor)  # fmt: skip
    return entry


def _begin(conn: Connection, order: Order, key: str) -> Lease | None:
    """The review of the order, and the request that it answers; None when the key was used before."""
    policy_hash = policies.store_policy(conn, order.policy, order.actor)
    request_id = None
    if order.request_minor is not None:
        request_id = pending.ask(
            conn,
            user_id=order.user_id,
            asked_on=order.as_of,
            amount_minor=order.request_minor,
            currency=order.policy.currency,
            key=key,
            actor=order.actor,
        )
        if request_id is None:
            return None
    return recomputes.begin(
        conn,
        user_id=order.user_id,
        as_of=order.as_of,
        policy_hash=policy_hash,
        actor=order.actor,
        reason=order.reason,
        key=key,
        request_id=request_id,
        change_id=order.change.change_id if order.change else None,
    )


def done_before(conn: Connection, key: str, user_id: int, reason: str, as_of: dt.date | None) -> Recompute | None:
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
