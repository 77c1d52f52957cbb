"""The pages of acts on one user: the preview of a recompute and its result, requests, overrides, consents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from limits import explanation
from limits.capacity import Method
from limits.ceilings import CEILINGS
from limits.console import charts
from limits.console.context import Context, context_of
from limits.console.pages import render, see
from limits.console.people import Posted, Principal, may, posted
from limits.console.problems import Problem, problem_of
from limits.console.users import acting
from limits.console.users.acting_fields import (
    EntryId,
    UserId,
    checked,
    day_of,
    form_amount,
    form_choice,
    form_day,
    form_pack,
    pack_of,
)
from limits.engine.asking import today
from limits.errors import ErasureRefused, LimitsError, NotFound
from limits.money import major
from limits.store import log as adjustment_log
from limits.store import overrides, pending, policies
from limits.store.db import Connection
from limits.store.log import LogEntry, reason_code, reason_text

router = APIRouter(prefix="/users/{user_id}", include_in_schema=False)
READERS = may("operations", "risk", "approver")
ACTORS = may("operations")

Here = Annotated[Context, Depends(context_of)]
Actor = Annotated[Principal, Depends(ACTORS)]
Sent = Annotated[Posted, Depends(posted("operations"))]


# Recompute -----------------------------------------------------------------------------------


@router.get("/recompute")
def recompute_page(
    request: Request,
    context: Here,
    who: Actor,
    user_id: UserId,
    policy: Annotated[str | None, Query(max_length=64)] = None,
    as_of: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """What a recompute would come to, and the form that applies it."""
    date = day_of(as_of, "as_of") or today()
    with context.connect("operations") as conn:
        line = pending.line_of(conn, user_id)
        usual = _usual_pack(conn, user_id)
        by_hand = overrides.in_force(conn, user_id, date)
    chosen = usual if policy is None else pack_of(policy)
    made, trouble = None, ""
    try:
        made = acting.preview(context, who, user_id, acting.Recompute(reason="preview", as_of=date, policy=chosen))
    except (NotFound, ErasureRefused):
        raise
    except LimitsError as error:
        if problem_of(error).status >= 500:
            raise
        trouble = str(error)
    shown = None if made is None else decision_of(made.entry)
    return render(
        request,
        "user_acting_recompute.html",
        {
            "user_id": user_id, "line": line, "decision": shown, "trouble": trouble, "packs": policies.pack_names(),
            "policy": chosen or "", "as_of": date, "by_hand": by_hand,
            "score": None if made is None else made.score,
        },
    )  # fmt: skip


@router.post("/recompute")
def recompute_form(context: Here, sent: Sent, user_id: UserId) -> RedirectResponse:
    """Applies what was shown, once for the form."""
    body = checked(
        acting.Recompute, reason=sent.needed("reason"), apply=True, as_of=form_day(sent, "as_of"),
        policy=form_pack(sent), if_limit_minor=_number(sent.text("limit_minor", longest=19)),
    )  # fmt: skip
    made = acting.recompute(context, sent.who, sent.key, user_id, body)
    again = "was applied before and nothing was done twice" if made.repeated else "applied"
    return see(done(user_id, made.decision.entry_id), f"Recompute {again}: log entry {made.decision.entry_id}.")


@router.get("/entries/{entry_id}", dependencies=[Depends(READERS)])
def entry_page(request: Request, context: Here, user_id: UserId, entry_id: EntryId) -> HTMLResponse:
    """What was done: the entry that an act on the user left in the log."""
    with context.connect("operations") as conn:
        entry = adjustment_log.entry(conn, entry_id)
        if entry.user_id != user_id:
            raise NotFound(f"log entry {entry_id} is not about user {user_id}")
        asked = _request_of(conn, entry)
        waiting = pending.changes(conn, user_id=user_id)
    return render(
        request,
        "user_acting_entry.html",
        {"user_id": user_id, "decision": decision_of(entry), "asked": asked, "waiting": waiting},
    )


def _request_of(conn: Connection, entry: LogEntry) -> pending.Request | None:
    if entry.review_kind != "recompute":
        return None
    try:
        return pending.request_of(conn, entry.review_id)
    except NotFound:
        return None


# Requests, overrides, consents, referrals ----------------------------------------------------


@router.post("/limit-requests")
def request_form(context: Here, sent: Sent, user_id: UserId) -> RedirectResponse:
    """A user asks for a limit; the answer is the next page."""
    with context.connect("operations") as conn:
        amount = form_amount(sent, pending.line_of(conn, user_id).currency)
        usual = _usual_pack(conn, user_id)
    if amount is None:
        raise Problem(422, "missing", "amount is missing")
    body = checked(
        acting.LimitRequest, amount_minor=amount.minor, currency=amount.currency, policy=usual
    )  # fmt: skip
    made = acting.request_limit(context, sent.who, sent.key, user_id, body)
    return see(done(user_id, made.decision.entry_id), f"Request {made.request_id} {made.said}.")


@router.post("/overrides")
def propose_form(context: Here, sent: Sent, user_id: UserId) -> RedirectResponse:
    """Proposes an override; another person decides on it."""
    amount = form_amount(sent, _currency(context, user_id))
    body = checked(
        acting.ProposedOverride, kind=form_choice(sent, "kind", acting.KINDS),
        amount_minor=amount.minor if amount else None, currency=amount.currency if amount else None,
        starts_on=form_day(sent, "starts_on"), expires_on=form_day(sent, "expires_on"), reason=sent.needed("reason"),
    )  # fmt: skip
    made = acting.propose_override(context, sent.who, sent.key, user_id, body)
    number = made.override.override_id
    return see(f"/overrides/{number}", f"Override {number} is proposed. It counts once another person has approved it.")


@router.post("/consents")
def consent_form(context: Here, sent: Sent, user_id: UserId) -> RedirectResponse:
    """Writes down what the user agreed to, or took back."""
    body = checked(
        acting.Consent, subject=form_choice(sent, "subject", acting.SUBJECTS),
        state=form_choice(sent, "state", acting.STATES), reason=sent.needed("reason"), as_of=form_day(sent, "as_of"),
    )  # fmt: skip
    made = acting.set_consent(context, sent.who, sent.key, user_id, body)
    words = f"Consent to {made.subject}: {made.state}"
    if not made.written:
        words += ", which was known already; nothing was changed"
    elif made.ended_changes:
        words += f"; {made.ended_changes} raise{'s' * (made.ended_changes > 1)} that waited will not be made"
    return see(f"/users/{user_id}", words + ".")


@router.post("/referral/clear")
def clear_form(context: Here, sent: Sent, user_id: UserId) -> RedirectResponse:
    """A person looked and found nothing."""
    body = checked(acting.Why, reason=sent.needed("reason"))
    made = acting.clear_referral(context, sent.who, sent.key, user_id, body)
    return see(
        "/referrals", f"User {user_id} is cleared of links known on {made.cleared_on}; the next review decides so."
    )


# What pages share ----------------------------------------------------------------------------


def done(user_id: int, entry_id: int) -> str:
    """The address of the page that shows what was done."""
    return f"/users/{user_id}/entries/{entry_id}"


def decision_of(entry: LogEntry) -> dict[str, Any]:
    """A decision for the templates: the entry, its reasons in words, and a bar for every ceiling."""
    places = {reason: place for place, reason in enumerate(entry.reasons)}
    bounds = entry.ceilings
    unbound = [reason_code(ceiling.reason) for ceiling in CEILINGS if ceiling.reason not in dict(bounds)]
    rows = [
        {
            "code": reason_code(reason), "words": reason_text(reason), "minor": minor,
            "binds": reason == entry.binding, "stood": reason in places,
        }
        for reason, minor in bounds
    ]  # fmt: skip
    return {
        "entry": entry, "ceilings": rows, "unbound": unbound, "chart": _chart(entry),
        "why": [text for _, text in explanation.why(entry)], "who": list(explanation.who(entry)),
        "method": Method(entry.capacity_method).text("en"),
    }  # fmt: skip


def _chart(entry: LogEntry) -> Any:
    """Bars of the ceilings. One far above the limit would squeeze the others: it is drawn no longer than thrice it."""
    before = max(entry.limit_before_minor, entry.limit_after_minor, 1)
    bars = [
        charts.Bar(
            label=reason_code(reason).replace("_", " "),
            value=float(min(minor, 3 * before)),
            words=major(minor, entry.exponent),
            kind="binding" if reason == entry.binding else "slack" if minor > before else "",
        )
        for reason, minor in entry.ceilings
    ]
    return charts.bars(
        f"Ceilings in {entry.currency}", "Every rule with the limit that it would accept, the lowest first.", bars,
        at=float(entry.limit_before_minor), at_words=f"limit {major(entry.limit_before_minor, entry.exponent)}",
    )  # fmt: skip


def _usual_pack(conn: Connection, user_id: int) -> str | None:
    """The pack of the user's newest decision where it comes with the product; None: that of the settings."""
    last = adjustment_log.newest(conn, user_id, None)
    return last.pack if last is not None and last.pack in policies.pack_names() else None


def _currency(context: Context, user_id: int) -> str:
    with context.connect("operations") as conn:
        return pending.line_of(conn, user_id).currency


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Problem(422, "not-usable", "limit_minor is not a number; load the page again")
    return int(text)
