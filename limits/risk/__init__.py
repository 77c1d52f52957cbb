"""Risk: whether a user will pay, as capacity says what the user can pay. Pure array functions of a portfolio.

A scorecard adds up whole points, one number for the bin of each characteristic; the sum is looked up in a
table that says the probability of a missed payment. Whole numbers throughout: a score is the same on every machine.
"""

from collections.abc import Callable

from limits.risk.features import FEATURES, Feature, read_features
from limits.risk.losing import MOST_NAMED, Loss, losses, points_lost
from limits.risk.result import Risk
from limits.risk.scorecard import Band, Characteristic, Scorecard, parse_scorecard

__all__ = [
    "FEATURES", "MOST_NAMED", "Band", "Characteristic", "Feature", "Loss", "Risk", "Scorecard", "losses",
    "parse_scorecard", "points_lost", "read_features", "warm",
]  # fmt: skip


def warm(tell: Callable[[], object] = lambda: None) -> None:
    """Make everything ready that scoring runs. ``tell`` is called first where it must be compiled."""
    from limits.risk.warming import warm as load  # here, for it loads the kernels and not everybody scores

    load(tell)
