"""Decisions with what users are to be told of them, as an applied review leaves them; written as the owner."""

from __future__ import annotations

import datetime as dt
from typing import Any

from limits.policy import Policy
from limits.reasons import Reason
from limits.store import policies
from limits.store.db import Connection
from tests import builders

AS_OF = builders.AS_OF

#: A cut with two reasons; what a test needs otherwise it says.
CUT: dict[str, Any] = {
    "before": 2_000_000,
    "after": 1_400_000,
    "bounds": {Reason.PAST_DUE: 1_400_000, Reason.MANY_LENDERS: 1_800_000},
}


def standard() -> Policy:
    return policies.read_pack("standard")[0]


def add_decision(
    conn: Connection,
    user_id: int,
    *,
    before: int = 2_000_000,
    after: int = 2_000_000,
    bounds: dict[Reason, int] | None = None,
    proposed: int | None = None,
    as_of: dt.date = AS_OF,
    version: int = 0,
) -> tuple[int, int]:
    """One decision in the log, by a review of its own, with its message where the limit changed: (review, entry)."""
    limits = {Reason.STATUTORY_MAXIMUM: 20_000_000} | (bounds or {})
    ceilings = [limits.get(Reason(k)) for k in range(len(Reason))]
    lowest = min(limits, key=lambda reason: limits[reason])
    action = (after > before) - (after < before)
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (as_of,))
    policy_hash = policies.store_policy(conn, standard(), "test")
    review = _one(
        conn,
        """INSERT INTO limits.reviews (kind, business_date, state, policy_hash, actor)
           VALUES ('recompute', %s, 'done', %s, 'test') RETURNING review_id""",
        as_of, policy_hash,
    )  # fmt: skip
    entry = _one(
        conn,
        """INSERT INTO limits.adjustment_log (
               review_id, shard, user_id, as_of, currency, limit_before_minor, limit_after_minor, version_before,
               version_after, action, binding, reason_bits, ceilings_minor, lowest_ceiling_minor, floor_minor,
               capacity_p10_minor, capacity_p50_minor, capacity_p90_minor, capacity_method, months_observed,
               policy_hash, input_digest, code_version, actor, disposition, proposed_minor, consent, batch_id,
               sequence, entry)
           VALUES (%s, 0, %s, %s, 'CNY', %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 1, 2, 3, 0, 12, %s, sha256('x'),
                   'test', 'test', %s, %s, 0, 0, 0, 'made up')
           RETURNING entry_id""",
        review, user_id, as_of, before, after, version, version + abs(action), action, int(lowest),
        sum(1 << reason for reason in bounds or {}), ceilings, limits[lowest], policy_hash,
        0 if proposed is None else 1, proposed,
    )  # fmt: skip
    if action:
        conn.execute(
            "INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind) VALUES (%s, %s, %s, %s, %s)",
            (entry, review, user_id, as_of, "limit_raised" if action > 0 else "limit_lowered"),
        )
    return review, entry


def add_notice(conn: Connection, user_id: int, kind: str = "lowered", *, due_in: int = 30, **decision: Any) -> int:
    """A decision and the notice of it (a cut unless it is said), due so many days later."""
    as_of = decision.get("as_of", AS_OF)
    review, entry = add_decision(conn, user_id, **(CUT | decision))
    return _one(
        conn,
        """INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
           VALUES (%s, %s, %s, %s, %s, %s) RETURNING notice_id""",
        entry, review, user_id, kind, as_of, as_of + dt.timedelta(days=due_in),
    )  # fmt: skip


def add_offer(conn: Connection, user_id: int, proposed: int, until: dt.date) -> int:
    """A raise that is offered, and the notice of it."""
    notice = add_notice(
        conn, user_id, "offered", due_in=0, after=2_000_000, bounds={Reason.STEP_CAP: proposed}, proposed=proposed
    )
    conn.execute(
        """INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                               proposed_minor, effective_on)
           SELECT entry_id, review_id, user_id, 'offer', as_of, 'CNY', 2000000, %s, %s
             FROM limits.notices WHERE notice_id = %s""",
        (proposed, until, notice),
    )
    return notice


def _one(conn: Connection, statement: Any, *values: Any) -> int:
    row = conn.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])
