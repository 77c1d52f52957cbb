"""The gate between deciding and applying: what a review as a whole may do before somebody looks at it.

When all is decided the breakers look at the sums; then one shard in a hundred is applied, one in
ten, and all, and before each step what was applied is compared with what was decided. What is
held waits for a second person, see limits.store.gates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import structlog

from limits.breakers import Canary, Counts, canary_differs, in_words
from limits.budget import Raises, allot
from limits.policy import ALL_BPS, Policy, parse_policy
from limits.portfolio import Int, Portfolio
from limits.store import gates, policies, reviews
from limits.store.db import Connection
from limits.store.reviews import ReviewRow

log = structlog.get_logger()

#: The columns of raises, in order.
FIELDS = ("user_id", "delta", "value", "loss")

#: Who does what nobody asked for.
ACTOR = "gate"


def advance(conn: Connection, row: ReviewRow) -> bool:
    """Takes a running review a step further when its shards are ready for it; whether there is something new to lease.

    Any number of workers may call this at once: one takes the step.
    """
    with conn.transaction():
        locked = reviews.lock(conn, row.review_id)
        if locked is None or locked.state != "running":
            return False
        if locked.stage == "decide":
            return not reviews.undecided(conn, row.review_id) and _decided(conn, locked)
        return _applied(conn, locked)


def _decided(conn: Connection, row: ReviewRow) -> bool:
    tally, before = gates.tally(conn, row.review_id)
    policy = policy_of(conn, row)
    if policy.budget.bounds:
        tally = _allot(conn, row, policy, tally)
    counts = counts_of(tally, users_previous=before)
    return _step(conn, row, in_words(policy.breakers, counts), dataclasses.asdict(counts))


def _allot(conn: Connection, row: ReviewRow, policy: Policy, tally: dict[str, int]) -> dict[str, int]:
    """Says what the budget leaves of each raise, and gives the sums as they come out then."""
    by_shard = gates.raises(conn, row.review_id)
    if not by_shard:
        return tally
    left, budget, granted = allotted(policy, tally, [one for _, one in by_shard])
    start = 0
    for shard, one in by_shard:
        gates.grant(conn, row.review_id, shard, granted[start : start + len(one)])
        start += len(one)
    gates.write_budget(conn, row.review_id, budget)
    if budget.users_cut:
        log.info("budget used up", review_id=row.review_id, wished=budget.wished_minor, granted=budget.granted_minor,
                 users_cut=budget.users_cut)  # fmt: skip
    return left


def allotted(
    policy: Policy, tally: dict[str, int], raises: Sequence[Raises]
) -> tuple[dict[str, int], gates.BudgetRow, Int]:
    """What the policy's budget leaves of the raises of a review: the sums then, the budget, and of each raise (n,)."""
    all_of = Raises(*(np.concatenate([getattr(one, name) for one in raises]) for name in FIELDS))
    share, most = policy.budget.exposure_bps, policy.budget.expected_loss
    exposure = None if share is None else tally.get("before", 0) * share // ALL_BPS
    loss = None if most is None else most.minor
    made = allot(all_of, exposure=exposure, loss=loss, grid=policy.rounding.grid.minor)
    wished, given = int(all_of.delta.sum()), int(made.granted.sum())
    cut, nothing = int((made.granted < all_of.delta).sum()), int((made.granted == 0).sum())
    left = {**tally, "raised": tally["raised"] - nothing, "wished": tally["wished"] - (wished - given)}
    return left, gates.BudgetRow(exposure, loss, wished, given, len(all_of), cut, made.price, made.mix), made.granted


def within(raises: Raises, granted: Int, portfolio: Portfolio) -> Portfolio:
    """The users with what the budget leaves of their raises: nothing for whom the review had not decided to raise."""
    left = np.zeros(len(portfolio), dtype=np.int64)
    if len(raises):
        place = np.searchsorted(raises.user_id, portfolio.user_id).clip(max=len(raises) - 1)
        left = np.where(raises.user_id[place] == portfolio.user_id, granted[place], 0)
    return dataclasses.replace(portfolio, budget_limit=portfolio.credit_limit + left)


def _applied(conn: Connection, row: ReviewRow) -> bool:
    if not gates.awaits_comparison(conn, row.review_id):
        return False
    found = gates.applied(conn, row.review_id)
    canary = Canary(
        shards=found.shards,
        leases=found.leases,
        decided_users=found.decided_users - found.decided_aside,
        users=found.users,
        renewed=found.renewed,
        aside=found.aside - found.decided_aside,
        decided_change=found.decided_change_minor,
        change=found.change_minor,
        budgeted=found.budgeted,
    )
    return _step(conn, row, canary_differs(canary), dataclasses.asdict(canary))


def _step(conn: Connection, row: ReviewRow, reason: str, figures: dict[str, int]) -> bool:
    if reason:
        hold(conn, row, reason, figures)
        return False
    released = gates.let_on(conn, row.review_id, actor=ACTOR, figures=figures)
    log.info("review goes on", review_id=row.review_id, shards=released)
    return True


def hold(conn: Connection, row: ReviewRow, reason: str, figures: dict[str, int] | None = None) -> None:
    """Stops the review until somebody releases or cancels it."""
    gates.hold(conn, row.review_id, actor=ACTOR, reason=reason, figures=figures or {})
    log.warning("review held", review_id=row.review_id, reason=reason)


def counts_of(tally: dict[str, int], *, users_previous: int = 0) -> Counts:
    """What the breakers look at, from the sums of ``Decided.tally``; changes that wait are in the exposure."""
    return Counts(
        users=tally.get("users", 0),
        raised=tally.get("raised", 0),
        lowered=tally.get("lowered", 0),
        quarantined=tally.get("quarantined", 0),
        fallback=tally.get("fallback", 0),
        exposure_before=tally.get("before", 0),
        exposure_after=tally.get("wished", 0),
        greatest_raise_bps=tally.get("greatest_raise_bps", 0),
        users_previous=users_previous,
    )


def policy_of(conn: Connection, row: ReviewRow) -> Policy:
    """The policy by which a review decides."""
    return parse_policy(policies.load_policy(conn, row.policy_hash), file=f"policy of review {row.review_id}")
