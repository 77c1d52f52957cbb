"""The pages of reports: standing reports, whether all adds up, checkpoints, verification. For auditors alone."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse

from limits.console.auditing import slow, standing
from limits.console.auditing.asking import read_date
from limits.console.context import Context, context_of
from limits.console.pages import render
from limits.console.paging import Cursor
from limits.console.people import may
from limits.console.problems import Problem, problem_of
from limits.errors import InputError, LimitsError
from limits.money import major

router = APIRouter(prefix="/reports", include_in_schema=False)
AUDITORS = may("auditor")

TheContext = Annotated[Context, Depends(context_of)]
SHOWN = 100


@router.get("", dependencies=[Depends(AUDITORS)])
def reports_page(request: Request, context: TheContext, cursor: Cursor = None) -> HTMLResponse:
    """What there is to ask of the whole log."""
    return _overview(request, context, cursor)


@router.get("/verify", dependencies=[Depends(AUDITORS)])
def verify_page(request: Request, context: TheContext) -> HTMLResponse:
    """The log against its signed checkpoints, now."""
    verified, trouble, status = None, "", 200
    try:
        with slow.reading(context, slow.readings, "a verification") as conn:
            verified = standing.verify(conn, context.settings, dt.datetime.now(dt.UTC))
    except (LimitsError, Problem) as error:
        trouble, status = _trouble(error)
    return _overview(request, context, None, verified=verified, trouble=trouble, status=status)


@router.get("/reconcile", dependencies=[Depends(AUDITORS)])
def reconcile_page(request: Request, context: TheContext) -> HTMLResponse:
    """Whether limits, log, messages, batches and reviews say the same, now."""
    reconciled, trouble, status = None, "", 200
    try:
        with slow.reading(context, slow.readings, "adding up") as conn:
            reconciled = standing.reconcile(conn)
    except (LimitsError, Problem) as error:
        trouble, status = _trouble(error)
    return _overview(request, context, None, reconciled=reconciled, trouble=trouble, status=status)


@router.get("/{name}", dependencies=[Depends(AUDITORS)])
def report_page(
    request: Request,
    context: TheContext,
    name: Annotated[str, Path(max_length=100)],
    since: Annotated[str, Query(alias="from", max_length=100)] = "",
    until: Annotated[str, Query(alias="to", max_length=100)] = "",
) -> HTMLResponse:
    """One standing report; its dates live in the address."""
    report, trouble, status = None, "", 200
    try:
        first, last = read_date("from", since or None), read_date("to", until or None)
        with slow.reading(context, slow.readings, "a report") as conn:
            today = dt.datetime.now(dt.UTC).date()
            report = standing.report(conn, name, since=first, until=last, limit=SHOWN, today=today)
    except (InputError, Problem) as error:
        trouble, status = _trouble(error)
    values = {
        "report": report, "columns": _columns(report), "cells": _cells(report), "trouble": trouble,
        "since": since, "until": until, "name": name,
        "title": next((one.title for one in standing.names() if one.name == name), "Report"),
    }  # fmt: skip
    return render(request, "report.html", values, status=status)


def _overview(
    request: Request, context: Context, cursor: str | None, *, status: int = 200, trouble: str = "", **found: Any
) -> HTMLResponse:
    with context.connect("auditor") as conn:
        checkpoints = standing.checkpoints(conn, limit=20, cursor=cursor)
        entries = standing.entries_about(conn)
    values = {
        "reports": standing.names(), "checkpoints": checkpoints, "entries": entries, "most": standing.MOST_READ,
        "last": standing.last_verified(context.settings), "trouble": trouble, "verified": None, "reconciled": None,
    }  # fmt: skip
    return render(request, "reports.html", values | found, status=status)


def _trouble(error: LimitsError | Problem) -> tuple[str, int]:
    problem = error if isinstance(error, Problem) else problem_of(error)
    return problem.detail, problem.status


def _columns(report: standing.ReportResult | None) -> list[tuple[str, bool]]:
    """The headings, and whether numbers stand below."""
    if report is None or not report.rows:
        return []
    names = [name for name in report.rows[0] if name != "exponent"]
    numbers = {name for name in names if all(isinstance(row[name], int | None) for row in report.rows)}
    return [(name.removesuffix("_minor").removesuffix("_id").replace("_", " "), name in numbers) for name in names]


def _cells(report: standing.ReportResult | None) -> list[list[tuple[str, str]]]:
    """The text of each cell, and the address that it leads to or nothing."""
    return [] if report is None else [[_cell(row, key) for key in row if key != "exponent"] for row in report.rows]


def _cell(row: dict[str, Any], key: str) -> tuple[str, str]:
    value = row[key]
    if value is None:
        return "", ""
    if key.endswith("_minor"):
        return major(value, row["exponent"]), ""
    address = {"entry_id": f"/log/{value}", "review_id": f"/reviews/{value}", "user_id": f"/log?user={value}"}
    return str(value), address.get(key, "")
