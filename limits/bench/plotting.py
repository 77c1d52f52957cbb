"""Pictures of the backtest: a calibration curve and a sample of fans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limits.bench.series import Series
from limits.capacity.backtest import Fold, folds, typical_amount
from limits.capacity.forecasting import Forecast, forecast
from limits.capacity.local_level import Float
from limits.capacity.prior import Prior
from limits.errors import InputError

#: Probabilities of the calibration curve.
LEVELS = np.arange(0.05, 0.96, 0.05)
#: Fans drawn, and the quantile pairs whose areas they show.
FANS, BANDS = 6, ((0.1, 0.9), (0.25, 0.75))
_BLUE = "#1f6f8b"


def draw(file: Path, series: Series, horizon: int, origins: int, least: int, *, seed: int) -> None:
    """Write the picture of auto on ``series`` to ``file``; its ending says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a screen
    from matplotlib.figure import Figure

    cuts = list(folds(series.values, horizon, origins, least))
    made = [forecast(cut.train, horizon, prior=Prior(typical_amount=typical_amount(cut.train))) for cut in cuts]
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 5)
    _calibration(figure.add_subplot(grid[:, :2]), cuts, made)
    rows = np.random.default_rng(seed).permutation(len(cuts[0].rows))[:FANS]
    for place, row in enumerate(np.sort(rows).tolist()):
        axes = figure.add_subplot(grid[place // 3, 2 + place % 3])
        _fan(axes, cuts[0], made[0], row, f"id {series.ids[cuts[0].rows[row]]}")
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be drawn: {error}") from error


def calibration(cuts: list[Fold], made: list[Forecast]) -> tuple[Float, Float]:
    """Share of months at or below, and strictly below, each quantile of ``LEVELS``.

    They differ where a quantile is exactly an amount that comes, as zero often is.
    """
    below, within = np.zeros(len(LEVELS)), np.zeros(len(LEVELS))
    for place, q in enumerate(LEVELS):
        quantiles = np.concatenate([one.quantile(q).ravel() for one in made])
        amounts = np.concatenate([cut.test.ravel() for cut in cuts])
        below[place], within[place] = (amounts < quantiles).mean(), (amounts <= quantiles).mean()
    return within, below


def _calibration(axes: Any, cuts: list[Fold], made: list[Forecast]) -> None:
    within, below = calibration(cuts, made)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="exact")
    axes.fill_between(LEVELS, below, within, color=_BLUE, alpha=0.2, linewidth=0, label="months equal to the quantile")
    axes.plot(LEVELS, within, color=_BLUE, marker="o", markersize=3, label="months at or below the quantile")
    months = sum(cut.test.size for cut in cuts)
    axes.set(xlabel="quantile of the forecast", ylabel="share of months", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Calibration of auto: {months:,} months at {len(cuts)} origins", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.grid(alpha=0.25)


def _fan(axes: Any, cut: Fold, made: Forecast, row: int, title: str) -> None:
    past, coming = cut.train[row], cut.test[row]
    ahead = np.arange(1, len(coming) + 1)
    axes.plot(np.arange(1 - len(past), 1), past, color="#444444", marker=".", markersize=4, linewidth=1)
    for low, high in BANDS:
        axes.fill_between(
            ahead, made.quantile(low)[row], made.quantile(high)[row], color=_BLUE, alpha=0.25, linewidth=0
        )
    axes.plot(ahead, made.quantile(0.5)[row], color=_BLUE, linewidth=1.5)
    axes.plot(ahead, coming, color="#c0392b", marker="o", markersize=4, linestyle="none")
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.2)
    axes.margins(y=0.1)
