"""Seeded worlds of users with odd dates, and the comparison of packed users with what their sources say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Sequence

import numpy as np

from limits.portfolio import GROUPS, SHARED, Portfolio
from limits.store.db import Connection
from limits.store.load import load_portfolio
from limits.store.packing import read_packed
from tests import builders
from tests.builders import CURRENCY

#: Days near which something happens: ends of months, a leap day, the turn of a year.
FIRST, LAST = dt.date(2023, 11, 1), dt.date(2026, 8, 15)
_ODD = [dt.date(2024, 2, 28), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(2024, 12, 31), dt.date(2025, 1, 1),
        dt.date(2025, 2, 28), dt.date(2025, 3, 1), dt.date(2025, 6, 30), dt.date(2025, 7, 1)]  # fmt: skip


def some_day(dice: random.Random, first: dt.date = FIRST, last: dt.date = LAST) -> dt.date:
    """A day between the two; one of the odd ones now and then."""
    odd = [day for day in _ODD if first <= day <= last]
    if odd and dice.random() < 0.2:
        return dice.choice(odd)
    return first + dt.timedelta(days=dice.randrange((last - first).days + 1))


def fill(conn: Connection, seed: int, users: int, *, first_id: int = 1) -> list[int]:
    """A world of users, each with some of everything; their ids."""
    dice = random.Random(seed)
    ids = sorted(dice.sample(range(first_id, first_id + 3 * users), users))
    for user_id in ids:
        opened = some_day(dice, last=dt.date(2025, 9, 1))
        add_user(conn, dice, user_id, opened)
        for change in CHANGES.values():
            for _ in range(dice.choice([0, 1, 1, 2, 5])):
                change(conn, dice, user_id)
        if dice.random() < 0.5:
            pay_monthly(conn, dice, user_id, opened)
    builders.refresh(conn)
    return ids


def add_user(conn: Connection, dice: random.Random, user_id: int, opened: dt.date) -> None:
    """A user with a window or without one, now and then of another currency, blocked or without a line."""
    builders.add_user(
        conn, user_id, opened_on=opened, credit_limit=dice.choice([None, 0, 500_000, 500_000, 500_000, 10**15 + 1])
        if dice.random() < 0.2 else 800_000,
        currency=dice.choice([CURRENCY] * 9 + ["EUR"]), **window(dice), **profile(dice),
        effective_on=opened + dt.timedelta(days=dice.choice([0, 0, 0, 20])),
    )  # fmt: skip


def window(dice: random.Random) -> dict[str, dt.date | None]:
    if dice.random() < 0.4:
        return {"observed_from": None, "observed_through": None}
    return {"observed_from": (first := some_day(dice)), "observed_through": some_day(dice, first)}


def profile(dice: random.Random) -> dict[str, object]:
    return {
        "status": dice.choice(["active"] * 8 + ["blocked", "closed"]),
        "segment": dice.choice(["", "retail", "x" * 150, "naïve"]) if dice.random() < 0.3 else "retail",
        "industry": dice.choice(["", "bakery", "面包店"]), "raise_consent": dice.random() < 0.5,
        "identity_checked_on": dice.choice([None, some_day(dice)]),
        "income_verified_on": dice.choice([None, some_day(dice)]),
    }  # fmt: skip


def pay_monthly(conn: Connection, dice: random.Random, user_id: int, opened: dt.date) -> None:
    """Statements on one day of the month, paid in time, late, in part or not at all."""
    day, issued, reports = dice.randrange(1, 32), opened, dice.random() < 0.3
    incomes = []
    while issued <= LAST:
        due = issued + dt.timedelta(days=dice.choice([0, 10, 20, 20, 20]))
        minimum = dice.choice([0, 100, 100, 100])
        builders.add_statement(
            conn, user_id, issued, due_on=due, minimum_due=minimum, balance=dice.choice([-5, 0, 100, 2_000, 3 * 10**9]),
            days_past_due=dice.choice([None, 0, 0, 0, 25, 90]) if reports else None,
        )  # fmt: skip
        for _ in range(dice.choice([0, 1, 1, 1, 2])):
            paid = due + dt.timedelta(days=dice.choice([-15, -3, -1, 0, 0, 1, 2, 40]))
            builders.add_repayment(conn, user_id, max(paid, opened), dice.choice([50, 100, 105, 111, 2_000]))
        incomes.append((issued, dice.choice([1, 5_000, 2**31])))
        month = (issued.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        length = ((month + dt.timedelta(days=31)).replace(day=1) - month).days
        issued = month.replace(day=min(day, length))
    if incomes:
        builders.add_events(conn, user_id, "income", incomes)


def _statement(conn: Connection, dice: random.Random, user_id: int) -> None:
    issued = some_day(dice)
    due = some_day(dice, issued, issued + dt.timedelta(days=40))
    minimum = dice.choice([0, 50, 100])
    builders.add_statement(
        conn, user_id, issued, due_on=due, minimum_due=minimum, balance=dice.choice([-1, 0, 900]),
        days_past_due=dice.choice([None, None, None, 0, 7]),
    )  # fmt: skip


def _repayment(conn: Connection, dice: random.Random, user_id: int) -> None:
    builders.add_repayment(conn, user_id, some_day(dice), dice.choice([10, 50, 100, 500]))


def _check(conn: Connection, dice: random.Random, user_id: int) -> None:
    builders.add_credit_check(
        conn, user_id, some_day(dice), active_lenders=dice.randrange(4), outside_debt=dice.choice([0, 70, 10**15])
    )


def _documents(conn: Connection, dice: random.Random, user_id: int) -> None:
    status = dice.choice(["complete", "missing"])
    builders.add_documents(conn, user_id, some_day(dice), status, dice.choice([None, some_day(dice)]))


def _consent(conn: Connection, dice: random.Random, user_id: int) -> None:
    subject = dice.choice(["raises", "automation"])
    builders.add_consent(conn, user_id, some_day(dice), dice.choice(["given", "withdrawn"]), subject)


def _event(conn: Connection, dice: random.Random, user_id: int) -> None:
    kind = dice.choice(["income", "essential", "discretionary", "fee", "penalty", "obligation"])
    hour = dice.choice([dt.time(0), dt.time(12), dt.time(23, 59, 59, 999_999)])
    amount = dice.choice([1, 2_000, 2**31 - 1, 2**31, 10**15 + 1]) if dice.random() < 0.1 else 700
    builders.add_events(conn, user_id, kind, [(dt.datetime.combine(some_day(dice), hour, dt.UTC), amount)])


def _profile(conn: Connection, dice: random.Random, user_id: int) -> None:
    taken = {day for (day,) in conn.execute(
        "SELECT effective_on FROM limits.user_profiles WHERE user_id = %s", (user_id,)
    )}  # fmt: skip
    day = some_day(dice)
    while day in taken:
        day += dt.timedelta(days=1)
    builders.add_profile(conn, user_id, day, **window(dice), **profile(dice))


def _request(conn: Connection, dice: random.Random, user_id: int) -> None:
    builders.add_request(conn, user_id, some_day(dice))


def _override(conn: Connection, dice: random.Random, user_id: int) -> None:
    if dice.random() < 0.3:
        starts = some_day(dice)
        kind, amount = dice.choice([("hold", None), ("cap", 5_000), ("floor", 100), ("set", 7_000)])
        currency = dice.choice([CURRENCY] * 5 + ["EUR"])
        builders.add_override(
            conn, user_id, kind, amount, starts_on=starts, expires_on=starts + dt.timedelta(days=60), currency=currency
        )


def _fraud(conn: Connection, dice: random.Random, user_id: int) -> None:
    if dice.random() < 0.2:
        day = some_day(dice)
        builders.add_fraud(conn, user_id, day, dice.choice([None, day + dt.timedelta(days=50)]))


def _identifier(conn: Connection, dice: random.Random, user_id: int) -> None:
    builders.add_identifier(conn, user_id, f"device {dice.randrange(20)}", seen_on=some_day(dice))


#: What may happen to a user, by the source that it comes from. The first seven are packed.
CHANGES = {
    "statement": _statement, "repayment": _repayment, "credit check": _check, "documents": _documents,
    "consent": _consent, "event": _event, "profile": _profile, "request": _request, "override": _override,
    "fraud": _fraud, "identifier": _identifier,
}  # fmt: skip


def assert_same(conn: Connection, as_of: dt.date, user_ids: Sequence[int], currency: str = CURRENCY) -> Portfolio:
    """What is read of packed users is what their sources say, in every array and type."""
    wanted = np.array(user_ids, dtype=np.int64)
    found, excluded = read_packed(conn, as_of, currency, wanted)
    expected, expected_excluded = load_portfolio(conn, as_of, currency, user_ids=list(user_ids))
    assert excluded == expected_excluded, as_of
    assert_equal(found, expected)
    return found


def assert_equal(found: Portfolio, expected: Portfolio) -> None:
    """Two portfolios are the same in every array and type."""
    assert (found.as_of, found.currency) == (expected.as_of, expected.currency)
    groups = [(getattr(found, name), getattr(expected, name)) for name in GROUPS]
    pairs = [
        (f"{type(one).__name__}.{name}", getattr(one, name), getattr(other, name))
        for one, other in [(found, expected), *groups]
        for name in (field.name for field in dataclasses.fields(one))
        if name not in (*SHARED, *GROUPS)
    ]
    for name, one, other in pairs:
        assert (one.dtype, one.shape) == (other.dtype, other.shape), f"{found.as_of} {name}"
        assert one.flags.c_contiguous and one.tobytes() == other.tobytes(), (
            f"{found.as_of} {name} of users {found.user_id[(one != other).reshape(len(one), -1).any(axis=1)][:5]}"
            if len(one) == len(found)
            else f"{found.as_of} {name}"
        )
