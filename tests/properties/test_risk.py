"""Scoring: one user alone is as in the crowd; more delay is never better; nothing about the person is read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.capacity import Capacity, estimate_capacity
from limits.portfolio import STATEMENTS, Portfolio
from limits.risk.scorecard import BLOCK_USERS
from tests.portfolios import assert_same, make_portfolio
from tests.scorecards import by_hand, clients, quick, with_record

AMOUNTS = st.integers(-(10**12), 10**13)
PAID = st.integers(0, 10**13)
LATE = st.sampled_from([0, 0, 0, 1, 29, 30, 60, 400])


@st.composite
def users(draw: Any) -> Portfolio:
    """Some users with any record."""
    count = draw(st.integers(1, 5))
    limits = draw(st.lists(st.sampled_from([0, 1, 10**6, 5 * 10**6, 10**12]), min_size=count, max_size=count))
    portfolio = make_portfolio([{"credit_limit": one, "days_past_due": draw(LATE)} for one in limits])

    def cells(values: Any) -> Any:
        row = st.lists(values, min_size=STATEMENTS, max_size=STATEMENTS)
        return draw(st.lists(row, min_size=count, max_size=count))

    held = np.array(draw(st.lists(st.integers(0, STATEMENTS), min_size=count, max_size=count)))
    beyond = np.arange(STATEMENTS) >= held[:, None]
    record = [np.where(beyond, 0, cells(values)) for values in (AMOUNTS, PAID, LATE)]
    return with_record(portfolio, held=held, balance=record[0], repaid=record[1], late=record[2])


def capacity_of(portfolio: Portfolio) -> Capacity:
    return estimate_capacity(portfolio.cash_flow)


@given(users())
@settings(max_examples=60, deadline=None)
def test_a_user_alone_is_scored_as_in_the_crowd(portfolio: Portfolio) -> None:
    capacity = capacity_of(portfolio)
    for scorecard in (by_hand(), quick().scorecard):
        crowd = scorecard.score(portfolio, capacity)
        for row in range(len(portfolio)):
            assert_same(scorecard.score(portfolio.take([row]), capacity.take([row])), crowd.take([row]))


@given(users(), st.integers(0, STATEMENTS - 1), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_more_delay_never_gives_more_points(portfolio: Portfolio, statement: int, days: int) -> None:
    record = portfolio.payment_record
    late = record.days_past_due.copy()
    late[:, statement] += np.where(record.held > statement, days, 0)
    later = dataclasses.replace(portfolio, payment_record=dataclasses.replace(record, days_past_due=late))
    capacity, scorecard = capacity_of(portfolio), quick().scorecard
    assert (scorecard.score(later, capacity).points <= scorecard.score(portfolio, capacity).points).all()


def test_blocks_change_nothing() -> None:
    sample, capacity = clients()
    rows = np.random.default_rng(0).integers(0, len(sample), 2 * BLOCK_USERS + 5)
    scorecard = quick().scorecard
    crowd = scorecard.score(sample.portfolio.take(rows), capacity.take(rows))
    assert_same(crowd, scorecard.score(sample.portfolio, capacity).take(rows))
