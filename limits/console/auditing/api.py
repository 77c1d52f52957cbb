"""The API of the log."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse

from limits.console.auditing import answers, exporting, proofs, slow, standing
from limits.console.auditing.answers import AdjustmentDetail, AdjustmentPage, Standing
from limits.console.auditing.asking import LARGEST, Asked, of_api
from limits.console.auditing.proofs import Proof, Replayed
from limits.console.auditing.standing import CheckpointRow, LastVerified, Reconciled, ReportName, ReportResult, Verified
from limits.console.context import Context, context_of
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import Principal, may
from limits.console.problems import PROBLEMS

router = APIRouter(prefix="/v1", tags=["log"], responses=PROBLEMS)
READERS = may("auditor", "risk", "operations", "approver")
AUDITORS = may("auditor")

TheContext = Annotated[Context, Depends(context_of)]
Reader = Annotated[Principal, Depends(READERS)]
TheFilter = Annotated[Asked, Depends(of_api)]
EntryId = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the entry.")]
Since = Annotated[dt.date | None, Query(alias="from", description="Decisions as of this date or later.")]
Until = Annotated[dt.date | None, Query(alias="to", description="Decisions as of this date or earlier.")]
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, sent while it is read.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in exporting.TYPES.values()},
    }
}


@router.get("/adjustments", dependencies=[Depends(READERS)])
def list_adjustments(context: TheContext, asked: TheFilter, limit: Limit = 50, cursor: Cursor = None) -> AdjustmentPage:
    """Decisions that match, newest first. A search that takes long stops, says down to when it has looked, and has a
    `next`."""
    with context.connect("auditor") as conn:
        return answers.listing(conn, asked, limit=limit, cursor=cursor)


@router.get("/adjustments/export", response_class=StreamingResponse, responses=FILE)
def export_adjustments(
    context: TheContext,
    who: Reader,
    asked: TheFilter,
    form: Annotated[exporting.Format, Query(alias="format")] = "csv",
) -> StreamingResponse:
    """Every decision that matches, by date, review and user, as a file; amounts in minor units."""
    return exporting.export(context, who, asked, form)


@router.get("/adjustments/{entry_id}", dependencies=[Depends(READERS)])
def get_adjustment(context: TheContext, entry_id: EntryId) -> AdjustmentDetail:
    """One decision with all that it rests on."""
    with context.connect("auditor") as conn:
        return answers.detail(conn, entry_id)


@router.get("/adjustments/{entry_id}/proof", dependencies=[Depends(READERS)])
def prove_adjustment(context: TheContext, entry_id: EntryId) -> Proof:
    """The proof that the entry stands in the signed log, made and checked now."""
    with context.connect("auditor") as conn:
        return proofs.prove(conn, context.settings, entry_id)


@router.get("/adjustments/{entry_id}/replay", dependencies=[Depends(READERS)])
def replay_adjustment(context: TheContext, entry_id: EntryId) -> Replayed:
    """The entry decided again from its stored snapshot and policy, and compared byte for byte. Writes nothing."""
    with context.connect("auditor") as conn:
        return proofs.replay(conn, context.settings, entry_id)


@router.get("/log/as-of", dependencies=[Depends(READERS)])
def log_as_of(
    context: TheContext,
    user: Annotated[int, Query(ge=1, le=LARGEST, description="Number of the user.")],
    date: Annotated[dt.date, Query(description="The business date, at its end.")],
) -> Standing:
    """What the limit of a user was on a date, since when, why, who decided, and what was waiting."""
    with context.connect("auditor") as conn:
        return answers.standing(conn, user, date, dt.datetime.now(dt.UTC))


@router.get("/log/verification", dependencies=[Depends(AUDITORS)])
def last_verification(context: TheContext) -> LastVerified:
    """How the last verification of the whole log by the command line ended."""
    return standing.last_verified(context.settings)


@router.get("/log/verify", dependencies=[Depends(AUDITORS)])
def verify_log(context: TheContext) -> Verified:
    """The log against its signed checkpoints, since it last held as a whole. What is much is for the command line."""
    with slow.reading(context, slow.readings, "a verification") as conn:
        return standing.verify(conn, context.settings, dt.datetime.now(dt.UTC))


@router.get("/log/reconcile", dependencies=[Depends(AUDITORS)])
def reconcile_log(context: TheContext) -> Reconciled:
    """Whether limits, log, messages, batches and reviews say the same. A large log is for the command line: 409."""
    with slow.reading(context, slow.readings, "adding up") as conn:
        return standing.reconcile(conn)


@router.get("/reports", dependencies=[Depends(AUDITORS)])
def list_reports() -> list[ReportName]:
    """The standing reports there are."""
    return standing.names()


@router.get("/reports/{name}", dependencies=[Depends(AUDITORS)])
def get_report(
    context: TheContext,
    name: Annotated[str, Path(max_length=100)],
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Rows at most; all are counted.")] = 100,
) -> ReportResult:
    """One of the standing reports over the log."""
    with slow.reading(context, slow.readings, "a report") as conn:
        return standing.report(conn, name, since=since, until=until, limit=limit, today=dt.datetime.now(dt.UTC).date())


@router.get("/checkpoints", dependencies=[Depends(AUDITORS)])
def list_checkpoints(context: TheContext, limit: Limit = 50, cursor: Cursor = None) -> Page[CheckpointRow]:
    """The signed checkpoints of the log, newest first."""
    with context.connect("auditor") as conn:
        return standing.checkpoints(conn, limit=limit, cursor=cursor)
