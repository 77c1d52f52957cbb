"""Users of the database as of a date in the past, with what became of them since."""

from __future__ import annotations

import calendar
import datetime as dt

import numpy as np

from limits.capacity import estimate_capacity
from limits.errors import InputError
from limits.portfolio import Status
from limits.risk_training.training import Population
from limits.store.db import Connection
from limits.store.load import Excluded, load_portfolio
from limits.store.outcomes import read_outcomes


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def observed(
    conn: Connection, as_of: dt.date, horizon_months: int, currency: str, *, today: dt.date
) -> tuple[Population, list[Excluded]]:
    """Active users with a statement on or before ``as_of``, of whom a payment was to be seen within the horizon.

    And the users of whom no portfolio can be made on that date, each with the reason.
    InputError where the horizon has not passed yet, or nobody is left.
    """
    if as_of >= today:  # first, for so many months after it there may be no date
        raise InputError(f"what becomes of users after {as_of} is not known on {today}; name an earlier --as-of")
    until = months_later(as_of, horizon_months)
    if until > today:
        raise InputError(
            f"{horizon_months} months after {as_of} is {until}, and today is {today}: what became of the users is not "
            "known yet; name an earlier --as-of or a shorter --horizon"
        )
    portfolio, excluded = load_portfolio(conn, as_of, currency)
    wanted = (portfolio.status == Status.ACTIVE) & (portfolio.payment_record.held > 0)
    portfolio = portfolio.take(wanted)
    known, missed = read_outcomes(conn, portfolio.user_id, as_of, until)
    if not len(known):
        raise InputError(
            f"no active user in {currency} with a statement by {as_of} had a payment due within {horizon_months} "
            "months; import statements, or name another --as-of, or a --policy in another currency"
        )
    rows = np.isin(portfolio.user_id, known)
    portfolio = portfolio.take(rows)
    assert (portfolio.user_id == known).all()
    population = Population(
        portfolio, estimate_capacity(portfolio.cash_flow), missed, "users of the database", horizon_months,
        "a minimum payment due within the horizon was missed, or a delay was reported within it",
    )  # fmt: skip
    return population, excluded
