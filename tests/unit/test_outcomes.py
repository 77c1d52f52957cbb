"""The report on outcomes: its arithmetic on numbers that can be checked by hand, and the rules it compares with."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from limits.bench.outcomes.crossfit import cross_fitted, parts
from limits.bench.outcomes.rates import Group, drawn_sums, rates, wilson
from limits.bench.outcomes.report import Trial, judge
from limits.bench.outcomes.rivals import RIVALS, raise_by, taken, template_points, thumb_to_lower, thumb_to_raise
from limits.decision import review
from limits.portfolio import PaymentRecord, Portfolio
from limits.risk import Risk, Scorecard
from limits.store.policies import read_pack
from tests import risks
from tests.portfolios import assert_same, make_portfolio

POLICY = read_pack("standard")[0]
BAD = np.array([True, False, False, True])


def cards(*users: dict[str, Any]) -> Portfolio:
    """Users with a payment record: ``late`` and ``repaid`` by statement, the newest first, of balances of 1,000.00."""
    columns = [{k: v for k, v in user.items() if k not in ("late", "repaid")} for user in users]
    portfolio = make_portfolio(columns)
    late = np.array([user.get("late", [0] * 6) for user in users], dtype=np.int64)
    repaid = np.array([user.get("repaid", [0] * 6) for user in users], dtype=np.int64)
    held = np.full(len(users), 6, dtype=np.int64)
    record = PaymentRecord(held, np.full((len(users), 6), 100_000, dtype=np.int64), repaid, late)
    return dataclasses.replace(portfolio, payment_record=record)


# Rates ------------------------------------------------------------------------------------------


def test_wilson_by_hand() -> None:
    half = wilson(5, 10)  # of p = 1/2: 1/2 +- z / (2 sqrt(n + z z))
    reach = 1.959964 / (2 * math.sqrt(10 + 1.959964**2))
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach), abs=1e-6)
    none = wilson(0, 10)
    assert (none.value, none.low) == (0, 0) and none.high == pytest.approx(1.959964**2 / (10 + 1.959964**2), abs=1e-6)
    assert math.isnan(wilson(0, 0).value)
    assert wilson(0, 0).as_dict() == {"value": None, "low": None, "high": None}


def test_shares_by_weight_and_what_they_differ_by() -> None:
    ones, money = np.ones(4), np.array([10.0, 20.0, 30.0, 40.0])
    weights = {"users": ones, "limit": money}
    groups = [
        Group("all", ones, weights), Group("first", np.array([1.0, 1, 0, 0]), weights),
        Group("drawn", np.full(4, 0.25), weights), Group("nobody", np.zeros(4), weights),
    ]  # fmt: skip
    found = rates(groups, BAD, ("users", "limit", "raise"), draws=50, seed=1)
    assert found.rate("all", "users").value == 0.5 and found.rate("all", "limit").value == 0.5
    assert found.rate("first", "limit").value == pytest.approx(10 / 30)
    assert found.rate("drawn", "limit").value == 0.5  # a draw from all is like all
    assert found.less("first", "all", "limit").value == pytest.approx(1 / 3 - 1 / 2)
    assert found.times("first", "all", "limit").value == pytest.approx(2 / 3)
    assert found.less("all", "all", "users").low == found.less("all", "all", "users").high == 0
    for none in (found.rate("nobody", "users"), found.rate("all", "raise"), found.less("nobody", "all", "users")):
        assert math.isnan(none.value) and math.isnan(none.low)


def test_the_drawn_samples_are_those_of_the_seed() -> None:
    columns = np.arange(12.0).reshape(6, 2)
    once, again, other = (drawn_sums(columns, 45, seed) for seed in (3, 3, 4))
    assert (once == again).all() and (once != other).any()
    assert once.shape == (45, 2) and (drawn_sums(np.ones((6, 1)), 45, 3) == 6).all()
    assert (drawn_sums(columns[:, :1], 45, 3)[:, 0] == once[:, 0]).all()  # the same users for each column


def test_the_interval_is_that_of_a_share() -> None:
    """Of 2,000 users with 200 bad ones: a tenth, give or take two standard errors."""
    bad = np.arange(2000) % 10 == 0
    found = rates([Group("all", np.ones(2000), {"users": np.ones(2000)})], bad, ("users",), draws=1000, seed=0)
    error = 1.96 * math.sqrt(0.1 * 0.9 / 2000)
    rate = found.rate("all", "users")
    assert rate.low == pytest.approx(0.1 - error, abs=0.002) and rate.high == pytest.approx(0.1 + error, abs=0.002)


# Rules ------------------------------------------------------------------------------------------


def test_who_is_tied_at_the_cut_shares_the_places_left() -> None:
    rank = np.array([2, 0, 1, 1, 1])
    assert taken(rank, 2).tolist() == [0, 1, 1 / 3, 1 / 3, 1 / 3]
    assert taken(rank, 4).tolist() == [0, 1, 1, 1, 1]
    assert taken(rank, 9).tolist() == [1] * 5 and taken(rank, 0).tolist() == [0] * 5
    assert taken(np.zeros(4, dtype=np.int64), 1).tolist() == [0.25] * 4


def test_the_rule_of_thumb() -> None:
    half, tenth = {"average_balance": 1_000_000}, {"average_balance": 200_000}
    portfolio = cards(
        half | {"late": [0, 30, 0, 0, 0, 0]}, half, tenth, half | {"days_past_due": 30, "late": [30] * 6},
        {"average_balance": 600_000}, half | {"days_past_due": 60, "late": [60, 30, 0, 0, 0, 0]},
    )  # fmt: skip
    assert np.argsort(thumb_to_raise(portfolio)).tolist() == [4, 1, 0, 2, 5, 3]
    assert np.argsort(thumb_to_lower(portfolio))[:3].tolist() == [5, 3, 0]


def test_the_points_template() -> None:
    portfolio = cards(
        {"average_balance": 600_000, "repaid": [0] + [100_000] * 5},
        {"average_balance": 1_300_000, "repaid": [0] + [50_000] * 5, "late": [30, 30, 30, 0, 0, 0]},
        {"average_balance": 2_500_000, "late": [30] * 6},
    )
    assert template_points(portfolio).tolist() == pytest.approx([100, 17.5 + 15 + 17.5, 0])


def test_what_the_rules_raise_by_lies_on_the_grid_and_below_the_maximum() -> None:
    portfolio = make_portfolio([{"credit_limit": n} for n in (2_000_000, 100_000, 14_990_000)])
    thumb, _, everyone = RIVALS
    assert raise_by(thumb, portfolio, POLICY).tolist() == [400_000, 100_000, 10_000]
    assert raise_by(everyone, portfolio, POLICY).tolist() == [200_000, 10_000, 10_000]


# The report -------------------------------------------------------------------------------------


def trial(**changed: Any) -> Trial:
    portfolio = cards({}, {}, {"days_past_due": 30, "late": [30] * 6}, {"average_balance": 1_900_000})
    before = portfolio.credit_limit
    after = before + np.array([400_000, 0, -600_000, 0])
    ppm = np.array([10_000, 20_000, 600_000, 30_000])
    risk = Risk(np.array([3, 2, 0, 1]), ppm, np.array([0, 0, 2, 1]), tuple("ABC"))
    given = Trial("made", portfolio, POLICY, after, before - 600_000, np.array([False, False, True, False]), risk,
                  "missed", "made-up users")  # fmt: skip
    return dataclasses.replace(given, **changed)


def test_a_report_of_four_users() -> None:
    report = judge(trial(), draws=20, seed=0)
    assert [(line.name, line.users, line.bad) for line in report.actions] == [
        ("raised", 1, 0), ("held", 2, 0), ("lowered", 1, 1), ("all", 4, 1)
    ]  # fmt: skip
    assert report.line("lowered").times.value == 4
    assert [(line.name, line.users) for line in report.bands] == [("A", 2), ("B", 1), ("C", 1)]
    thumb, template, everyone = report.comparisons
    assert thumb.raised.users == template.raised.users == everyone.raised.users == pytest.approx(1)
    assert thumb.raised.bad == 0 and everyone.raised.bad == pytest.approx(0.25)
    assert thumb.lowered is not None and thumb.lowered.bad == 1 and everyone.lowered is None
    assert everyone.less["users"].value == pytest.approx(-0.25)
    assert report.as_dict() == judge(trial(), draws=20, seed=0).as_dict()


def test_a_rule_cuts_nobody_whom_no_cut_can_reach() -> None:
    before = trial().portfolio.credit_limit
    report = judge(trial(floor=np.where([False, False, True, False], before, 0)), draws=5)
    thumb = report.comparisons[0]
    assert thumb.lowered is not None and (thumb.lowered.users, thumb.lowered.bad) == (1, 0)


def test_without_statements_there_are_no_rules_about_them_and_without_scores_no_bands() -> None:
    portfolio = dataclasses.replace(trial().portfolio, statements_seen=np.zeros(4, dtype=np.int64))
    report = judge(trial(portfolio=portfolio, risk=Risk.none(4)), draws=5)
    assert [one.rival.name for one in report.comparisons] == ["everyone 10%"]
    assert [rival.name for rival in report.missing] == ["rule of thumb", "points template"]
    assert report.bands == () and report.as_dict()["not_tried"] == ["rule of thumb", "points template"]


# Scorecards that have not seen the users ---------------------------------------------------------


def test_nobody_is_scored_by_a_scorecard_that_has_seen_the_user() -> None:
    users = [{"missed_payments": n % 3, "average_balance": 500_000 + n} for n in range(23)]
    portfolio, bad = make_portfolio(users), np.arange(23) % 4 == 0
    policy = POLICY.model_copy(update={"risk": risks.RULES})
    trained: list[set[int]] = []

    def train(others: Portfolio, outcome: np.ndarray[Any, Any]) -> Scorecard:
        assert outcome.tolist() == [bool(bad[n - 1]) for n in others.user_id]
        trained.append(set(others.user_id.tolist()))
        return risks.scorecard(name=f"fold-{len(trained)}")

    made = cross_fitted(portfolio, bad, policy, train, lambda done, total: None)
    judged = [set(range(1, 24)) - others for others in trained]
    assert len(judged) == 5 and sorted(n for part in judged for n in part) == list(range(1, 24))
    assert {len(part) for part in judged} == {4, 5}
    whole = review(portfolio, policy, risks.scorecard())  # all folds have one scorecard here
    assert made.limit_after.tolist() == whole.limit_after.tolist() and made.floor.tolist() == whole.floor.tolist()
    assert_same(made.risk, whole.risk)
    assert (parts(23) == parts(23)).all() and (parts(23) != parts(23, seed=1)).any()
