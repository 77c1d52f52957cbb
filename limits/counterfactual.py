"""What would change a decision: the smallest single changes that lift the limit, and what only time changes.

The answer is found by the engine itself, over copies of the user that differ in one input:
first a ladder of values for every input in one batch, then, for each input where a value of
the ladder lifts the limit, bisection down to the smallest step that does, again one batch for
all inputs a round. So a claim made here is a decision that was made.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.ceilings import CEILINGS
from limits.decision import Decisions, review
from limits.money import LARGEST_MINOR
from limits.policy import ALL_BPS, Policy
from limits.portfolio import FACTS, UNKNOWN, CashFlow, Documents, Identity, Income, PaymentRecord, Portfolio
from limits.reasons import Reason
from limits.risk import Risk, Scorecard
from limits.whatif import INPUTS, MOST_SHARE_BPS, Change, apply_changes

#: A step of a percentage, in basis points.
PERCENT = ALL_BPS // 100
#: Income is tried up to four times what it was.
MOST_MORE = 300
#: Steps tried one by one; then each rung is twice as far.
FINE = 8


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """One input, changed as little as lifts the limit, and what is decided then. Amounts minor units.

    ``before`` and ``after``: of the input as its kind has it: minor units (of a flow: mean of
    the observed months), a count, basis points of the limit, or 1 and 0 for yes and no;
    UNKNOWN for a value nobody has reported. ``binding``: the ceiling that binds next.
    """

    change: Change
    before: int
    after: int
    limit_after: int
    binding: Reason


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reason that ends with time alone: from ``until`` on it bars nothing, all else being as it is.

    ``limit_after`` and ``binding``: what would be decided without it.
    """

    reason: Reason
    until: dt.date
    limit_after: int
    binding: Reason


@dataclass(frozen=True, slots=True)
class Counterfactuals:
    """What would lift the limit of one user.

    ``reasons``: what stands in the way now, in the order in which it binds. ``single`` is empty
    where no single change helps.
    """

    limit_before: int
    limit_after: int
    binding: Reason
    reasons: tuple[Reason, ...]
    single: tuple[Counterfactual, ...]
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Changes of one input by distance: ``change(1)`` is the smallest, ``change(steps)`` the largest there is."""

    steps: int
    change: Callable[[int], Change]

    def rungs(self) -> list[int]:
        """The distances tried first, up to the largest."""
        rungs = list(range(1, min(FINE, self.steps) + 1))
        while rungs and rungs[-1] < self.steps:
            rungs.append(min(rungs[-1] * 2, self.steps))
        return rungs


def counterfactuals(portfolio: Portfolio, policy: Policy, model: Scorecard | None = None) -> Counterfactuals:
    """The smallest single change of each input that would lift the limit of the one user, and what time changes.

    Smallest: one step less does not lift it, and no rung of the ladder below did. A step is
    one, one per cent, or one step of the policy's grid, by the kind of input.
    """
    assert len(portfolio) == 1, "counterfactuals are of one user"
    now = review(portfolio, policy, model)
    reasons = tuple(now.reasons(0))
    goal = int(now.limit_after[0])
    found = _search(_Engine(policy, model), portfolio, list(ladders(portfolio, policy, reasons)), goal)
    return Counterfactuals(
        limit_before=int(now.limit_before[0]),
        limit_after=goal,
        binding=Reason(int(now.binding[0])),
        reasons=reasons,
        single=tuple(_told(portfolio, change, decided, row) for change, decided, row in found),
        waiting=tuple(_waiting(portfolio, policy, model, reasons)),
    )


def join(portfolios: Sequence[Portfolio]) -> Portfolio:
    """Portfolios of the same date, currency and months as one."""
    first = portfolios[0]
    columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in portfolios]) for name in FACTS}
    flows = {
        f.name: np.concatenate([getattr(one.cash_flow, f.name) for one in portfolios])
        for f in dataclasses.fields(CashFlow)
        if f.name != "months"
    }
    record = {
        f.name: np.concatenate([getattr(one.payment_record, f.name) for one in portfolios])
        for f in dataclasses.fields(PaymentRecord)
    }
    flow = dataclasses.replace(first.cash_flow, **flows)
    return dataclasses.replace(first, cash_flow=flow, payment_record=PaymentRecord(**record), **columns)


# What is tried ------------------------------------------------------------------------------


def ladders(portfolio: Portfolio, policy: Policy, reasons: Sequence[Reason]) -> Iterator[Ladder]:
    """Every input that may be tried for the one user, towards what a lender likes to see.

    Never what only a person may settle (a mismatch of identity, false documents, the wish not
    to be decided about automatically), and a use of the limit only in the way that is asked for.
    """
    yield from _of_history(portfolio)
    yield from _of_amounts(portfolio, policy, reasons)
    for name in ("active_lenders", "inquiries", "missed_payments", "minimum_only_payments"):
        value = int(getattr(portfolio, name)[0])
        yield Ladder(max(value, 0), lambda step, name=name, value=value: Change(name, "set", value - step))  # type: ignore[misc]
    if portfolio.days_past_due[0]:
        yield _one("days_past_due", 0)  # what is past due is paid, or it is not
    if portfolio.income[0] != Income.FALSE:
        yield _one("income_verified")
    if portfolio.identity[0] == Identity.UNVERIFIED:
        yield _one("identity_verified")
    for name in ("documents", "raise_consent", "credit_check", "used"):
        yield _one(name)


def _one(name: str, amount: int = 1) -> Ladder:
    return Ladder(1, lambda step: Change(name, "set", amount))


def _of_history(portfolio: Portfolio) -> Iterator[Ladder]:
    """Income in per cent more, costs in per cent less."""
    flow = portfolio.cash_flow
    most = int((flow.inflow * flow.observed).max(initial=0))
    if most:
        # No further than amounts go.
        steps = min(MOST_MORE, (LARGEST_MINOR // most - 1) * ALL_BPS // PERCENT)
        yield Ladder(steps, lambda step: Change("inflow", "scale", ALL_BPS + step * PERCENT))
    for name in ("essential_spend", "obligations"):
        if (getattr(flow, name) * flow.observed).any():
            yield Ladder(100, lambda step, name=name: Change(name, "scale", ALL_BPS - step * PERCENT))  # type: ignore[misc]


def _of_amounts(portfolio: Portfolio, policy: Policy, reasons: Sequence[Reason]) -> Iterator[Ladder]:
    """Debts elsewhere by the grid, the use of the limit in per cent of it, and the amount asked for by the grid."""
    grid = policy.rounding.grid.minor
    for name in ("outside_debt", "outside_monthly_payment"):
        value = int(getattr(portfolio, name)[0])
        steps = -(-max(value, 0) // grid)
        yield Ladder(steps, lambda step, name=name, value=value: Change(name, "set", max(value - step * grid, 0)))  # type: ignore[misc]
    limit = int(portfolio.credit_limit[0])
    if limit and Reason.UTILISATION_LOW in reasons:
        low = max(int(portfolio.average_balance[0]), 0) * ALL_BPS // limit // PERCENT
        top = MOST_SHARE_BPS // PERCENT // 2
        yield Ladder(max(top - low, 0), lambda step: Change("utilisation", "set", (low + step) * PERCENT))
    elif limit:
        used = max(int(portfolio.balance[0]), int(portfolio.average_balance[0]), 0)
        high = min(-(-used * ALL_BPS // limit // PERCENT), MOST_SHARE_BPS // PERCENT + 1)
        yield Ladder(high, lambda step: Change("utilisation", "set", (high - step) * PERCENT))
    if {Reason.ASKED_AMOUNT, Reason.NOT_ASKED_FOR, Reason.NO_CONSENT, Reason.OPTED_OUT} & set(reasons):
        begin = limit - limit % grid
        most = max(policy.maximum.product.minor - begin, 0) // grid
        yield Ladder(most, lambda step: Change("requested", "set", begin + step * grid))


# The search ---------------------------------------------------------------------------------

Found = tuple[Change, Decisions, int]


@dataclass(frozen=True, slots=True)
class _Engine:
    """What decides."""

    policy: Policy
    model: Scorecard | None

    def decide(self, portfolio: Portfolio, wanted: Sequence[tuple[Ladder, int]]) -> Decisions:
        """One decision for each copy of the user, in one batch."""
        copies = [apply_changes(portfolio, [ladder.change(step)]) for ladder, step in wanted]
        return review(join(copies) if copies else portfolio.take([]), self.policy, self.model)


def _search(engine: _Engine, portfolio: Portfolio, tried: list[Ladder], goal: int) -> list[Found]:
    """For each ladder that has one: its smallest change with a limit above ``goal``, and the row of its decision."""
    rungs = [(ladder, step) for ladder in tried for step in ladder.rungs()]
    made = engine.decide(portfolio, rungs)
    best: dict[int, tuple[int, int, Found]] = {}  # by ladder: what fails, what lifts, and how it was decided
    failed = dict.fromkeys(range(len(tried)), 0)
    places = {id(ladder): place for place, ladder in enumerate(tried)}
    for row, (ladder, step) in enumerate(rungs):
        place = places[id(ladder)]
        if place in best:
            continue
        if int(made.limit_after[row]) > goal:
            best[place] = (failed[place], step, (ladder.change(step), made, row))
        else:
            failed[place] = step
    while wide := [place for place, (low, high, _) in best.items() if high - low > 1]:
        middles = [(tried[place], sum(best[place][:2]) // 2) for place in wide]
        made = engine.decide(portfolio, middles)
        for row, (place, (ladder, step)) in enumerate(zip(wide, middles, strict=True)):
            low, high, found = best[place]
            lifts = int(made.limit_after[row]) > goal
            best[place] = (low, step, (ladder.change(step), made, row)) if lifts else (step, high, found)
    return [best[place][2] for place in sorted(best)]


def _told(portfolio: Portfolio, change: Change, made: Decisions, row: int) -> Counterfactual:
    return Counterfactual(
        change=change,
        before=value_of(portfolio, change.name),
        after=value_of(apply_changes(portfolio, [change]), change.name),
        limit_after=int(made.limit_after[row]),
        binding=Reason(int(made.binding[row])),
    )


def value_of(portfolio: Portfolio, name: str) -> int:
    """An input of the one user, as Counterfactual has it."""
    match INPUTS[name].kind:
        case "flow":
            seen = portfolio.cash_flow.observed[0]
            values = getattr(portfolio.cash_flow, name)[0]
            return int(values[seen].sum()) // max(int(seen.sum()), 1)
        case "share":
            limit = int(portfolio.credit_limit[0])
            used = max(int(portfolio.balance[0]), int(portfolio.average_balance[0]))
            return used * ALL_BPS // limit if limit and used != UNKNOWN else UNKNOWN
        case "request":
            return int(portfolio.requested_limit[0])
        case "amount" | "count":
            return int(getattr(portfolio, name)[0])
        case _:
            return int(_STATES[name](portfolio))


_STATES: dict[str, Callable[[Portfolio], bool]] = {
    "income_verified": lambda p: bool(p.income[0] == Income.VERIFIED),
    "identity_verified": lambda p: bool(p.identity[0] == Identity.VERIFIED),
    "documents": lambda p: bool(p.documents[0] == Documents.COMPLETE),
    "raise_consent": lambda p: bool(p.raise_consent[0] and not p.opted_out[0]),
    "automation_accepted": lambda p: not p.automation_refused[0],
    "credit_check": lambda p: bool(p.checked_on[0] == np.datetime64(p.as_of, "D")),
    "used": lambda p: bool(p.last_used_on[0] == np.datetime64(p.as_of, "D")),
}


# What time changes --------------------------------------------------------------------------


def _waiting(
    portfolio: Portfolio, policy: Policy, model: Scorecard | None, reasons: Sequence[Reason]
) -> Iterator[Waiting]:
    """Reasons in the way that end on a date, soonest first."""
    ends = [(until, reason) for reason in reasons if (until := ends_on(portfolio, policy, reason)) is not None]
    for until, reason in sorted(ends):
        made = review(portfolio, _over(policy, reason), model)
        yield Waiting(reason, until, int(made.limit_after[0]), Reason(int(made.binding[0])))


def ends_on(portfolio: Portfolio, policy: Policy, reason: Reason) -> dt.date | None:
    """The first day on which a reason that is there now is gone by time alone; None where time alone does not end it.

    Exact by the policy's days: on the day before it is still there.
    """
    raises = policy.raises
    match reason:
        case Reason.COOL_OFF_AFTER_RAISE:
            end = portfolio.last_raise_on[0] + raises.cool_off_after_raise_days
        case Reason.COOL_OFF_AFTER_CUT:
            end = portfolio.last_cut_on[0] + raises.cool_off_after_cut_days
        case Reason.RESTORATION:
            end = portfolio.last_cut_on[0] + raises.restore_days
        case Reason.TOO_NEW:
            return _old_enough(portfolio, raises.months_on_book)
        case Reason.MACRO_FREEZE:
            return _thawed(portfolio, policy)
        case _:
            return None
    ended: dt.date = end.astype("datetime64[D]").item()
    return ended


def _old_enough(portfolio: Portfolio, months: int) -> dt.date:
    """The first day on which the account is so many months old."""
    opened = portfolio.opened_on[0]
    month = opened.astype("datetime64[M]")
    due = (month + months).astype("datetime64[D]") + (opened - month.astype("datetime64[D]"))
    # A month that is too short ends before that day: the account is a month older on the 1st of the next.
    first: dt.date = min(due, (month + months + 1).astype("datetime64[D]")).item()
    return first


def _thawed(portfolio: Portfolio, policy: Policy) -> dt.date | None:
    """The first day on which no freeze concerns the user."""
    rule = next(ceiling.rule for ceiling in CEILINGS if ceiling.reason == Reason.MACRO_FREEZE)
    none = review(portfolio.take([]), policy).capacity
    days = sorted({freeze.last_day + dt.timedelta(days=1) for freeze in policy.freeze})
    for day in days:
        if day > portfolio.as_of:
            later = dataclasses.replace(portfolio, as_of=day)
            if int(rule(later, none, Risk.none(1), policy)[0]) > int(portfolio.credit_limit[0]):
                return day
    return None


#: The time of each reason, as the policy names it.
_DAYS = {
    Reason.COOL_OFF_AFTER_RAISE: "cool_off_after_raise_days",
    Reason.COOL_OFF_AFTER_CUT: "cool_off_after_cut_days",
    Reason.RESTORATION: "restore_days",
    Reason.TOO_NEW: "months_on_book",
}


def _over(policy: Policy, reason: Reason) -> Policy:
    """The policy as if the time of a reason were over."""
    if reason == Reason.MACRO_FREEZE:
        return policy.model_copy(update={"freeze": ()})
    return policy.model_copy(update={"raises": policy.raises.model_copy(update={_DAYS[reason]: 0})})
