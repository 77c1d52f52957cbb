"""limits samples: real data sets, as files that other commands read."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

samples = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Real data as files to try commands on.")


class Name(enum.StrEnum):
    """The series there are."""

    BERKA_INFLOW = "berka-inflow"
    BERKA_OUTGOINGS = "berka-outgoings"
    UCI_PAYMENTS = "uci-payments"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(samples, name="samples")


@samples.callback()
def _group() -> None:
    """Keeps `series` a command of its own while it is the only one."""


@samples.command("series")
def series_command(
    name: Annotated[Name, typer.Argument(help="Which series.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv", help="The file to write.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE.csv.gz", help="uci-payments alone: the file of the data set."),
    ] = None,
) -> None:
    """Write monthly series as id,month,value for limits backtest."""
    from limits.bench.series import write_series
    from limits.samples import monthly
    from limits.terminal import say

    if (name is Name.UCI_PAYMENTS) != (source is not None):
        raise typer.BadParameter("uci-payments needs --from FILE.csv.gz, and nothing else takes it")
    if source is not None:
        rows = monthly.uci_payments(source)
    else:
        rows = monthly.berka("in" if name is Name.BERKA_INFLOW else "out")
    count = write_series(output, rows)
    say(f"{output}: {count:,} months")
