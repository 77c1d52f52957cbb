"""limits bench: how fast the engine is beside its peers on this machine, and what it finds in made-up data."""

from __future__ import annotations

from typing import Annotated

import typer

from limits.cli import common

bench = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Measure speed on this machine, and what made-up data show."
)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(bench, name="bench")


@bench.command("capacity")
def capacity_command(
    most: Annotated[int, typer.Option(min=1000, help="Users of the largest run.")] = 1_000_000,
    json: common.Json = False,
) -> None:
    """CPU time of one forecast beside statsmodels and statsforecast, its cost by users and months, and memory."""
    from limits.bench.threads import one_thread

    one_thread()
    from limits.bench import speed
    from limits.terminal import print_json, progress, say, table

    with progress("measuring", quiet=json) as bar:
        found = speed.measure(most, progress=bar)
    if json:
        print_json(found.as_dict())
        return
    for part in speed.parts(found):
        say(part.title, strong=True)
        table(part.columns, part.rows, numbers=part.columns[1:])
        for line in part.notes:
            say(line, faint=True)
        say()


@bench.command("season")
def season_command(
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Made-up portfolios of each kind.")] = 50,
    horizon: Annotated[int, typer.Option(min=1, max=60, help="Months forecast from each origin.")] = 3,
    origins: Annotated[int, typer.Option(min=1, max=120, help="Origins, back from the last possible one.")] = 24,
    json: common.Json = False,
) -> None:
    """Whether seasons are found and applied in made-up portfolios that have one, and not in those that have none."""
    import dataclasses

    from limits.bench import seasonal
    from limits.terminal import print_json, progress, say, table

    with progress("trying", quiet=json) as bar:
        found = seasonal.recover(seeds, horizon, origins, bar)
    ways = seasonal.estimators(seeds)
    if json:
        print_json({
            "portfolios": [dataclasses.asdict(one) for one in found],
            "estimators": [dataclasses.asdict(one) for one in ways],
        })  # fmt: skip
        return
    say(f"{seasonal.USERS} users, {seasonal.MONTHS} months, {origins} origins, {horizon} months ahead", strong=True)
    columns = ("season", "portfolios", "applied", "error of factors", "loss falls by")
    table(columns, seasonal.recovered_rows(found), numbers=columns[1:])
    say()
    say(
        "root mean square error of log effects of a 13th salary, 36 months of an index whose level moves as",
        strong=True,
    )
    table(("estimator", *seasonal.MOVES, "CPU ms"), seasonal.estimator_rows(ways), numbers=(*seasonal.MOVES, "CPU ms"))
