"""The picture of a report: what became of each action and band, and of as many raises by other rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limits.bench.outcomes.rates import Rate
from limits.bench.outcomes.report import ALL, BALANCE, LIMIT, RAISE, RAISED, USERS, Line, Report
from limits.errors import InputError

_GREY, _GREEN, _BLUE, _RED, _SAND = "#999999", "#3a8f5c", "#1f6f8b", "#c0392b", "#c9a227"
_OF_ACTION = (_GREEN, _BLUE, _RED)


def draw(file: Path, report: Report) -> None:
    """Write the picture to ``file``; its ending says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a screen
    from matplotlib.figure import Figure

    panels = 3 if report.bands else 2
    figure = Figure(figsize=(5.2 * panels, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, panels))
    everyone = report.line(ALL).share.value
    actions = [line for line in report.actions if line.name != ALL]
    _bars(axes[0], actions, everyone, _OF_ACTION, f"What the review did, {len(report.trial.portfolio):,} users")
    axes[0].set_ylabel(f"share of users: {report.trial.outcome}")
    if report.bands:
        _bars(axes[1], report.bands, everyone, [_SAND] * len(report.bands), "Bands of the scorecard")
    _rules(axes[-1], report)
    try:
        figure.savefig(file, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be drawn: {error}") from error


def _bars(axes: Any, lines: Sequence[Line], everyone: float, colours: Sequence[str], title: str) -> None:
    whole = max(sum(line.users for line in lines), 1.0)
    names = [f"{line.name}\n{line.users / whole:.1%}" for line in lines]
    _with_intervals(axes, np.arange(len(lines)), [line.share for line in lines], colours, 0.7)
    axes.axhline(everyone, color=_GREY, linestyle="--", linewidth=1, label=f"all users, {everyone:.1%}")
    axes.set_xticks(np.arange(len(lines)), names)
    _finish(axes, title)


def _rules(axes: Any, report: Report) -> None:
    """The shares of raised users by each weight: the product first, then the rules."""
    raised = report.line(RAISED)
    named = [("the product", raised), *((one.rival.name, one.raised) for one in report.comparisons)]
    weights = [w for w in (USERS, LIMIT, BALANCE, RAISE) if w == USERS or np.isfinite(raised.weighted[w].value)]
    width = 0.8 / len(named)
    for place, (name, line) in enumerate(named):
        rates = [line.share if weight == USERS else line.weighted[weight] for weight in weights]
        colour = (_GREEN, _BLUE, _SAND, _GREY)[place]
        where = np.arange(len(weights)) + (place - (len(named) - 1) / 2) * width
        _with_intervals(axes, where, rates, [colour] * len(rates), 0.92 * width, label=name)
    words = {USERS: "users", LIMIT: "by limit", BALANCE: "by balance", RAISE: "by raise"}
    axes.set_xticks(np.arange(len(weights)), [words[weight] for weight in weights])
    _finish(axes, f"As many raises by each rule: {raised.users:,.0f}", room=0.4)


def _with_intervals(
    axes: Any, where: Any, rates: Sequence[Rate], colours: Sequence[str], width: float, label: str | None = None
) -> None:
    values = np.nan_to_num([rate.value for rate in rates])
    ends = np.nan_to_num([[rate.value - rate.low, rate.high - rate.value] for rate in rates]).T
    axes.bar(where, values, width=width, color=colours, label=label)
    axes.errorbar(where, values, yerr=np.maximum(ends, 0), fmt="none", ecolor="#333333", elinewidth=1, capsize=3)


def _finish(axes: Any, title: str, room: float = 0.18) -> None:
    """``room``: what is left above the bars for the legend, as a share of their height."""
    axes.set_title(title, fontsize=10)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.margins(y=room)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.grid(alpha=0.25, axis="y")
