"""Pictures of an evaluation: order, calibration, and how points are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limits.errors import InputError
from limits.portfolio import Bool
from limits.risk import Risk
from limits.risk_training.evaluating import Evaluation
from limits.risk_training.metrics import Counted

_GREY, _BLUE, _RED = "#999999", "#1f6f8b", "#c0392b"


def draw(file: Path, found: Evaluation, risk: Risk, missed: Bool) -> None:
    """Write the picture to ``file``; its ending says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a screen
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    order, truth, spread = figure.subplots(1, 3)
    _order(order, found, Counted.of(risk.points, risk.probability_ppm, missed))
    _truth(truth, found)
    _spread(spread, risk, missed)
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be drawn: {error}") from error


def _order(axes: Any, found: Evaluation, counted: Counted) -> None:
    paid, missed = (np.append(0, one.cumsum() / max(one.sum(), 1)) for one in (counted.paid, counted.missed))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    axes.plot(paid, missed, color=_BLUE)
    low, high = found.whole.interval["auc"]
    axes.set(xlabel="share of those who paid", ylabel="share of those who missed", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"ROC: AUC {found.whole.value['auc']:.3f} ({low:.3f} to {high:.3f})", fontsize=10)
    axes.grid(alpha=0.25)


def _truth(axes: Any, found: Evaluation) -> None:
    parts = list(found.calibration.values())
    chance, rate = ([one.value[name] for one in parts] for name in ("expected", "rate"))
    ends = np.array([one.interval["rate"] for one in parts]).T
    most = 1.05 * max(*chance, *ends[1])
    axes.plot([0, most], [0, most], color=_GREY, linewidth=1, linestyle="--")
    axes.vlines(chance, *ends, color=_BLUE, linewidth=1)
    axes.plot(chance, rate, color=_BLUE, marker="o", markersize=4, linestyle="none")
    axes.set(xlabel="probability", ylabel="share that missed", xlim=(0, most), ylim=(0, most))
    axes.set_title(f"Calibration by tenths: slope {found.whole.value['calibration_slope']:.3f}", fontsize=10)
    axes.grid(alpha=0.25)


def _spread(axes: Any, risk: Risk, missed: Bool) -> None:
    cuts = np.linspace(risk.points.min(), risk.points.max() + 1, 50)
    for rows, colour, label in ((~missed, _BLUE, "paid"), (missed, _RED, "missed")):
        axes.hist(risk.points[rows], bins=cuts, color=colour, alpha=0.55, density=True, label=label)
    axes.set(xlabel="points", ylabel="density")
    axes.set_title(f"Points of {len(risk):,} users", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.25)
