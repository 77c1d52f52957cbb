"""Scorecards and users for tests of risk."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import numpy as np

from limits.capacity import Capacity, estimate_capacity
from limits.portfolio import STATEMENTS, PaymentRecord, Portfolio
from limits.risk import Scorecard, parse_scorecard
from limits.risk_training.recipe import Recipe
from limits.risk_training.training import Population, Trained, train
from limits.samples import uci
from tests.portfolios import make_portfolio

#: Trains in a second or two.
QUICK = Recipe(
    folds=3, most_bins=6, fewest_share=0.03, bootstraps=100,
    candidates=(
        ("days_past_due_now", "delay_weighted"), ("days_past_due_now", "utilisation_now"),
        ("repaid_total", "credit_left"), ("delay_total",), ("inquiries",),
    ),
)  # fmt: skip


def with_record(portfolio: Portfolio, *, held: Any, balance: Any, repaid: Any, late: Any) -> Portfolio:
    """The portfolio with these statements, the newest first."""

    def cells(values: Any) -> Any:
        found = np.zeros((len(portfolio), STATEMENTS), dtype=np.int64)
        array = np.atleast_2d(np.array(values, dtype=np.int64))
        found[:, : array.shape[1]] = array
        return found

    record = PaymentRecord(np.array(held, dtype=np.int64), cells(balance), cells(repaid), cells(late))
    return dataclasses.replace(portfolio, payment_record=record)


def one_user(*, held: int, balance: list[int], repaid: list[int], late: list[int], **facts: Any) -> Portfolio:
    """A user with these statements."""
    return with_record(make_portfolio([facts]), held=[held], balance=[balance], repaid=[repaid], late=[late])


@functools.cache
def clients(users: int = 4_000) -> tuple[uci.Sample, Capacity]:
    """The first of the shipped clients."""
    sample = uci.read()
    rows = slice(0, users)
    assert sample.outcome is not None and sample.protected is not None
    protected = uci.Protected(*(getattr(sample.protected, f.name)[rows] for f in dataclasses.fields(uci.Protected)))
    portfolio = sample.portfolio.take(rows)
    return uci.Sample(portfolio, sample.outcome[rows], protected), estimate_capacity(portfolio.cash_flow)


@functools.cache
def quick() -> Trained:
    """A small scorecard, trained on some of the shipped clients."""
    return train(population(), "quick", QUICK)


def population() -> Population:
    """What it is trained on."""
    sample, capacity = clients()
    assert sample.outcome is not None
    return Population(sample.portfolio, capacity, sample.outcome, "some clients", 1, "missed")


def by_hand(**changed: Any) -> Scorecard:
    """A scorecard that can be added up by hand."""
    data = {
        "format": 1, "name": "by-hand", "horizon_months": 1, "base_points": 500,
        "characteristics": [
            {"name": "delay", "features": ["days_past_due_now"], "edges": [[1, 30]], "points": [20, 0, -50, 7]},
            {
                "name": "delay_by_use", "features": ["delay_total", "utilisation_now"], "edges": [[1], [0.5, 0.9]],
                "points": [9, 5, 2, 1, -3, -6, -9, -2, 0, 0, 0, 4],
            },
        ],
        "points_from": 400, "probability_ppm": [900_000 - 4_000 * k for k in range(200)],
        "bands": [{"name": name, "points_from": points} for name, points in (("A", 520), ("B", 480), ("C", 0))],
        "card": {},
    }  # fmt: skip
    return parse_scorecard(json.dumps(data | changed), file="by-hand.json")
