"""limits log export: every entry of the adjustment log that matches, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import contextlib
import enum
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from limits.cli import common
from limits.cli.log_filter import (
    ActionOption,
    ActorOption,
    From,
    MaxChange,
    MinChange,
    MinShare,
    OutcomeOption,
    PolicyOption,
    ReasonOption,
    Review,
    To,
    User,
    read_filter,
)
from limits.cli.streams import target
from limits.wording import several


class Format(enum.StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def register(log: typer.Typer) -> None:
    """Add the command."""
    log.command("export")(export_entries)


def export_entries(
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: standard output.")
    ] = None,
    user: User = None,
    review: Review = None,
    since: From = None,
    until: To = None,
    action: ActionOption = None,
    outcome: OutcomeOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    policy: PolicyOption = None,
    min_change: MinChange = None,
    max_change: MaxChange = None,
    min_share: MinShare = None,
) -> None:
    """Every decision that matches, by date, review and user, in constant memory; amounts in minor units."""
    wanted = read_filter(user, review, since, until, action, outcome, reason, actor, min_change, max_change, min_share)
    if form is Format.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for a terminal; name a file with --output")
    from limits.store import archives, export_reading, log_known
    from limits.store import log as store
    from limits.store.export import WRITERS
    from limits.terminal import note

    with common.database() as database, database.connect("auditor", "limits log export") as conn:
        wanted = store.by_policy(conn, wanted, policy)
        log_known.require_there(conn, wanted)
        archived = archives.of_days(conn, wanted.as_of_from, wanted.as_of_to)
        with (
            contextlib.closing(export_reading.read(conn, wanted)) as entries,
            _counter(quiet=output is None and sys.stdout.isatty()) as counter,
            target(output) as file,
        ):
            count = WRITERS[form.value](entries, file, counter)
            if not count:
                log_known.require_actor(conn, wanted)  # a file that was there stays
    if archived:
        note(f"not exported: {archives.in_words(archived)}")
    if output is not None or sys.stderr.isatty():
        note(f"{several(count, 'entry')} written to {output or 'standard output'}")


@contextlib.contextmanager
def _counter(*, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many entries are written so far, and how fast. How many there are nobody counts first."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    began = time.monotonic()

    def show(count: int) -> None:
        rate = count / max(time.monotonic() - began, 0.001)
        print(f"\r\x1b[K{several(count, 'entry')}, {rate:,.0f} a second", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
