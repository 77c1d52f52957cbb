"""The decision: the lowest ceiling, not below the floor, on the grid, and no change that is too small to make.

One function for one user or all. The explanation is not written apart from it: the reasons
are the ceilings that stood in the way, in the order in which they bind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from limits.capacity import Capacity
from limits.ceilings import CEILINGS, FALSE, ReadOnce, share_of, wants_a_person, within
from limits.policy import ALL_BPS, Policy
from limits.portfolio import UNBOUNDED, Bool, Int, Portfolio
from limits.reasons import Reason
from limits.risk import Risk, Scorecard
from limits.risk.fitting import require_bands

#: Users decided at a time: bounds the memory, and changes no bit of the result.
BLOCK_USERS = 32_768


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided for n users, with all it rests on; amounts int64 minor units.

    limit_before, limit_after   (n,)
    ceilings                    (n, k): column r is the ceiling of Reason r, UNBOUNDED for none
    binding                     (n,) Reason of the lowest ceiling
    reason_bits                 (n,) bit r set: ceiling r kept the limit from being higher
    lowest_ceiling, floor       (n,)
    capacity, risk              the forecast and the score it was decided on
    """

    limit_before: Int
    limit_after: Int
    ceilings: Int
    binding: Int
    reason_bits: Int
    lowest_ceiling: Int
    floor: Int
    capacity: Capacity
    risk: Risk

    def __len__(self) -> int:
        return len(self.limit_after)

    @property
    def action(self) -> Int:
        """1 raised, 0 held, -1 lowered."""
        return np.asarray(np.sign(self.limit_after - self.limit_before), dtype=np.int64)

    def reasons(self, row: int) -> list[Reason]:
        """The reasons of one user, in the order in which they bind."""
        listed = [ceiling.reason for ceiling in CEILINGS if self.reason_bits[row] >> ceiling.reason & 1]
        return sorted(listed, key=lambda reason: int(self.ceilings[row, reason]))


def review(portfolio: Portfolio, policy: Policy, model: Scorecard | None = None) -> Decisions:
    """Capacity, then risk, then decision: all there is between the data and a limit. ``model`` None: nobody is scored.

    PolicyError where [risk] of the policy does not name the bands of the model.
    """
    from limits.capacity import estimate_capacity  # here, for it loads the kernels and not everybody decides

    capacity = estimate_capacity(portfolio.cash_flow, policy.capacity.horizon_months)
    return decide(portfolio, capacity, scored(portfolio, capacity, model), policy)


def scored(portfolio: Portfolio, capacity: Capacity, model: Scorecard | None) -> Risk:
    """The risk of every user by a model, or of users whom none has scored."""
    return Risk.none(len(portfolio)) if model is None else model.score(portfolio, capacity)


def decide(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Decisions:
    """The new limit of every user.

    1. The lowest ceiling, rounded down to the grid; never below the current limit when no
       ceiling is (rounding alone cuts nobody).
    2. Not below the floor. The floor is capped at the current limit, so it causes no raise.
       What people have set or asked for holds against every rule but the hard maxima.
    3. A change smaller than the hysteresis band is a hold, unless a hard maximum asks for it.
    """
    require_bands(policy, risk.bands)
    users = len(portfolio)
    ceilings = np.empty((users, len(Reason)), dtype=np.int64)
    numbers = np.empty((len(Numbers._fields), users), dtype=np.int64)
    for begin in range(0, users, BLOCK_USERS):
        rows = slice(begin, begin + BLOCK_USERS)
        block = _decide(portfolio.take(rows), capacity.take(rows), risk.take(rows), policy, ceilings[rows])
        for whole, part in zip(numbers, block, strict=True):
            whole[rows] = part
    found = Numbers(*numbers)
    return Decisions(portfolio.credit_limit, ceilings=ceilings, capacity=capacity, risk=risk, **found._asdict())


class Numbers(NamedTuple):
    """The columns (n,) of ``Decisions`` that are found block by block."""

    limit_after: Int
    binding: Int
    reason_bits: Int
    lowest_ceiling: Int
    floor: Int


def _decide(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy, ceilings: Int) -> Numbers:
    """What ``decide`` says, of one block; ``ceilings`` (n, Reason) is filled in."""
    before, grid = portfolio.credit_limit, policy.rounding.grid.minor
    bounds = _bounds(portfolio, capacity, risk, policy)
    lowest, binding = _lowest(bounds)
    hard = _least(bounds, [ceiling.reason for ceiling in CEILINGS if ceiling.hard])
    false = _least(bounds, [ceiling.reason for ceiling in CEILINGS if ceiling.reason in FALSE])
    floor = floor_of(portfolio, hard, false < before, policy)
    on_grid = lowest // grid * grid
    proposed = np.where(lowest >= before, np.maximum(on_grid, before), on_grid)
    proposed = np.maximum(proposed, floor)
    band = share_of(before, policy.rounding.hysteresis_bps)
    too_small = (np.abs(proposed - before) < band) & (hard >= before)
    after = np.where(too_small, before, proposed)
    ceilings[:] = bounds.T
    return Numbers(after, binding, _reason_bits(bounds, before, after, np.maximum(band, 1), grid), lowest, floor)


def _bounds(portfolio: Portfolio, capacity: Capacity, risk: Risk, policy: Policy) -> Int:
    """Row r (n,) is the ceiling of Reason r, UNBOUNDED where no rule has it."""
    portfolio = dataclasses.replace(portfolio, cash_flow=ReadOnce.of(portfolio.cash_flow))
    bounds = np.full((len(Reason), len(portfolio)), UNBOUNDED, dtype=np.int64)
    for ceiling in CEILINGS:
        bounds[int(ceiling.reason)] = ceiling.rule(portfolio, capacity, risk, policy)
    return bounds


def _lowest(bounds: Int) -> tuple[Int, Int]:
    """The lowest ceiling and its reason (n,): of equal ones that of the ceiling listed first."""
    first, *others = _listed()
    lowest, binding = bounds[first].copy(), np.full(bounds.shape[1], first, dtype=np.int64)
    for reason in others:
        np.copyto(binding, reason, where=bounds[reason] < lowest)
        np.minimum(lowest, bounds[reason], out=lowest)
    return lowest, binding


def _least(bounds: Int, reasons: Sequence[Reason]) -> Int:
    """The lowest of some ceilings (n,)."""
    return np.asarray(bounds[list(map(int, reasons))].min(axis=0), dtype=np.int64)


def floor_of(portfolio: Portfolio, hard: Int, false: Bool, policy: Policy) -> Int:
    """What one review does not cut below (n,): the higher of what the policy keeps and what people hold.

    ``hard``: the lowest hard maximum of each user; ``false``: whether fraud or false documents ask
    for a cut. Rounded up to the grid, then capped at the current limit: a floor softens a cut and
    causes no raise.

    The policy keeps the balance with a buffer, all but the largest cut of one review, and
    the result of a recent cut.
    """
    limit, cut = portfolio.credit_limit, policy.cut
    balance = np.maximum(portfolio.balance, 0)
    buffered = balance + share_of(balance, cut.balance_buffer_bps)
    smallest = share_of(limit, ALL_BPS - cut.step_bps)
    kept = np.maximum(buffered, smallest)
    kept = np.where(within(portfolio, portfolio.last_cut_on, cut.cool_off_days), limit, kept)
    grid = policy.rounding.grid.minor
    held = held_by_people(portfolio, hard, false, policy)
    return np.asarray(np.maximum(np.minimum(-(-kept // grid) * grid, limit), held), dtype=np.int64)


def held_by_people(portfolio: Portfolio, hard: Int, false: Bool, policy: Policy) -> Int:
    """The limit (n,) below which no rule but a hard maximum cuts, 0 for none.

    The whole limit of who has a change announced or offered already, unless fraud or ``false``
    documents ask for a cut, which does not wait; and of who wants a person to decide; of the
    latter the cap of an override where that is lower, because then people have decided. And
    the floor of an override. A hard maximum below it is the floor itself, rounded down to the grid.
    """
    limit, grid = portfolio.credit_limit, policy.rounding.grid.minor
    cap = portfolio.override_cap
    by_people = np.where(cap < limit, cap - cap % grid, limit)
    held = np.where(wants_a_person(portfolio, policy), by_people, 0)
    held = np.where(portfolio.change_pending & ~false, limit, held)
    held = np.maximum(held, np.minimum(-(-portfolio.override_floor // grid) * grid, limit))
    return np.asarray(np.where(hard < held, hard - hard % grid, held), dtype=np.int64)


def _reason_bits(bounds: Int, before: Int, after: Int, band: Int, grid: int) -> Int:
    """Which ceilings kept each limit from being one step higher.

    Raised: those below the next point of the grid. Held: those below the smallest raise
    that could have been made. Lowered: those below the limit before.
    """
    smallest_raise = -(-(before + band) // grid) * grid
    reach = np.where(after > before, after + grid, np.where(after < before, before, smallest_raise))
    bits = np.zeros(len(before), dtype=np.int64)
    for reason in _listed():
        bits += (bounds[reason] < reach) * np.int64(1 << reason)
    return bits


def _listed() -> list[int]:
    """The reasons of the ceilings in their order; as plain numbers, which NumPy takes in sooner."""
    return [int(ceiling.reason) for ceiling in CEILINGS]
