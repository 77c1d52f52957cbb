"""limits notice, limits outbox: what users are told, and by when."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine import Delivery, Sender
    from limits.settings import Settings
    from limits.store.notices import Notice

notice = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What users have to be told: list, show.")
outbox = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Messages to users: deliver those that wait.")

#: Users with a message that was not taken, shown by number.
EXAMPLES = 10


def register(app: typer.Typer) -> None:
    """Add the command groups."""
    app.add_typer(notice, name="notice")
    app.add_typer(outbox, name="outbox")


@notice.command("list")
def list_notices(
    user: Annotated[int | None, common.number_option("--user", "Only this user.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those due before the date and not delivered.")
    ] = False,
    as_of: Annotated[str | None, common.date_option("--as-of", "As it stands on this date. Default: today.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    json: common.Json = False,
) -> None:
    """What users have to be told, the first due at the top."""
    from limits.store import notices
    from limits.terminal import note, print_json

    date: Any = as_of or common.today()  # the option's parser has made a date of it
    with common.database() as database, database.connect("auditor", "limits notice list") as conn:
        found = notices.page(conn, as_of=date, user_id=user, overdue=overdue, limit=limit + 1)
    more, found = len(found) > limit, found[:limit]
    if json:
        print_json({"as_of": date.isoformat(), "notices": [row.as_dict(date) for row in found], "more": more})
    elif not found:
        note("no notice is overdue" if overdue else "no notice matches")
    else:
        _print(found, date)
        if more:
            note("there is more: add --limit")


@notice.command("show")
def show_notice(
    notice_id: Annotated[int, common.number_argument("ID", "Number of the notice.")],
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """A notice as it was delivered, or as it would be delivered today."""
    from limits import engine
    from limits.settings import get_settings
    from limits.store import notices
    from limits.terminal import note, print_json, say

    date = common.today()
    with common.database() as database, database.connect("auditor", "limits notice show") as conn:
        found = notices.get(conn, notice_id)
        text = engine.text_shown(conn, found, date, folder=get_settings().snapshot_store)
    if json:
        print_json({**found.as_dict(date), "text": text})
        return
    say(text[lang.value].rstrip("\n"))
    if found.delivered_at is None:
        note(f"not delivered; due on {found.due_on}, {found.state(date)}")
    else:
        note(f"delivered {found.delivered_at:%Y-%m-%d %H:%M:%S} UTC to {found.delivered_to}; due on {found.due_on}")


@outbox.command("deliver")
def deliver_outbox(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE.jsonl", help="Append each message as a line of JSON.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option("--command", metavar="CMD", help="Run this for each message, on its standard input; 0 accepts."),
    ] = None,
    json: common.Json = False,
) -> None:
    """Hand over what waits: changed limits and notices, each user's in order. Default: to LIMITS_OUTBOX."""
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import print_json

    settings = get_settings()
    sender = _sender(settings, to, command)
    with common.database(settings) as database:
        done = engine.deliver(database, sender, folder=settings.snapshot_store)
    if json:
        failed = [{"user_id": user_id, "error": why} for user_id, why in sorted(done.failed.items())]
        print_json({"delivered": done.delivered, "to": sender.name, "busy": done.busy, "failed": failed})
    else:
        _say(done, sender)
    if done.failed:
        raise typer.Exit(1)


def _sender(settings: Settings, to: Path | None, command: str | None) -> Sender:
    from limits import engine

    if to is not None and command is not None:
        raise typer.BadParameter("--to and --command are two ways; choose one")
    if to is not None:
        return engine.ToFile(to)
    if command is not None:
        return engine.ToCommand(command)
    if settings.outbox is None:
        raise typer.BadParameter("nowhere to deliver to: add --to or --command, or set LIMITS_OUTBOX")
    return engine.sender_for(settings.outbox, secret=settings.webhook_secret)


def _say(done: Delivery, sender: Sender) -> None:
    from limits.terminal import note, say

    if done.busy:
        note("another process is delivering; nothing was done here")
        return
    say(f"{done.delivered:,} delivered to {sender.name}")
    for user_id, why in sorted(done.failed.items())[:EXAMPLES]:
        note(f"user {user_id}: {why}")
    if done.failed:
        note(f"messages to {several(len(done.failed), 'user')} wait for the next time")


def _print(found: list[Notice], as_of: dt.date) -> None:
    from limits.money import major
    from limits.terminal import table

    columns = ("notice", "user", "kind", "as of", "due", "state", "before", "then", "")
    rows = [
        (
            str(row.notice_id),
            str(row.user_id),
            row.kind,
            row.as_of.isoformat(),
            row.due_on.isoformat(),
            row.state(as_of),
            major(row.limit_before_minor, row.exponent),
            major(row.facts.target, row.exponent),
            row.currency,
        )
        for row in found
    ]
    table(columns, rows, numbers=("notice", "user", "before", "then"))
