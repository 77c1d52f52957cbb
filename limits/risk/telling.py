"""A scorecard in words: its bands, the bins of its characteristics, and what its card says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any

from limits.risk.scorecard import Scorecard
from limits.risk.values import told

#: Figures of the card: its name there, and how it is called here.
FIGURES = {
    "auc": "AUC", "gini": "Gini", "ks": "KS", "brier": "Brier score", "log_loss": "log loss",
    "calibration_slope": "calibration slope",
}  # fmt: skip
_MOST_LETTERS = 300


def bands(model: Scorecard) -> list[tuple[str, int, str, bool]]:
    """Of each band: name, least points, probabilities from its best user to its worst, whether another follows."""
    table, found = model.probability_ppm, []
    top = model.points_from + len(table) - 1
    for place, band in enumerate(model.bands):
        last = place == len(model.bands) - 1
        low = model.points_from if last else band.points_from
        best, worst = (table[min(max(points - model.points_from, 0), len(table) - 1)] for points in (top, low))
        words = f"{best / 10_000:.2f}% to {worst / 10_000:.2f}%"
        if low >= model.points_from + len(table):
            words = "nobody has so many points"
        found.append((band.name, band.points_from, words, not last))
        top = band.points_from - 1
    return found


def parts(model: Scorecard, name: str, edges: Sequence[float]) -> list[str]:
    """The parts into which a feature is cut, in words, the lowest first and last that it is not known."""
    words = [told(name, edge, model.currency) for edge in edges]
    between = [f"from {low} to {high}" for low, high in pairwise(words)]
    ends = [f"below {words[0]}", *between, f"from {words[-1]}"] if words else ["known"]
    return [*ends, "not known"]


def bins(model: Scorecard) -> Iterator[tuple[str, str, int]]:
    """Of every bin: its characteristic, what is in it, and the points."""
    for one in model.characteristics:
        sides = [
            [f"{name} {words}" for words in parts(model, name, edges)]
            for name, edges in zip(one.features, one.edges, strict=True)
        ]
        for bin_, points in zip(product(*sides), one.points, strict=True):
            yield one.name, ", ".join(bin_), points


def card_lines(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the card says: what, and in which words; an empty name continues the line before."""
    training, people, metrics, rival = (_dict(card.get(k)) for k in ("training", "population", "metrics", "challenger"))
    window = training.get("window")
    window = window if isinstance(window, list) else []
    yield (
        "made of",
        f"{_said(people.get('users'))} users of {_said(training.get('source'))}, in {_said(people.get('currency'))}",
    )
    yield "window", f"{' to '.join(map(_said, window)) or '-'}, outcomes until {_said(training.get('outcome_until'))}"
    yield "outcome", f"{_said(training.get('outcome'))}; {_said(people.get('missed'))} missed"
    yield "judged by", _said(metrics.get("how"))
    for name, words in FIGURES.items():
        ends = _dict(metrics.get("intervals")).get(name)
        among = f" ({_said(ends[0])} to {_said(ends[1])})" if isinstance(ends, list) and len(ends) == 2 else ""
        yield words, f"{_said(metrics.get(name))}{among}"
    yield "challenger", f"{_said(rival.get('model'))}: AUC {_said(rival.get('auc'))}"
    uses = card.get("limits_of_use")
    for k, line in enumerate(uses if isinstance(uses, list) else []):
        yield "" if k else "limits of use", _said(line)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _said(value: Any) -> str:
    """A value of a card, which may be anything, on one line."""
    if value is None:
        return "-"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if isinstance(value, float) else str(value)
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())[:_MOST_LETTERS]
