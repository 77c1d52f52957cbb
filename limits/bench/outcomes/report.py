"""The report on outcomes: who was raised, held and lowered, what became of them, and whom other rules would raise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limits.bench.outcomes.rates import Bool, Group, Rate, Rates, Real, rates, wilson
from limits.bench.outcomes.rivals import RIVALS, Rival, raise_by, taken
from limits.policy import Policy
from limits.portfolio import Int, Portfolio
from limits.risk import Risk

#: What the users of a group are weighted by: each counts once, by the limit before, by what is owed, by the raise.
USERS, LIMIT, BALANCE, RAISE = WEIGHTS = ("users", "limit", "balance", "raise")
ALL, RAISED, HELD, LOWERED = "all", "raised", "held", "lowered"
ACTIONS = {RAISED: 1, HELD: 0, LOWERED: -1}
DRAWS, SEED = 1000, 0


@dataclass(frozen=True)
class Trial:
    """Users who were decided about by the product, and what became of each.

    limit_after, floor, bad
                       (n,): what was decided, below what no cut would go, and whether the outcome was bad
    outcome, source    the outcome in words; where the users come from
    notes              what a reader has to know of these figures
    """

    data: str
    portfolio: Portfolio
    policy: Policy
    limit_after: Int
    floor: Int
    bad: Bool
    risk: Risk
    outcome: str
    source: str
    notes: tuple[str, ...] = ()

    @property
    def action(self) -> Int:
        """1 raised, 0 held, -1 lowered (n,)."""
        return np.asarray(np.sign(self.limit_after - self.portfolio.credit_limit), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Line:
    """A group of users: how many, how many of them bad, their share with Wilson's interval, and the weighted shares.

    times   the share by that of all users
    """

    name: str
    users: float
    bad: float
    share: Rate
    times: Rate
    weighted: Mapping[str, Rate] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name, "users": round(self.users, 3), "bad": round(self.bad, 3), "rate": self.share.as_dict(),
            "times_all": self.times.as_dict(),
            "weighted": {name: rate.as_dict() for name, rate in self.weighted.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rule beside the product at as many raises: its users, and by how much the product's share is less."""

    rival: Rival
    raised: Line
    lowered: Line | None
    less: Mapping[str, Rate]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.rival.name, "rule": self.rival.text, "raised": self.raised.as_dict(),
            "lowered": None if self.lowered is None else self.lowered.as_dict(),
            "product_less_rule": {name: rate.as_dict() for name, rate in self.less.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What the command shows. Users without a band are in none of its lines; ``missing``: rules not tried."""

    trial: Trial
    actions: tuple[Line, ...]
    bands: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    missing: tuple[Rival, ...]
    draws: int
    seed: int

    def line(self, name: str) -> Line:
        """The users of one action, or all."""
        return next(line for line in self.actions if line.name == name)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        policy = self.trial.policy
        return {
            "data": self.trial.data, "users": len(self.trial.portfolio), "outcome": self.trial.outcome,
            "policy": {"pack": policy.pack, "effective_on": policy.effective_on.isoformat(),
                       "sha256": policy.policy_hash.hex()},
            "actions": [line.as_dict() for line in self.actions], "bands": [line.as_dict() for line in self.bands],
            "rules": [one.as_dict() for one in self.comparisons], "not_tried": [one.name for one in self.missing],
            "draws": self.draws, "seed": self.seed, "notes": list(self.trial.notes),
        }  # fmt: skip


def judge(trial: Trial, *, draws: int = DRAWS, seed: int = SEED) -> Report:
    """The report on a trial. ``seed`` draws the users of the bootstrap, the same for all groups."""
    has_statements = bool((trial.portfolio.statements_seen > 0).any())
    tried = [rival for rival in RIVALS if has_statements or not rival.needs_statements]
    groups = [*_own(trial), *(group for rival in tried for group in _of_rival(trial, rival))]
    found = rates(groups, trial.bad, WEIGHTS, draws=draws, seed=seed)
    lines = {group.name: _line(group, trial.bad, found) for group in groups}
    shown = (RAISED, HELD, LOWERED, ALL)
    return Report(
        trial,
        tuple(lines[name] for name in shown),
        tuple(lines[name] for name in trial.risk.bands if lines[name].users),
        tuple(_comparison(rival, lines, found) for rival in tried),
        tuple(rival for rival in RIVALS if rival not in tried),
        draws,
        seed,
    )


def _own(trial: Trial) -> Iterator[Group]:
    raised_by = np.maximum(trial.limit_after - trial.portfolio.credit_limit, 0).astype(np.float64)
    yield _group(trial, ALL, np.ones(len(trial.bad)))
    for name, action in ACTIONS.items():
        member = (trial.action == action).astype(np.float64)
        yield _group(trial, name, member, raised_by if name == RAISED else None)
    for place, name in enumerate(trial.risk.bands):
        yield _group(trial, name, (trial.risk.scored & (trial.risk.band == place)).astype(np.float64))


def _of_rival(trial: Trial, rival: Rival) -> Iterator[Group]:
    portfolio = trial.portfolio
    member = taken(rival.to_raise(portfolio), int((trial.action == 1).sum()))
    yield _group(trial, f"{rival.name}, {RAISED}", member, raise_by(rival, portfolio, trial.policy))
    if rival.to_lower is not None:
        # Whom no cut can reach, because of what is owed, comes last: the product cannot cut them either.
        rank = rival.to_lower(portfolio) + np.where(trial.floor < portfolio.credit_limit, 0, len(portfolio))
        lowered = taken(rank, int((trial.action == -1).sum()))
        yield _group(trial, f"{rival.name}, {LOWERED}", lowered)


def _group(trial: Trial, name: str, member: Real, raised_by: Real | None = None) -> Group:
    portfolio = trial.portfolio
    weights = {
        USERS: np.ones(len(portfolio)),
        LIMIT: portfolio.credit_limit.astype(np.float64),
        BALANCE: np.maximum(portfolio.balance, 0).astype(np.float64),
    }
    return Group(name, member, weights if raised_by is None else weights | {RAISE: raised_by})


def _line(group: Group, bad: Bool, found: Rates) -> Line:
    users, missed = float(group.member.sum()), float((group.member * bad).sum())
    weighted = {weight: found.rate(group.name, weight) for weight in WEIGHTS[1:] if weight in group.weights}
    return Line(group.name, users, missed, wilson(missed, users), found.times(group.name, ALL, USERS), weighted)


def _comparison(rival: Rival, lines: Mapping[str, Line], found: Rates) -> Comparison:
    theirs = f"{rival.name}, {RAISED}"
    less = {weight: found.less(RAISED, theirs, weight) for weight in WEIGHTS}
    return Comparison(rival, lines[theirs], lines.get(f"{rival.name}, {LOWERED}"), less)
