"""The API of reviews and of the kill switch."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from limits.console.context import Context, Login, context_of
from limits.console.fields import Why
from limits.console.once import IdempotencyKey
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import Principal, Role, may
from limits.console.problems import PROBLEMS
from limits.console.reviews import answers, detail, doing, kept, progress, switch
from limits.console.reviews.answers import ReviewSummary
from limits.console.reviews.detail import ReviewDetail
from limits.console.reviews.doing import Asked, Moved, Turned, Wanted
from limits.console.reviews.fields import Filter, ReviewId
from limits.console.reviews.progress import ReviewProgress
from limits.console.reviews.switch import SwitchAnswer

router = APIRouter(prefix="/v1", responses=PROBLEMS)
#: Who sees workers and shards: the auditor's database role does not.
WATCHING: tuple[Role, ...] = ("risk", "operations", "approver")
ASKING: tuple[Role, ...] = ("risk",)
DECIDING: tuple[Role, ...] = ("risk", "approver")
STOPPING: tuple[Role, ...] = ("risk", "operations", "approver")

READERS = may("risk", "operations", "approver", "auditor")
WATCHERS, ASKERS, DECIDERS, STOPPERS = may(*WATCHING), may(*ASKING), may(*DECIDING), may(*STOPPING)

Ctx = Annotated[Context, Depends(context_of)]
State = Literal["owed", "running", "held", "done", "failed", "cancelled"]


def reading_login(who: Principal) -> Login:
    """Whoever is auditor and nothing else reads by the auditor's database role."""
    return "operations" if who.may(*WATCHING) else "auditor"


@router.get("/reviews", tags=["reviews"])
def list_reviews(
    context: Ctx,
    who: Annotated[Principal, Depends(READERS)],
    schedule: Annotated[Filter | None, Query()] = None,
    state: State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewSummary]:
    """Reviews of schedules, the newest first."""
    with context.connect(reading_login(who)) as conn:
        return answers.listing(conn, schedule=schedule, state=state, limit=limit, cursor=cursor)


@router.post("/reviews", tags=["reviews"])
def ask_for_review(
    context: Ctx, who: Annotated[Principal, Depends(ASKERS)], key: IdempotencyKey, wanted: Wanted
) -> Asked:
    """Ask for the review of a schedule as of a date. Workers carry it out; asked for again it is the same one."""
    return doing.ask(context, who, key, wanted)


@router.get("/reviews/{review_id}", tags=["reviews"])
def show_review(context: Ctx, who: Annotated[Principal, Depends(READERS)], review_id: ReviewId) -> ReviewDetail:
    """One review: counts, reasons, exposure, what happened at its gate, and the largest changes."""
    with context.connect(reading_login(who)) as conn:
        return detail.of_review(conn, kept.of(context), review_id)


@router.get("/reviews/{review_id}/progress", tags=["reviews"], dependencies=[Depends(WATCHERS)])
def show_progress(context: Ctx, review_id: ReviewId) -> ReviewProgress:
    """How far a review is: users decided and applied, rate, time left, workers, and what it waits for."""
    with context.connect("operations") as conn:
        return progress.of_review(conn, review_id)


@router.post("/reviews/{review_id}/release", tags=["reviews"])
def release_review(
    context: Ctx, who: Annotated[Principal, Depends(DECIDERS)], key: IdempotencyKey, review_id: ReviewId, why: Why
) -> Moved:
    """Let a held review go on, as somebody else than who asked for it."""
    return doing.move(context, who, key, review_id, "release", why.reason)


@router.post("/reviews/{review_id}/cancel", tags=["reviews"])
def cancel_review(
    context: Ctx, who: Annotated[Principal, Depends(DECIDERS)], key: IdempotencyKey, review_id: ReviewId, why: Why
) -> Moved:
    """Cancel a review that is not done; what it applied stays. A held one takes somebody else than who asked for it."""
    return doing.move(context, who, key, review_id, "cancel", why.reason)


@router.post("/reviews/{review_id}/resume", tags=["reviews"])
def resume_review(
    context: Ctx, who: Annotated[Principal, Depends(DECIDERS)], key: IdempotencyKey, review_id: ReviewId, why: Why
) -> Moved:
    """Try a failed review again, from where it stopped."""
    return doing.move(context, who, key, review_id, "resume", why.reason)


@router.get("/kill-switch", tags=["kill switch"])
def show_switch(context: Ctx, who: Annotated[Principal, Depends(READERS)]) -> SwitchAnswer:
    """Whether it is engaged, by whom, why, and who turned it before."""
    with context.connect(reading_login(who)) as conn:
        return switch.as_it_is(conn)


@router.post("/kill-switch", tags=["kill switch"])
def turn_switch(
    context: Ctx, who: Annotated[Principal, Depends(STOPPERS)], key: IdempotencyKey, wanted: Turned
) -> SwitchAnswer:
    """Engage it, or end that as somebody else. Engaged: nothing is being applied when this is answered."""
    changed = doing.turn(context, who, key, wanted)
    with context.connect("operations") as conn:
        return switch.as_it_is(conn).model_copy(update={"changed": changed})
