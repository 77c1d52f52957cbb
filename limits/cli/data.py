"""limits import, limits quarantine, limits data: what comes in, what was not let in, what is kept ready."""

from __future__ import annotations

import datetime as dt
import enum
from pathlib import Path
from typing import Annotated

import typer

from limits.cli import common
from limits.wording import several


class Kind(enum.StrEnum):
    """What a file holds."""

    USERS = "users"
    EVENTS = "events"
    STATEMENTS = "statements"
    REPAYMENTS = "repayments"
    CREDIT_CHECKS = "credit-checks"
    DOCUMENTS = "documents"
    CONSENTS = "consents"
    IDENTIFIERS = "identifiers"
    FRAUDS = "frauds"


quarantine = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Rows that an import did not let in.")
data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is kept ready for reviews.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_command)
    app.add_typer(quarantine, name="quarantine")
    app.add_typer(data, name="data")


def import_command(
    kind: Annotated[Kind, typer.Argument(help="What the file holds.", show_default=False)],
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="CSV with a heading, UTF-8.", show_default=False)],
    source: Annotated[str, common.words_option("--source", "Name of the system the file comes from.", "NAME")],
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Load a CSV file. Bad rows go to quarantine; loading the same file again changes nothing."""
    from limits.settings import get_settings
    from limits.store.importing import import_file
    from limits.terminal import print_json, progress, say

    settings = get_settings()
    with (
        common.database(settings) as database,
        database.connect("operations", "limits import") as conn,
        progress(f"importing {file.name}", quiet=json) as bar,
    ):
        who = common.the_actor(settings, actor)
        counts = import_file(conn, kind.value, file, source=source, actor=who, progress=bar, today=common.today())
    if json:
        print_json(
            {
                "import_id": counts.import_id,
                "kind": kind.value,
                "source": source,
                "rows": counts.total,
                "new": counts.new,
                "known": counts.known,
                "quarantined": counts.quarantined,
            }
        )
        return
    say(
        f"{file.name}: {several(counts.total, 'row')}, {counts.new:,} new, {counts.known:,} already known, "
        f"{counts.quarantined:,} quarantined"
    )
    if counts.quarantined:
        say(f"see why: limits quarantine list --kind {kind.value}")


@quarantine.command("list")
def list_quarantine(
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only this kind of file.")] = None,
    reason: Annotated[str | None, common.words_option("--reason", "Only this reason code.", "CODE")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows at most.")] = 50,
    json: common.Json = False,
) -> None:
    """Rows in quarantine, newest first, with the reason and the line of the file."""
    from limits.store.quarantine import list_rows
    from limits.terminal import note, print_json, table

    with common.database() as database, database.connect("auditor", "limits quarantine list") as conn:
        rows = list_rows(conn, kind=kind.value if kind else None, reason=reason, limit=limit)
    if json:
        print_json({"rows": [{**row, "quarantined_at": row["quarantined_at"].isoformat()} for row in rows]})
    elif not rows:
        note("nothing in quarantine matches")
    else:
        columns = ("import", "source", "file", "line", "reason", "detail")
        names = ("import_id", "source", "file_name", "line", "reason", "detail")
        table(columns, [tuple(str(row[name]) for name in names) for row in rows], numbers=("import", "line"))


@data.command("pack")
def pack_command(
    as_of: Annotated[dt.date | None, common.date_option("--as-of", "For reviews of this date. Default: today.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Every user anew, not only those who changed.")] = False,
    json: common.Json = False,
) -> None:
    """Pack what reviews read of users. A review does so itself; --all mends what limits doctor finds wrong."""
    from limits.store import packing
    from limits.store.reviews import refresh_cash_flow
    from limits.terminal import print_json, progress, say

    day = as_of or common.today()
    with (
        common.database() as database,
        database.connect("worker", "limits data pack") as conn,
        progress("packing users", quiet=json) as bar,
    ):
        refresh_cash_flow(conn)
        pack = packing.rebuild if everybody else packing.refresh
        users = pack(conn, day, progress=bar)
    if json:
        print_json({"as_of": day.isoformat(), "all": everybody, "packed": users})
    else:
        say(f"packed {several(users, 'user')} for reviews of {day}")
