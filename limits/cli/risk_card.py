"""A scorecard printed: its bands, its characteristics, their bins, and what its card says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limits.risk import Scorecard


def print_scorecard(model: Scorecard, *, with_bins: bool) -> None:
    """Everything a second person looks at before approving; ``with_bins``: the points of each bin too."""
    from limits.risk import FEATURES
    from limits.risk.telling import bands, card_lines
    from limits.terminal import say, table

    table(
        ("band", "points from", "missed payment"),
        [(name, f"{low}" if last else "below", risk) for name, low, risk, last in bands(model)],
        numbers=("points from", "missed payment"),
    )
    rows = [
        (one.name, ", ".join(FEATURES[name].text[0] for name in one.features), str(min(one.points)),
         str(max(one.points)))
        for one in model.characteristics
    ]  # fmt: skip
    table(("characteristic", "looks at", "least", "most"), rows, numbers=("least", "most"))
    say(f"Everybody starts with {model.base_points} points.")
    if with_bins:
        table(("characteristic", "bin", "points"), _bin_rows(model), numbers=("points",))
    say()
    table(
        ("its card", "in the words of whoever made it; limits risk evaluate judges anew"), list(card_lines(model.card))
    )


def _bin_rows(model: Scorecard) -> list[tuple[str, str, str]]:
    from limits.risk.telling import bins

    found, before = [], ""
    for name, bin_, points in bins(model):
        found.append(("" if name == before else name, bin_, str(points)))
        before = name
    return found
