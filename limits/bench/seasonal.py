"""Seasons in files of series and in made-up portfolios: what limits backtest --seasonal and limits bench season run."""

from __future__ import annotations

import csv
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limits.bench.backtesting import amount_text
from limits.bench.series import Series
from limits.capacity.local_level import Float
from limits.capacity.seasonal import month_effects
from limits.capacity.seasonal_trial import SeasonTrial, capacity_trial, season_trial
from limits.errors import InputError
from limits.portfolio import Dates, Int

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Made-up portfolios: months and users.
MONTHS, USERS = 60, 300


@dataclass(frozen=True, slots=True)
class Kind:
    """A made-up season: factors by month of the year, before they are brought to a mean of 1.

    share   part of the users who have it
    event   months before the end in which all amounts were half as much again, once; 0: never
    """

    factors: dict[int, float]
    share: float = 1.0
    event: int = 0


KINDS = {
    "none": Kind({}),
    "none, one good December": Kind({}, event=37),
    "13th salary": Kind({11: 1.9}),
    "13th salary of two users in five": Kind({11: 1.9}, share=0.4),
    "new-year bonus": Kind({0: 1.5, 1: 1.25}),
}
Progress = Callable[[int, int], None]


def calendar(*series: Series) -> tuple[Dates, list[Float]]:
    """The months from the first to the last of any of them, and the values (n, m) of each in those months."""
    last = max(int(one.newest.astype(np.int64).max()) for one in series)
    first = min(
        int((one.newest.astype(np.int64) - one.values.shape[1] + 1 + np.isfinite(one.values).argmax(axis=1)).min())
        for one in series
    )
    every = []
    for one in series:
        found = np.full((len(one.values), last - first + 1), np.nan)
        for row, end in enumerate(one.newest.astype(np.int64) - first + 1):
            width = min(int(end), one.values.shape[1])
            found[row, end - width : end] = one.values[row, one.values.shape[1] - width :]
        every.append(found)
    return np.arange(first, last + 1).astype("datetime64[M]"), every


def read_segments(file: Path, ids: list[str]) -> dict[str, Int]:
    """Rows of ``ids`` by segment, from a CSV of id,segment; InputError for what is wrong, or an id without segment."""
    found: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            heading = [cell.strip() for cell in next(reader, [])]
            if heading != ["id", "segment"]:
                raise InputError(f"{file}: the first line must name the columns id,segment, not {heading}")
            for row in filter(None, reader):
                where = f"{file} line {reader.line_num}"
                if len(row) != 2 or not all(cell.strip() for cell in row):
                    raise InputError(f"{where}: a line must hold an id and a segment")
                name, segment = (cell.strip() for cell in row)
                if name in found:
                    raise InputError(f"{where}: a second segment for id {name!r}")
                found[name] = segment
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise InputError(f"{file} line {reader.line_num}: {error}") from error
    missing = [name for name in ids if name not in found]
    if missing:
        others = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise InputError(f"{file}: no segment for id {missing[0]!r}{others} of the series")
    segments = np.array([found[name] for name in ids])
    return {str(name): np.flatnonzero(segments == name) for name in np.unique(segments)}


def one_segment(series: Series) -> dict[str, Int]:
    """All rows as one segment."""
    return {"all": np.arange(len(series.ids))}


@dataclass(frozen=True, slots=True)
class Tried:
    """The trial of a segment, and of what: the series, or inflow, outgoings and capacity."""

    segment: str
    of: str
    trial: SeasonTrial

    @property
    def name(self) -> str:
        """For people."""
        return self.segment if self.of == "series" else f"{self.segment}, {self.of}"


def try_segments(
    series: Series,
    outgoings: Series | None,
    segments: dict[str, Int],
    horizon: int,
    origins: int,
    least: int,
    progress: Progress,
) -> list[Tried]:
    """The trial of each segment, in its own months; with ``outgoings``, of both sides and of capacity."""
    found = []
    for done, (name, rows) in enumerate(segments.items(), start=1):
        sides = [_rows(side, rows) for side in (series, outgoings) if side is not None]
        months, values = calendar(*sides)
        for of, each in zip(("inflow", "outgoings") if outgoings else ("series",), values, strict=True):
            found.append(Tried(name, of, season_trial(months, each, horizon, origins, least)))
        if outgoings is not None:
            money_in, money_out = values
            found.append(Tried(name, "capacity", capacity_trial(months, money_in, money_out, horizon, origins, least)))
        progress(done, len(segments))
    return found


def check_same_ids(file: Path, series: Series, other: Series) -> None:
    """InputError where ``other``, read from ``file``, holds other ids than ``series``."""
    odd = sorted(set(series.ids) ^ set(other.ids))
    if odd:
        raise InputError(f"{file}: id {odd[0]!r} is not in both files; the same users must be in both")


def _rows(series: Series, rows: Int) -> Series:
    return Series([series.ids[row] for row in rows], series.values[rows], series.newest[rows])


def as_dict(tried: Tried) -> dict[str, Any]:
    """For JSON; what could not be measured is null."""
    found = tried.trial

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    season = found.seasonal
    return {
        "segment": tried.segment, "of": tried.of, "applied": found.applied, "reason": found.reason,
        "gain": number(found.gain), "gain_standard_error": number(found.error),
        "gain_of_years": [number(value) for value in found.years],
        "users": found.users, "users_helped": found.helped, "users_harmed": found.harmed,
        "origins": found.origins, "forecasts": found.without.forecasts,
        "without": _side(found, "without", number), "with": _side(found, "within", number),
        "season": None if season is None else {
            "factors": dict(zip(MONTH_NAMES, map(float, season.factors), strict=True)),
            "standard_errors_of_log": dict(zip(MONTH_NAMES, map(float, season.errors), strict=True)),
            "months": season.months, "users": season.users,
        },
    }  # fmt: skip


def _side(found: SeasonTrial, name: str, number: Callable[[float], float | None]) -> dict[str, float | None]:
    made = getattr(found, name)
    return {"pinball": number(made.pinball_mean), "mae": number(made.mae), "coverage_80": number(made.coverage)}


COLUMNS = ("segment", "season", "pinball", "MAE", "in 80%", "gain", "error", "verdict")
FACTOR_COLUMNS = ("segment", *MONTH_NAMES, "months", "users")


def as_rows(found: list[Tried]) -> list[tuple[str, ...]]:
    """Two lines a segment under ``COLUMNS``: without its season, and with it."""
    rows: list[tuple[str, ...]] = []
    for tried in found:
        name, one = tried.name, tried.trial
        for label, made in (("without", one.without), ("with", one.within)):
            figures = (amount_text(made.pinball_mean), amount_text(made.mae))
            inside = f"{made.coverage:.1%}" if made.forecasts else "-"
            rows.append((name if label == "without" else "", label, *figures, inside, "", "", ""))
        verdict = "applied" if one.applied else "not applied"
        rows[-1] = (*rows[-1][:5], amount_text(one.gain), amount_text(one.error), verdict)
    return rows


def sentence(tried: Tried) -> str:
    """The verdict in words."""
    found = tried.trial
    verdict = "applied" if found.applied else "not applied"
    compared = (
        f"{found.users:,} users at {found.origins} origins, {found.helped:,} better and {found.harmed:,} worse off"
    )
    years = ", ".join(amount_text(value) for value in found.years)
    by_year = f"; gain of each twelve origins, oldest first: {years}" if found.years else ""
    return f"{tried.name}: {verdict}: {found.reason} ({compared}{by_year})"


def factor_rows(found: list[Tried]) -> list[tuple[str, ...]]:
    """The factors of each segment that has any, under ``FACTOR_COLUMNS``."""
    rows = []
    for tried in found:
        if (season := tried.trial.seasonal) is not None:
            factors = [f"{factor:.3f}" for factor in season.factors]
            rows.append((tried.name, *factors, str(season.months), f"{season.users:,}"))
    return rows


def true_factors(kind: str) -> Float:
    """The factors (12,) of a made-up portfolio: those of a user, weighted by the part of the users who have them."""
    factors = np.ones(12)
    for month, factor in KINDS[kind].factors.items():
        factors[month] += KINDS[kind].share * (factor - 1.0)
    return np.asarray(factors / factors.mean())


def portfolio(kind: str, seed: int, users: int = USERS, months: int = MONTHS) -> tuple[Dates, Float]:
    """Made-up incomes (users, months) that end in December 2025, with a season of ``KINDS``.

    Levels of very different height that wander, noise of a tenth, a shock of 2% that all users share
    in a month, wages that grow 3% a year. Two users in five come later and one in ten goes; all stay a year.
    """
    dice = np.random.default_rng(seed)
    every = np.arange(np.datetime64("2026-01") - months, np.datetime64("2026-01"))
    level = 3000.0 * np.exp(
        0.5 * dice.normal(size=(users, 1)) + 0.03 * dice.normal(size=(users, months)).cumsum(axis=1)
    )
    common = np.exp(0.02 * dice.normal(size=months) + 0.03 / 12.0 * np.arange(months))
    noise = np.exp(0.1 * dice.normal(size=(users, months)))
    series = level * common * noise
    own, of_year = dice.random(users) < KINDS[kind].share, every.astype(np.int64) % 12
    for month, factor in KINDS[kind].factors.items():
        series[np.ix_(own, of_year == month)] *= factor
    if KINDS[kind].event:
        series[:, -KINDS[kind].event] *= 1.5
    at = np.arange(months)
    start = np.where(dice.random(users) < 0.4, dice.integers(0, months - 12, users), 0)
    end = np.where(dice.random(users) < 0.1, dice.integers(start + 12, months + 1), months)
    series[(at < start[:, None]) | (at >= end[:, None])] = np.nan
    return every, np.round(series)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Trials of made-up portfolios of one kind: in how many it was applied, and how near the factors came.

    error   root mean square distance of the factors by all months from the true ones
    gain    mean over portfolios of the gain by the loss without season
    """

    kind: str
    portfolios: int
    applied: int
    error: float
    gain: float


def recover(seeds: int, horizon: int, origins: int, progress: Progress) -> list[Recovered]:
    """Try ``seeds`` portfolios of each kind."""
    found = []
    for place, kind in enumerate(KINDS):
        applied, errors, gains = 0, [], []
        for seed in range(seeds):
            trial = season_trial(*portfolio(kind, seed), horizon, origins)
            assert trial.seasonal is not None
            applied += trial.applied
            errors.append(np.mean((trial.seasonal.factors - true_factors(kind)) ** 2))
            gains.append(trial.gain / trial.without.pinball_mean)
            progress(place * seeds + seed + 1, len(KINDS) * seeds)
        found.append(Recovered(kind, seeds, applied, float(np.sqrt(np.mean(errors))), float(np.mean(gains))))
    return found


@dataclass(frozen=True, slots=True)
class Estimator:
    """One way to month-of-year effects: root mean square error of their logs by how the index moves; milliseconds."""

    name: str
    errors: dict[str, float]
    milliseconds: float


#: How the level of a made-up index moves; every month has noise of 2% besides.
MOVES: dict[str, Callable[[np.random.Generator, int], Float]] = {
    "straight line": lambda _, months: np.asarray(0.003 * np.arange(months)),
    "random walk 2%": lambda dice, months: np.asarray(0.02 * dice.normal(size=months).cumsum()),
    "step of 20%": lambda _, months: np.where(np.arange(months) >= 0.6 * months, 0.2, 0.0),
}


def estimators(seeds: int, months: int = 36) -> list[Estimator]:
    """Each estimator on the same ``seeds`` made-up indices of each kind, with a 13th salary."""
    truth = np.log(true_factors("13th salary"))
    truth -= truth.mean()
    found = []
    for name, estimate in ESTIMATORS.items():
        estimate(truth[np.arange(months) % 12])  # imports are not counted
        errors, begin = {}, time.process_time()
        for kind, move in MOVES.items():
            squares = []
            for seed in range(seeds):
                dice = np.random.default_rng(seed)
                level = move(dice, months) + truth[np.arange(months) % 12] + 0.02 * dice.normal(size=months)
                squares.append(np.mean((estimate(level) - truth) ** 2))
            errors[kind] = float(np.sqrt(np.mean(squares)))
        found.append(Estimator(name, errors, 1e3 * (time.process_time() - begin) / (seeds * len(MOVES))))
    return found


def _by_ols(level: Float) -> Float:
    time = np.arange(len(level))
    return month_effects(level, time % 12, time)[0]


def _by_stl(level: Float) -> Float:
    from statsmodels.tsa.seasonal import STL

    # As wide a window as makes the season the same in all years.
    seasonal = np.asarray(STL(level, period=12, seasonal=35, robust=True).fit().seasonal)
    effects = np.array([seasonal[month::12].mean() for month in range(12)])
    return np.asarray(effects - effects.mean())


def _by_components(level: Float) -> Float:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns where the optimum lies on the border
        model = UnobservedComponents(
            50.0 * level, level="lldtrend", seasonal=12, stochastic_seasonal=False, use_exact_diffuse=True
        )
        seasonal = model.fit(disp=False).smoothed_state[2, -12:] / 50.0
    effects = np.empty(12)
    effects[np.arange(len(level) - 12, len(level)) % 12] = seasonal
    return effects


ESTIMATORS: dict[str, Callable[[Float], Float]] = {
    "OLS, months and line": _by_ols,
    "STL, robust": _by_stl,
    "UnobservedComponents, level and drift": _by_components,
}


def recovered_rows(found: list[Recovered]) -> list[tuple[str, ...]]:
    """Cells for ``limits bench season``."""
    return [
        (one.kind, str(one.portfolios), str(one.applied), f"{one.error:.4f}", f"{one.gain:.1%}") for one in found
    ]  # fmt: skip


def estimator_rows(found: list[Estimator]) -> list[tuple[str, ...]]:
    """Cells for ``limits bench season``."""
    return [(one.name, *(f"{e:.4f}" for e in one.errors.values()), f"{one.milliseconds:.1f}") for one in found]
