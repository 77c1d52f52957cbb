"""The pages of the log: the list, one entry with its proof and its replay, a point in time, exports. All only read."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from limits.console.auditing import answers, exporting, proofs
from limits.console.auditing.asking import LARGEST, Asked, of_request, read_date
from limits.console.context import Context, context_of
from limits.console.pages import render
from limits.console.paging import Cursor
from limits.console.people import Principal, may
from limits.console.problems import problem_of
from limits.errors import InputError, LimitsError, NotFound
from limits.reasons import Reason
from limits.store.log import OUTCOMES, reason_code, reason_text

router = APIRouter(prefix="/log", include_in_schema=False)
READERS = may("auditor", "risk", "operations", "approver")

TheContext = Annotated[Context, Depends(context_of)]
Reader = Annotated[Principal, Depends(READERS)]
TheFilter = Annotated[Asked, Depends(of_request)]
EntryId = Annotated[int, Path(ge=1, le=LARGEST)]
REASONS = [(reason_code(reason), reason_text(reason)) for reason in Reason]


@router.get("", dependencies=[Depends(READERS)])
def log_page(request: Request, context: TheContext, asked: TheFilter, cursor: Cursor = None) -> HTMLResponse:
    """The log, newest first; filters live in the address."""
    page, trouble, status = None, "", 200
    try:
        with context.connect("auditor") as conn:
            page = answers.listing(conn, asked, limit=50, cursor=cursor)
    except (InputError, NotFound) as error:  # said beside the form, so that it can be mended there
        trouble, status = str(error), problem_of(error).status
    values: dict[str, Any] = {
        "page": page, "trouble": trouble, "asked": asked, "texts": asked.texts, "cursor": cursor,
        "reasons": REASONS, "outcomes": list(OUTCOMES), "formats": list(exporting.TYPES),
    }  # fmt: skip
    return render(request, "log.html", values, status=status)


@router.get("/export")
def export_page(
    context: TheContext,
    who: Reader,
    asked: TheFilter,
    form: Annotated[exporting.Format, Query(alias="format")] = "csv",
) -> StreamingResponse:
    """What matches as a file."""
    return exporting.export(context, who, asked, form)


@router.get("/as-of", dependencies=[Depends(READERS)])
def as_of_page(
    request: Request,
    context: TheContext,
    user: Annotated[str, Query(max_length=100)] = "",
    date: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """What the limit of a user was on a date."""
    found, trouble, status = None, "", 200
    if user or date:
        try:
            if not (user.isascii() and user.isdecimal() and 1 <= int(user) <= LARGEST):
                raise InputError(f"user: {user!r} is not a number from 1 to {LARGEST}")
            day = read_date("date", date)
            assert day is not None, "a text is a date, or none"
            with context.connect("auditor") as conn:
                found = answers.standing(conn, int(user), day, dt.datetime.now(dt.UTC))
        except LimitsError as error:
            trouble, status = str(error), problem_of(error).status
            if status >= 500:
                raise
    values = {"found": found, "trouble": trouble, "user": user, "date": date}
    return render(request, "log_as_of.html", values, status=status)


@router.get("/{entry_id}", dependencies=[Depends(READERS)])
def entry_page(request: Request, context: TheContext, entry_id: EntryId) -> HTMLResponse:
    """One entry with all that it rests on."""
    return _entry(request, context, entry_id)


@router.get("/{entry_id}/proof", dependencies=[Depends(READERS)])
def proof_page(request: Request, context: TheContext, entry_id: EntryId) -> HTMLResponse:
    """The entry, and the proof that it stands in the signed log."""
    with context.connect("auditor") as conn:
        proof = proofs.prove(conn, context.settings, entry_id)
    return _entry(request, context, entry_id, proof=proof)


@router.get("/{entry_id}/replay", dependencies=[Depends(READERS)])
def replay_page(request: Request, context: TheContext, entry_id: EntryId) -> HTMLResponse:
    """The entry, decided again and compared."""
    with context.connect("auditor") as conn:
        replayed = proofs.replay(conn, context.settings, entry_id)
    return _entry(request, context, entry_id, replayed=replayed)


def _entry(
    request: Request,
    context: Context,
    entry_id: int,
    *,
    proof: proofs.Proof | None = None,
    replayed: proofs.Replayed | None = None,
) -> HTMLResponse:
    with context.connect("auditor") as conn:
        entry = answers.detail(conn, entry_id)
    words = {reason_code(reason): reason_text(reason) for reason in Reason}
    values = {
        "entry": entry, "proof": proof, "replayed": replayed, "words": words,
        "method": answers.method_words(entry.capacity_method),
    }  # fmt: skip
    return render(request, "log_entry.html", values)
