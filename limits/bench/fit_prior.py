"""Fits the constants of the forecast, and says how they do on users the fit did not see: make fit-prior.

Data: inflow and outgoings of the Berka borrowers (shipped), their capacity as the review reads it, and
every ``--series NAME=FILE.csv`` (id,month,value). Each is a task per horizon of ``HORIZONS``, with the
three newest origins that ``limits backtest`` takes by default, least three months before an origin.

The objective, the same for every fit, is the mean over the tasks (horizon 3, the default of
``limits backtest``, counting twice) of

    pinball / best peer's + 2 max(0, MAE / best peer's - 1) + 2 max(0, |coverage - 80%| - 1%)

pinball the mean loss at 10, 50 and 90%; the best peer the best of the simple methods on the same users
(of capacity, the local level model of the net flow, whose constants are not fitted).

``FREE`` are fitted from ``START`` by Nelder and Mead's simplex (SciPy, bounded, adaptive): no chance in
it. Users are cut into five parts by a fixed seed; the constants are fitted on four fifths and scored on
the fifth, five times, and the out-of-fold figures are those scores together. The final constants are
the same procedure on all users. Of a series with more than ``MOST`` users, that many are fitted on,
drawn by the same seed; all are scored.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from limits.bench.cash_flow import METHODS, Flows
from limits.bench.series import read_series
from limits.capacity.backtest import QUANTILES, SIMPLE, Fold, folds, ours, pinball, simple, typical_amount
from limits.capacity.combining import Correlation, capacity_quantiles
from limits.capacity.forecasting import forecast
from limits.capacity.local_level import Float, Int
from limits.capacity.prior import Prior
from limits.errors import InputError
from limits.samples import berka, monthly
from limits.terminal import note, say, table

Bool = NDArray[np.bool_]
Constants = dict[str, float]

PARTS, SEED, MOST = 5, 0, 2_500
HORIZONS, DEFAULT_HORIZON, ORIGINS, LEAST = (1, 3, 6), 3, 3, 3
#: Coverage wanted, how far from it costs nothing, and the price of what lies outside (and of a larger error).
COVERAGE, SLACK, PENALTY = 0.8, 0.01, 2.0
#: Evaluations of one fit, at most.
EVALUATIONS = 500
#: Resamples of users for the share of them in which ours is better than every simple peer.
RESAMPLES = 1_000
#: The date that the borrowers' histories end on: the months of their capacity begin accordingly.
AS_OF = dt.date(2026, 11, 24)
CAPACITY = "berka-capacity"

#: Where every fit starts: the hand-set constants of the first version, and round numbers for the new ones.
START: Mapping[str, float] = {
    "decline": -0.6, "strength": 7.0, "power": 2.0, "own": 2.3, "share": 2.2, "skew": 0.35,
    "reach": 2.5, "lumps": 8.0, "calm": 1.0, "usual": 0.85,
}  # fmt: skip
#: Bounds of each constant that is fitted. ``usual`` is the correlation's; the rest are the prior's.
FREE: Mapping[str, tuple[float, float]] = {
    "decline": (-3.0, 0.0), "strength": (1.0, 40.0), "power": (0.7, 4.0), "own": (0.5, 4.0), "share": (0.2, 6.0),
    "skew": (-0.3, 1.0), "reach": (1.0, 6.0), "lumps": (1.0, 15.0), "calm": (0.8, 2.5), "usual": (-0.5, 0.98),
}  # fmt: skip


class Sums(NamedTuple):
    """Of each user (n,) over months and origins: pinball loss, absolute error, months inside the 80%, months."""

    pinball: Float
    error: Float
    inside: Float
    months: Float

    def means(self, users: Bool | Int | slice = slice(None)) -> tuple[float, float, float]:
        """Pinball loss, mean absolute error and coverage of some users."""
        months = float(self.months[users].sum())
        return tuple(float(column[users].sum()) / months for column in self[:3])  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Task:
    """Forecasts of one set of users at one horizon: ``cuts`` with what came, ``flows`` where it is capacity.

    peers   sums by peer, on all users of the task
    """

    name: str
    horizon: int
    cuts: list[Fold]
    flows: list[Flows]
    users: int
    peers: dict[str, Sums]

    @property
    def weight(self) -> float:
        """How much the task counts."""
        return 2.0 if self.horizon == DEFAULT_HORIZON else 1.0

    def best(self, users: Bool | Int | slice = slice(None)) -> tuple[float, float]:
        """The least pinball loss and the least absolute error of a peer."""
        figures = [peer.means(users) for peer in self.peers.values()]
        return min(one[0] for one in figures), min(one[1] for one in figures)

    def run(self, constants: Mapping[str, float]) -> Sums:
        """Forecasts with these constants."""
        prior, correlation = priors(constants)
        if self.flows:
            made = [_capacity(flows, self.horizon, prior, correlation) for flows in self.flows]
        else:
            made = [
                ours(prior=dataclasses.replace(prior, typical_amount=typical_amount(cut.train)))(
                    cut.train, self.horizon
                )
                for cut in self.cuts
            ]
        return sums(self.cuts, made, self.users)


def priors(constants: Mapping[str, float]) -> tuple[Prior, Correlation]:
    """The constants as the forecast takes them; what is not among them is as the product has it."""
    own = {name: value for name, value in constants.items() if name != "usual"}
    return Prior(**own), Correlation(usual=constants["usual"])


def product() -> Constants:
    """Those of ``FREE`` that the product has."""
    return {name: Correlation().usual if name == "usual" else getattr(Prior(), name) for name in FREE}


def sums(cuts: Sequence[Fold], made: Sequence[Float], users: int) -> Sums:
    """What ``made`` (rows, h, 3) at each origin amounts to for each of ``users``."""
    total = np.zeros((4, users))
    for cut, found in zip(cuts, made, strict=True):
        loss = sum(pinball(cut.test, found[..., i], q) for i, q in enumerate(QUANTILES)) / len(QUANTILES)
        slack = 1e-9 * np.abs(cut.test)
        inside = (cut.test >= found[..., 0] - slack) & (cut.test <= found[..., 2] + slack)
        error = np.abs(found[..., 1] - cut.test)
        total[:, cut.rows] += [np.sum(x, axis=1) for x in (loss, error, inside, np.ones_like(error))]
    return Sums(*total)


def _capacity(flows: Flows, horizon: int, prior: Prior, correlation: Correlation) -> Float:
    found = capacity_quantiles(flows.inflow, flows.outgoings, horizon, inflow_prior=prior, outgoings_prior=prior,
                               prior_correlation=correlation)  # fmt: skip
    return np.stack([found.low, found.middle, found.high], axis=-1)[:, None, :]


# Tasks -----------------------------------------------------------------------------------------------------------


def series_tasks(name: str, series: Float) -> list[Task]:
    """A task for each horizon that the series are long enough for."""
    found = []
    for horizon in HORIZONS:
        cuts = list(folds(series, horizon, ORIGINS, LEAST))
        if cuts:
            peers = {
                peer: sums(cuts, [simple(peer)(cut.train, horizon) for cut in cuts], len(series)) for peer in SIMPLE
            }
            found.append(Task(name, horizon, cuts, [], len(series), peers))
    return found


def capacity_tasks(flows: Flows) -> list[Task]:
    """The mean net month over each horizon longer than a month."""
    found, peer = [], "net flow, local level"
    for horizon in HORIZONS[1:]:
        cuts, known = [], []
        for cut in folds(flows.inflow - flows.outgoings, horizon, ORIGINS, LEAST):
            months = cut.train.shape[1]
            sides = [np.ascontiguousarray(side[cut.rows, :months]) for side in (flows.inflow, flows.outgoings)]
            cuts.append(Fold(cut.train, cut.test.mean(axis=1, keepdims=True), cut.rows))
            known.append(Flows(*sides))
        made = [METHODS[peer](each.inflow, each.outgoings, horizon)[:, None, :] for each in known]
        users = len(flows.inflow)
        found.append(Task(CAPACITY, horizon, cuts, known, users, {peer: sums(cuts, made, users)}))
    return found


def berka_flows() -> Flows:
    """Inflow and outgoings (343, m) of whole months, as ``limits backtest --cash-flow`` reads them after a demo."""
    with tempfile.TemporaryDirectory() as folder:
        files = berka.write_import_files(Path(folder), AS_OF)
        users, events = (list(csv.DictReader(file.open(encoding="utf-8"))) for file in (files.users, files.events))
    row = {user["user_id"]: at for at, user in enumerate(users)}
    last = 12 * AS_OF.year + AS_OF.month - 2  # of the last whole month
    first = [_month(user["observed_from"]) + (user["observed_from"][8:10] != "01") for user in users]
    months = last - min(first) + 1
    amounts = np.zeros((2, len(users), months))
    side = {"income": 0, "essential": 1, "obligation": 1}
    for event in events:
        at = months - 1 - (last - _month(event["occurred_at"]))
        if event["kind"] in side and 0 <= at < months:
            amounts[side[event["kind"]], row[event["user_id"]], at] += float(event["amount"])
    seen = np.arange(last - months + 1, last + 1) >= np.array(first)[:, None]
    return Flows(np.where(seen, amounts[0], np.nan), np.where(seen, amounts[1], np.nan))


def _month(date: str) -> int:
    return 12 * int(date[:4]) + int(date[5:7]) - 1


def _sample(side: str, folder: Path) -> Float:
    from limits.bench.series import write_series

    write_series(folder / "series.csv", monthly.berka("in" if side == "in" else "out"))
    return read_series(folder / "series.csv").values


def load(files: Mapping[str, Path]) -> dict[str, Float | Flows]:
    """Every set of users by name."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Float | Flows] = {
            "berka-inflow": _sample("in", Path(folder)), "berka-outgoings": _sample("out", Path(folder)),
            CAPACITY: berka_flows(),
        }  # fmt: skip
    return found | {name: read_series(file).values for name, file in files.items()}


def tasks(sets: Mapping[str, Float | Flows], left_out: int | None = None, most: int = 0) -> list[Task]:
    """The tasks of all users but those of one part; of ``most`` users at most (0: of all)."""
    found: list[Task] = []
    for name, each in sets.items():
        users = len(each.inflow if isinstance(each, Flows) else each)
        keep = np.flatnonzero(part_of(users) != left_out) if left_out is not None else np.arange(users)
        if 0 < most < len(keep):
            keep = np.sort(np.random.default_rng(SEED).permutation(keep)[:most])
        if isinstance(each, Flows):
            found += capacity_tasks(Flows(each.inflow[keep], each.outgoings[keep]))
        else:
            found += series_tasks(name, each[keep])
    return found


def part_of(users: int) -> Int:
    """The part, 0 to PARTS - 1, that each user is in. Inflow, outgoings and capacity of a borrower are in one part."""
    return np.asarray(np.random.default_rng(SEED).permutation(users) % PARTS)


# The fit ---------------------------------------------------------------------------------------------------------


def cost(pinball_ratio: float, error_ratio: float, coverage: float) -> float:
    """What a task adds to the objective."""
    outside = max(0.0, abs(coverage - COVERAGE) - SLACK)
    return pinball_ratio + PENALTY * max(0.0, error_ratio - 1.0) + PENALTY * outside


def objective(every: Sequence[Task], constants: Mapping[str, float]) -> float:
    """Less is better; see the top of this file."""
    total = 0.0
    for task in every:
        loss, error, coverage = task.run(constants).means()
        best_loss, best_error = task.best()
        total += task.weight * cost(loss / best_loss, error / best_error, coverage)
    return total / sum(task.weight for task in every)


def fit(every: Sequence[Task], evaluations: int = EVALUATIONS) -> Constants:
    """The constants of least objective that the simplex finds from ``START``."""
    from scipy.optimize import minimize

    low, high = (np.array([bounds[side] for bounds in FREE.values()]) for side in (0, 1))
    start = (np.array([START[name] for name in FREE]) - low) / (high - low)

    def named(unit: Float) -> Constants:
        return dict(zip(FREE, (low + np.clip(unit, 0.0, 1.0) * (high - low)).tolist(), strict=True))

    corners = np.tile(start, (len(start) + 1, 1))
    corners[1:] += np.diag(np.where(start < 0.5, 0.12, -0.12))
    options = {"maxfev": evaluations, "xatol": 1e-3, "fatol": 2e-6, "adaptive": True, "initial_simplex": corners}
    found = minimize(lambda unit: objective(every, named(unit)), start, method="Nelder-Mead",
                     bounds=[(0.0, 1.0)] * len(start), options=options)  # fmt: skip
    return named(found.x)


def _fit_without(sets: Mapping[str, Float | Flows], left_out: int | None, evaluations: int) -> Constants:
    return fit(tasks(sets, left_out, MOST), evaluations)


def fit_parts(sets: Mapping[str, Float | Flows], evaluations: int) -> tuple[Constants, list[Constants]]:
    """The constants fitted on all users, and those fitted without each part."""
    wanted: list[int | None] = [None, *range(PARTS)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        whole, *parts = pool.map(_fit_without, [sets] * len(wanted), wanted, [evaluations] * len(wanted))
    return whole, parts


def out_of_fold(task: Task, parts: Sequence[Constants]) -> Sums:
    """Each user forecast with the constants that were fitted without that user's part."""
    part = part_of(task.users)
    found = [task.run(constants) for constants in parts]
    return Sums(*(np.choose(part, [getattr(each, name) for each in found]) for name in Sums._fields))


# As tables -------------------------------------------------------------------------------------------------------


def better(task: Task, made: Sums) -> tuple[float, float]:
    """Share of resamples of the users in which ours has the lower loss, and no higher error, than every peer."""
    dice = np.random.default_rng(SEED)
    loss, error = (np.stack([one[column] for one in (made, *task.peers.values())]) for column in (0, 1))
    lower = np.zeros(2)
    for _ in range(RESAMPLES):
        times = np.bincount(dice.integers(task.users, size=task.users), minlength=task.users).astype(np.float64)
        losses, errors = loss @ times, error @ times
        lower += (losses[0] < losses[1:].min(), errors[0] <= errors[1:].min() * (1.0 + 1e-12))
    return float(lower[0]) / RESAMPLES, float(lower[1]) / RESAMPLES


def row(task: Task, made: Sums, whole: Sums) -> tuple[str, ...]:
    """A line of the table of out-of-fold figures."""
    loss, error, coverage = made.means()
    peer_loss, peer_error = task.best()
    shares = better(task, made)
    return (
        task.name, str(task.horizon), f"{loss:,.0f}", f"{peer_loss:,.0f}", f"{loss / peer_loss:.3f}",
        f"{whole.means()[0] / peer_loss:.3f}", f"{error:,.0f}", f"{peer_error:,.0f}", f"{error / peer_error:.3f}",
        f"{coverage:.1%}", f"{shares[0]:.0%}", f"{shares[1]:.0%}",
    )  # fmt: skip


COLUMNS = ("task", "ahead", "pinball", "peer", "ratio", "all users", "MAE", "peer", "ratio", "in 80%", "lower pinball",
           "MAE not higher")  # fmt: skip


def kinds(task: Task) -> dict[str, Bool]:
    """Users by months known at their newest origin, and by how much their months differ."""
    months, change = np.zeros(task.users), np.full(task.users, np.nan)
    for cut in reversed(task.cuts):
        seen = np.isfinite(cut.train)
        months[cut.rows] = seen.sum(axis=1)
        spread = np.nanmean(np.abs(cut.train - np.nanmedian(cut.train, axis=1, keepdims=True)), axis=1)
        size = np.nanmean(np.abs(cut.train), axis=1)
        change[cut.rows] = np.divide(spread, size, out=np.zeros_like(size), where=size > 0.0)
    return {
        "up to 6 months": (months > 0) & (months <= 6), "7 to 12 months": (months > 6) & (months <= 12),
        "more": months > 12, "differ by up to 25%": change <= 0.25,
        "by 25 to 50%": (change > 0.25) & (change <= 0.5), "by more": change > 0.5,
    }  # fmt: skip


def stepped(task: Task) -> float:
    """Share of the users at the newest origin who are marked as stepped; of capacity, in income or outgoings."""
    if not task.flows:
        return float((forecast(task.cuts[0].train, task.horizon).method == "step").mean())
    found = capacity_quantiles(task.flows[0].inflow, task.flows[0].outgoings, task.horizon)
    return float(((found.inflow.method == "step") | (found.outgoings.method == "step")).mean())


def show(every: Sequence[Task], whole: Constants, parts: Sequence[Constants]) -> None:
    """Print constants, out-of-fold figures, and figures by kind of user."""
    say("constants: fitted on all users, and without each fifth of them", strong=True)
    columns = ("", "product", "all", *(f"without {k + 1}" for k in range(PARTS)))
    sets = (product(), whole, *parts)
    table(columns, [(name, *(f"{one[name]:.3f}" for one in sets)) for name in FREE], numbers=columns[1:])
    say("out of fold: each user by constants fitted without that user; beside the best simple peer", strong=True)
    held = [out_of_fold(task, parts) for task in every]
    table(COLUMNS, [row(task, made, task.run(whole)) for task, made in zip(every, held, strict=True)],
          numbers=COLUMNS[1:])  # fmt: skip
    say("all users: ratio with the constants fitted on all users, these included. Last two columns: share of "
        f"{RESAMPLES:,} resamples of users in which that holds against every simple peer.", faint=True)  # fmt: skip
    total = sum(task.weight for task in every)
    value = 0.0
    for task, made in zip(every, held, strict=True):
        loss, error, coverage = made.means()
        value += task.weight / total * cost(loss / task.best()[0], error / task.best()[1], coverage)
    say(f"objective: {value:.4f} out of fold, {objective(every, whole):.4f} with the constants of all users, "
        f"{objective(every, product()):.4f} with the product's")  # fmt: skip
    marked = ", ".join(f"{task.name} {stepped(task):.0%}" for task in every if task.horizon == DEFAULT_HORIZON)
    say(f"users marked as stepped, with the constants of the product: {marked}")
    say(f"by kind of user, {DEFAULT_HORIZON} months ahead, out of fold", strong=True)
    columns = ("task", "users", "number", "pinball by peer's", "in 80%")
    rows = []
    for task, made in zip(every, held, strict=True):
        if task.horizon == DEFAULT_HORIZON:
            for kind, of in kinds(task).items():
                if of.any():
                    loss, _, coverage = made.means(of)
                    rows.append((task.name, kind, f"{of.sum():,}", f"{loss / task.best(of)[0]:.3f}", f"{coverage:.1%}"))
    table(columns, rows, numbers=columns[2:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print; the exit code."""
    parser = argparse.ArgumentParser(prog="make fit-prior", description="Fit the constants of the forecast.")
    parser.add_argument("--series", action="append", default=[], metavar="NAME=FILE.csv", help="monthly series to add")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, help="of one fit, at most")
    given = parser.parse_args(arguments)
    files = dict(each.split("=", 1) for each in given.series if "=" in each)
    if len(files) < len(given.series):
        parser.error("--series wants NAME=FILE.csv, each name once")
    try:
        sets = load({name: Path(file) for name, file in files.items()})
    except InputError as error:
        note(f"error: {error}")
        return 2
    whole, parts = fit_parts(sets, given.evaluations)
    show(tasks(sets), whole, parts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
