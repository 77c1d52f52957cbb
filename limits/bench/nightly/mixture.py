"""Made-up users of a lender, as arrays: who they are, how they earn, spend, owe and repay.

The same seed gives the same users, whatever their number: they are drawn in blocks of ``BLOCK``
by user_id, each block from the seed and its first user_id. All amounts are minor units of CNY, the currency
of the standard policy. Nobody's data are in them; the shares below are chosen, not measured.

Kinds (``KINDS``): *steady* a salary that varies by 3%; *irregular* income that varies by some 45%;
*growing* 1.2% more each month; *collapsing* a third of the income is left from some month of the
last year on; *revolver* steady, owes 60 to 97% of the limit and pays the minimum; *dormant* a
little income, nothing owed for two months or more, half of them not heard of for one to ten months;
*thin* opened one to five months ago.

On top of the kinds, independent of them: 40% have no window of observation, and of their months
``GAPS`` are missing, which is 2% of all months; 9% are unpunctual (of their minimum payments a
fifth is late and an eighth is missed), 1% stopped paying within the last four statements; 1.5% are
closed and 0.7% blocked; 80% have a credit check; 60% have documents on file, some missing or
expired; 6% said something of consent; 0.08% are confirmed frauds, of whom most share a phone
with one to three others; 0.05% have an approved override.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.portfolio import Bool, Dates, Int

Float = NDArray[np.float64]

CURRENCY = "CNY"
BLOCK = 20_000
KINDS = {
    "steady": 0.40, "irregular": 0.18, "growing": 0.09, "collapsing": 0.04, "revolver": 0.14, "dormant": 0.08,
    "thin": 0.07,
}  # fmt: skip
NO_WINDOW = 0.40
GAPS = 0.05
UNPUNCTUAL, STOPPED = 0.09, 0.01
CLOSED, BLOCKED = 0.015, 0.007
GRID = 10_000  # limits are whole multiples of 100 CNY
DUE_DAYS = 21


@dataclass(frozen=True, slots=True)
class Scene:
    """Which day it is, and how much is told: whole ``months`` of cash flow, ``recent`` months of statements."""

    as_of: dt.date
    months: int = 24
    recent: int = 12

    @property
    def day(self) -> Any:
        return np.datetime64(self.as_of, "D")

    @property
    def this_month(self) -> Any:
        """The month of the review, which has not ended."""
        return np.datetime64(self.as_of, "M")

    @property
    def calendar(self) -> Dates:
        """The whole months (m,), oldest first."""
        return np.arange(self.this_month - self.months, self.this_month)


@dataclass(frozen=True, slots=True)
class Users:
    """n users; ``windowed`` are those of whom the source vouches for whole months."""

    user_id: Int
    kind: NDArray[np.int64]
    income: Float  # a usual month
    limit: Int
    opened_on: Dates
    windowed: Bool
    observed_from: Dates
    last_event_on: Dates
    unpunctual: Bool
    stopped: Bool

    def __len__(self) -> int:
        return len(self.user_id)

    def of(self, *names: str) -> Bool:
        """Who is of one of the kinds."""
        return np.isin(self.kind, [list(KINDS).index(name) for name in names])


@dataclass(frozen=True, slots=True)
class Payments:
    """The statements (n, r) of the last r months, newest first, and what was repaid of each."""

    issued: Bool  # False: the account was not open yet
    statement_on: Dates
    due_on: Dates
    balance: Int
    minimum: Int
    paid_on: Dates
    paid: Int  # 0: nothing by the day of the review


def dice_of(seed: int, first: int, what: int) -> np.random.Generator:
    """The dice for one part of one block."""
    return np.random.default_rng([seed, first, what])


def users(seed: int, first: int, scene: Scene) -> Users:
    """The block of users that begins with ``first``, which is one more than a multiple of BLOCK."""
    dice = dice_of(seed, first, 0)
    kind = dice.choice(len(KINDS), BLOCK, p=list(KINDS.values()))
    names = np.array(list(KINDS))[kind]
    thin, dormant = names == "thin", names == "dormant"
    income = 900_000 * np.exp(dice.normal(0.0, 0.45, BLOCK)) * np.where(dormant, 0.4, 1.0)
    usual_limit = income * dice.uniform(0.15, 1.0, BLOCK) * np.where(dormant, 0.6, 1.0)
    limit = np.clip(usual_limit, 100_000, 15_000_000).astype(np.int64) // GRID * GRID
    age = np.where(thin, dice.integers(32, 170, BLOCK), dice.integers(220, 3650, BLOCK))
    opened_on = scene.day - age
    quiet = np.where(dormant & (dice.random(BLOCK) < 0.5), dice.integers(30, 300, BLOCK), dice.integers(0, 14, BLOCK))
    return Users(
        user_id=np.arange(first, first + BLOCK),
        kind=kind,
        income=income,
        limit=limit,
        opened_on=opened_on,
        windowed=dice.random(BLOCK) >= NO_WINDOW,
        observed_from=np.maximum(opened_on, scene.calendar[0].astype("datetime64[D]")),
        last_event_on=np.maximum(scene.day - quiet, opened_on),
        unpunctual=dice.random(BLOCK) < UNPUNCTUAL,
        stopped=dice.random(BLOCK) < STOPPED,
    )


# Income and spending ------------------------------------------------------------------------


def inflow(seed: int, who: Users, scene: Scene) -> Float:
    """Income (n, m) by month."""
    dice = dice_of(seed, int(who.user_id[0]), 1)
    n, m = len(who), scene.months
    shape = 1.0 + 0.03 * dice.normal(size=(n, m))
    irregular = np.exp(0.45 * dice.normal(size=(n, m)))
    shape = np.where(who.of("irregular")[:, None], irregular, shape)
    growth = 1.012 ** np.arange(1 - m, 1)
    shape = np.where(who.of("growing")[:, None], shape * growth, shape)
    fell = m - dice.integers(1, min(12, m) + 1, n)
    left = np.where(np.arange(m) >= fell[:, None], 0.35, 1.0)
    shape = np.where(who.of("collapsing")[:, None], shape * left, shape)
    return np.asarray(np.clip(who.income[:, None] * shape, 0.0, None))


def seen(seed: int, who: Users, scene: Scene) -> Bool:
    """The months (n, m) in which something of a user was seen: not before the account, nor after the last event."""
    dice = dice_of(seed, int(who.user_id[0]), 2)
    calendar = scene.calendar
    began = who.observed_from.astype("datetime64[M]")[:, None]
    ended = who.last_event_on.astype("datetime64[M]")[:, None]
    gap = (dice.random((len(who), scene.months)) < GAPS) & ~who.windowed[:, None]
    # The first month has the first event of all, which says when observation began.
    return np.asarray((calendar >= began) & (calendar <= ended) & ~(gap & (calendar > began)))


def spending(seed: int, who: Users, earned: Float) -> dict[str, Int]:
    """Essential and discretionary spending, fees and obligations to others (n, m)."""
    dice = dice_of(seed, int(who.user_id[0]), 3)
    n, m = earned.shape
    usual = who.income[:, None]
    owes = np.where(dice.random(n) < 0.45, dice.uniform(0.05, 0.2, n), 0.0)
    found = {
        "essential": usual * dice.uniform(0.3, 0.55, (n, 1)) * np.exp(0.12 * dice.normal(size=(n, m))),
        "discretionary": earned * dice.uniform(0.05, 0.2, (n, 1)) * np.exp(0.3 * dice.normal(size=(n, m))),
        "fees": np.where(dice.random((n, m)) < 0.05, dice.uniform(2_000, 10_000, (n, m)), 0.0),
        "obligations": np.repeat(usual * owes[:, None], m, axis=1),
    }
    return {name: np.rint(amounts).astype(np.int64) for name, amounts in found.items()}


# Owing and repaying -------------------------------------------------------------------------


def utilisation(seed: int, who: Users) -> Float:
    """The share of the limit (n,) that a user owes when a statement is made."""
    dice = dice_of(seed, int(who.user_id[0]), 4)
    n = len(who)
    usual = np.where(who.of("revolver"), dice.uniform(0.6, 0.97, n), dice.uniform(0.05, 0.6, n))
    usual = np.where(who.of("collapsing"), dice.uniform(0.5, 1.0, n), usual)
    return np.where(who.of("dormant"), dice.uniform(0.02, 0.2, n), usual)


def share_repaid(seed: int, who: Users) -> Float:
    """Of each statement's balance (n,): 1 all, 0 the minimum and little more."""
    dice = dice_of(seed, int(who.user_id[0]), 5)
    n = len(who)
    usual = np.where(dice.random(n) < 0.55, 1.0, dice.uniform(0.1, 0.9, n))
    return np.where(who.of("revolver"), 0.0, usual)


def payments(seed: int, who: Users, scene: Scene) -> Payments:
    """The statements of the last months and their repayments."""
    dice = dice_of(seed, int(who.user_id[0]), 6)
    n, r = len(who), scene.recent
    day = dice.integers(0, 28, n)
    this_month = scene.this_month.astype("datetime64[D]") + day
    newest = np.where(this_month <= scene.day, scene.this_month, scene.this_month - 1)
    statement_on = (newest[:, None] - np.arange(r)).astype("datetime64[D]") + day[:, None]
    due_on = statement_on + DUE_DAYS
    noise = np.exp(0.15 * dice.normal(size=(n, r)))
    owed = np.minimum(utilisation(seed, who)[:, None] * noise, 1.03)
    unused = who.of("dormant")[:, None] & (np.arange(r) < dice.integers(2, 14, n)[:, None])
    balance = np.rint(who.limit[:, None] * np.where(unused, 0.0, owed)).astype(np.int64)
    minimum = np.minimum(np.maximum(balance // 20, 5_000), balance)
    share = share_repaid(seed, who)[:, None]
    little_more = minimum * (1.0 + 0.08 * dice.random((n, r)))
    paid = np.minimum(np.rint(np.maximum(balance * share, little_more)).astype(np.int64), balance)

    luck = dice.random((n, r))
    late = luck < np.where(who.unpunctual, 0.2, 0.004)[:, None]
    missed = who.unpunctual[:, None] & (luck > 0.875)
    missed |= who.stopped[:, None] & (np.arange(r) <= dice.integers(1, 5, n)[:, None])
    paid_on = np.where(
        late, due_on + dice.integers(1, 46, (n, r)), due_on - dice.integers(0, DUE_DAYS - 5, (n, r))
    )  # fmt: skip
    issued = statement_on > who.opened_on[:, None]
    happened = issued & ~missed & (paid_on <= scene.day) & (paid > 0)
    return Payments(issued, statement_on, due_on, balance, minimum, paid_on, np.where(happened, paid, 0))


def due_and_repaid(seed: int, who: Users, scene: Scene, made: Payments) -> tuple[Int, Int]:
    """What fell due and what was repaid by month (n, m): of the statements, and before the oldest of them alike."""
    due = _by_month(made.due_on, np.where(made.issued, made.balance, 0), scene)
    repaid = _by_month(made.paid_on, made.paid, scene)
    dice = dice_of(seed, int(who.user_id[0]), 7)
    calendar = scene.calendar
    before = calendar < made.due_on[:, -1:].astype("datetime64[M]")
    before &= calendar > who.opened_on[:, None].astype("datetime64[M]")
    usual = who.limit[:, None] * utilisation(seed, who)[:, None] * np.exp(0.15 * dice.normal(size=due.shape))
    older = np.rint(np.where(before, usual, 0.0)).astype(np.int64)
    return due + older, repaid + np.rint(older * np.maximum(share_repaid(seed, who), 0.055)[:, None]).astype(np.int64)


def _by_month(days: Dates, amounts: Int, scene: Scene) -> Int:
    """Sums (n, m) of amounts (n, r) by the month of their day; what lies outside is left out."""
    n, m = len(days), scene.months
    month = (days.astype("datetime64[M]") - scene.calendar[0]).astype(np.int64)
    inside = (month >= 0) & (month < m)
    place = np.arange(n)[:, None] * m + np.where(inside, month, 0)
    sums = np.bincount(place.ravel(), weights=np.where(inside, amounts, 0).ravel(), minlength=n * m)
    return np.rint(sums).astype(np.int64).reshape(n, m)  # exact: amounts are far below 2**53
