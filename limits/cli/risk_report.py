"""What the commands of limits risk print for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from limits.terminal import say, table

if TYPE_CHECKING:
    from limits.risk import Scorecard
    from limits.risk_training.disparity import Group
    from limits.risk_training.evaluating import Evaluation
    from limits.risk_training.metrics import Judged
    from limits.risk_training.stability import Drift
    from limits.risk_training.training import Trained

#: Figures in words.
WORDS = {
    "auc": "AUC", "pr_auc": "PR-AUC", "gini": "Gini", "ks": "KS", "brier": "Brier", "log_loss": "log loss",
    "calibration_slope": "calibration slope", "calibration_intercept": "calibration intercept",
    "rate": "share that missed", "expected": "share expected",
}  # fmt: skip
INTERVAL = "95% interval"


def number(value: float, digits: int = 4) -> str:
    """A figure, or a dash where it cannot be said."""
    return f"{value:.{digits}f}" if value == value else "-"  # noqa: PLR0124 (NaN)


def interval(judged: Judged, name: str, digits: int = 4) -> str:
    """From the lower end to the upper one."""
    low, high = judged.interval[name]
    return f"{number(low, digits)} to {number(high, digits)}"


def print_figures(judged: Judged) -> None:
    """Every figure with its interval."""
    rows = [(words, number(judged.value[name]), interval(judged, name)) for name, words in WORDS.items()]
    table(("figure", "value", INTERVAL), rows, numbers=("value",))


def print_parts(heading: str, column: str, parts: dict[str, Judged]) -> None:
    """The figures of parts of the users."""
    say()
    say(heading, strong=True)
    columns = (column, "users", "missed", INTERVAL, "expected", "AUC", "interval of AUC", "Brier")
    rows = [
        (
            name, f"{one.users:,}", number(one.value["rate"]), interval(one, "rate"), number(one.value["expected"]),
            number(one.value["auc"]), interval(one, "auc"), number(one.value["brier"]),
        )
        for name, one in parts.items()
    ]  # fmt: skip
    table(columns, rows, numbers=("users", "missed", "expected", "AUC", "Brier"))


def print_trained(made: Trained) -> None:
    """How good the scorecard is, and what it is made of."""
    card = made.scorecard.card
    parts = made.fitted.parts
    say(f"{made.figures.users:,} users, {len(parts)} characteristics; figures of users kept aside", strong=True)
    print_figures(made.figures)
    value, other = made.figures.value, made.challenger.value
    say(
        f"boosted trees on the same folds: AUC {number(other['auc'])}, Brier {number(other['brier'])}; "
        f"the scorecard's AUC is {abs(other['auc'] - value['auc']):.4f} "
        f"{'lower' if other['auc'] > value['auc'] else 'higher'}"
    )
    say()
    columns = ("characteristic", "bins", "points", "coefficient", "error", "inflation", "gain")
    rows: Sequence[Sequence[str]] = [
        (
            " x ".join(part.features), str(len(one.points)), f"{min(one.points)} to {max(one.points)}",
            number(part.alone.coefficient, 2), number(part.alone.error, 2), number(part.alone.inflation, 1),
            number(part.alone.gain, 1),
        )
        for part, one in zip(parts, made.scorecard.characteristics, strict=True)
    ]  # fmt: skip
    table(columns, rows, numbers=columns[1:])
    for title, why in made.fitted.left_out.items():
        say(f"left out: {title}: {why}", faint=True)
    say(f"calibration: {made.calibration.chosen}; coefficient of the log-odds {card['coefficient']}")


def print_evaluation(scorecard: Scorecard, found: Evaluation) -> None:
    """The figures of all and of parts."""
    say(f"{scorecard.name}: {found.whole.users:,} users", strong=True)
    print_figures(found.whole)
    print_parts("calibration: tenths by probability", "probability", found.calibration)
    print_parts("tenths by limit", "limit", found.by_limit)
    print_parts("bands", "band", found.by_band)


def print_disparity(scorecard: Scorecard, groups: list[Group]) -> None:
    """Each group in a line."""
    say(f"{scorecard.name}: groups that it never sees", strong=True)
    columns = (
        "attribute", "group", "users", "missed", INTERVAL, "expected", "AUC", "points", "favoured", "impact", "",
    )  # fmt: skip
    rows = [
        (
            one.attribute, one.name, f"{one.figures.users:,}", number(one.figures.value["rate"]),
            interval(one.figures, "rate"), number(one.figures.value["expected"]), number(one.figures.value["auc"]),
            f"{one.mean_points:.0f}", f"{one.favoured:.1%}", f"{one.impact:.2f}",
            "below four fifths" if one.points_out else "",
        )
        for one in groups
    ]  # fmt: skip
    table(columns, rows, numbers=("users", "missed", "expected", "AUC", "points", "favoured", "impact"))
    words = "favoured: with points of the median of all or more; impact: that by the most favoured large group's"
    say(words, faint=True)


def print_drifts(scorecard: Scorecard, drifts: list[Drift], figures: Judged | None) -> None:
    """What was measured, and how many are alerts."""
    say(scorecard.name, strong=True)
    rows = [(one.state, one.what, one.measure, number(one.value), one.says) for one in drifts]
    table(("state", "what", "measure", "value", "says"), rows, numbers=("value",))
    if figures is not None:
        say(f"AUC {number(figures.value['auc'])}, {INTERVAL} {interval(figures, 'auc')}")
    states = [one.state for one in drifts]
    say(f"{states.count('alert')} alerts, {states.count('watch')} to be watched, of {len(drifts)}", strong=True)
