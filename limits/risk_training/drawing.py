"""The picture of an evaluation: ROC, calibration, and where good and bad users stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limits.errors import InputError
from limits.risk_training.evaluating import Evaluation, roc

_BLUE, _RED, _GREY = "#1f6f8b", "#c0392b", "#999999"


def draw(file: Path, found: Evaluation) -> None:
    """Writes the picture; the file's ending says the format. InputError where it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a screen
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    first, second, third = figure.subplots(1, 3)
    _roc(first, found)
    _calibration(second, found)
    _points(third, found)
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be drawn: {error}") from error


def _roc(axes: Any, found: Evaluation) -> None:
    alarmed, caught = roc(found.probability, found.bad)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="chance")
    axes.plot(alarmed, caught, color=_BLUE, linewidth=1.5, label=f"AUC {found.judged.text('auc')}")
    axes.set(xlabel="share of good users", ylabel="share of users who missed the payment", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Telling apart: {found.judged.users:,} users", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)


def _calibration(axes: Any, found: Evaluation) -> None:
    said = np.array([group.expected for group in found.calibration])
    was = np.array([group.observed.value for group in found.calibration])
    low = was - np.array([group.observed.low for group in found.calibration])
    high = np.array([group.observed.high for group in found.calibration]) - was
    most = max(said.max(), was.max()) * 1.05
    axes.plot([0, most], [0, most], color=_GREY, linewidth=1, linestyle="--", label="exact")
    axes.errorbar(said, was, yerr=[low, high], color=_BLUE, marker="o", markersize=4, linewidth=1, capsize=2)
    axes.set(xlabel="probability that was said, mean of a tenth", ylabel="share who missed the payment")
    axes.set_title(f"Calibration: slope {found.judged.text('calibration_slope', 3)}", fontsize=10)
    axes.grid(alpha=0.25)


def _points(axes: Any, found: Evaluation) -> None:
    points, bins = found.risk.points, 40
    edges = np.linspace(points.min(), points.max() + 1, bins + 1)
    for name, mine, colour in (("paid", ~found.bad, _BLUE), ("missed the payment", found.bad, _RED)):
        axes.hist(points[mine], bins=edges, density=True, color=colour, alpha=0.45, label=name)
    axes.set(xlabel="points", ylabel="density")
    axes.set_title("Points", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
