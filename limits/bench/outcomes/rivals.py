"""Rules that a lender would otherwise raise limits by, each as a ranking that is cut at a number of users.

None has seen an outcome. Each is read as kindly as its wording allows: where it leaves open who comes first, the
user with the better record of payments does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.bench.outcomes.rates import Real
from limits.ceilings import share_of
from limits.policy import Policy
from limits.portfolio import STATEMENTS, Int, Portfolio

#: The rule of thumb raises who uses between these shares of the limit.
USED_FROM, USED_TO = 0.3, 0.9
#: The template: what each part counts for, and the use of the limit up to which nothing is taken off.
HISTORY, UTILISATION, BEHAVIOUR, FREE_USE = 0.35, 0.30, 0.35, 0.3
#: Everyone is raised by this share of the limit.
EVERYONE_BPS = 1000


@dataclass(frozen=True)
class Rival:
    """A rule. ``to_raise`` and ``to_lower`` rank users (n,), 0 first; users of one rank are as good as each other.

    by_step    whether it raises by the largest step of the policy, or by EVERYONE_BPS
    """

    name: str
    text: str
    to_raise: Callable[[Portfolio], Int]
    to_lower: Callable[[Portfolio], Int] | None
    by_step: bool
    needs_statements: bool


def used(portfolio: Portfolio) -> Real:
    """The average balance of three statements as a share of the limit (n,); 0 where either is not known."""
    share = np.zeros(len(portfolio))
    known = portfolio.credit_limit > 0
    np.divide(np.maximum(portfolio.average_balance, 0), portfolio.credit_limit, out=share, where=known)
    return share


def late_statements(portfolio: Portfolio) -> Int:
    """Statements of the record by whose day a minimum payment was past due (n,)."""
    return np.asarray((portfolio.payment_record.days_past_due > 0).sum(axis=1), dtype=np.int64)


def thumb_to_raise(portfolio: Portfolio) -> Int:
    """Not late and 30 to 90% used, then not late, then late; within each fewest late statements, then least used."""
    share, late = used(portfolio), portfolio.days_past_due > 0
    inside = (share >= USED_FROM) & (share <= USED_TO)
    return _ranked(np.select([late, ~inside], [2, 1], 0), late_statements(portfolio), share)


def thumb_to_lower(portfolio: Portfolio) -> Int:
    """The longest past due first, then the most late statements, then the most used."""
    return _ranked(-portfolio.days_past_due, -late_statements(portfolio), -used(portfolio))


def template_points(portfolio: Portfolio) -> Real:
    """Up to 100 points (n,): payment history 35, utilisation 30, behaviour 35.

    History: the share of statements that were not late. Utilisation: all up to 30% of the limit, then evenly down to
    none at the limit. Behaviour: how much of each statement was repaid before the next, on average.
    """
    record = portfolio.payment_record
    places = np.arange(STATEMENTS) < record.held[:, None]
    history = 1 - late_statements(portfolio) / np.maximum(record.held, 1)
    room = np.clip((1 - used(portfolio)) / (1 - FREE_USE), 0, 1)
    share = np.ones(record.balance.shape)
    np.divide(record.repaid, record.balance, out=share, where=record.balance > 0)
    # Nothing is known yet of how the newest statement is repaid.
    settled = places & (np.arange(STATEMENTS) > 0)
    behaviour = (np.clip(share, 0, 1) * settled).sum(axis=1) / np.maximum(settled.sum(axis=1), 1)
    return np.asarray(100 * (HISTORY * history + UTILISATION * room + BEHAVIOUR * behaviour), dtype=np.float64)


RIVALS = (
    Rival(
        "rule of thumb", "raise who is not late and uses 30 to 90% of the limit, lower who is late",
        thumb_to_raise, thumb_to_lower, by_step=True, needs_statements=True,
    ),
    Rival(
        "points template", "payment history 35%, utilisation 30%, repayment behaviour 35%: the most points first",
        lambda portfolio: _ranked(-template_points(portfolio)), lambda portfolio: _ranked(template_points(portfolio)),
        by_step=True, needs_statements=True,
    ),
    Rival(
        "everyone 10%", "raise everyone by 10%: as many users drawn at random, as they come out on average",
        lambda portfolio: np.zeros(len(portfolio), dtype=np.int64), None, by_step=False, needs_statements=False,
    ),
)  # fmt: skip


def taken(rank: Int, count: int) -> Real:
    """Who is among the first ``count`` (n,): those tied at the cut are in it with equal probability."""
    if count <= 0:
        return np.zeros(len(rank))
    cut = np.sort(rank)[min(count, len(rank)) - 1]
    before, tied = rank < cut, rank == cut
    return np.asarray(before + tied * min((count - before.sum()) / tied.sum(), 1.0), dtype=np.float64)


def raise_by(rival: Rival, portfolio: Portfolio, policy: Policy) -> Real:
    """What the rule raises each user by (n,), minor units, on the policy's grid and not above its maxima."""
    limit, grid = portfolio.credit_limit, policy.rounding.grid.minor
    step = share_of(limit, policy.raises.step_bps if rival.by_step else EVERYONE_BPS)
    if rival.by_step:
        step = np.clip(step, policy.raises.step_least.minor, policy.raises.step_most.minor)
    most = min(policy.maximum.product.minor, policy.maximum.statutory.minor)
    return np.maximum(np.minimum((limit + step) // grid * grid, most) - limit, 0).astype(np.float64)


def _ranked(*keys: NDArray[Any]) -> Int:
    """Places (n,) by the first key, then the second and so on; equal users share one."""
    return np.unique(np.stack(keys, axis=1).astype(np.float64), axis=0, return_inverse=True)[1].reshape(-1)
