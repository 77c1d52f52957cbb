"""Challengers in the shadow: other policies decide on the same inputs as the night's review, and nothing is applied.

Whatever goes wrong with a challenger, the champion's decisions stand: it is logged, and a row
of limits.challenger_failures says which users it decided nothing about.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from limits.decision import Decisions, decide, scored
from limits.engine.deciding import Decided, code_version
from limits.errors import PolicyError
from limits.policy import Policy, parse_policy
from limits.risk import Scorecard
from limits.store import challengers
from limits.store.challengers import Challenger
from limits.store.db import TROUBLE, Connection
from limits.store.reviews import Lease

log = structlog.get_logger()


@dataclass(frozen=True)
class Shadow:
    """What a challenger made of some users: its decisions, or else the error."""

    policy_hash: bytes
    decisions: Decisions | None = None
    error: str = ""


def shadows(
    tried: Sequence[Challenger], champion: Policy, decided: Decided, model: Scorecard | None = None
) -> list[Shadow]:
    """What each challenger of the champion's currency makes of the users that were decided. Writes nothing.

    ``model``: what scored them, and scores for the challengers too.
    """
    made = []
    for challenger in tried if len(decided.portfolio) else ():
        try:
            policy = _read(challenger.body)
            if policy.policy_hash != bytes(challenger.policy_hash):
                raise PolicyError("the challenger's text is not the one that was approved")
            if policy.currency == champion.currency:
                made.append(Shadow(challenger.policy_hash, _decide(policy, champion, decided, model)))
        except Exception as error:  # noqa: BLE001  whatever it is, it is the challenger's and not the night's
            made.append(Shadow(challenger.policy_hash, error=in_words(error)))
    return made


def keep(conn: Connection, lease: Lease, decided: Decided, made: Sequence[Shadow]) -> None:
    """Keeps the shadows of a shard, inside the transaction that keeps the champion's decisions."""
    _each(conn, lease, decided, made, lambda policy_hash, rows: challengers.keep(conn, lease, policy_hash, rows))


def record(
    conn: Connection, lease: Lease, decided: Decided, made: Sequence[Shadow], *, leave_out: Sequence[int]
) -> None:
    """Logs the shadows inside the caller's transaction, beside the champion's decisions.

    ``leave_out``: users whose line had moved on; they come again.
    """
    write = functools.partial(challengers.write, conn, leave_out=leave_out)
    _each(conn, lease, decided, made, lambda policy_hash, rows: write(rows), leave_out)


def record_kept(conn: Connection, lease: Lease, *, leave_out: Sequence[int]) -> None:
    """Logs what was kept of a shard, inside the caller's transaction."""
    for policy_hash, rows in challengers.take(conn, lease):
        try:
            challengers.write(conn, rows, leave_out=leave_out)
        except TROUBLE:
            raise  # the connection is gone
        except Exception as refused:  # noqa: BLE001  as above
            _record_failure(conn, lease, policy_hash, challengers.users_of(rows), leave_out, in_words(refused))


def _each(
    conn: Connection,
    lease: Lease,
    decided: Decided,
    made: Sequence[Shadow],
    write: Callable[[bytes, Any], None],
    leave_out: Sequence[int] = (),
) -> None:
    users = decided.portfolio.user_id.tolist()
    for shadow in made:
        error = shadow.error
        if shadow.decisions is not None:
            try:
                write(
                    shadow.policy_hash,
                    challengers.encode(
                        lease.review_id, shadow.policy_hash, decided.portfolio, shadow.decisions, decided.digest,
                        code_version(),
                    ),
                )  # fmt: skip
            except TROUBLE:
                raise  # the connection is gone, and the champion's decisions with it
            except Exception as refused:  # noqa: BLE001  as above
                error = in_words(refused)
        if error:
            _record_failure(conn, lease, shadow.policy_hash, users, leave_out, error)


def _record_failure(
    conn: Connection, lease: Lease, policy_hash: bytes, users: Sequence[int], leave_out: Sequence[int], error: str
) -> None:
    log.error("challenger failed", review_id=lease.review_id, policy_hash=policy_hash.hex(), error=error)
    left = sorted(set(users).difference(leave_out))
    if not left:
        return
    try:
        challengers.write_failure(conn, lease, policy_hash, left, error)
    except TROUBLE:
        raise
    except Exception as second:
        log.exception("not even that could be written down", error=in_words(second))


def _decide(policy: Policy, champion: Policy, decided: Decided, model: Scorecard | None) -> Decisions:
    """On the champion's forecast and score, unless the challenger looks another number of months ahead."""
    capacity, risk = decided.decisions.capacity, decided.decisions.risk
    if policy.capacity.horizon_months != champion.capacity.horizon_months:
        from limits.capacity import estimate_capacity  # here, for it loads the kernels

        capacity = estimate_capacity(decided.portfolio.cash_flow, policy.capacity.horizon_months)
        risk = scored(decided.portfolio, capacity, model)
    return decide(decided.portfolio, capacity, risk, policy)


@functools.lru_cache(maxsize=64)
def _read(body: str) -> Policy:
    return parse_policy(body, file="the challenger")


def in_words(error: Exception) -> str:
    """An error as it is kept in a row: its kind and its first 500 characters, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
