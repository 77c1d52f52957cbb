"""The pages of reviews and of the kill switch."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ValidationError

from limits.console.context import Context
from limits.console.pages import render, see
from limits.console.paging import Cursor
from limits.console.people import Posted, Principal, posted
from limits.console.problems import Problem
from limits.console.reviews import answers, detail, doing, figures, kept, progress, switch
from limits.console.reviews.api import (
    ASKING,
    DECIDING,
    READERS,
    STOPPING,
    WATCHERS,
    WATCHING,
    Ctx,
    State,
    reading_login,
)  # fmt: skip
from limits.console.reviews.doing import Turned, Verdict, Wanted
from limits.console.reviews.fields import Filter, ReviewId
from limits.engine.asking import MANUAL, today
from limits.store import policies, reviews, schedules
from limits.store.db import Connection

router = APIRouter(include_in_schema=False)

#: Reviews of at most so many users have their charts in the page; of larger ones they are counted after it is shown.
AT_ONCE = 20_000

STATES = ("owed", "running", "held", "done", "failed", "cancelled")
DONE = {"release": "is released and goes on", "cancel": "is cancelled", "resume": "goes on"}


@router.get("/reviews")
def reviews_page(
    request: Request,
    context: Ctx,
    who: Annotated[Principal, Depends(READERS)],
    schedule: Annotated[Filter, Query()] = "",
    state: State | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """All reviews; filters live in the address."""
    with context.connect(reading_login(who)) as conn:
        page = answers.listing(conn, schedule=schedule or None, state=state, limit=50, cursor=cursor)
        values = {"page": page, "schedule": schedule, "state": state or "", "states": STATES, **_switch(conn, who)}
        if who.may("risk"):
            names = [row.schedule for row in schedules.list_schedules(conn)]
            values |= {"names": [MANUAL, *names], "packs": policies.pack_names(), "today": today()}
    return render(request, "reviews.html", values)


@router.post("/reviews")
def ask(context: Ctx, sent: Annotated[Posted, Depends(posted(*ASKING))]) -> RedirectResponse:
    """Ask for a review; the browser then sees how it goes on."""
    wanted = checked(
        Wanted, as_of=sent.needed("as_of", longest=10), schedule=sent.needed("schedule", longest=100),
        policy=sent.text("policy", longest=100) or None,
    )  # fmt: skip
    asked = doing.ask(context, sent.who, sent.key, cast(Wanted, wanted))
    said = "The review is asked for" if asked.created else f"Review {asked.review_id} was there already"
    return see(f"/reviews/{asked.review_id}", said)


@router.get("/reviews/{review_id}")
def review_page(
    request: Request,
    context: Ctx,
    who: Annotated[Principal, Depends(READERS)],
    review_id: ReviewId,
    counted: bool = False,
) -> HTMLResponse:
    """One review: where it stands, what happened, what it came to, and what people may do with it."""
    store = kept.of(context)
    with context.connect(reading_login(who)) as conn:
        row = reviews.get(conn, review_id)
        review = detail.of_review(conn, store, review_id, figures=False)
        entries = review.archived is None and (review.raised or 0) + (review.held or 0) + (review.lowered or 0) > 0
        at_once = counted or (row.users_total or 0) <= AT_ONCE or store.known(row) is not None
        values: dict[str, Any] = {
            "review": review, "entries": entries, "breakers": figures.breakers(review.breakers), "progress": None,
            "exposure": figures.exposure(review), "figures": None, "movers": [], **_switch(conn, who),
        }  # fmt: skip
        if entries and at_once:
            values |= _figures(conn, store, review)
        if who.may(*WATCHING):
            values["progress"] = progress.of_review(conn, review_id)
    return render(request, "review.html", values)


@router.get("/reviews/{review_id}/progress", dependencies=[Depends(WATCHERS)])
def progress_part(
    request: Request, context: Ctx, review_id: ReviewId, mark: Annotated[str, Query(max_length=60)] = ""
) -> HTMLResponse:
    """How far it is, for a page that renews itself; the page itself is loaded anew where more of it has changed."""
    with context.connect("operations") as conn:
        found = progress.of_review(conn, review_id)
        values = {"progress": found, **_unit(conn, review_id)}
    answer = render(request, "review_progress.html", values)
    if mark and mark != found.mark:
        answer.headers["x-live"] = "reload"
    elif found.rests:
        answer.headers["x-live"] = "over"
    return answer


@router.get("/reviews/{review_id}/figures")
def figures_part(
    request: Request, context: Ctx, who: Annotated[Principal, Depends(READERS)], review_id: ReviewId
) -> HTMLResponse:
    """Its charts, which a page of a large review loads after itself."""
    store = kept.of(context)
    with context.connect(reading_login(who)) as conn:
        review = detail.of_review(conn, store, review_id, figures=False)
        answer = render(request, "review_figures.html", {"review": review, **_figures(conn, store, review)})
    answer.headers["x-live"] = "over"
    return answer


@router.post("/reviews/{review_id}/release")
def release(context: Ctx, review_id: ReviewId, sent: Annotated[Posted, Depends(posted(*DECIDING))]) -> RedirectResponse:
    """Let a held review go on."""
    return _move(context, sent, review_id, "release")


@router.post("/reviews/{review_id}/cancel")
def cancel(context: Ctx, review_id: ReviewId, sent: Annotated[Posted, Depends(posted(*DECIDING))]) -> RedirectResponse:
    """Cancel a review that is not done."""
    return _move(context, sent, review_id, "cancel")


@router.post("/reviews/{review_id}/resume")
def resume(context: Ctx, review_id: ReviewId, sent: Annotated[Posted, Depends(posted(*DECIDING))]) -> RedirectResponse:
    """Try a failed review again."""
    return _move(context, sent, review_id, "resume")


@router.get("/kill-switch")
def switch_page(request: Request, context: Ctx, who: Annotated[Principal, Depends(READERS)]) -> HTMLResponse:
    """The kill switch, and who turned it."""
    with context.connect(reading_login(who)) as conn:
        return render(request, "kill_switch.html", _switch(conn, who))


@router.post("/kill-switch")
def turn(context: Ctx, sent: Annotated[Posted, Depends(posted(*STOPPING))]) -> RedirectResponse:
    """Turn the kill switch."""
    wanted = cast(Turned, checked(Turned, engaged=sent.needed("engaged", longest=3) == "yes", reason=_reason(sent)))
    changed = doing.turn(context, sent.who, sent.key, wanted)
    now = "engaged: nothing is applied" if wanted.engaged else "not engaged: limits are applied again"
    return see("/kill-switch", f"The kill switch is {now}" if changed else "It was so before: nothing was changed")


def checked(kind: type[BaseModel], **values: Any) -> BaseModel:
    """What a form says, as the API takes it; Problem 422 names the field."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]).replace("_", " ")
        raise Problem(422, "not-usable", f"{where}: {first['msg']}") from None


def _move(context: Context, sent: Posted, review_id: int, verdict: Verdict) -> RedirectResponse:
    moved = doing.move(context, sent.who, sent.key, review_id, verdict, _reason(sent))
    said = f"Review {review_id} {DONE[verdict]}" if moved.changed else f"It was {moved.state} before"
    return see(f"/reviews/{review_id}", said)


def _reason(sent: Posted) -> str:
    return sent.needed("reason")


def _switch(conn: Connection, who: Principal) -> dict[str, Any]:
    return {"switch": switch.as_it_is(conn), "stops": who.may(*STOPPING)}


def _unit(conn: Connection, review_id: int) -> dict[str, Any]:
    exponent, currency = detail.unit_of(conn, reviews.get(conn, review_id))
    return {"exponent": exponent, "currency": currency}


def _figures(conn: Connection, store: kept.Kept, review: detail.ReviewDetail) -> dict[str, Any]:
    spread = store.spread(conn, reviews.get(conn, review.review_id))
    return {
        "figures": figures.of_review(spread, review.exponent, review.currency) if spread.users else None,
        "movers": detail.movers(spread),
    }
