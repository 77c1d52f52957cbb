"""limits log archive: an old month of the log out of the database and into a file that can be checked for ever."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.log_proved import open_checkpoints
from limits.cli.log_verify import CheckpointsOption, PublicKeyOption, default_paths, read_keys
from limits.wording import several

if TYPE_CHECKING:
    from limits.store.archiving import Archived, Size


def register(log: typer.Typer) -> None:
    """Add the command."""
    log.command("archive")(archive)


def read_month(text: str) -> dt.date:
    """The first day of a month written YYYY-MM."""
    if re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) and text >= "1900":
        return dt.date.fromisoformat(f"{text}-01")
    raise typer.BadParameter(f"{text[:80]!r} is not a month; write it YYYY-MM, such as 2021-05")


def archive(
    month: Annotated[
        str, typer.Argument(parser=read_month, metavar="MONTH", help="The month, as 2021-05.", show_default=False)
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Folder of the archives; it has to be there.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Archive it; without it nothing is done.")] = False,
    checkpoints: CheckpointsOption = None,
    public_key: PublicKeyOption = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:  # fmt: skip
    """Show what would go with the oldest month of the log, or write its archive, check it and take the month out.

    Leaves with 1 where the month has to stay.
    """
    from limits.errors import InputError
    from limits.settings import get_settings
    from limits.store import archiving
    from limits.terminal import print_json

    first: Any = month  # the argument's parser has made a date of it
    if not to.is_dir():
        raise InputError(f"{to} is no folder: make it first, where the archives are to be kept")
    settings = get_settings()
    with common.database(settings) as database:
        if not yes:
            with database.connect("migrator", "limits log archive") as conn:
                if (before := archiving.done_before(conn, first, to)) is None:
                    _would(archiving.size(conn, first), archiving.obstacle(conn, first), first, json)
                    return
            done = before
        else:
            path, keys = checkpoints or default_paths().checkpoints, read_keys(public_key)
            who = common.the_actor(settings, actor)
            done = archiving.archive(database, first, to, lambda: open_checkpoints(path), keys, who)
    if json:
        print_json(_as_dict(done))
    else:
        _print(done)


def _would(size: Size, obstacle: str | None, month: dt.date, json: bool) -> None:
    from limits.terminal import note, print_json, say

    if json:
        print_json({
            "month": f"{month:%Y-%m}", "archived": False, "obstacle": obstacle, "entries": size.entries,
            "batches": size.batches, "reviews": size.reviews, "users": size.users, "days": size.days,
            "least_days": size.least_days,
        })  # fmt: skip
    else:
        last = f"was {several(size.days, 'day')} ago" if size.days >= 0 else f"comes in {several(-size.days, 'day')}"
        say(
            f"{month:%Y-%m}: {several(size.entries, 'entry')} in {several(size.batches, 'batch')} of "
            f"{several(size.reviews, 'review')} about {several(size.users, 'user')}; its last day "
            f"{last}, at least {size.least_days:,} are kept"
        )
    if obstacle is not None:
        note(f"it cannot be archived: {obstacle}")
        raise typer.Exit(1)
    if not json:
        note("nothing was done; to archive it and take it out of the database, add --yes")


def _as_dict(done: Archived) -> dict[str, Any]:
    month = done.month
    return {
        "month": month.name, "archived": True, "now": done.now, "file": str(done.path), "sha256": month.sha256.hex(),
        "entries": month.entries, "batches": month.batches, "delta_minor": month.delta_minor,
        "archived_at": month.archived_at.isoformat(), "actor": month.actor,
    }  # fmt: skip


def _print(done: Archived) -> None:
    from limits.terminal import note, say

    month = done.month
    if done.now:
        say(
            f"{month.name} is archived: {several(month.entries, 'entry')} in {done.path}, no longer in the database",
            strong=True,
        )
        if done.reused:
            note("the file was there from a run before; it was read and checked again")
        note("keep a copy elsewhere: there is no other place now where these entries stand")
    else:
        say(
            f"{month.name} was archived on {month.archived_at:%Y-%m-%d %H:%M} UTC by {month.actor}: "
            f"{several(month.entries, 'entry')} in {done.path}"
        )
