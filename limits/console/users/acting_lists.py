"""Pages over all users: overrides, offered and announced changes, notices, and whom a person has to look at."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from limits import engine
from limits.console.context import Context, context_of
from limits.console.pages import render, see
from limits.console.paging import Cursor
from limits.console.people import Posted, Principal, may, posted
from limits.console.problems import Problem
from limits.console.users import acting, acting_answers
from limits.console.users.acting_fields import LARGEST, ChangeId, NoticeId, OverrideId, checked
from limits.console.users.acting_pages import done
from limits.engine.asking import today
from limits.money import EXPONENTS
from limits.store import notices, overrides, pending

router = APIRouter(include_in_schema=False)
READERS = may("operations", "risk", "approver")
#: Rows of a page.
ROWS = 50

Here = Annotated[Context, Depends(context_of)]
Reader = Annotated[Principal, Depends(READERS)]
Sent = Annotated[Posted, Depends(posted("operations"))]
SentBySecond = Annotated[Posted, Depends(posted("approver"))]
SentByEither = Annotated[Posted, Depends(posted("operations", "approver"))]
User = Annotated[str, Query(max_length=19)]


def _user(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST):
        raise Problem(422, "not-usable", "user is a number, such as 25")
    return int(text)


# Overrides -----------------------------------------------------------------------------------


@router.get("/overrides", dependencies=[Depends(READERS)])
def overrides_page(
    request: Request,
    context: Here,
    user: User = "",
    state: Literal["", "proposed", "approved", "rejected", "ended"] = "",
    cursor: Cursor = None,
) -> HTMLResponse:
    """Overrides of everybody or of one user."""
    with context.connect("operations") as conn:
        page = acting_answers.override_list(
            conn, user_id=_user(user), state=state or None, limit=ROWS, cursor=cursor
        )  # fmt: skip
    return render(
        request, "user_acting_overrides.html", {"page": page, "user": user, "state": state, "exponents": EXPONENTS}
    )


@router.get("/overrides/{override_id}")
def override_page(request: Request, context: Here, who: Reader, override_id: OverrideId) -> HTMLResponse:
    """One override, and what can be done about it."""
    with context.connect("operations") as conn:
        one = overrides.get(conn, override_id)
    mine = one.maker.strip().casefold() == who.actor.strip().casefold()
    values = {"one": one, "counts": one.counts_on(today()), "mine": mine, "today": today()}
    return render(request, "user_acting_override.html", values)


@router.post("/overrides/{override_id}/approve")
def approve_form(context: Here, sent: SentBySecond, override_id: OverrideId) -> RedirectResponse:
    """A second person agrees."""
    return _decide(context, sent, override_id, "approve")


@router.post("/overrides/{override_id}/refuse")
def refuse_form(context: Here, sent: SentBySecond, override_id: OverrideId) -> RedirectResponse:
    """A second person does not agree."""
    return _decide(context, sent, override_id, "refuse")


@router.post("/overrides/{override_id}/end")
def end_form(context: Here, sent: SentByEither, override_id: OverrideId) -> RedirectResponse:
    """It ends before its time."""
    return _decide(context, sent, override_id, "end")


def _decide(
    context: Context, sent: Posted, override_id: int, verdict: Literal["approve", "refuse", "end"]
) -> RedirectResponse:
    body = checked(acting.Why, reason=sent.needed("reason"))
    made = acting.decide_override(context, sent.who, sent.key, override_id, verdict, body)
    state = made.override.state
    by = made.override.ended_by if state == "ended" else made.override.checker
    words = f"is {state}" if made.changed else f"was {state} by {by} before; nothing was changed"
    return see(f"/overrides/{override_id}", f"Override {override_id} {words}.")


# Offered and announced changes ---------------------------------------------------------------


@router.get("/changes", dependencies=[Depends(READERS)])
def changes_page(
    request: Request,
    context: Here,
    user: User = "",
    show: Literal["open", "due", "all"] = "open",
    cursor: Cursor = None,
) -> HTMLResponse:
    """Offers and announced changes."""
    with context.connect("operations") as conn:
        page = acting_answers.change_list(
            conn, user_id=_user(user), due=show == "due", ended=show == "all", limit=ROWS, cursor=cursor
        )  # fmt: skip
    return render(request, "user_acting_changes.html", {"page": page, "user": user, "show": show, "today": today()})


@router.get("/changes/{change_id}", dependencies=[Depends(READERS)])
def change_page(request: Request, context: Here, change_id: ChangeId) -> HTMLResponse:
    """One offer or announced change, and what can be done about it."""
    with context.connect("operations") as conn:
        one = pending.change(conn, change_id)
    return render(request, "user_acting_change.html", {"one": one, "today": today()})


@router.post("/changes/{change_id}/accept")
def accept_form(context: Here, sent: Sent, change_id: ChangeId) -> RedirectResponse:
    """The user accepts; the decision made upon that is the next page."""
    made = acting.accept(context, sent.who, sent.key, change_id, acting.Accept())
    return see(done(made.change.user_id, made.decision.entry_id), f"{made.said[:1].upper()}{made.said[1:]}.")


@router.post("/changes/{change_id}/decline")
def decline_form(context: Here, sent: Sent, change_id: ChangeId) -> RedirectResponse:
    """The user does not want it."""
    body = checked(acting.Decline, reason=sent.needed("reason"))
    made = acting.decline(context, sent.who, sent.key, change_id, body)
    words = "was declined before; nothing was changed" if made.repeated else "is declined"
    return see(f"/changes/{change_id}", f"Change {change_id} {words}.")


# Notices and referrals -----------------------------------------------------------------------


@router.get("/notices", dependencies=[Depends(READERS)])
def notices_page(
    request: Request,
    context: Here,
    user: User = "",
    show: Literal["all", "overdue"] = "all",
    cursor: Cursor = None,
) -> HTMLResponse:
    """What users have to be told, the first due at the top."""
    with context.connect("operations") as conn:
        page = acting_answers.notice_list(
            conn, user_id=_user(user), overdue=show == "overdue", limit=ROWS, cursor=cursor
        )  # fmt: skip
    return render(request, "user_acting_notices.html", {"page": page, "user": user, "show": show})


@router.get("/notices/{notice_id}", dependencies=[Depends(READERS)])
def notice_page(request: Request, context: Here, notice_id: NoticeId) -> HTMLResponse:
    """A notice as it was delivered, or as it would be delivered today."""
    with context.connect("operations") as conn:
        found = notices.get(conn, notice_id)
        text = engine.text_shown(conn, found, today(), folder=context.settings.snapshot_store)
    return render(request, "user_acting_notice.html", {"one": found, "state": found.state(today()), "text": text})


@router.get("/referrals", dependencies=[Depends(READERS)])
def referrals_page(request: Request, context: Here, user: User = "") -> HTMLResponse:
    """Users whom a person has to look at, the longest first."""
    with context.connect("operations") as conn:
        found = acting_answers.referral_list(conn, _user(user))
    return render(request, "user_acting_referrals.html", {"found": found.items, "user": user})
