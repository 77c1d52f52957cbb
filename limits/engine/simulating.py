"""A simulation: another policy over the inputs of a date and of past reviews, beside the one that decided.

Each date is decided twice from the same snapshot, by the champion and by the new policy, with
the limits as they stood then. Nothing is written: the database refuses to.
"""

from __future__ import annotations

import datetime as dt
import functools
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limits.breakers import Counts, tripped
from limits.decision import Decisions, decide, scored
from limits.engine.asking import policy_for, refuse_future
from limits.engine.scoring import fitting
from limits.engine.trying import KEPT, chunks
from limits.errors import InputError, PolicyError
from limits.policy import Policy, parse_policy
from limits.portfolio import Int, Portfolio
from limits.reasons import Reason
from limits.risk import Scorecard
from limits.settings import Settings
from limits.store import past, policies, recomputes, reviews, risk_models
from limits.store.db import Connection, Database
from limits.store.load import Excluded, load_portfolio
from limits.store.log import ACTIONS, reason_code
from limits.store.past import Done


@dataclass(frozen=True)
class Moved:
    """A user about whom the two policies differ: amounts in minor units."""

    user_id: int
    before_minor: int
    champion_minor: int
    new_minor: int
    champion_binding: Reason
    new_binding: Reason

    @property
    def difference_minor(self) -> int:
        """How much higher the limit is by the new policy."""
        return self.new_minor - self.champion_minor

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "user_id": self.user_id,
            "limit_before_minor": self.before_minor,
            "champion_minor": self.champion_minor,
            "new_minor": self.new_minor,
            "champion_binding": reason_code(self.champion_binding),
            "new_binding": reason_code(self.new_binding),
        }


@dataclass
class Side:
    """What one of the two policies comes to on a date."""

    policy: Policy
    raised: int = 0
    held: int = 0
    lowered: int = 0
    fallback: int = 0
    exposure_after_minor: int = 0
    reasons: Counter[tuple[int, Reason]] = field(default_factory=Counter)  # by action and binding ceiling

    def add(self, made: Decisions) -> None:
        """Counts some more users."""
        action = made.action
        self.raised += int((action > 0).sum())
        self.held += int((action == 0).sum())
        self.lowered += int((action < 0).sum())
        self.fallback += int((made.reason_bits >> Reason.MODEL_FELL_BACK & 1).sum())
        self.exposure_after_minor += int(made.limit_after.sum())
        self.reasons.update(
            (act, Reason(binding)) for act, binding in zip(action.tolist(), made.binding.tolist(), strict=True)
        )

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            **self.policy.named,
            "raised": self.raised,
            "held": self.held,
            "lowered": self.lowered,
            "fallback": self.fallback,
            "exposure_after_minor": self.exposure_after_minor,
            "reasons": [
                {"action": ACTIONS[action], "binding": reason_code(reason), "users": users}
                for (action, reason), users in self.reasons.most_common()
            ],
        }


@dataclass
class Simulated:
    """One date by both policies. ``review_id``: the review done again, None for a date without one."""

    as_of: dt.date
    review_id: int | None
    champion: Side
    new: Side
    model: Scorecard | None = None  # what scores the users, for both
    users: int = 0
    decided: int = 0
    quarantined: int = 0
    exceptions: Counter[tuple[str, str]] = field(default_factory=Counter)  # by outcome and reason
    exposure_before_minor: int = 0
    flips: Counter[tuple[int, int]] = field(default_factory=Counter)  # by action of the champion and of the new one
    higher: list[Moved] = field(default_factory=list)  # the largest differences
    lower: list[Moved] = field(default_factory=list)
    differences: list[Int] = field(default_factory=list)  # those that are not zero, minor units

    @property
    def flipped(self) -> int:
        """Users for whom the two policies do not do the same."""
        return sum(users for (one, other), users in self.flips.items() if one != other)

    @property
    def differing(self) -> int:
        """Users who get another limit."""
        return sum(map(len, self.differences))

    def tripped(self, side: Side) -> tuple[str, ...]:
        """The breakers of the side's policy that would trip in this review."""
        counts = Counts(
            users=self.users,
            raised=side.raised,
            lowered=side.lowered,
            quarantined=self.quarantined,
            fallback=side.fallback,
            exposure_before=self.exposure_before_minor,
            exposure_after=side.exposure_after_minor,
        )
        return tripped(side.policy.breakers, counts)

    def add(self, portfolio: Portfolio, excluded: Sequence[Excluded], champion: Decisions, new: Decisions) -> None:
        """Counts some more users."""
        self.users += len(portfolio) + len(excluded)
        self.decided += len(portfolio)
        for why in excluded:
            self.quarantined += why.outcome == "quarantined"
            self.exceptions[why.outcome, why.reason] += 1
        self.exposure_before_minor += int(portfolio.credit_limit.sum())
        self.champion.add(champion)
        self.new.add(new)
        self.flips.update(zip(champion.action.tolist(), new.action.tolist(), strict=True))
        difference = new.limit_after - champion.limit_after
        self.differences.append(difference[difference != 0])
        moved = [_moved(portfolio, champion, new, row) for row in _largest(difference)]
        self.higher = heapq.nsmallest(
            KEPT,
            self.higher + [m for m in moved if m.difference_minor > 0],
            key=lambda m: (-m.difference_minor, m.user_id),
        )
        self.lower = heapq.nsmallest(
            KEPT,
            self.lower + [m for m in moved if m.difference_minor < 0],
            key=lambda m: (m.difference_minor, m.user_id),
        )

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "as_of": self.as_of.isoformat(),
            "review_id": self.review_id,
            "users": self.users,
            "decided": self.decided,
            "quarantined": self.quarantined,
            "exceptions": [
                {"outcome": outcome, "reason": reason, "users": users}
                for (outcome, reason), users in sorted(self.exceptions.items())
            ],
            "exposure_before_minor": self.exposure_before_minor,
            "champion": self.champion.as_dict() | {"breakers": list(self.tripped(self.champion))},
            "new": self.new.as_dict() | {"breakers": list(self.tripped(self.new))},
            "flipped": self.flipped,
            "differing": self.differing,
            "flips": [
                {"champion": ACTIONS[old], "new": ACTIONS[new], "users": users}
                for (old, new), users in sorted(self.flips.items(), reverse=True)
            ],
            "movers": [m.as_dict() for m in (*self.higher, *self.lower)],
        }


@dataclass(frozen=True)
class Simulation:
    """The dates simulated, newest first. ``users_waiting``: with events that no review has counted yet."""

    new: Policy
    exponent: int
    users_waiting: int
    dates: list[Simulated]

    def as_dict(self) -> dict[str, Any]:
        """For a machine; amounts in minor units."""
        return {
            "simulation": True,
            "currency": self.new.currency,
            "exponent": self.exponent,
            "new": self.new.named,
            "users_waiting": self.users_waiting,
            "dates": [one.as_dict() for one in self.dates],
        }


def simulate(
    database: Database,
    settings: Settings,
    new: Policy,
    *,
    as_of: dt.date,
    last: int = 0,
    champion: str | None = None,
    most: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Simulation:
    """Decides everybody as of a date, and as of the last reviews before it, by two policies.

    A date that was reviewed is done again: with the limits before that review and, as champion, the
    policy that decided it; the users are scored as then. A date that was not has the limits at its
    end, and the policy and the model in force. ``champion`` names another policy. PolicyError where
    there is none in the new policy's currency; ReviewRefused for a date in the future. ``most``: users, each counted
    once for each date; InputError before anything is decided where there are more.
    """
    refuse_future(as_of)
    with database.connect("operations", "limits policy simulate") as conn, past.looking(conn):
        exponent = recomputes.facts(conn, new.currency).exponent
        dates = _dates(conn, settings, new, as_of, last, champion)
        users = reviews.count_users(conn)
        total, done = users * len(dates), 0
        if most is not None and total > most:
            raise InputError(
                f"{users:,} users on {len(dates)} dates are {total:,} to decide, and {most:,} are possible at once; "
                "take fewer reviews, or run limits policy simulate"
            )
        progress(0, total)
        for date in dates:
            for user_ids in chunks(conn, settings.chunk_users):
                _decide(conn, date, user_ids)
                done += len(user_ids)
                progress(done, max(total, done))
        return Simulation(new, exponent, past.users_waiting(conn), dates)


def _dates(
    conn: Connection, settings: Settings, new: Policy, as_of: dt.date, last: int, champion: str | None
) -> list[Simulated]:
    """The date itself, then the last reviews before it, each with its champion."""
    stored = functools.cache(lambda policy_hash: _stored(conn, policy_hash))
    found: list[Simulated] = []

    def add(date: dt.date, review_id: int | None, policy: Policy, model: Scorecard | None) -> None:
        if policy.currency != new.currency:
            raise PolicyError(
                f"{policy.pack} is in {policy.currency} and the new policy in {new.currency}; compare policies of one "
                "currency (--champion names the other)"
            )
        for one in (policy, new):
            fitting(one, model)
        found.append(Simulated(date, review_id, Side(policy), Side(new), model))

    done = (one for one in past.reviews_done(conn, as_of) if stored(one.policy_hash).currency == new.currency)
    listed: list[Done] = []
    for one in done:
        listed.append(one)
        if len(listed) > last:
            break
    here = [one for one in listed if one.business_date == as_of]
    if not here:
        standing = _in_force(settings, new, as_of, champion, stored(listed[0].policy_hash) if listed else None)
        add(as_of, None, standing, risk_models.in_force(conn, as_of))
    for one in listed[: last + len(here[:1])]:
        chosen = policy_for(champion, one.business_date) if champion else stored(one.policy_hash)
        add(one.business_date, one.review_id, chosen, risk_models.load(conn, one.risk_model))
    return found


def _in_force(settings: Settings, new: Policy, as_of: dt.date, champion: str | None, newest: Policy | None) -> Policy:
    """The champion of a date without a review: the one named, else of the settings, else that of the newest review."""
    if champion:
        return policy_for(champion, as_of)
    policy = policy_for(settings.policy, as_of)
    if policy.currency == new.currency or newest is None:
        return policy
    return newest


def _stored(conn: Connection, policy_hash: bytes) -> Policy:
    return parse_policy(
        policies.load_policy(conn, policy_hash), file=f"the policy {policy_hash.hex()[:12]} of a review"
    )


def _decide(conn: Connection, date: Simulated, user_ids: list[int]) -> None:
    """Some users of a date by both policies; the forecast is made once where both look equally far."""
    from limits.capacity import estimate_capacity  # here, for it loads the kernels

    old, new = date.champion.policy, date.new.policy
    loaded, excluded = load_portfolio(conn, date.as_of, new.currency, user_ids=user_ids)
    portfolio = past.rebuilt(conn, loaded, date.review_id)
    capacity = {
        months: estimate_capacity(portfolio.cash_flow, months)
        for months in {old.capacity.horizon_months, new.capacity.horizon_months}
    }
    risk = {months: scored(portfolio, one, date.model) for months, one in capacity.items()}
    made = [
        decide(portfolio, capacity[months], risk[months], policy)
        for policy, months in ((policy, policy.capacity.horizon_months) for policy in (old, new))
    ]
    date.add(portfolio, excluded, *made)


def _largest(difference: Int) -> list[int]:
    """The rows with the largest differences both ways, at most KEPT each."""
    order: Any = np.argsort(difference, kind="stable")
    return [row for row in {*order[:KEPT].tolist(), *order[-KEPT:].tolist()} if difference[row]]


def _moved(portfolio: Portfolio, champion: Decisions, new: Decisions, row: int) -> Moved:
    return Moved(
        user_id=int(portfolio.user_id[row]),
        before_minor=int(champion.limit_before[row]),
        champion_minor=int(champion.limit_after[row]),
        new_minor=int(new.limit_after[row]),
        champion_binding=Reason(int(champion.binding[row])),
        new_binding=Reason(int(new.binding[row])),
    )
