"""What a scorecard reads of a user, by hand, and how points are added up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from limits.capacity import estimate_capacity
from limits.portfolio import UNKNOWN, Portfolio
from limits.risk import FEATURES, read_features
from limits.risk.names import BALANCES, DELAYS, PAYMENTS, RECORD_FEATURES
from tests.portfolios import make_portfolio
from tests.scorecards import by_hand, one_user


def read(portfolio: Portfolio) -> dict[str, float]:
    found = read_features(portfolio, estimate_capacity(portfolio.cash_flow), list(FEATURES))
    assert all(values.shape == (len(portfolio),) and values.dtype == np.float64 for values in found.values())
    return {name: float(values[0]) for name, values in found.items()}


def test_one_user_by_hand() -> None:
    user = one_user(
        held=3, balance=[600, 800, 500], repaid=[50, 100, 520], late=[30, 0, 10], credit_limit=1000, days_past_due=35
    )
    found = read(user)
    expected = {
        "days_past_due_now": 35, "delay_weighted": (100 * 35 + 50 * 10) / 100, "delay_total": 45, "delay_worst": 35,
        "statements_late": 2, "statements_since_late": 0, "delay_rise": 35,
        "balance_now": 600, "credit_left": 400, "utilisation_now": 0.6, "utilisation_mean": 1900 / 3000,
        "utilisation_highest": 0.8, "utilisation_trend": (1400 / 2 - 500) / 1000, "utilisation_before": 0.8,
        "balance_spread": math.sqrt(((600 - 1900 / 3) ** 2 + (800 - 1900 / 3) ** 2 + (500 - 1900 / 3) ** 2) / 3) / 1000,
        "used_newest": (600 - 800 + 100) / 1000, "used_before": (800 - 500 + 520) / 1000, "used_total": 0.82,
        "statements_empty": 0, "repaid_newest": 100, "repaid_three": 620, "repaid_total": 620, "repaid_largest": 520,
        "repaid_smallest": 100, "paid_share": 620 / 1300, "paid_share_lowest": 0.125, "paid_share_newest": 0.125,
        "paid_share_second": 1.04, "payments_small": 0, "payments_none": 0, "payments_full": 1,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name
    for name in ("used_third", "used_fourth", "paid_share_third", "paid_share_fourth", "paid_share_fifth"):
        assert math.isnan(found[name]), name
    assert set(expected) | {"used_third", "used_fourth", *(n for n in PAYMENTS if math.isnan(found[n]))} == set(
        RECORD_FEATURES
    )


def test_nothing_is_known_of_a_user_without_a_statement() -> None:
    found = read(make_portfolio([{"statements_seen": 0, "inquiries": UNKNOWN, "active_lenders": UNKNOWN}]))
    for name in (*RECORD_FEATURES, "missed_payments", "inquiries", "active_lenders"):
        assert math.isnan(found[name]), name
    assert found["credit_limit"] == 2_000_000


def test_one_statement_says_nothing_of_what_came_before() -> None:
    found = read(one_user(held=1, balance=[-30], repaid=[0], late=[0], credit_limit=0))
    assert found["balance_now"] == -30 and found["statements_empty"] == 1
    for name in (*PAYMENTS, "delay_rise", "utilisation_now", "utilisation_trend", "used_newest"):
        assert math.isnan(found[name]), name


def test_where_nothing_was_to_be_paid_all_of_it_is() -> None:
    found = read(one_user(held=3, balance=[0, 0, -5], repaid=[0, 0, 9], late=[0, 0, 0], credit_limit=1000))
    assert (found["paid_share"], found["paid_share_lowest"], found["payments_none"]) == (1.0, 1.0, 0.0)


def test_every_feature_has_a_name_in_two_languages() -> None:
    assert len(FEATURES) == len({feature.text[0] for feature in FEATURES.values()})
    assert set(RECORD_FEATURES) == {*DELAYS, *BALANCES, *PAYMENTS} <= set(FEATURES)
    for name, feature in FEATURES.items():
        assert feature.name == name and feature.worse in ("more", "less", "either") and all(feature.text)
        assert feature.text[0].isascii() and not feature.text[1].isascii(), name


@pytest.mark.parametrize(
    ("late", "balance", "points"),
    [
        (0, 100, 500 + 20 + 9),
        (0, 500, 500 + 20 + 5),  # an edge belongs to the bin above it
        (29, 950, 500 + 0 - 9),
        (30, 499, 500 - 50 - 3),
    ],
)
def test_points_are_added_up(late: int, balance: int, points: int) -> None:
    user = one_user(held=1, balance=[balance], repaid=[0], late=[late], credit_limit=1000)
    risk = by_hand().score(user, estimate_capacity(user.cash_flow))
    assert risk.points.tolist() == [points]
    assert risk.probability_ppm.tolist() == [900_000 - 4_000 * min(max(points - 400, 0), 199)]
    assert [risk.bands[at] for at in risk.band] == ["A" if points >= 520 else "B" if points >= 480 else "C"]


def test_what_is_not_known_has_a_bin_of_its_own() -> None:
    user = make_portfolio([{"statements_seen": 0}])
    risk = by_hand().score(user, estimate_capacity(user.cash_flow))
    assert risk.points.tolist() == [500 + 7 + 4]
