"""Portfolios for tests of the core: every column has a value that bars nothing, and a test changes what it is about."""

from __future__ import annotations

from limits.casebook.users import AS_OF, COLUMNS, DATES, FLAGS, FLOWS, MONTHS, TEXTS, make_portfolio
from limits.portfolio import UNKNOWN, Portfolio

__all__ = [
    "AS_OF", "COLUMNS", "DATES", "FLAGS", "FLOWS", "MONTHS", "TEXTS", "UNKNOWN", "make_portfolio", "one_by_one",
]  # fmt: skip


def one_by_one(portfolio: Portfolio) -> list[Portfolio]:
    """Each user as a portfolio of length one."""
    return [portfolio.take([row]) for row in range(len(portfolio))]
