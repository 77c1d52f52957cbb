"""Deciding: one chunk of users, loaded from one snapshot of the database, decided by the pure core."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

import limits
from limits.capacity.prior import parameters
from limits.decision import Decisions, review
from limits.dispositions import Dispositions, dispose
from limits.policy import ALL_BPS, Policy
from limits.portfolio import Int, Portfolio
from limits.reasons import Reason
from limits.risk import Scorecard
from limits.store import reviews, snapshots
from limits.store.db import Connection
from limits.store.packing import read_packed
from limits.store.record import MadeBy
from limits.store.reviews import ReviewException

#: The modules a decision depends on; their text is part of the code version.
CORE = (
    "money", "portfolio", "capacity/kernels", "capacity/local_level", "capacity/pooled", "capacity/damped",
    "capacity/forecasting", "capacity/combining", "capacity/seasonal", "capacity/result", "capacity/estimate",
    "capacity/reading", "capacity/prior", "policy", "reasons", "ceilings/__init__", "ceilings/common",
    "ceilings/maxima", "ceilings/repayment", "ceilings/exposure", "ceilings/integrity", "ceilings/terms",
    "ceilings/data", "ceilings/risk", "risk/features", "risk/names", "risk/record", "risk/scoring",
    "risk/result", "risk/scorecard", "risk/fitting", "decision", "dispositions",
)  # fmt: skip

#: Stands for the share of a limit that there was not.
NO_SHARE = 10**9


@dataclass(frozen=True)
class Decided:
    """The users of a chunk that could be decided, and those that could not, with the reason."""

    portfolio: Portfolio
    decisions: Decisions
    dispositions: Dispositions
    exceptions: list[ReviewException]

    @functools.cached_property
    def snapshot(self) -> bytes:
        """The portfolio as it is kept: the decisions can be made again from it, the policy and the code."""
        return snapshots.encode(self.portfolio)

    @functools.cached_property
    def digest(self) -> bytes:
        """The input digest of the decisions: sha256 of the snapshot."""
        return snapshots.digest(self.snapshot)

    def tally(self, aside: Sequence[ReviewException] = ()) -> dict[str, int]:
        """What was decided, for the gate: users, those put aside too, and sums of limits in minor units.

        before, after: of the limits now and of what becomes the limit at once; wished: of what the
        engine decided, offers and announced changes included.
        """
        made, effect = self.decisions, self.dispositions
        found = tally_of(made.limit_before, effect.limit_after, made.limit_after, made.reason_bits)
        found["waiting"] = int((effect.disposition != 0).sum())
        return with_exceptions(found, [*self.exceptions, *aside])


def tally_of(before: Int, after: Int, wished: Int, reason_bits: Int) -> dict[str, int]:
    """The tally of decisions (n,) but for those that wait; no exceptions."""
    return {
        "users": len(before),
        "raised": int((wished > before).sum()),
        "lowered": int((wished < before).sum()),
        "fallback": int((reason_bits >> Reason.MODEL_FELL_BACK & 1).sum()),
        "before": int(before.sum()),
        "after": int(after.sum()),
        "wished": int(wished.sum()),
        "greatest_raise_bps": _greatest_raise(before, wished),
    }


def with_exceptions(tally: dict[str, int], exceptions: Sequence[ReviewException]) -> dict[str, int]:
    """The tally with users who got no decision."""
    outcomes = [exception.outcome for exception in exceptions]
    return {
        **tally,
        "users": tally["users"] + len(outcomes),
        "quarantined": outcomes.count("quarantined"),
        "skipped": outcomes.count("skipped"),
    }


def _greatest_raise(before: Int, after: Int) -> int:
    """The largest raise in shares of the limit before (basis points), rounded up; of no limit more than any share."""
    raised = after > before
    if not raised.any():
        return 0
    old, up = before[raised], (after - before)[raised]
    if (old == 0).any():
        return NO_SHARE
    if up.max() > np.iinfo(np.int64).max // ALL_BPS:
        old, up = old.astype(object), up.astype(object)
    return int((-(-up * ALL_BPS // old)).max())


def decide_users(
    conn: Connection,
    policy: Policy,
    as_of: dt.date,
    user_ids: Sequence[int],
    *,
    snapshot: bool = True,
    given: Callable[[Portfolio], Portfolio] = lambda portfolio: portfolio,
    effect: Policy | None = None,
    model: Scorecard | None = None,
) -> Decided:
    """Loads and decides some users. Writes nothing.

    ``snapshot``: read everything from one snapshot in a transaction of its own; False when
    the caller is inside a transaction already. ``given``: what is known beside what is
    loaded, such as the amount that was asked for. ``effect``: the policy that says how a
    decision takes effect, where it is not the one that decides. ``model``: what scores them; None: nobody is scored.
    """
    if snapshot:
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            portfolio, exceptions = _load(conn, policy, as_of, user_ids)
    else:
        portfolio, exceptions = _load(conn, policy, as_of, user_ids)
    portfolio = given(portfolio)
    decisions = review(portfolio, policy, model)
    return Decided(portfolio, decisions, dispose(portfolio, decisions, effect or policy), exceptions)


def _load(
    conn: Connection, policy: Policy, as_of: dt.date, user_ids: Sequence[int]
) -> tuple[Portfolio, list[ReviewException]]:
    later = reviews.decided_later(conn, user_ids, as_of)
    wanted = np.array([one for one in user_ids if one not in later] if later else user_ids, dtype=np.int64)
    if not (wanted[1:] > wanted[:-1]).all():
        wanted = np.unique(wanted)
    portfolio, excluded = read_packed(conn, as_of, policy.currency, wanted)
    exceptions = [
        ReviewException(user_id, "skipped", "decided_later", f"already decided as of {date}")
        for user_id, date in later.items()
    ]
    exceptions += [ReviewException(e.user_id, e.outcome, e.reason, e.detail) for e in excluded]
    told = np.array([e.user_id for e in excluded], dtype=np.int64)
    accounted = np.sort(np.concatenate([portfolio.user_id, told]), kind="stable")
    missing = wanted[:0] if np.array_equal(accounted, wanted) else np.setdiff1d(wanted, accounted)
    exceptions += [
        ReviewException(user_id, "quarantined", "not_loaded", "no row of the portfolio was made for this user")
        for user_id in missing.tolist()
    ]
    return portfolio, exceptions


@functools.cache
def code_version() -> str:
    """Package version + the first 12 hex digits of the sha256 over the source of the pure core."""
    digest = hashlib.sha256()
    root = resources.files(limits)
    for name in CORE:
        text = (root / f"{name}.py").read_bytes()
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return f"{limits.__version__}+{digest.hexdigest()[:12]}"


@functools.cache
def made_by() -> MadeBy:
    """What the log says of how a decision was computed: version of the code, sha256 of the forecast's parameters."""
    return MadeBy(code_version(), hashlib.sha256(parameters().encode()).digest())
