"""CPU time of a forecast beside its peers, in one run on one thread; its cost by users and months; memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from limits.bench.peers import has_statsforecast
from limits.capacity.forecasting import Model, forecast
from limits.capacity.local_level import Float

MONTHS, HORIZON, BATCH = 24, 3, 100_000
MODELS: tuple[Model, ...] = ("local_level", "auto", "damped_trend", "robust")
TIMED: tuple[Model, ...] = ("local_level", "auto")
USERS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
LENGTHS = (6, 12, 24, 36, 60)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Speed:
    """Everything in seconds of processor time per series, except where it says otherwise.

    ours, peers    by name, at 24 months; peers through the call that their name says
    by_users       model -> users in one call -> seconds per series
    by_months      model -> months -> seconds per series
    per_second     users a second of wall time with one process and with one for each core
    memory         what -> greatest resident memory, GiB
    start          seconds of the first calls of a process: compiled anew, and from the cache on disk
    """

    ours: dict[str, float]
    peers: dict[str, float]
    by_users: dict[str, dict[int, float]]
    by_months: dict[str, dict[int, float]]
    per_second: dict[int, float]
    memory_users: int
    memory: dict[str, float]
    start: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the ratios."""
        ratios = {name: {peer: theirs / own for peer, theirs in self.peers.items()} for name, own in self.ours.items()}
        return {
            "months": MONTHS, "horizon": HORIZON, "cpu_seconds_per_series": {**self.ours, **self.peers},
            "ratios": ratios, "by_users": self.by_users, "by_months": self.by_months,
            "users_per_second_by_processes": self.per_second, "memory_users": self.memory_users,
            "memory_gib": self.memory, "cold_start_cpu_seconds": self.start,
        }  # fmt: skip


def sample(users: int, months: int, seed: int = 0) -> Float:
    """Made-up amounts around 3,000 whose level stands still, moves a little or moves a lot."""
    dice = np.random.default_rng(seed)
    steps = dice.normal(size=(users, months)) * dice.choice([0.0, 0.1, 0.5, 1.0], (users, 1))
    return np.asarray(3000.0 + 300.0 * (steps.cumsum(axis=1) + dice.normal(size=(users, months))))


def measure(most: int, *, progress: Progress) -> Speed:
    """Run every measurement; ``most`` users in the largest call."""
    users = [n for n in USERS if n <= most]
    total = 5 + len(users) + len(LENGTHS)
    steps = iter(range(1, total + 1))

    def done() -> None:
        progress(next(steps), total)

    start = cold_start()
    done()
    series = sample(BATCH, MONTHS)
    ours = _ours(series)
    done()
    peers = _statsmodels(series[:40]) | (_statsforecast(series) if has_statsforecast() else {})
    del series
    done()
    by_users: dict[str, dict[int, float]] = {name: {} for name in TIMED}
    for n in users:
        for name in TIMED:
            by_users[name][n] = _cpu(partial(_calls, sample(n, MONTHS), name, max(1, 2_000 // n)), max(n, 2_000))
        done()
    by_months: dict[str, dict[int, float]] = {name: {} for name in TIMED}
    for months in LENGTHS:
        for name in TIMED:
            by_months[name][months] = _cpu(partial(_calls, sample(BATCH // 2, months), name), BATCH // 2)
        done()
    per_second = {count: _per_second(count) for count in sorted({1, os.cpu_count() or 1})}
    done()
    memory = _probe("memory", str(most))
    done()
    return Speed(ours, peers, by_users, by_months, per_second, most, memory, start)


def _calls(series: Float, model: Model, calls: int = 1) -> None:
    for _ in range(calls):
        forecast(series, HORIZON, model=model)


def _ours(series: Float) -> dict[str, float]:
    found: dict[str, float] = {name: _cpu(partial(_calls, series, name), len(series)) for name in MODELS}
    gaps = series.copy()
    gaps[np.random.default_rng(1).random(gaps.shape) < 0.1] = np.nan
    return found | {"local_level, a tenth missing": _cpu(partial(_calls, gaps, "local_level"), len(series))}


def _cpu(run: Callable[[], Any], series: int, repeats: int = 3) -> float:
    """Least processor seconds per series of some runs, after one that is not counted."""
    run()
    least = math.inf
    for _ in range(repeats):
        before = time.process_time()
        run()
        least = min(least, time.process_time() - before)
    return least / series


def _statsmodels(series: Float) -> dict[str, float]:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    def level() -> None:
        for row in series:
            UnobservedComponents(row / row.mean(), "llevel", use_exact_diffuse=True).fit(disp=0).get_forecast(HORIZON)

    def ets() -> None:
        for row in series:
            ETSModel(row / row.mean()).fit(disp=0).forecast(HORIZON)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optimisers that stop early: only their time counts here
        return {
            "statsmodels local level (UnobservedComponents)": _cpu(level, len(series), 2),
            "statsmodels ETS(A,N,N) (ETSModel)": _cpu(ets, len(series), 2),
        }


def _statsforecast(series: Float) -> dict[str, float]:
    """Through StatsForecast, as its documentation shows it, and through the bare model on an array."""
    import pandas as pd
    from statsforecast import StatsForecast, models

    made = {
        "SES (alpha 0.3)": (models.SimpleExponentialSmoothing(0.3), 5_000),
        "SES optimised": (models.SimpleExponentialSmoothingOptimized(), 5_000),
        "AutoETS": (models.AutoETS(season_length=1), 200),
    }
    found = {}
    for name, (model, count) in made.items():
        rows = series[:count]
        frame = pd.DataFrame(
            {
                "unique_id": np.repeat(np.arange(count), MONTHS),
                "ds": np.tile(np.arange(MONTHS), count),
                "y": rows.ravel(),
            }
        )
        whole = StatsForecast(models=[model], freq=1, n_jobs=1)
        found[f"statsforecast {name} (StatsForecast)"] = _cpu(partial(whole.forecast, df=frame, h=HORIZON), count, 2)
        found[f"statsforecast {name} (bare model)"] = _cpu(partial(_one_by_one, model, rows), count, 2)
    return found


def _one_by_one(model: Any, series: Float) -> None:
    for row in series:
        model.forecast(y=row, h=HORIZON)


def _per_second(processes: int) -> float:
    """Users a second of wall time through ``auto``, each process with users of its own."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_forecast_some, [1] * processes))  # started and compiled
        begin = time.perf_counter()
        seconds = list(pool.map(_forecast_some, [BATCH] * processes))
        whole = time.perf_counter() - begin
    made = whole - max(seconds)  # making up the series is not forecasting
    return processes * BATCH / (whole - made)


def _forecast_some(users: int) -> float:
    series = sample(users, MONTHS)
    begin = time.perf_counter()
    forecast(series, HORIZON)
    return time.perf_counter() - begin


def _probe(*arguments: str, **environment: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "limits.bench.probes", *arguments],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def cold_start() -> dict[str, dict[str, float]]:
    """First calls in a new process: nothing compiled yet, and compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "compiled anew": _probe("start", NUMBA_CACHE_DIR=folder),
            "from the cache": _probe("start", NUMBA_CACHE_DIR=folder),
        }


# As tables -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A table with what to know about it."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def parts(found: Speed) -> list[Part]:
    """The tables in the order in which they are printed."""
    names = list(found.ours)
    own: list[tuple[str, ...]] = [("us per series", *(_micro(found.ours[name]) for name in names))]
    ratios: list[tuple[str, ...]] = [
        (peer, _micro(theirs), *(f"{theirs / found.ours[name]:,.0f}x" for name in TIMED))
        for peer, theirs in found.peers.items()
    ]
    spread: list[tuple[str, ...]] = [
        (f"{n:,} users", *(_micro(found.by_users[name][n]) for name in TIMED)) for n in found.by_users[TIMED[0]]
    ]
    spread += [(f"{m} months", *(_micro(found.by_months[name][m]) for name in TIMED)) for m in LENGTHS]
    cores: list[tuple[str, ...]] = [(f"{count} processes", f"{rate:,.0f}") for count, rate in found.per_second.items()]
    memory: list[tuple[str, ...]] = [(what, f"{amount:.2f}") for what, amount in found.memory.items()]
    start: list[tuple[str, ...]] = [
        (what, *(f"{seconds[key]:.2f}" for key in ("import", *TIMED))) for what, seconds in found.start.items()
    ]
    return [
        Part(f"ours, {BATCH:,} series of {MONTHS} months in one call, CPU on one thread", ("", *names), own),
        Part(
            "peers, CPU us per series and how many times ours", ("", "us", *TIMED), ratios,
            ("StatsForecast: the whole call with a frame. Bare model: .forecast of one array after another.",),
        ),
        Part("CPU us per series by users in one call (24 months) and by months", ("", *TIMED), spread),
        Part("users a second of wall time, auto", ("", "users/s"), cores),
        Part(f"greatest resident memory, {found.memory_users:,} users of {MONTHS} months", ("", "GiB"), memory),
        Part("cold start, CPU seconds: import, first call of each", ("", "import", *TIMED), start),
    ]  # fmt: skip


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.2f}" if seconds < 1e-4 else f"{1e6 * seconds:,.0f}"
