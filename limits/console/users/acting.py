"""What operations do about a user, each once for its key. API and pages call the same functions.

The keys of a recompute, a request and an accepted offer are the keys of the log: a request that was cut off half way
is sent again with the same key and gets the entry that the first one made. What cannot be done twice anyway (a
verdict, a consent, a declined offer) is simply done again.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from limits import engine
from limits.console.context import Context, Login
from limits.console.fields import TrimmedReason
from limits.console.once import once
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.console.users.acting_answers import (
    Accepted,
    ChangeAnswer,
    Cleared,
    ConsentSet,
    Decided,
    Declined,
    OverrideAnswer,
    OverrideChanged,
    Recomputed,
    RequestAnswer,
)
from limits.console.users.acting_fields import LARGEST, Amount, Day, Pack
from limits.engine import referring
from limits.engine.asking import today
from limits.money import money
from limits.store import overrides, pending, recomputes

#: What an override does, and what a consent is about.
KINDS: tuple[overrides.Kind, ...] = ("hold", "cap", "floor", "set")
SUBJECTS = ("raises", "automation")
STATES = ("given", "withdrawn")


class Recompute(BaseModel, extra="forbid"):
    """How one user is to be decided."""

    reason: TrimmedReason
    apply: bool = Field(False, description="Change the limit and log it. Without, nothing is changed.")
    as_of: Day | None = Field(None, description="The business date (UTC); today where none is said.")
    policy: Pack | None = None
    if_limit_minor: Annotated[int, Field(ge=0, le=LARGEST)] | None = Field(
        None, description="With apply: refuse where the limit is not this any more, such as since a preview."
    )


class LimitRequest(Amount):
    """A user asks for a limit."""

    policy: Pack | None = None

    @model_validator(mode="after")
    def _some_amount(self) -> LimitRequest:
        if self.money is None:
            raise ValueError("the amount is missing")
        return self


class ProposedOverride(Amount):
    """An override to be approved by another person. A hold has no amount; cap, floor and set have one."""

    kind: Literal["hold", "cap", "floor", "set"] = Field(
        description="hold: the limit stays. cap: not above the amount. floor: no cut below it. set: both."
    )
    expires_on: Day = Field(description="The first day (UTC) on which it no longer counts.")
    starts_on: Day | None = Field(None, description="The first day on which it counts; today where none is said.")
    reason: TrimmedReason


class Why(BaseModel, extra="forbid"):
    """The reason of a verdict."""

    reason: TrimmedReason


class Consent(BaseModel, extra="forbid"):
    """What a user agreed to, or takes back."""

    subject: Literal["raises", "automation"] = Field(
        description="raises: to be raised without asking. automation: to be decided about without a person."
    )
    state: Literal["given", "withdrawn"]
    reason: TrimmedReason = Field(description="How it came in.")
    as_of: Day | None = Field(None, description="From this date (UTC) on; today where none is said.")


class Accept(BaseModel, extra="forbid"):
    """An offer is accepted, decided afresh by a policy; where none is said, by the one in force of its pack."""

    policy: Pack | None = None


class Decline(BaseModel, extra="forbid"):
    """A raise is not wanted."""

    reason: TrimmedReason = "declined by the user"


# One user ------------------------------------------------------------------------------------


def preview(context: Context, who: Principal, user_id: int, body: Recompute) -> engine.Recompute:
    """What a recompute would come to; nothing is changed."""
    return engine.recompute(
        context.database("operations"), context.settings, user_id, reason=body.reason, actor=who.actor,
        as_of=body.as_of, policy=body.policy,
    )  # fmt: skip


def recomputed(made: engine.Recompute) -> Recomputed:
    """The answer of the API."""
    return Recomputed(
        applied=made.applied, repeated=made.repeated, decision=Decided(**made.entry.as_dict()),
        risk=made.score and made.score.as_dict(),
    )  # fmt: skip


def recompute(context: Context, who: Principal, key: str, user_id: int, body: Recompute) -> Recomputed:
    """One user decided and applied."""

    def act() -> dict[str, Any]:
        _refuse_moved(context, user_id, key, body.if_limit_minor)
        made = engine.recompute(
            context.database("operations"), context.settings, user_id, reason=body.reason, actor=who.actor,
            as_of=body.as_of, apply=True, key=key, policy=body.policy,
        )  # fmt: skip
        return recomputed(made).model_dump(mode="json")

    return Recomputed(**once(context, who, key, f"recompute {user_id}", body, act, known_below=True))


def _refuse_moved(context: Context, user_id: int, key: str, expected: int | None) -> None:
    """Problem 409 where the limit is another one than was shown, unless this very key made it so."""
    if expected is None:
        return
    with context.connect("operations") as conn:
        if recomputes.of_key(conn, key) is not None:
            return
        line = pending.line_of(conn, user_id)
    if line.limit_minor != expected:
        now, shown = (money(minor, line.exponent, line.currency) for minor in (line.limit_minor, expected))
        raise Problem(
            409, "changed-meanwhile", f"the limit of user {user_id} is {now} now, not {shown} as shown: nothing was "
            "done; look at the preview again",
        )  # fmt: skip


def request_limit(context: Context, who: Principal, key: str, user_id: int, body: LimitRequest) -> RequestAnswer:
    """A user asks for a limit: decided and answered at once."""
    amount = body.money
    assert amount is not None, "checked by the body"

    def act() -> dict[str, Any]:
        made = engine.request_limit(
            context.database("operations"), context.settings, user_id, amount, key=key, actor=who.actor,
            policy=body.policy,
        )  # fmt: skip
        told = RequestAnswer(**made.as_dict(), said=made.said)
        return told.model_dump(mode="json")

    return RequestAnswer(**once(context, who, key, f"limit request {user_id}", body, act, known_below=True))


def set_consent(context: Context, who: Principal, key: str, user_id: int, body: Consent) -> ConsentSet:
    """What a user agrees to, or does not any longer."""

    def act() -> dict[str, Any]:
        written, ended = engine.set_consent(
            context.database("operations"), user_id, body.subject, body.state, actor=who.actor, reason=body.reason,
            as_of=body.as_of,
        )  # fmt: skip
        return {
            "user_id": user_id, "subject": body.subject, "state": body.state, "written": written,
            "ended_changes": ended,
        }  # fmt: skip

    return ConsentSet(**once(context, who, key, f"consent {user_id}", body, act, known_below=True))


def clear_referral(context: Context, who: Principal, key: str, user_id: int, body: Why) -> Cleared:
    """Nothing was found against a user who is linked to a fraud."""

    def act() -> dict[str, Any]:
        with context.connect("operations") as conn:
            day = referring.clear(conn, user_id, actor=who.actor, reason=body.reason)
        return {"user_id": user_id, "cleared_on": day}

    return Cleared(**once(context, who, key, f"clear referral {user_id}", body, act))


# Overrides -----------------------------------------------------------------------------------


def propose_override(
    context: Context, who: Principal, key: str, user_id: int, body: ProposedOverride
) -> OverrideChanged:
    """Proposes an override; it counts once somebody else has approved it."""

    def act() -> dict[str, Any]:
        with context.connect("operations") as conn:
            number = overrides.propose(
                conn, user_id, body.kind, body.money, starts_on=body.starts_on or today(),
                expires_on=body.expires_on, actor=who.actor, reason=body.reason,
            )  # fmt: skip
            made = OverrideChanged(changed=True, override=OverrideAnswer.of(overrides.get(conn, number)))
        return made.model_dump(mode="json")

    return OverrideChanged(**once(context, who, key, f"propose override {user_id}", body, act))


def decide_override(
    context: Context,
    who: Principal,
    key: str,
    override_id: int,
    verdict: Literal["approve", "refuse", "end"],
    body: Why,
) -> OverrideChanged:
    """Approves or refuses what somebody else proposed, or ends what counts.

    By the login of second persons for whoever is one: the database refuses that of the maker.
    """
    login: Login = "approver" if who.may("approver") else "operations"

    def act() -> dict[str, Any]:
        with context.connect(login) as conn:
            overrides.get(conn, override_id)
            if verdict == "end":
                changed = overrides.end(conn, override_id, actor=who.actor, reason=body.reason)
            else:
                word: Literal["approve", "reject"] = "approve" if verdict == "approve" else "reject"
                changed = overrides.decide(conn, override_id, word, actor=who.actor, reason=body.reason)
            made = OverrideChanged(changed=changed, override=OverrideAnswer.of(overrides.get(conn, override_id)))
        return made.model_dump(mode="json")

    return OverrideChanged(**once(context, who, key, f"{verdict} override {override_id}", body, act, known_below=True))


# Changes -------------------------------------------------------------------------------------


def accept(context: Context, who: Principal, key: str, change_id: int, body: Accept) -> Accepted:
    """The user accepts an offer: checked afresh, and the limit raised at once as far as it still may be."""

    def act() -> dict[str, Any]:
        made = engine.accept(
            context.database("operations"), change_id, key=key, actor=who.actor, policy=body.policy,
            snapshot_store=context.settings.snapshot_store,
        )  # fmt: skip
        told = Accepted(
            said=made.said, repeated=made.repeated, change=ChangeAnswer.of(made.change),
            decision=Decided(**made.entry.as_dict()),
        )  # fmt: skip
        return told.model_dump(mode="json")

    return Accepted(**once(context, who, key, f"accept change {change_id}", body, act, known_below=True))


def decline(context: Context, who: Principal, key: str, change_id: int, body: Decline) -> Declined:
    """The user does not want a raise that was offered or announced."""

    def act() -> dict[str, Any]:
        found, done = engine.decline(
            context.database("operations"), change_id, actor=who.actor, reason=body.reason
        )  # fmt: skip
        return Declined(repeated=not done, change=ChangeAnswer.of(found)).model_dump(mode="json")

    return Declined(**once(context, who, key, f"decline change {change_id}", body, act, known_below=True))
