"""Training: the scorecard of all users, and how good it is on users that it was not trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from limits.capacity import Capacity
from limits.errors import InputError
from limits.portfolio import Bool, Int, Portfolio
from limits.risk import Scorecard, parse_scorecard
from limits.risk.features import FEATURES, read_features
from limits.risk.names import Real
from limits.risk.result import ALL_PPM
from limits.risk_training.calibrating import Calibration, Curve, calibrate, points_at
from limits.risk_training.card import Evidence, card
from limits.risk_training.fitting import Features, Fitted, Pointed, as_points, fit, folds, regress, take
from limits.risk_training.metrics import Counted, Judged, judge
from limits.risk_training.recipe import BANDS, Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Population:
    """Users with what became of them. source says where they come from; horizon_months, until when it was watched."""

    portfolio: Portfolio
    capacity: Capacity
    missed: Bool
    source: str
    horizon_months: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """What was said of users by models that were trained without them, and by the challenger."""

    log_odds: Real
    points: Int
    probability_ppm: Int
    challenger: Int
    folds: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """A scorecard with the figures of users that it was not trained on."""

    scorecard: Scorecard
    fitted: Fitted
    figures: Judged
    challenger: Judged
    calibration: Calibration


def train(
    population: Population, name: str, recipe: Recipe, *, repeats: int = 1, progress: Progress = lambda done, all_: None
) -> Trained:
    """The scorecard of the users; the same users, recipe and libraries give the same bytes."""
    check_population(population)
    with threadpool_limits(1):  # so that no sum depends on how many threads there are
        return _train(population, name, recipe, repeats, progress)


def _train(population: Population, name: str, recipe: Recipe, repeats: int, progress: Progress) -> Trained:
    missed = population.missed
    features = read_features(population.portfolio, population.capacity, list(FEATURES))
    rounds = recipe.folds * repeats + 1
    runs = [_unseen(features, missed, recipe, repeat, lambda done: progress(done, rounds)) for repeat in range(repeats)]
    fitted = fit(features, missed, recipe)
    progress(rounds, rounds)
    line = _line(runs[0].log_odds, missed)
    pointed = as_points(fitted, *line, recipe)
    calibration = calibrate(runs[0].points, missed, folds=recipe.folds, seed=recipe.seed)
    figures = _mean([_judged(one.points, one.probability_ppm, missed, recipe) for one in runs])
    challenger = _mean([_judged(-one.challenger, one.challenger, missed, recipe) for one in runs])
    evidence = Evidence(
        population.portfolio, missed, pointed.points(features), fitted, line, calibration,
        figures, challenger, tuple(one for run in runs for one in run.folds), population.source, population.outcome,
        population.horizon_months, data_hash(features, missed), recipe,
    )  # fmt: skip
    text = as_text(name, population.horizon_months, pointed, calibration, card(evidence))
    return Trained(parse_scorecard(text, file=name), fitted, figures, challenger, calibration)


def _line(log_odds: Real, missed: Bool) -> tuple[float, float]:
    """Intercept and slope of the logistic regression on log-odds of users that were not fitted on."""
    constant, slope = regress(log_odds[:, None], missed).params
    return float(constant), float(slope)


def _unseen(features: Features, missed: Bool, recipe: Recipe, repeat: int, progress: Callable[[int], None]) -> Unseen:
    """The whole of training for each fold, judged on the fold; its line is fitted on the other folds."""
    parts = folds(missed, recipe, recipe.seed + repeat)
    log_odds, challenger = np.zeros(len(missed)), np.zeros(len(missed), dtype=np.int64)
    made = []
    for at, (rows, aside) in enumerate(parts):
        made.append(fit(take(features, rows), missed[rows], recipe))
        log_odds[aside] = made[-1].log_odds(take(features, aside))
        challenger[aside] = _challenger(features, missed, rows, aside)
        progress(repeat * recipe.folds + at + 1)
    points = np.zeros(len(missed), dtype=np.int64)
    for one, (rows, aside) in zip(made, parts, strict=True):
        pointed = as_points(one, *_line(log_odds[rows], missed[rows]), recipe)
        points[aside] = pointed.points(take(features, aside))
    ppm = _on_scale(points, recipe)
    told = []
    for at, (one, (_, aside)) in enumerate(zip(made, parts, strict=True)):
        ours, theirs = (
            _judged(order[aside], chance[aside], missed[aside], recipe, times=0).value
            for order, chance in ((points, ppm), (-challenger, challenger))
        )
        told.append({
            "repeat": repeat, "fold": at, "characteristics": len(one.parts),
            **{name: round(ours[name], 6) for name in ("auc", "brier", "calibration_slope")},
            **{f"challenger_{name}": round(theirs[name], 6) for name in ("auc", "brier")},
        })  # fmt: skip
    return Unseen(log_odds, points, ppm, challenger, tuple(told))


def _on_scale(points: Int, recipe: Recipe) -> Int:
    """The probability that the scale of points stands for, before any calibration (n,) parts per million."""
    odds = recipe.base_odds * 2.0 ** ((points - recipe.base_points) / recipe.points_to_double)
    return np.clip(np.rint(ALL_PPM / (1 + odds)), 1, ALL_PPM - 1).astype(np.int64)


def _challenger(features: Features, missed: Bool, rows: Int, aside: Int) -> Int:
    """Gradient-boosted trees over every feature that is known, in parts per million: for comparison alone."""
    table = np.stack([values for values in features.values() if not np.isnan(values).all()], axis=1)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.03, max_iter=250, max_leaf_nodes=12, min_samples_leaf=60, l2_regularization=10.0,
        max_features=0.3, early_stopping=False, random_state=0,
    ).fit(table[rows], missed[rows])  # fmt: skip
    chance: Real = trees.predict_proba(table[aside])[:, 1]
    return np.asarray(np.clip(np.rint(chance * ALL_PPM), 1, ALL_PPM - 1), dtype=np.int64)


def _judged(points: Int, ppm: Int, missed: Bool, recipe: Recipe, times: int | None = None) -> Judged:
    times = recipe.bootstraps if times is None else times
    return judge(Counted.of(points, ppm, missed), times=times, seed=recipe.seed)


def _mean(every: list[Judged]) -> Judged:
    """Over the repeats; the interval stays that of as many users as there are."""
    value = {name: float(np.mean([one.value[name] for one in every])) for name in every[0].value}
    ends = {name: np.mean([one.interval[name] for one in every], axis=0).tolist() for name in value}
    return Judged(every[0].users, value, {name: (low, high) for name, (low, high) in ends.items()})


def data_hash(features: Features, missed: Bool) -> str:
    """sha256 of what was trained on: features by name, then outcomes."""
    found = hashlib.sha256()
    for name in sorted(features):
        found.update(name.encode() + b"\0" + np.ascontiguousarray(features[name]).astype("<f8").tobytes())
    found.update(missed.astype(np.uint8).tobytes())
    return found.hexdigest()


def as_text(name: str, horizon: int, pointed: Pointed, calibration: Calibration, told: dict[str, Any]) -> str:
    """The model file: one line for each key and each characteristic, so that a person can compare two of them."""
    low = pointed.base + sum(int(table.min()) for table in pointed.tables)
    high = pointed.base + sum(int(table.max()) for table in pointed.tables)
    characteristics = [
        {
            "name": "_by_".join(part.features)[:64], "features": part.features,
            "edges": [pointed.fitted.bins[feature].edges for feature in part.features], "points": table.tolist(),
        }
        for part, table in zip(pointed.fitted.parts, pointed.tables, strict=True)
    ]  # fmt: skip
    lines = [
        f'"format": 1, "name": {json.dumps(name)}, "horizon_months": {horizon}',
        f'"base_points": {pointed.base}',
        '"characteristics": [\n' + ",\n".join(map(_json, characteristics)) + "\n]",
        f'"points_from": {low}, "probability_ppm": {_json(calibration.table(low, high))}',
        f'"bands": {_json(bands(calibration.curve, low, high))}',
        '"card": {\n' + ",\n".join(f"{_json(key)}: {_json(value)}" for key, value in told.items()) + "\n}",
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def bands(curve: Curve, low: int, high: int) -> list[dict[str, Any]]:
    """The bands by points, the best first; a band that no number of points can reach keeps a place of its own."""
    found: list[dict[str, Any]] = []
    for name, ppm in BANDS[:-1]:
        at = points_at(curve, ppm / ALL_PPM, low, high)
        found.append({"name": name, "points_from": at})
    for before, band in zip(found[::-1], found[-2::-1], strict=False):  # from the worst up, each above the one below
        band["points_from"] = max(band["points_from"], before["points_from"] + 1)
    return [*found, {"name": BANDS[-1][0], "points_from": min(low, found[-1]["points_from"] - 1)}]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def check_population(population: Population) -> None:
    """InputError where there is nothing to train on."""
    if len(population.portfolio) == 0:
        raise InputError(f"{population.source}: there is no user to train on")
    if population.missed.all() or not population.missed.any():
        raise InputError(f"{population.source}: every user has the same outcome, so nothing can be learnt from it")
