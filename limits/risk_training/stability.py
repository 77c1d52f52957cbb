"""Whether users still are those that a scorecard was made of, and its probabilities still true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limits.capacity import Capacity
from limits.errors import InputError
from limits.portfolio import Bool, Portfolio
from limits.risk import Scorecard, read_features
from limits.risk.features import FEATURES
from limits.risk.names import Real
from limits.risk.values import told
from limits.risk_training.binning import bin_of
from limits.risk_training.evaluating import check_currency, judged
from limits.risk_training.metrics import Judged

#: From here on somebody should look, and from here on it is an alert: of stability, and of calibration.
WATCH, ALERT = 0.10, 0.25
#: The least share of a bin, so that an empty one has a logarithm.
LEAST_SHARE = 1e-4

State = Literal["ok", "watch", "alert"]


@dataclass(frozen=True, slots=True)
class Drift:
    """What was measured of one thing: the stability index, or how far a rate or slope is from what it should be."""

    what: str
    measure: Literal["stability", "rate", "slope"]
    value: float
    says: str

    @property
    def state(self) -> State:
        """By the usual thresholds."""
        return "alert" if self.value >= ALERT else "watch" if self.value >= WATCH else "ok"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        value = round(self.value, 6)
        return {"what": self.what, "measure": self.measure, "value": value, "state": self.state, "says": self.says}


@dataclass(frozen=True, slots=True)
class Expected:
    """How users were spread when it was all well: shares of the bins of each feature, and of the points."""

    edges: dict[str, tuple[float, ...]]
    share: dict[str, Real]
    point_edges: tuple[float, ...]
    point_share: Real


def from_card(scorecard: Scorecard) -> Expected:
    """As the model card keeps it. InputError where it keeps nothing."""
    try:
        kept, points = scorecard.card["features"], scorecard.card["points"]
        known = {name: one for name, one in kept.items() if name in FEATURES}
        found = Expected(
            {name: tuple(map(float, one["edges"])) for name, one in known.items()},
            {name: np.array(one["share"], dtype=np.float64) for name, one in known.items()},
            tuple(map(float, points["edges"])),
            np.array(points["share"], dtype=np.float64),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"the card of the model {scorecard.name} does not say how its users were spread; name some by --against"
        ) from None
    sizes = [(len(found.edges[name]) + 2, len(found.share[name])) for name in found.edges]
    if any(one != other for one, other in [*sizes, (len(found.point_edges) + 1, len(found.point_share))]):
        raise InputError(f"the card of the model {scorecard.name} has other bins than shares; train it anew")
    return found


def from_users(scorecard: Scorecard, portfolio: Portfolio, capacity: Capacity) -> Expected:
    """As these users are spread, in the bins of the card or, without them, of the characteristics."""
    check_currency(scorecard, portfolio)
    edges = {
        name: tuple(cuts)
        for one in scorecard.characteristics
        for name, cuts in zip(one.features, one.edges, strict=True)
    }
    points = scorecard.score(portfolio, capacity).points
    cuts = tuple(np.unique(np.quantile(points, np.linspace(0, 1, 11)[1:-1], method="higher")).astype(float).tolist())
    found = Expected(edges, {}, cuts, _shares(np.searchsorted(cuts, points, side="right"), len(cuts) + 1))
    return Expected(edges, _spread(found, portfolio, capacity), cuts, found.point_share)


def _spread(expected: Expected, portfolio: Portfolio, capacity: Capacity) -> dict[str, Real]:
    features = read_features(portfolio, capacity, list(expected.edges))
    return {name: _shares(bin_of(features[name], cuts), len(cuts) + 2) for name, cuts in expected.edges.items()}


def _shares(place: Any, bins: int) -> Real:
    return np.bincount(place, minlength=bins) / max(len(place), 1)


def stability_index(expected: Real, found: Real) -> float:
    """The population stability index of two distributions over the same bins."""
    one, other = np.maximum(expected, LEAST_SHARE), np.maximum(found, LEAST_SHARE)
    return float(((other - one) * np.log(other / one)).sum())


def monitor(
    scorecard: Scorecard, expected: Expected, portfolio: Portfolio, capacity: Capacity, missed: Bool | None,
    *, times: int, seed: int,
) -> tuple[list[Drift], Judged | None]:  # fmt: skip
    """Everything that was measured, the points first; and the figures where it is known what became of the users."""
    check_currency(scorecard, portfolio)
    risk = scorecard.score(portfolio, capacity)
    points = _shares(np.searchsorted(expected.point_edges, risk.points, side="right"), len(expected.point_share))
    found = [points_drift(expected, points)]

    def words(name: str) -> list[str]:
        return [told(name, edge, portfolio.currency) for edge in expected.edges[name]]

    for name, share in sorted(_spread(expected, portfolio, capacity).items()):
        index = stability_index(expected.share[name], share)
        found.append(Drift(name, "stability", index, _moved(expected.share[name], share, words(name))))
    if missed is None:
        return found, None
    figures = judged(risk, missed, times=times, seed=seed)
    return [*found, *calibration_drifts(figures)], figures


def calibration_drifts(figures: Judged) -> list[Drift]:
    """How far what became of users is from what was expected."""
    rate, chance = figures.value["rate"], figures.value["expected"]
    slope = figures.value["calibration_slope"]
    found = [Drift("missed payments", "rate", abs(rate / chance - 1), f"{rate:.2%} missed, {chance:.2%} expected")]
    if np.isfinite(slope):
        found.append(Drift("log-odds", "slope", abs(slope - 1), f"slope {slope:.3f}, 1 is exact"))
    return found


def points_drift(expected: Expected, share: Real) -> Drift:
    """How far the shares of the parts of the points are from what they were."""
    says = f"its tenths hold {share.min():.1%} to {share.max():.1%} of the users"
    return Drift("points", "stability", stability_index(expected.point_share, share), says)


def _moved(expected: Real, found: Real, edges: list[str]) -> str:
    """The bin whose share has changed most; ``edges`` in words."""
    at = int(np.argmax(np.abs(found - expected)))
    if at == len(edges) + 1:
        name = "not known"
    elif at == 0:
        name = f"below {edges[0]}" if edges else "known"
    else:
        name = f"from {edges[at - 1]}" + (f" to {edges[at]}" if at < len(edges) else "")
    return f"{name}: {expected[at]:.1%} then, {found[at]:.1%} now"
