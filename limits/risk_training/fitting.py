"""From features and outcomes to a scorecard without its probabilities: which characteristics, and their log-odds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold
from statsmodels.api import Logit, add_constant
from statsmodels.stats.outliers_influence import variance_inflation_factor

from limits.errors import InputError
from limits.portfolio import Bool, Int
from limits.risk.features import FEATURES
from limits.risk.names import Real
from limits.risk_training.binning import DIRECTION, Bins, make_bins
from limits.risk_training.recipe import KIND, Recipe
from limits.risk_training.tables import Shape, fit_tables

Features = dict[str, Real]
#: The features that a characteristic reads.
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alone:
    """What one characteristic says beside the sum of all others, on users that none was fitted on.

    coefficient, error  of its column in the logistic regression on the column and that sum
    inflation           variance inflation factor of the column beside that sum
    gain                log-likelihood that is lost without the column
    """

    coefficient: float
    error: float
    inflation: float
    gain: float

    def fault(self, recipe: Recipe) -> str:
        """Why it must not stay, or nothing."""
        if self.coefficient <= 0:
            return f"its coefficient has the wrong sign: {self.coefficient:.2f}"
        if self.inflation > recipe.most_inflation:
            return f"the others say the same: variance inflation {self.inflation:.1f}"
        if self.gain <= recipe.least_gain:
            return f"on users it was not fitted on it adds {self.gain:.2f} of log-likelihood"
        return ""


@dataclass(frozen=True, slots=True)
class Part:
    """One characteristic as it was fitted: log-odds by bin, zero for the mean user, and what it says alone."""

    features: Names
    table: Real
    alone: Alone


@dataclass(frozen=True, slots=True)
class Fitted:
    """The characteristics of a scorecard.

    constant     log-odds of the mean user
    regression   coefficient and standard error of each family of characteristics, on users they were not fitted on
    left_out     says of each other candidate why it is not among them
    """

    bins: dict[str, Bins]
    parts: tuple[Part, ...]
    constant: float
    regression: dict[str, tuple[float, float]]
    left_out: dict[str, str] = field(default_factory=dict)

    def log_odds(self, features: Features) -> Real:
        """The log-odds of each user (n,)."""
        total = np.full(len(next(iter(features.values()))), self.constant)
        for part in self.parts:
            total += part.table[places_of(part.features, features, self.bins)]
        return total


@dataclass(frozen=True, slots=True)
class Pointed:
    """A fitted scorecard as whole points: what everybody starts from, and the points of each characteristic by bin."""

    fitted: Fitted
    base: int
    tables: tuple[Int, ...]

    def points(self, features: Features) -> Int:
        """The points of each user (n,)."""
        total = np.full(len(next(iter(features.values()))), self.base, dtype=np.int64)
        for part, table in zip(self.fitted.parts, self.tables, strict=True):
            total += table[places_of(part.features, features, self.fitted.bins)]
        return total


def as_points(fitted: Fitted, intercept: float, slope: float, recipe: Recipe) -> Pointed:
    """``intercept + slope * log-odds`` as whole points on the scale of the recipe."""
    scale = recipe.points_to_double / np.log(2.0)
    base = round(recipe.base_points - scale * (intercept + slope * fitted.constant + np.log(recipe.base_odds)))
    tables = tuple(np.rint(-scale * slope * part.table).astype(np.int64) for part in fitted.parts)
    return Pointed(fitted, base, tables)


def take(features: Features, rows: Any) -> Features:
    """The features of some of the users."""
    return {name: values[rows] for name, values in features.items()}


def places_of(names: Names, features: Features, bins: dict[str, Bins]) -> Int:
    """The bin of each user in the table of these features (n,)."""
    place = bins[names[0]].place(features[names[0]])
    for name in names[1:]:
        place = place * (len(bins[name].edges) + 2) + bins[name].place(features[name])
    return place


def shape_of(names: Names, bins: dict[str, Bins]) -> Shape:
    """The shape of the table of these features."""
    direction = tuple(DIRECTION[FEATURES[name].worse] for name in names)
    return Shape(tuple(len(bins[name].edges) + 2 for name in names), direction)


def folds(missed: Bool, recipe: Recipe, seed: int) -> list[tuple[Int, Int]]:
    """Rows to fit on and rows kept aside, with the same share of missed payments in each."""
    rarest = int(min(missed.sum(), (~missed).sum()))
    if rarest < 10 * recipe.folds:
        raise InputError(
            f"{rarest} users are the fewer of those who paid and those who missed a payment; "
            f"at least {10 * recipe.folds} are needed to train a scorecard"
        )
    made = StratifiedKFold(recipe.folds, shuffle=True, random_state=seed)
    return list(made.split(np.zeros(len(missed)), missed))


def fit(features: Features, missed: Bool, recipe: Recipe) -> Fitted:
    """The scorecard of these users."""
    used = sorted({name for names in recipe.candidates for name in names})
    made = {name: make_bins(name, features[name], missed, recipe) for name in used}
    bins = {name: one for name, one in made.items() if one is not None}
    left_out: dict[str, str] = {}
    names = []
    for candidate in recipe.candidates:
        silent = [name for name in candidate if name not in bins]
        if silent:
            said = "" if len(candidate) == 1 else f"{' and '.join(silent)}: "
            left_out[title(candidate)] = f"{said}not known, or without a difference that counts"
        else:
            names.append(candidate)
    if not names:
        raise InputError("no feature is known of enough users, with a difference that counts, to train a scorecard")
    columns = _columns_unseen(names, bins, features, missed, recipe)
    kept, why = choose(columns, missed, recipe)
    if why:
        left_out |= {title(names[at]): reason for at, reason in why.items()}
        names = [names[at] for at in kept]
        columns = _columns_unseen(names, bins, features, missed, recipe)
    return _all_users(names, bins, features, missed, columns, recipe, left_out)


def title(names: Names) -> str:
    """How a characteristic is written."""
    return " x ".join(names)


def _columns_unseen(
    names: list[Names], bins: dict[str, Bins], features: Features, missed: Bool, recipe: Recipe
) -> Real:
    """What each characteristic says of each user (n, characteristics), fitted on other users."""
    places, shapes = [places_of(one, features, bins) for one in names], [shape_of(one, bins) for one in names]
    columns = np.zeros((len(missed), len(names)))
    for rows, aside in folds(missed, recipe, recipe.seed):
        found = fit_tables([place[rows] for place in places], shapes, missed[rows], recipe)
        columns[aside] = found.columns([place[aside] for place in places])
    return columns


def regress(columns: Real, missed: Bool) -> Any:
    """The logistic regression of the outcome on the columns, the constant first.

    InputError where it does not settle.
    """
    found = Logit(missed.astype(np.float64), add_constant(columns, has_constant="add")).fit(disp=0, maxiter=100)
    if not found.mle_retvals["converged"]:
        raise InputError("what is known of the users tells every outcome, so no points settle; train on more users")
    return found


def alone(columns: Real, missed: Bool) -> list[Alone]:
    """Each column beside the sum of the others."""
    whole = columns.sum(axis=1)
    found = []
    for column in columns.T:
        rest = (whole - column)[:, None] if columns.shape[1] > 1 else np.empty((len(column), 0))
        told = np.hstack([column[:, None], rest])
        both, without = regress(told, missed), regress(rest, missed)
        inflation = variance_inflation_factor(add_constant(told, has_constant="add"), 1) if rest.shape[1] else 1.0
        found.append(Alone(float(both.params[1]), float(both.bse[1]), float(inflation), float(both.llf - without.llf)))
    return found


def choose(columns: Real, missed: Bool, recipe: Recipe) -> tuple[list[int], dict[int, str]]:
    """The columns that are kept, and why each other one is not: sign, collinearity, gain; the least goes first."""
    point = np.log(2.0) / recipe.points_to_double
    kept = [at for at in range(columns.shape[1]) if np.ptp(columns[:, at]) >= point]
    why = {at: "its bins are not a point apart" for at in range(columns.shape[1]) if at not in kept}
    while len(kept) > 1:
        found = dict(zip(kept, alone(columns[:, kept], missed), strict=True))
        bad = [at for at, one in found.items() if one.fault(recipe)]
        if not bad:
            break
        worst = min(bad, key=lambda at: (found[at].gain, at))
        kept.remove(worst)
        why[worst] = found[worst].fault(recipe)
    if not kept:
        raise InputError("nothing that is known of the users says anything of who misses a payment")
    return kept, why


def family_of(names: Names) -> str:
    """Characteristics of the same kinds of features are one family."""
    return " and ".join(sorted({KIND[name] for name in names}))


def by_family(names: list[Names], columns: Real) -> tuple[list[str], Real]:
    """The families there are, and the sum of the columns of each (n, families)."""
    families = sorted({family_of(one) for one in names})
    sums = [columns[:, [family_of(one) == family for one in names]].sum(axis=1) for family in families]
    return families, np.stack(sums, axis=1)


def _all_users(
    names: list[Names], bins: dict[str, Bins], features: Features, missed: Bool, columns: Real, recipe: Recipe,
    left_out: dict[str, str],
) -> Fitted:  # fmt: skip
    """The tables of all users, centred, so that the constant is what the mean user has."""
    places, shapes = [places_of(one, features, bins) for one in names], [shape_of(one, bins) for one in names]
    whole = fit_tables(places, shapes, missed, recipe)
    means = [float(table[place].mean()) for table, place in zip(whole.tables, places, strict=True)]
    tables = [table - mean for table, mean in zip(whole.tables, means, strict=True)]
    parts = tuple(map(Part, names, tables, alone(columns, missed)))
    families, sums = by_family(names, columns)
    found = regress(sums, missed)
    regression = {one: (float(found.params[1 + at]), float(found.bse[1 + at])) for at, one in enumerate(families)}
    used = {name: one for name, one in bins.items() if any(name in features_ for features_ in names)}
    return Fitted(used, parts, whole.constant + sum(means), regression, left_out)
