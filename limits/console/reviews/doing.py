"""What people do with reviews and the kill switch: each once for its key, by the database's own rules."""

from __future__ import annotations

from typing import Any, Literal

import structlog
from pydantic import BaseModel, Field

from limits import engine
from limits.console.context import Context, Login
from limits.console.fields import Reason
from limits.console.once import once
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.console.reviews.fields import Day, Name
from limits.errors import BrokerError, PolicyError
from limits.store import gates, policies, reviews
from tasks.app import make_app
from tasks.sweep import sweep

log = structlog.get_logger()

#: Wake-ups for a review that was asked for: as many as start at once; workers find the rest themselves.
WAKES = 4

Verdict = Literal["release", "cancel", "resume"]


class Wanted(BaseModel, extra="forbid"):
    """A review that somebody asks for."""

    as_of: Day
    schedule: Name = "manual"
    policy: str | None = Field(
        default=None, max_length=100, description="A policy pack that comes with the product. Default: the schedule's."
    )


class Asked(BaseModel):
    """The review that was asked for: made by this, or there before."""

    review_id: int
    state: str
    created: bool


class Moved(BaseModel):
    """A review after somebody released, cancelled or resumed it."""

    review_id: int
    state: str
    changed: bool = Field(description="False where it was so before.")


class Turned(BaseModel, extra="forbid"):
    """How the kill switch shall be, and why."""

    engaged: bool
    reason: Reason


def login_of(who: Principal) -> Login:
    """A second person acts on the login of second persons, which the database tells from the first one's."""
    return "approver" if who.may("approver") else "operations"


def ask(context: Context, who: Principal, key: str, wanted: Wanted) -> Asked:
    """Owes the review unless it is there; asked for again it is the same one."""

    def act() -> dict[str, Any]:
        check_pack(wanted.policy)
        row = engine.request_review(
            context.database("operations"), context.settings, as_of=wanted.as_of, actor=who.actor,
            schedule=wanted.schedule, policy=wanted.policy,
        )  # fmt: skip
        wake(context)
        return Asked(review_id=row.review_id, state=row.state, created=row.created).model_dump()

    return Asked(**once(context, who, key, "ask for a review", wanted, act, known_below=True))


def move(context: Context, who: Principal, key: str, review_id: int, verdict: Verdict, reason: str) -> Moved:
    """Releases, cancels or resumes a review. NotFound; ReviewRefused, ApprovalRefused by the database."""
    login = login_of(who)
    if verdict == "release":
        _refuse_machine(who, "release a held review")

    def act() -> dict[str, Any]:
        # A connection of its own: the database may let it wait for what is being applied.
        with context.database(login).connect("operations", "limits web") as conn:
            reviews.get(conn, review_id)
            changed = True
            if verdict == "release":
                gates.release(conn, review_id, actor=who.actor, reason=reason)
            elif verdict == "cancel":
                changed = gates.cancel(conn, review_id, actor=who.actor, reason=reason)
            else:
                changed = gates.resume(conn, review_id, actor=who.actor, reason=reason)
            state = reviews.get(conn, review_id).state
        if verdict != "cancel":
            wake(context)
        return Moved(review_id=review_id, state=state, changed=changed).model_dump()

    # To cancel twice is to cancel once. To release again might let through what was held since.
    what, again = f"{verdict} review {review_id}", verdict == "cancel"
    return Moved(**once(context, who, key, what, {"reason": reason}, act, known_below=again))


def turn(context: Context, who: Principal, key: str, wanted: Turned) -> bool:
    """Turns the kill switch; False when it was so before. Engaged: nothing is being applied when this returns."""
    # Engaged on the login of first persons, so that a second one may always end it.
    login: Login = "operations" if wanted.engaged else login_of(who)
    if not wanted.engaged:
        _refuse_machine(who, "end the kill switch")

    def act() -> bool:
        with context.database(login).connect("operations", "limits web") as conn:
            changed = gates.set_switch(conn, wanted.engaged, actor=who.actor, reason=wanted.reason)
        if not wanted.engaged:
            wake(context)
        return changed

    return bool(once(context, who, key, "turn the kill switch", wanted, act))


def _refuse_machine(who: Principal, what: str) -> None:
    """Problem 403: a second person looks, and a machine is none. What stops something a machine may do."""
    if who.kind == "machine":
        raise Problem(403, "not-for-machines", f"a machine is no second person: {what} as a person who signed in")


def check_pack(name: str | None) -> None:
    """PolicyError for what is no pack of the product: no file of this machine is read because a request names it."""
    names = policies.pack_names()
    if name is not None and name not in names:
        raise PolicyError(f"there is no policy pack {name!r}; there are {', '.join(names)}")


def wake(context: Context) -> None:
    """Tells workers that there is something to do. The scheduler does so every few seconds, too."""
    database = context.database("operations")
    try:
        with database.connect("operations", "limits web") as conn:
            sweep(conn, make_app(context.settings, database, role="operations"), most=WAKES)
    except BrokerError as error:
        log.warning("no wake-up sent; the scheduler will", error=str(error))
