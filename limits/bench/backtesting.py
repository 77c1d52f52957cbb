"""Runs methods over rolling origins, with the time they take and what failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from limits.bench.peers import peers
from limits.capacity.backtest import SIMPLE, Figures, Fold, Method, figures, folds, ours, simple
from limits.capacity.local_level import Float, Int
from limits.errors import InputError

#: Rows that a slow peer works on between two steps of the progress bar.
BLOCK = 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Result:
    """One method over all origins.

    seconds    processor time per series and origin, after one call that is not counted
    series     series it was asked for
    to_auto    its mean pinball loss by that of auto on the same series and origins: above 1 is worse
    reasons    why series failed, with their number
    """

    name: str
    figures: Figures
    seconds: float
    series: int
    to_auto: float
    reasons: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what could not be measured is null."""
        made = self.figures
        numbers = {
            "mae": made.mae,
            "mase": made.mase,
            "pinball_10": made.pinball[0],
            "pinball_50": made.pinball[1],
            "pinball_90": made.pinball[2],
            "pinball": made.pinball_mean,
            "coverage_80": made.coverage,
            "bias": made.bias,
            "cpu_seconds_per_series": self.seconds,
            "pinball_to_auto": self.to_auto,
        }
        return {
            "method": self.name,
            **{name: value if np.isfinite(value) else None for name, value in numbers.items()},
            "series": self.series,
            "forecasts": made.forecasts,
            "failures": made.failures,
            "failure_reasons": self.reasons,
        }


def compare(
    series: Float, horizon: int, origins: int, least: int, *, sample: int, seed: int, progress: Progress
) -> list[Result]:
    """Every method on ``series`` (n, m); the slow peers on ``sample`` of the rows, drawn by ``seed`` (0: on all)."""
    cuts = list(folds(series, horizon, origins, least))
    if not cuts:
        raise InputError(
            f"no series has {least} observed months before an origin and {horizon} after it; "
            "shorten --horizon or lower --least"
        )
    reasons: dict[str, Counter[str]] = {}
    slow = peers(reasons)
    quick = {"auto": ours(), **{name: ours(name) for name in ("local_level", "damped_trend", "robust")}}
    quick |= {name: simple(name) for name in SIMPLE}
    chosen = np.unique(np.concatenate([cut.rows for cut in cuts]))
    if 0 < sample < len(chosen):
        chosen = np.random.default_rng(seed).permutation(chosen)[:sample]
    fewer = [_only(cut, chosen) for cut in cuts]
    total = len(quick) * len(cuts) + len(slow) * sum(-(-len(cut.rows) // BLOCK) for cut in fewer)
    tick = _Steps(progress, total)
    auto: list[Float] = []
    found = []
    for name, method in {**quick, **slow}.items():
        asked = fewer if name in slow else cuts
        _warm(method, horizon)
        reasons.get(name, Counter()).clear()
        quantiles, seconds = _timed(method, asked, horizon, BLOCK if name in slow else 0, tick)
        auto = auto or quantiles
        best = figures(
            [_matched(one, every, cut, q) for one, every, cut, q in zip(asked, auto, cuts, quantiles, strict=True)]
        )
        made = figures(list(zip(asked, quantiles, strict=True)))
        ratio = made.pinball_mean / best.pinball_mean if best.pinball_mean else np.nan
        rows = len(np.unique(np.concatenate([cut.rows for cut in asked])))
        found.append(Result(name, made, seconds, rows, float(ratio), dict(reasons.get(name, {}))))
    return found


class _Steps:
    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def _only(fold: Fold, rows: Int) -> Fold:
    keep = np.isin(fold.rows, rows)
    return Fold(fold.train[keep], fold.test[keep], fold.rows[keep])


def _matched(asked: Fold, auto: Float, whole: Fold, found: Float) -> tuple[Fold, Float]:
    """The forecasts of auto for the rows that a method was asked for and did not fail on."""
    kept = auto[np.isin(whole.rows, asked.rows)].copy()
    kept[~np.isfinite(found).all(axis=(1, 2))] = np.nan
    return asked, kept


def _timed(
    method: Method, cuts: list[Fold], horizon: int, block: int, tick: Callable[[], None]
) -> tuple[list[Float], float]:
    """Quantiles at every origin and processor seconds per series; ``block`` rows between two ticks (0: all)."""
    found, seconds = [], 0.0
    for cut in cuts:
        parts = []
        for begin in range(0, len(cut.train), block or len(cut.train)):
            before = time.process_time()
            parts.append(method(cut.train[begin : begin + (block or len(cut.train))], horizon))
            seconds += time.process_time() - before
            tick()
        found.append(np.concatenate(parts) if parts else np.empty((0, horizon, 3)))
    return found, seconds / max(sum(len(cut.train) for cut in cuts), 1)


def _warm(method: Method, horizon: int) -> None:
    """One call on two made-up series, so that compilation and imports are not counted."""
    method(100.0 + 10.0 * np.sin(np.arange(24.0)).reshape(2, 12), horizon)


def amount_text(value: float) -> str:
    """An amount to four digits, or to whole units where it has more; a dash for one that could not be measured."""
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000.0 else f"{value:.4g}"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def as_rows(found: list[Result]) -> list[tuple[str, ...]]:
    """Cells of a table under ``COLUMNS``."""
    return [
        (
            one.name,
            amount_text(one.figures.mae),
            _ratio(one.figures.mase),
            *(amount_text(value) for value in (*one.figures.pinball, one.figures.pinball_mean)),
            _ratio(one.to_auto),
            f"{one.figures.coverage:.1%}" if one.figures.forecasts else "-",
            amount_text(one.figures.bias),
            f"{1e6 * one.seconds:,.1f}",
            f"{one.series:,}",
            f"{one.figures.failures:,}",
        )
        for one in found
    ]


COLUMNS = (
    "method", "MAE", "MASE", "pinball 10%", "50%", "90%", "mean", "by auto's", "in 80%", "bias", "CPU us", "series",
    "failed",
)  # fmt: skip
