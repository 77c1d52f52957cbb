"""limits bench: how fast the engine is, beside its peers, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from limits.cli import common

bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure speed on this machine.")


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(bench, name="bench")


@bench.callback()
def _group() -> None:
    """Keeps `capacity` a command of its own while it is the only one."""


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
