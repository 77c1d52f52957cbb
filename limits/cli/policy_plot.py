"""The picture of a simulation: exposure of each date by both policies, and by how much limits differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limits.engine.simulating import Simulation
from limits.errors import InputError

_GREY, _BLUE, _RED = "#999999", "#1f6f8b", "#c0392b"


def draw(file: Path, made: Simulation) -> None:
    """Write the picture to ``file``; its ending says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a screen
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _exposure(left, made)
    _differences(right, made)
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be drawn: {error}") from error


def _exposure(axes: Any, made: Simulation) -> None:
    dates = made.dates[::-1]
    unit, places = 10.0**made.exponent, np.arange(len(dates))
    series = (
        ("before", _GREY, [one.exposure_before_minor for one in dates]),
        ("champion", _BLUE, [one.champion.exposure_after_minor for one in dates]),
        ("new", _RED, [one.new.exposure_after_minor for one in dates]),
    )
    for shift, (name, colour, amounts) in enumerate(series, start=-1):
        axes.bar(places + 0.27 * shift, np.array(amounts) / unit, width=0.25, color=colour, label=name)
    axes.set_xticks(places, [one.as_of.isoformat() for one in dates], rotation=30)
    axes.set(ylabel=f"sum of limits, {made.new.currency}")
    axes.set_title("Exposure before, and after each policy", fontsize=10)
    axes.yaxis.set_major_formatter(lambda amount, _: f"{amount:,.0f}")
    axes.margins(y=0.2)  # room for the legend
    axes.legend(frameon=False, fontsize=8, loc="upper center", ncols=3)
    axes.grid(alpha=0.25, axis="y")


def _differences(axes: Any, made: Simulation) -> None:
    newest = made.dates[0]
    found = np.concatenate([*newest.differences, np.empty(0, dtype=np.int64)]) / 10.0**made.exponent
    if len(found):
        axes.hist(found, bins=40, color=_BLUE)
        axes.axvline(0, color=_GREY, linewidth=1)
    axes.xaxis.set_major_formatter(lambda amount, _: f"{amount:,.0f}")
    axes.set(xlabel=f"limit by the new policy less limit by the champion, {made.new.currency}", ylabel="users")
    axes.set_title(f"As of {newest.as_of}: {len(found):,} of {newest.decided:,} users get another limit", fontsize=10)
    axes.grid(alpha=0.25, axis="y")
