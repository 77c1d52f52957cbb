"""The fit of the constants: nobody is scored by constants that saw them, and the same data give the same numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from limits.bench import fit_prior
from limits.bench.cash_flow import Flows
from limits.bench.fit_prior import CAPACITY, FREE, PARTS, START, cost, fit, objective, out_of_fold, part_of, tasks
from limits.capacity.backtest import SIMPLE, measure, simple
from limits.capacity.combining import Correlation
from limits.capacity.prior import Prior


def made_up(users: int = 40, months: int = 12) -> np.ndarray:
    dice = np.random.default_rng(0)
    return np.maximum(1000.0 + 400.0 * dice.standard_t(3, (users, months)), 0.0)


def sets(users: int = 40) -> dict[str, np.ndarray | Flows]:
    return {"inflow": made_up(users), CAPACITY: Flows(made_up(users), 0.3 * made_up(users))}


def test_the_constants_fitted_are_those_of_the_product():
    names = {field.name for field in dataclasses.fields(Prior)} | {"usual"}
    assert set(START) == set(FREE) <= names
    for name, (low, high) in FREE.items():
        used = Correlation().usual if name == "usual" else getattr(Prior(), name)
        assert low < START[name] < high
        assert low < used < high, f"{name} = {used} was never fitted within {low}..{high}"


def test_every_user_is_in_one_part_and_a_fit_without_it_does_not_see_it():
    part = part_of(343)
    assert np.array_equal(np.unique(part, return_counts=True)[1], [69, 69, 69, 68, 68])
    whole = sets()
    for left_out in range(PARTS):
        kept = whole["inflow"][part_of(40) != left_out]
        for task in tasks(whole, left_out):
            assert task.users == len(kept) == 32
        assert np.array_equal(
            tasks(whole, left_out)[0].cuts[0].train, kept[:, : tasks(whole)[0].cuts[0].train.shape[1]]
        )


def test_each_user_is_scored_by_the_constants_that_did_not_see_it():
    (task, *_) = tasks(sets())
    parts = [{**START, "own": 1.0 + k} for k in range(PARTS)]
    held = out_of_fold(task, parts)
    for k in range(PARTS):
        of = part_of(40) == k
        assert np.array_equal(held.pinball[of], task.run(parts[k]).pinball[of])


def test_figures_are_those_of_the_backtest():
    series = made_up()
    for task in tasks({"inflow": series}):
        for name in SIMPLE:
            figures = measure(simple(name), series, task.horizon, fit_prior.ORIGINS, fit_prior.LEAST)
            expected = (figures.pinball_mean, figures.mae, figures.coverage)
            assert task.peers[name].means() == pytest.approx(expected)


def test_what_a_task_costs_by_hand():
    assert cost(0.9, 0.95, 0.795) == 0.9
    assert cost(0.9, 1.01, 0.8) == pytest.approx(0.92)
    assert cost(0.9, 1.0, 0.76) == pytest.approx(0.96)
    assert cost(0.9, 1.0, 0.84) == pytest.approx(0.96)


def test_the_same_users_give_the_same_constants_and_a_lower_objective():
    every = tasks(sets(15))
    one, other = fit(every, 25), fit(every, 25)
    assert one == other
    assert objective(every, one) < objective(every, START)


def test_capacity_is_that_of_the_borrowers():
    flows = fit_prior.berka_flows()
    assert flows.inflow.shape == flows.outgoings.shape
    assert len(flows.inflow) == 343
    assert np.array_equal(np.isfinite(flows.inflow), np.isfinite(flows.outgoings))
    assert np.nanmean(flows.inflow) > np.nanmean(flows.outgoings) > 0.0


def test_a_file_that_cannot_be_read_is_one_sentence(capsys, tmp_path):
    assert fit_prior.main(["--series", f"other={tmp_path / 'none.csv'}"]) == 2
    assert "none.csv cannot be read" in capsys.readouterr().err
