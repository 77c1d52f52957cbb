"""Training a scorecard: what is in the file, what is left out, and that it is the same again."""

from __future__ import annotations

import dataclasses
import functools
import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve
from statsmodels.api import Logit, add_constant

from limits.errors import InputError
from limits.risk import parse_scorecard
from limits.risk_training import metrics, tables
from limits.risk_training.binning import bin_of, evidence, make_bins
from limits.risk_training.calibrating import calibrate, points_at
from limits.risk_training.fitting import choose, regress
from limits.risk_training.recipe import BANDS, CANDIDATES, KIND, Recipe
from limits.risk_training.tables import Shape, fit_tables, one_way
from limits.risk_training.training import bands, train
from tests.scorecards import QUICK, clients, population, quick


def test_the_same_users_and_seed_give_the_same_bytes() -> None:
    again = train(population(), "quick", QUICK)
    assert again.scorecard.body == quick().scorecard.body
    other = train(population(), "quick", dataclasses.replace(QUICK, seed=1))
    assert other.scorecard.model_hash != again.scorecard.model_hash


def test_the_file_is_a_scorecard_with_a_card() -> None:
    made = quick()
    read = parse_scorecard(made.scorecard.body, file="model.json")
    assert read == made.scorecard and read.horizon_months == 1
    card = json.loads(made.scorecard.body)["card"]
    assert set(card) == {
        "training", "population", "metrics", "challenger", "folds", "calibration", "scale", "characteristics",
        "regression", "intercept", "coefficient", "left_out", "features", "points", "limits_of_use", "libraries",
    }  # fmt: skip
    assert card["population"] == {
        "users": 4000, "missed": int(population().missed.sum()), "rate": card["population"]["rate"],
        "currency": "TWD", "jurisdictions": ["TW"], "segments": ["retail"],
    }  # fmt: skip
    assert card["training"]["window"] == ["2005-04", "2005-09-30"] and card["training"]["outcome_until"] == "2005-10-31"
    for name, one in card["features"].items():
        assert len(one["share"]) == len(one["weight_of_evidence"]) == len(one["edges"]) + 2, name
        assert sum(one["share"]) == pytest.approx(1, abs=1e-4)
    low, high = card["metrics"]["intervals"]["auc"]
    assert low < card["metrics"]["auc"] < high and card["metrics"]["auc"] > 0.7


def test_what_is_not_known_is_left_out_and_said() -> None:
    assert quick().fitted.left_out == {"inquiries": "not known, or without a difference that counts"}
    assert len(quick().scorecard.characteristics) == 4


def test_probabilities_are_true_on_users_kept_aside() -> None:
    figures = quick().figures
    assert figures.value["expected"] == pytest.approx(figures.value["rate"], abs=0.02)
    low, high = figures.interval["calibration_slope"]
    assert low < 1.05 and high > 0.95


def test_points_go_one_way() -> None:
    for part, one in zip(quick().fitted.parts, quick().scorecard.characteristics, strict=True):
        table = np.array(one.points).reshape([len(edges) + 2 for edges in one.edges])
        if part.features[0].startswith("delay"):
            assert (np.diff(table[:-1], axis=0) <= 0).all(), part.features


def test_nothing_is_trained_on_users_of_one_outcome_or_of_too_few() -> None:
    told = population()
    for missed, says in (
        (np.zeros(4000, dtype=np.bool_), "every user has the same outcome"),
        (np.arange(4000) < 20, "20 users are the fewer"),
    ):
        with pytest.raises(InputError, match=says):
            train(dataclasses.replace(told, missed=missed), "none", QUICK)


def test_every_candidate_has_a_kind_and_is_there_once() -> None:
    assert len(set(CANDIDATES)) == len(CANDIDATES)
    assert {name for names in CANDIDATES for name in names} <= set(KIND)
    assert not {"sex", "age", "education", "marriage"} & {name for names in CANDIDATES for name in names}


def test_bins_are_monotone_and_weigh_the_evidence() -> None:
    rng = np.random.default_rng(0)
    late = rng.integers(0, 90, 5000).astype(np.float64)
    missed = rng.random(5000) < 0.05 + late / 200
    late[:500] = np.nan
    bins = make_bins("delay_total", late, missed, Recipe())
    assert bins is not None and list(bins.edges) == sorted(set(bins.edges))
    assert (np.diff(bins.weight[:-1]) > 0).all()
    place = bin_of(late, bins.edges)
    assert (place[:500] == len(bins.edges) + 1).all() and bins.share[-1] == pytest.approx(0.1)
    share, weight, value = evidence(place, missed, len(bins.edges) + 2)
    np.testing.assert_array_equal(share, bins.share)
    np.testing.assert_array_equal(weight, bins.weight)
    assert value == bins.value > 0


def test_a_feature_that_says_nothing_has_no_bins() -> None:
    missed = np.arange(100) % 2 == 0
    assert make_bins("inquiries", np.full(100, np.nan), missed, Recipe()) is None
    assert make_bins("inquiries", np.zeros(100), missed, Recipe()) is None


@pytest.mark.parametrize("direction", [(1, -1), (0, 1), (-1,), (1, 1), (0, 0)])
def test_steps_against_the_direction_are_taken_back(direction: tuple[int, ...]) -> None:
    shape = Shape((6, 5)[: len(direction)], direction)
    rng = np.random.default_rng(0)
    table, users = rng.normal(size=shape.cells), rng.integers(0, 50, shape.cells).astype(np.float64)
    found = one_way(table, shape, users).reshape(shape.bins)
    for axis, way in enumerate(direction):
        assert (way * np.diff(np.moveaxis(found, axis, 0)[:-1], axis=0) >= -1e-12).all()
    np.testing.assert_array_equal(one_way(found.ravel(), shape, users), found.ravel())
    if not any(direction):
        np.testing.assert_array_equal(found.ravel(), table)


def test_tables_follow_the_data_where_there_are_many_users() -> None:
    rng = np.random.default_rng(1)
    place = rng.integers(0, 4, 50_000)
    true = np.array([-1.0, 0.0, 0.5, 1.5])
    missed = rng.random(50_000) < 1 / (1 + np.exp(-true[place] + 1))
    found = fit_tables([place], [Shape((5,), (1,))], missed, Recipe(smoothness=1.0))
    np.testing.assert_allclose(np.diff(found.tables[0][:4]), np.diff(true), atol=0.15)


def test_a_column_of_noise_or_of_the_wrong_sign_is_not_kept() -> None:
    rng = np.random.default_rng(2)
    good, wrong, noise = rng.normal(size=(3, 5000))
    missed = rng.random(5000) < 1 / (1 + np.exp(1 - good - 0.3 * wrong))
    kept, why = choose(np.stack([good, -0.3 * wrong, 0 * noise, 0.1 * noise], axis=1), missed, Recipe())
    assert 0 in kept and {1, 2} <= set(why)
    assert why[1].startswith("its coefficient has the wrong sign")
    assert why[2] == "its bins are not a point apart"


def test_what_does_not_settle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = np.arange(100) >= 50
    for column in (missed.astype(float), np.linspace(-1, 1, 100)):  # either tells who misses a payment
        with pytest.raises(InputError, match="no points settle"):
            regress(column[:, None], missed)
    assert regress(np.linspace(-1, 1, 100)[:, None], np.arange(100) % 3 == 0).mle_retvals["converged"]
    stopped = functools.partial(tables.optimize.minimize, tol=0)
    monkeypatch.setattr(tables.optimize, "minimize", lambda *a, options, **k: stopped(*a, options={"maxiter": 1}, **k))
    with pytest.raises(InputError, match="the points did not settle"):
        train(population(), "quick", QUICK)


def test_the_better_calibration_is_taken() -> None:
    rng = np.random.default_rng(3)
    points = rng.integers(300, 700, 20_000)
    straight = rng.random(20_000) < 1 / (1 + np.exp((points - 450) / 60))
    stepped = rng.random(20_000) < np.where(points < 500, 0.5, 0.02)
    assert calibrate(points, straight, folds=5, seed=0).chosen == "platt"
    found = calibrate(points, stepped, folds=5, seed=0)
    assert found.chosen == "isotonic"
    table = np.array(found.table(300, 700))
    assert (np.diff(table) <= 0).all() and table.min() > 0
    assert found.curve(np.array([points_at(found.curve, 0.1, 300, 700)]))[0] <= 0.1


def test_bands_fall_even_where_no_user_reaches_them() -> None:
    curve = calibrate(np.arange(300, 700).repeat(10), np.arange(4000) % 5 == 0, folds=5, seed=0).curve
    made = bands(curve, 300, 700)
    assert [one["name"] for one in made] == [name for name, _ in BANDS]
    assert all(before["points_from"] > after["points_from"] for before, after in pairwise(made))


def test_figures_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(4)
    points = rng.integers(300, 400, 3000)
    chance = 1 / (1 + np.exp((points - 330) / 25))
    missed = rng.random(3000) < chance
    ppm = np.rint(chance * 1e6).astype(np.int64)
    found = {k: float(v) for k, v in metrics.figures(metrics.Counted.of(points, ppm, missed)).items()}
    rates = roc_curve(missed, -points)
    odds = np.log(ppm / (1_000_000 - ppm))
    line = Logit(missed.astype(float), add_constant(odds)).fit(disp=0)
    expected = {
        "auc": roc_auc_score(missed, -points), "pr_auc": average_precision_score(missed, -points),
        "gini": 2 * roc_auc_score(missed, -points) - 1, "ks": np.abs(rates[1] - rates[0]).max(),
        "brier": brier_score_loss(missed, ppm / 1e6), "log_loss": log_loss(missed, ppm / 1e6),
        "calibration_intercept": line.params[0], "calibration_slope": line.params[1],
        "rate": missed.mean(), "expected": ppm.mean() / 1e6,
    }  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_said_is_none() -> None:
    counted = metrics.Counted.of(np.array([1, 2]), np.array([500_000, 400_000]), np.array([False, False]))
    told = metrics.judge(counted, times=100, seed=0).as_dict()
    assert told["auc"] is None and told["calibration_slope"] is None and told["brier"] == pytest.approx(0.205)


def test_the_outcome_is_no_part_of_what_is_scored() -> None:
    sample, capacity = clients()
    scorecard = quick().scorecard
    assert not hasattr(sample.portfolio, "outcome")
    assert len(scorecard.score(sample.portfolio, capacity)) == len(sample)
