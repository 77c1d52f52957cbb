"""The API of acts on users: recompute, requests, overrides, consents, offers, notices, referrals."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query

from limits import engine
from limits.console.context import Context, context_of
from limits.console.once import IdempotencyKey
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import Principal, may
from limits.console.problems import PROBLEMS, Problem
from limits.console.users import acting, acting_answers
from limits.console.users.acting_answers import (
    Accepted,
    ChangeAnswer,
    Cleared,
    ConsentSet,
    Declined,
    NoticeAnswer,
    NoticeText,
    OverrideAnswer,
    OverrideChanged,
    Recomputed,
    Referrals,
    RequestAnswer,
)
from limits.console.users.acting_fields import ChangeId, NoticeId, OfUser, OverrideId, UserId
from limits.engine.asking import today
from limits.store import notices, overrides, pending

router = APIRouter(prefix="/v1", responses=PROBLEMS)
READERS = may("operations", "risk", "approver")
ACTORS = may("operations")
SECOND = may("approver")
EITHER = may("operations", "approver")

Here = Annotated[Context, Depends(context_of)]
Actor = Annotated[Principal, Depends(ACTORS)]
Checker = Annotated[Principal, Depends(SECOND)]
Person = Annotated[Principal, Depends(EITHER)]

#: The key of a call that only writes where it is asked to.
KeyToApply = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$",
        description="Needed with apply. It is the key of the log too: the same key never applies twice.",
    ),
]  # fmt: skip


# One user ------------------------------------------------------------------------------------


@router.post("/users/{user_id}/recompute", tags=["users"])
def recompute(context: Here, who: Actor, user_id: UserId, body: acting.Recompute, key: KeyToApply = None) -> Recomputed:
    """Decide one user as a review would: shown only, or with apply changed and logged."""
    if not body.apply:
        return acting.recomputed(acting.preview(context, who, user_id, body))
    if key is None:
        raise Problem(422, "not-usable", "header.Idempotency-Key: needed with apply; choose one, new for each write")
    return acting.recompute(context, who, key, user_id, body)


@router.post("/users/{user_id}/limit-requests", tags=["users"])
def request_limit(
    context: Here, who: Actor, user_id: UserId, body: acting.LimitRequest, key: IdempotencyKey
) -> RequestAnswer:
    """A user asks for a higher limit: decided and answered at once, granted, partly granted or refused."""
    return acting.request_limit(context, who, key, user_id, body)


@router.post("/users/{user_id}/consents", tags=["users"])
def set_consent(context: Here, who: Actor, user_id: UserId, body: acting.Consent, key: IdempotencyKey) -> ConsentSet:
    """What a user agrees to, or does not any longer. Taking back raises ends a raise that waits."""
    return acting.set_consent(context, who, key, user_id, body)


@router.post("/users/{user_id}/referral/clear", tags=["users"])
def clear_referral(context: Here, who: Actor, user_id: UserId, body: acting.Why, key: IdempotencyKey) -> Cleared:
    """Nothing was found against a user who is linked to a fraud: links known today no longer count."""
    return acting.clear_referral(context, who, key, user_id, body)


@router.get("/referrals", tags=["users"], dependencies=[Depends(READERS)])
def list_referrals(context: Here, user: OfUser = None) -> Referrals:
    """Users whose newest decision waits for a person, the longest first, and how to decide."""
    with context.connect("operations") as conn:
        return acting_answers.referral_list(conn, user)


# Overrides -----------------------------------------------------------------------------------


@router.post("/users/{user_id}/overrides", tags=["overrides"])
def propose_override(
    context: Here, who: Actor, user_id: UserId, body: acting.ProposedOverride, key: IdempotencyKey
) -> OverrideChanged:
    """Propose to hold, cap or keep up a limit for a time; it counts once somebody else has approved it."""
    return acting.propose_override(context, who, key, user_id, body)


@router.get("/overrides", tags=["overrides"], dependencies=[Depends(READERS)])
def list_overrides(
    context: Here,
    user: OfUser = None,
    state: Annotated[Literal["proposed", "approved", "rejected", "ended"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OverrideAnswer]:
    """Overrides by number, oldest first."""
    with context.connect("operations") as conn:
        return acting_answers.override_list(conn, user_id=user, state=state, limit=limit, cursor=cursor)


@router.get("/overrides/{override_id}", tags=["overrides"], dependencies=[Depends(READERS)])
def get_override(context: Here, override_id: OverrideId) -> OverrideAnswer:
    """One override."""
    with context.connect("operations") as conn:
        return OverrideAnswer.of(overrides.get(conn, override_id))


@router.post("/overrides/{override_id}/approve", tags=["overrides"])
def approve_override(
    context: Here, who: Checker, override_id: OverrideId, body: acting.Why, key: IdempotencyKey
) -> OverrideChanged:
    """Approve an override that somebody else proposed; it counts from today on, or from its first day."""
    return acting.decide_override(context, who, key, override_id, "approve", body)


@router.post("/overrides/{override_id}/refuse", tags=["overrides"])
def refuse_override(
    context: Here, who: Checker, override_id: OverrideId, body: acting.Why, key: IdempotencyKey
) -> OverrideChanged:
    """Refuse an override that somebody else proposed."""
    return acting.decide_override(context, who, key, override_id, "refuse", body)


@router.post("/overrides/{override_id}/end", tags=["overrides"])
def end_override(
    context: Here, who: Person, override_id: OverrideId, body: acting.Why, key: IdempotencyKey
) -> OverrideChanged:
    """End an override before its time; one person is enough for that."""
    return acting.decide_override(context, who, key, override_id, "end", body)


# Changes -------------------------------------------------------------------------------------


@router.get("/changes", tags=["changes"], dependencies=[Depends(READERS)])
def list_changes(
    context: Here,
    user: OfUser = None,
    due: Annotated[bool, Query(description="Only those whose day has come.")] = False,
    ended: Annotated[bool, Query(description="Also those that have ended.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ChangeAnswer]:
    """Offers and announced changes, by number."""
    with context.connect("operations") as conn:
        return acting_answers.change_list(conn, user_id=user, due=due, ended=ended, limit=limit, cursor=cursor)


@router.get("/changes/{change_id}", tags=["changes"], dependencies=[Depends(READERS)])
def get_change(context: Here, change_id: ChangeId) -> ChangeAnswer:
    """One offered or announced change."""
    with context.connect("operations") as conn:
        return ChangeAnswer.of(pending.change(conn, change_id))


@router.post("/changes/{change_id}/accept", tags=["changes"])
def accept_change(context: Here, who: Actor, change_id: ChangeId, body: acting.Accept, key: IdempotencyKey) -> Accepted:
    """The user accepts an offer: checked afresh, and the limit raised at once as far as it still may be."""
    return acting.accept(context, who, key, change_id, body)


@router.post("/changes/{change_id}/decline", tags=["changes"])
def decline_change(
    context: Here, who: Actor, change_id: ChangeId, body: acting.Decline, key: IdempotencyKey
) -> Declined:
    """The user does not want a raise that was offered or announced."""
    return acting.decline(context, who, key, change_id, body)


# Notices -------------------------------------------------------------------------------------


@router.get("/notices", tags=["notices"], dependencies=[Depends(READERS)])
def list_notices(
    context: Here,
    user: OfUser = None,
    overdue: Annotated[bool, Query(description="Only those due before today and not delivered.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NoticeAnswer]:
    """What users have to be told, the first due at the top."""
    with context.connect("operations") as conn:
        return acting_answers.notice_list(conn, user_id=user, overdue=overdue, limit=limit, cursor=cursor)


@router.get("/notices/{notice_id}", tags=["notices"], dependencies=[Depends(READERS)])
def get_notice(context: Here, notice_id: NoticeId) -> NoticeText:
    """A notice as it was delivered, or as it would be delivered today."""
    with context.connect("operations") as conn:
        found = notices.get(conn, notice_id)
        text = engine.text_shown(conn, found, today(), folder=context.settings.snapshot_store)
    return NoticeText(**found.as_dict(today()), text=text)
