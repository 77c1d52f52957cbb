"""limits log: the adjustment log as an auditor reads it."""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from limits.cli import common, log_reconcile, log_report

if TYPE_CHECKING:
    from limits.store.log import LogEntry, LogFilter

log = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The adjustment log: list, show, export, reconcile, report."
)


class Action(enum.StrEnum):
    """What a decision did."""

    RAISED = "raised"
    HELD = "held"
    LOWERED = "lowered"


class Format(enum.StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


User = Annotated[int | None, common.number_option("--user", "Only this user.")]
Review = Annotated[int | None, common.number_option("--review", "Only this review.")]
From = Annotated[str | None, common.date_option("--from", "Only reviews as of this date or later.")]
To = Annotated[str | None, common.date_option("--to", "Only reviews as of this date or earlier.")]
ActionOption = Annotated[Action | None, typer.Option("--action", help="Only limits raised, held or lowered.")]
ReasonOption = Annotated[
    str | None, common.words_option("--reason", "Only decisions with this reason code, such as past_due.", "CODE")
]
ActorOption = Annotated[str | None, common.words_option("--actor", "Only decisions made by this actor.", "NAME")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    log_reconcile.register(log)
    log_report.register(log)
    app.add_typer(log, name="log")


def _filter(
    user: Any, review: Any, since: Any, until: Any, action: Action | None, reason: Any, actor: Any
) -> LogFilter:
    from limits.reasons import Reason
    from limits.store.log import ACTIONS, LogFilter, reason_code

    if since and until and since > until:
        raise typer.BadParameter(f"--from {since} lies after --to {until}: nothing can match")
    known = {reason_code(r): r for r in Reason}
    if reason is not None and reason.lower() not in known:
        raise typer.BadParameter(f"{reason!r} is no reason code; there are: {', '.join(sorted(known))}")
    numbers = {word: number for number, word in ACTIONS.items()}
    return LogFilter(
        user_id=user,
        review_id=review,
        as_of_from=since,
        as_of_to=until,
        action=numbers[action.value] if action else None,
        reason=known[reason.lower()] if reason else None,
        actor=actor,
    )


@log.command("list")
def list_entries(
    user: User = None,
    review: Review = None,
    since: From = None,
    until: To = None,
    action: ActionOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries at most.")] = 50,
    after: Annotated[
        int | None, common.number_option("--after", "Go on after this entry, the last one of the page before.")
    ] = None,
    json: common.Json = False,
) -> None:
    """Decisions that match, newest first."""
    from limits.store import log as store
    from limits.terminal import note, print_json

    wanted = _filter(user, review, since, until, action, reason, actor)
    with common.database() as database, database.connect("auditor", "limits log list") as conn:
        found = store.page(conn, wanted, limit=limit + 1, after=after)
    more, found = len(found) > limit, found[:limit]
    following = found[-1].entry_id if more else None
    if json:
        print_json({"entries": [entry.as_dict() for entry in found], "after": following})
        return
    if not found:
        note("no entry of the log matches")
        return
    _print_entries(found)
    if following:
        note(f"there is more: add --after {following}")


@log.command("show")
def show_entry(
    entry_id: Annotated[int, common.number_argument("ID", "Number of the entry.")],
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """One decision in full: every ceiling, the forecast, the evidence, the policy."""
    from limits import explanation
    from limits.store import log as store
    from limits.terminal import print_json

    with common.database() as database, database.connect("auditor", "limits log show") as conn:
        found = store.entry(conn, entry_id)
    if json:
        print_json(found.as_dict())
    else:
        explanation.show(found, lang.value)


@log.command("export")
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
    reason: ReasonOption = None,
    actor: ActorOption = None,
) -> None:
    """Every decision that matches, by date, review and user, in constant memory; amounts in minor units."""
    from limits.store import log as store
    from limits.store.export import WRITERS
    from limits.terminal import note

    wanted = _filter(user, review, since, until, action, reason, actor)
    if form is Format.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for a terminal; name a file with --output")
    counter = _counter()
    with (
        common.database() as database,
        database.connect("auditor", "limits log export") as conn,
        _target(output) as file,
    ):
        count = WRITERS[form.value](store.stream(conn, wanted), file, counter)
    if output is not None or sys.stderr.isatty():
        note(f"{count:,} entries written to {output or 'standard output'}")


def _print_entries(found: list[LogEntry]) -> None:
    from limits.money import major
    from limits.store.log import reason_code
    from limits.terminal import table

    columns = ("entry", "as of", "review", "user", "action", "before", "after", "proposed", "", "reasons")
    rows = [
        (
            str(e.entry_id),
            e.as_of.isoformat(),
            str(e.review_id),
            str(e.user_id),
            e.outcome,
            major(e.limit_before_minor, e.exponent),
            major(e.limit_after_minor, e.exponent),
            "" if e.proposed_minor is None else major(e.proposed_minor, e.exponent),
            e.currency,
            " ".join(reason_code(r) for r in e.reasons),
        )
        for e in found
    ]
    table(columns, rows, numbers=("entry", "review", "user", "before", "after", "proposed"))


def _counter() -> Any:
    """Shows on a terminal how many entries are written so far."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return lambda count: None
    return lambda count: print(f"\r{count:,} entries", end="\r", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """The file to write: complete under its name or not there at all, except for pipes and devices."""
    from limits.errors import InputError

    if output is None:
        yield sys.stdout.buffer
        return
    try:
        if output.exists() and not stat.S_ISREG(output.stat().st_mode):
            with output.open("wb") as file:
                yield file
            return
        part = output.with_name(f".{output.name}.{os.getpid()}.part")
        try:
            with part.open("xb") as file:
                yield file
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from error
