"""limits backtest: how good the forecasts are on months that have come since, and decisions by what became of users."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import backtest_decisions, common

if TYPE_CHECKING:
    from limits.bench.cash_flow import Flows

#: Draws the users for the slow peers and the fans of the plot.
SEED = 0
#: Origins where none are named; a season needs whole years of them.
ORIGINS, SEASONAL_ORIGINS = 3, 24

Seasonal = Annotated[
    bool, typer.Option("--seasonal", help="With --series: forecasts with month-of-year factors and without.")
]
Outgoings = Annotated[
    Path | None,
    typer.Option(
        "--outgoings", metavar="FILE.csv", show_default=False,
        help="With --seasonal: what went out of the same users; tries capacity too.",
    ),
]  # fmt: skip
Segments = Annotated[
    Path | None,
    typer.Option(
        "--segments", metavar="FILE.csv", show_default=False,
        help="With --seasonal: id,segment; each has factors of its own. Without: one segment.",
    ),
]  # fmt: skip
Origins = Annotated[
    int | None,
    typer.Option(
        min=1, max=120, show_default=False,
        help="Origins, back from the last possible one. Default: 3, with --seasonal 24.",
    ),
]  # fmt: skip

Decisions = Annotated[
    bool, typer.Option("--decisions", help="What became of real users whom the review raises, held and lowers.")
]
Data = Annotated[
    backtest_decisions.Data | None,
    typer.Option("--data", help="With --decisions: the users. Default: uci.", show_default=False),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="FILE.json", show_default=False,
        help="With --decisions: the scorecard. Without: five, each judged on users it has not seen.",
    ),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest_command)


def backtest_command(
    series: Annotated[
        Path | None,
        typer.Option("--series", metavar="FILE.csv", help="Monthly series: id,month,value.", show_default=False),
    ] = None,
    cash_flow: Annotated[
        bool, typer.Option("--cash-flow", help="Capacity of the users in the database instead of a file.")
    ] = False,
    as_of: Annotated[
        str | None, common.date_option("--as-of", "With --cash-flow: months that had ended by then. Default: today.")
    ] = None,
    decisions: Decisions = False,
    data: Data = None,
    model: Model = None,
    policy: common.PolicyName = None,
    seasonal: Seasonal = False,
    outgoings: Outgoings = None,
    segments: Segments = None,
    horizon: Annotated[int, typer.Option(min=1, max=60, help="Months forecast from each origin.")] = 3,
    origins: Origins = None,
    least: Annotated[int, typer.Option(min=1, max=120, help="Observed months needed before an origin.")] = 3,
    sample: Annotated[
        int, typer.Option(min=0, help="Series that the slow peers are run on, drawn by a fixed seed; 0: all.")
    ] = 1000,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw a picture of it.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """Forecast months that have come since, by every method, and compare.

    From each of the last origins, with the months known until then. MAE: mean absolute error of the median. MASE:
    by the usual change of a user's own past. Pinball: loss of the 10, 50 and 90% quantiles. CPU: one series.
    With --decisions no forecast is judged but what is decided, by what became of the users.
    """
    if decisions:
        if series or cash_flow or seasonal or as_of or outgoings or segments or origins:
            raise typer.BadParameter("with --decisions go --data, --model, --policy, --plot and --json")
        backtest_decisions.run(data or backtest_decisions.Data.UCI, model, policy, plot, json=json)
        return
    if data is not None or model is not None:
        raise typer.BadParameter("--data and --model go with --decisions")
    if (series is None) == (not cash_flow):
        raise typer.BadParameter("name one of --series FILE.csv, --cash-flow and --decisions")
    if (segments is not None or outgoings is not None) and not seasonal:
        raise typer.BadParameter("--segments and --outgoings go with --seasonal")
    if seasonal and (series is None or plot is not None):
        raise typer.BadParameter("--seasonal goes with --series, and without --plot")
    if series is None and plot is not None:
        raise typer.BadParameter("--plot goes with --series")
    if series is not None and (as_of is not None or policy is not None):
        raise typer.BadParameter("--as-of and --policy go with --cash-flow")
    origins = origins or (SEASONAL_ORIGINS if seasonal else ORIGINS)
    if series is None:
        date: Any = as_of  # the option's parser has made a date of it
        _capacity(date or common.today(), policy, horizon, origins, least, json=json)
    elif seasonal:
        _seasonal(series, outgoings, segments, horizon, origins, least, json=json)
    else:
        _series(series, horizon, origins, least, sample, plot, json=json)


def _series(file: Path, horizon: int, origins: int, least: int, sample: int, plot: Path | None, *, json: bool) -> None:
    from limits.bench.threads import one_thread

    one_thread()
    from limits.bench.backtesting import COLUMNS, as_rows, compare
    from limits.bench.peers import has_statsforecast
    from limits.bench.series import read_series
    from limits.terminal import note, print_json, progress, say, table

    read = read_series(file)
    if not has_statsforecast():
        note("statsforecast is not installed: AutoETS, AutoTheta and SES are left out")
    with progress(f"forecasting {file.name}", quiet=json) as bar:
        found = compare(read.values, horizon, origins, least, sample=sample, seed=SEED, progress=bar)
    if plot is not None:
        from limits.bench.plotting import draw

        draw(plot, read, horizon, origins, least, seed=SEED)
    if json:
        settings = {"horizon": horizon, "origins": origins, "least": least, "sample": sample}
        print_json({"series": len(read.ids), **settings, "methods": [one.as_dict() for one in found]})
        return
    say(f"{file.name}: {len(read.ids):,} series, {origins} origins, {horizon} months ahead", strong=True)
    table(COLUMNS, as_rows(found), numbers=COLUMNS[1:])
    say("by auto's: mean pinball loss by that of auto on the same series and origins; above 1 is worse", faint=True)
    for one in found:
        if one.figures.failures:
            why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(one.reasons.items()))
            say(f"{one.name} failed on {one.figures.failures:,} series and origins, left out of its figures: {why}")
    if plot is not None:
        note(f"drawn: {plot}")


def _seasonal(
    file: Path, out: Path | None, by: Path | None, horizon: int, origins: int, least: int, *, json: bool
) -> None:
    from limits.bench import seasonal
    from limits.bench.series import read_series
    from limits.terminal import print_json, progress, say, table

    read = read_series(file)
    other = None if out is None else read_series(out)
    if out is not None and other is not None:
        seasonal.check_same_ids(out, read, other)
    segments = seasonal.one_segment(read) if by is None else seasonal.read_segments(by, read.ids)
    with progress(f"forecasting {file.name}", quiet=json) as bar:
        found = seasonal.try_segments(read, other, segments, horizon, origins, least, bar)
    if json:
        every = [seasonal.as_dict(one) for one in found]
        settings = {"horizon": horizon, "origins": origins, "least": least}
        print_json({"series": len(read.ids), **settings, "trials": every})
        return
    say(f"{file.name}: {len(read.ids):,} series, the last {origins} origins, {horizon} months ahead", strong=True)
    table(seasonal.COLUMNS, seasonal.as_rows(found), numbers=seasonal.COLUMNS[2:-1])
    say(
        "gain: by which the mean pinball loss falls, on the same users and origins; error: its standard error",
        faint=True,
    )
    for one in found:
        say(seasonal.sentence(one))
    if factors := seasonal.factor_rows(found):
        say()
        say("factors by all months, as multiples of the usual month", strong=True)
        table(seasonal.FACTOR_COLUMNS, factors, numbers=seasonal.FACTOR_COLUMNS[1:])


def _capacity(as_of: dt.date, policy: str | None, horizon: int, origins: int, least: int, *, json: bool) -> None:
    from limits.bench.backtesting import amount_text
    from limits.bench.cash_flow import compare_capacity
    from limits.terminal import print_json, say, table

    flows, currency = _flows(as_of, policy)
    found = compare_capacity(flows, horizon, origins, least)
    names = ("pinball_10", "pinball_50", "pinball_90")
    if json:
        print_json(
            {
                "as_of": as_of.isoformat(), "currency": currency, "users": len(flows.inflow),
                "horizon": horizon, "origins": origins, "least": least,
                "methods": [
                    {"method": name, "mae": one.mae, "mase": one.mase, **dict(zip(names, one.pinball, strict=True)),
                     "pinball": one.pinball_mean, "coverage_80": one.coverage, "bias": one.bias,
                     "forecasts": one.forecasts, "failures": one.failures}
                    for name, one in found.items()
                ],
            }
        )  # fmt: skip
        return
    users = f"{len(flows.inflow):,} users, {origins} origins up to {as_of}"
    say(f"mean monthly capacity over {horizon} months, {currency}: {users}", strong=True)
    columns = ("method", "MAE", "pinball 10%", "50%", "90%", "mean", "in 80%", "bias", "forecasts", "failed")
    rows = [
        (name, *(amount_text(value) for value in (one.mae, *one.pinball, one.pinball_mean)), f"{one.coverage:.1%}",
         amount_text(one.bias), f"{one.forecasts:,}", f"{one.failures:,}")
        for name, one in found.items()
    ]  # fmt: skip
    table(columns, rows, numbers=columns[1:])


def _flows(as_of: dt.date, policy: str | None) -> tuple[Flows, str]:
    """Inflow and outgoings as the estimate of capacity reads them, in major units, and the currency."""
    import numpy as np

    from limits.bench.cash_flow import Flows
    from limits.engine.asking import policy_for
    from limits.money import EXPONENTS
    from limits.settings import get_settings
    from limits.store.load import load_portfolio

    settings = get_settings()
    currency = policy_for(policy or settings.policy, as_of).currency
    with (
        common.database(settings) as database,
        database.connect("operations", "limits backtest") as conn,
        conn.transaction(),
    ):
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        flow = load_portfolio(conn, as_of, currency)[0].cash_flow
    unit = 10.0 ** EXPONENTS[currency]
    inflow, outgoings = flow.inflow / unit, (flow.essential_spend + flow.obligations) / unit
    return Flows(np.where(flow.observed, inflow, np.nan), np.where(flow.observed, outgoings, np.nan)), currency
