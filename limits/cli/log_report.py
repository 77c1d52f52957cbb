"""limits log report: the standing reports over the log."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.store.reports import Result


class Name(enum.StrEnum):
    """The reports."""

    OVERDUE_NOTICES = "overdue-notices"
    RAISES_WITHOUT_INCOME_EVIDENCE = "raises-without-income-evidence"
    OVERRIDES = "overrides"
    CEILING_BREACHES = "ceiling-breaches"
    MODEL_FALLBACK = "model-fallback"


def register(log: typer.Typer) -> None:
    """Add the command to the group of the log."""
    log.command("report")(report)


def report(
    name: Annotated[Name | None, typer.Argument(metavar="NAME", help="One report. Default: all.")] = None,
    since: Annotated[str | None, common.date_option("--from", "Only decisions as of this date or later.")] = None,
    until: Annotated[str | None, common.date_option("--to", "Only decisions as of this date or earlier.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows of each at most; all are counted.")] = 20,
    json: common.Json = False,
) -> None:
    """Notices overdue, raises without evidence of income, overrides by person, ceiling breaches, decisions without a
    forecast. Exit code 1 when a report has rows that must have none."""
    from limits.store import archives, reports
    from limits.terminal import note, print_json, progress

    if since and until and since > until:
        raise typer.BadParameter(f"--from {since} lies after --to {until}: nothing can match")
    wanted = [one for one in reports.REPORTS if name is None or one.name == name.value]
    first: Any = since  # the options' parser has made dates of them
    last: Any = until
    results = []
    with (
        common.database() as database,
        database.connect("auditor", "limits log report") as conn,
        progress("reading the log", quiet=json) as bar,
    ):
        for done, one in enumerate(wanted):
            bar(done, len(wanted))
            results.append(reports.run(conn, one, today=common.today(), since=first, until=last, limit=limit))
        archived = archives.of_days(conn, first, last)
    if archived:
        note(f"not looked at: {archives.in_words(archived)}")
    ok = all(result.ok for result in results)
    if json:
        print_json({"ok": ok, "reports": [_as_dict(result) for result in results]})
    else:
        for result in results:
            _print(result)
    if not ok:
        raise typer.Exit(1)


def _as_dict(result: Result) -> dict[str, Any]:
    return {
        "report": result.report.name,
        "must_be_none": result.report.must_be_none,
        "ok": result.ok,
        "total": result.total,
        "rows": [{key: _plain(value) for key, value in row.items()} for row in result.rows],
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def _print(result: Result) -> None:
    from limits.terminal import note, say, table

    must = ": must be none" if result.report.must_be_none and result.total else ""
    say(f"{result.report.title}: {result.total:,}" + must, strong=True)
    if not result.rows:
        return
    columns = [key for key in result.rows[0] if key != "exponent"]
    heads = [key.removesuffix("_minor").removesuffix("_id").replace("_", " ") for key in columns]
    numbers = [head for head, key in zip(heads, columns, strict=True) if _is_number(result.rows, key)]
    table(heads, [[_cell(row, key) for key in columns] for row in result.rows], numbers=numbers)
    if result.total > len(result.rows):
        note(f"and {result.total - len(result.rows):,} more: add --limit")


def _is_number(rows: list[dict[str, Any]], key: str) -> bool:
    return all(isinstance(row[key], int | None) for row in rows)


def _cell(row: dict[str, Any], key: str) -> str:
    from limits.money import major

    value = row[key]
    if value is None:
        return ""
    if key.endswith("_minor"):
        return major(value, row["exponent"])
    return str(value)
