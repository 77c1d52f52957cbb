"""The portfolio's budget: which of tonight's raises fit under what they may add together.

A raise adds exposure, which is the amount of the raise, and loss that is to be expected of it. It is
worth what the user will use of it. Raises are made in the order of their value per unit of what
they cost, until the budget is used up: that is the dual price of the budget, below which nobody is
raised. With two budgets the cost is a mix of both, and the mix is found by bisection.

Where the policy has [risk] and a scorecard has scored the user, the loss to be expected is the probability of a missed
payment x exposure at default x loss given default. Else it is a share of the raise by how the user paid, see
``LOSS_BPS``: that orders users; it is no forecast of a loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limits.ceilings import share_of
from limits.decision import Decisions
from limits.policy import ALL_BPS, Policy, RiskRules
from limits.portfolio import UNKNOWN, Int, Portfolio
from limits.risk import Risk
from limits.risk.result import ALL_PPM

#: Share of a raise that is expected to be lost: of everybody, and for each payment missed in twelve months.
LOSS_BPS, LOSS_PER_MISSED_BPS = 200, 800

#: Its square is ALL_PPM x ALL_BPS: products of two such parts stay within int64.
_HALF = 100_000

#: Steps of the bisection: after so many the mix of two costs is known to one part in a thousand million.
STEPS = 30


@dataclass(frozen=True, slots=True)
class Raises:
    """Raises that a review would make, one for each user (n,).

    delta the raise, value what will be used of it, loss what is expected to be lost of it; minor units
    """

    user_id: Int
    delta: Int
    value: Int
    loss: Int

    def __len__(self) -> int:
        return len(self.user_id)


@dataclass(frozen=True, slots=True)
class Allotment:
    """What each user may be raised by (n,), in minor units, and the price at which the budget is used up.

    price     the least value per unit of cost of whoever got all; 0 where everything fits
    mix       what exposure weighs in the cost, from 0 to 1; the loss weighs the rest
    """

    granted: Int
    price: float
    mix: float


def raises_of(portfolio: Portfolio, made: Decisions, policy: Policy) -> Raises:
    """Who would be raised from the current limit. Use follows the average balance, half where none is known."""
    delta = made.limit_after - portfolio.credit_limit
    who = delta > 0
    delta, limit = delta[who], np.maximum(portfolio.credit_limit[who], 1)
    balance = portfolio.average_balance[who]
    used_bps = np.where(balance == UNKNOWN, ALL_BPS // 2, np.clip(balance, 0, limit) * 1.0 / limit * ALL_BPS)
    lost_bps = np.minimum(LOSS_BPS + LOSS_PER_MISSED_BPS * portfolio.missed_payments[who], ALL_BPS)
    value = np.floor(delta * (used_bps / ALL_BPS)).astype(np.int64)
    loss = np.ceil(delta * (lost_bps / ALL_BPS)).astype(np.int64)
    risk = made.risk.take(who)
    if policy.risk is not None and risk.scored.any():
        of_raise = loss_of_raise(portfolio.take(who), made.limit_after[who], risk, policy.risk)
        loss = np.where(risk.scored, of_raise, loss)
    return Raises(portfolio.user_id[who], delta, value, loss)


def exposure_at_default(balance: Int, limit: Int, rules: RiskRules) -> Int:
    """What a user (n,) will owe who does not pay: what is drawn, and part of what is not, rounded up."""
    drawn = np.maximum(balance, 0)
    undrawn = np.maximum(limit - drawn, 0)
    return np.asarray(drawn + undrawn - share_of(undrawn, ALL_BPS - rules.conversion_bps), dtype=np.int64)


def expected_loss(risk: Risk, exposure: Int, rules: RiskRules) -> Int:
    """Probability of a missed payment x exposure x loss given default (n,), rounded up; for users who are scored.

    In whole numbers, none of which leaves int64: a float is a minor unit too much now and then.
    """
    share = risk.probability_ppm * rules.loss_given_default_bps  # of one, in parts of ALL_PPM x ALL_BPS
    whole, rest = np.divmod(exposure, ALL_PPM * ALL_BPS)
    high, low = np.divmod(share, _HALF)
    part = rest * high - (-(rest * low) // _HALF)
    return np.asarray(whole * share - (-part // _HALF), dtype=np.int64)


def loss_of_raise(portfolio: Portfolio, limit_after: Int, risk: Risk, rules: RiskRules) -> Int:
    """What a raise adds to the expected loss (n,): what is drawn already is lost with or without it."""
    before, after = (
        exposure_at_default(portfolio.balance, limit, rules) for limit in (portfolio.credit_limit, limit_after)
    )
    return expected_loss(risk, after - before, rules)


def allot(raises: Raises, *, exposure: int | None, loss: int | None, grid: int) -> Allotment:
    """Who is raised under a budget of exposure, of expected loss, or both, in minor units; None: no such budget.

    Of users equal in value per cost the one with the lower number comes first. The first who does
    not fit gets what is left, on the grid, and everybody after that nothing. Neither budget is exceeded, to
    the minor unit. The value is short of the best there is by less than that of one user, with two
    budgets of two.
    """
    fits = (exposure is None or int(raises.delta.sum()) <= exposure) and (
        loss is None or int(raises.loss.sum()) <= loss
    )
    if fits:
        return Allotment(raises.delta.copy(), 0.0, 1.0)
    if loss is None:
        return _at(raises, exposure, loss, grid, 1.0)[0]
    if exposure is None:
        return _at(raises, exposure, loss, grid, 0.0)[0]
    low, high = 0.0, 1.0
    best: Allotment | None = None
    best_value = -1
    for mix in (1.0, 0.0, *([None] * STEPS)):
        at = (low + high) / 2 if mix is None else mix
        made, by_exposure, value = _at(raises, exposure, loss, grid, at)
        if value > best_value:
            best, best_value = made, value
        if mix is None:
            low, high = (at, high) if by_exposure else (low, at)
    assert best is not None, "some mix was tried"
    return best


def _at(raises: Raises, exposure: int | None, loss: int | None, grid: int, mix: float) -> tuple[Allotment, bool, int]:
    """The allotment at a mix; whether exposure was used up first; and the value of whoever got all."""
    # Of one budget alone the cost itself: scaled by the budget, users equal in value per cost would
    # differ by rounding, and in another order for another budget.
    if loss is None or mix == 1:
        cost = raises.delta.astype(np.float64)
    elif exposure is None or mix == 0:
        cost = raises.loss.astype(np.float64)
    else:
        cost = mix * raises.delta / max(exposure, 1) + (1 - mix) * raises.loss / max(loss, 1)
    ratio = np.full(len(raises), np.inf)
    np.divide(raises.value, cost, out=ratio, where=cost > 0)
    order = np.lexsort((raises.user_id, -ratio))
    delta, lost = np.cumsum(raises.delta[order]), np.cumsum(raises.loss[order])
    over_exposure = np.zeros(len(order), dtype=np.bool_) if exposure is None else delta > exposure
    over_loss = np.zeros(len(order), dtype=np.bool_) if loss is None else lost > loss
    over = over_exposure | over_loss
    all_of = int(over.argmax()) if over.any() else len(order)
    granted = np.zeros(len(raises), dtype=np.int64)
    granted[order[:all_of]] = raises.delta[order[:all_of]]
    by_exposure = False
    if all_of < len(order):
        last = order[all_of]
        by_exposure = bool(over_exposure[all_of])
        spent, spent_loss = (int(sums[all_of - 1]) if all_of else 0 for sums in (delta, lost))
        part = int(raises.delta[last])
        if exposure is not None:
            part = min(part, exposure - spent)
        if loss is not None and raises.loss[last] > 0:
            part = min(part, (loss - spent_loss) * int(raises.delta[last]) // int(raises.loss[last]))
        granted[last] = part - part % grid
    price = float(ratio[order[all_of - 1]]) if all_of else float("inf")
    return Allotment(granted, price, mix), by_exposure, int(raises.value[order[:all_of]].sum())
