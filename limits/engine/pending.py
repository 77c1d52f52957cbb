"""Changes that wait: an offer is accepted, declined or runs out; what was announced takes effect on its day.

    open --accepted, or its day has come, and the engine still changes it--> applied
    open --the same, and the engine no longer does; consent withdrawn; closed--> suppressed
    open --declined (a raise only)--> declined
    open --an offer, its last day over--> expired

Whatever is carried out is decided afresh, as a review of that one user, in the transaction
that ends the change: a process that dies in the middle leaves it open, and of two that carry
it out at once one finds it ended.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from limits.engine.asking import policy_for, refuse_future, today
from limits.engine.single import Order, apply_order, done_before, refuse_past
from limits.errors import (
    ChangeEnded,
    DatabaseError,
    LimitsError,
    NoDecision,
    PolicyNotApproved,
    ReviewRefused,
)
from limits.policy import Policy, parse_policy
from limits.store import approvals, pending, policies, recomputes, reviews
from limits.store.db import Connection, Database, Role
from limits.store.log import LogEntry
from limits.store.pending import Change

log = structlog.get_logger()

#: Changes read at a time.
PAGE = 100


@dataclass(frozen=True)
class Carried:
    """A change that was carried out: how it ended, and the decision. ``repeated``: an earlier call did it."""

    change: Change
    entry: LogEntry
    repeated: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of what was offered is the limit now."""
        return self.entry.limit_after_minor >= self.change.proposed_minor

    @property
    def said(self) -> str:
        """How an accepted offer ended, in a few words."""
        number = self.change.change_id
        if self.change.state == "suppressed":
            return f"offer {number} could not be kept: nothing above the limit is allowed any longer"
        if not self.whole:
            return f"offer {number} was kept in part"
        return f"offer {number} was accepted and the limit raised"


@dataclass
class DueRun:
    """What was done about changes whose day had come. ``waiting``: not yet, with the reason, by change.

    ``after``: the change to go on after, when time was up before the end; else 0.
    """

    as_of: dt.date
    applied: int = 0
    suppressed: int = 0
    expired: int = 0
    waiting: dict[int, str] = field(default_factory=dict)
    after: int = 0


def accept(
    database: Database,
    change_id: int,
    *,
    key: str,
    actor: str,
    as_of: dt.date | None = None,
    policy: str | None = None,
    snapshot_store: Path | None = None,
) -> Carried:
    """The user accepts an offer: decided afresh for the amount offered, and applied at once.

    The limit becomes what the engine allows now, up to the offer; where nothing of it is left
    the offer is suppressed and the decision says why. A second call with the key gives the
    first one's answer. ChangeEnded when the offer is no longer open.
    """
    with database.connect("operations", "limits change accept") as conn:
        change = pending.change(conn, change_id)
        reason = f"offer {change_id} accepted"
        if done := done_before(conn, key, change.user_id, reason, as_of):
            return Carried(change, done.entry, repeated=True)
        date = as_of or today()
        refuse_past(conn, change.user_id, date)
        if change.kind != "offer":
            raise ReviewRefused(
                f"change {change_id} is announced and takes effect on {change.effective_on} by itself; "
                "there is nothing to accept"
            )
        _refuse_ended(change)
        if date > change.effective_on:
            raise ChangeEnded(f"offer {change_id} could be accepted until {change.effective_on}; it is {date} now")
        chosen = _policy(conn, change, date, policy)
        reviews.refresh_cash_flow(conn)
    order = Order(
        change.user_id, date, chosen, actor, reason, key, change=change, snapshot_store=snapshot_store
    )  # fmt: skip
    made = apply_order(database, order)
    with database.connect("operations", "limits change accept") as conn:
        return Carried(pending.change(conn, change_id), made.entry, made.repeated)


def decline(
    database: Database, change_id: int, *, actor: str, reason: str, as_of: dt.date | None = None
) -> tuple[Change, bool]:
    """The user does not want an offered or announced raise. Gives the change, and whether this call ended it."""
    date = as_of or today()
    refuse_future(date)
    with database.connect("operations", "limits change decline") as conn:
        change = pending.change(conn, change_id)
        if not change.is_raise:
            raise ReviewRefused(f"change {change_id} is a cut, which the user cannot decline; an override may hold it")
        if change.state not in ("open", "declined"):
            _refuse_ended(change)
        _, done = pending.end(conn, change_id, "declined", as_of=date, actor=actor, reason=reason)
        change = pending.change(conn, change_id)
        if change.state != "declined":
            _refuse_ended(change)
    if done:
        log.info("change declined", change_id=change_id, user_id=change.user_id, actor=actor)
    return change, done


def due_changes(
    database: Database,
    as_of: dt.date,
    *,
    actor: str,
    role: Role = "operations",
    policy: str | None = None,
    snapshot_store: Path | None = None,
    after: int = 0,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> DueRun:
    """Applies announced changes whose day has come by a date, and ends offers past theirs.

    One transaction for each. What cannot be done now, such as while the kill switch is engaged,
    waits for the next call. Goes on after the change ``after`` and stops when ``seconds`` are over.
    """
    refuse_future(as_of)
    run = DueRun(as_of)
    until = None if seconds is None else time.monotonic() + seconds
    refreshed = False
    with database.connect(role, "limits changes due") as conn:
        while found := pending.changes(conn, due_on=as_of, after=after, limit=PAGE):
            if not refreshed:
                reviews.refresh_cash_flow(conn)
                refreshed = True
            for change in found:
                if stop() or (until is not None and time.monotonic() > until):
                    run.after = after
                    return run
                _see_to(
                    database, conn, change, run, actor=actor, role=role, policy=policy, snapshot_store=snapshot_store
                )  # fmt: skip
                after = change.change_id
    return run


def _see_to(
    database: Database,
    conn: Connection,
    change: Change,
    run: DueRun,
    *,
    actor: str,
    role: Role,
    policy: str | None,
    snapshot_store: Path | None,
) -> None:
    try:
        if change.kind == "offer":
            why = f"not accepted by {change.effective_on}"
            _, done = pending.end(conn, change.change_id, "expired", as_of=run.as_of, actor=actor, reason=why)
            run.expired += done
            return
        chosen = _policy(conn, change, run.as_of, policy)
        reason = f"announced change {change.change_id} falls due"
        order = Order(
            change.user_id, run.as_of, chosen, actor, reason, role=role, change=change, snapshot_store=snapshot_store
        )  # fmt: skip
        try:
            apply_order(database, order)
        except NoDecision as error:
            if error.reason != "closed":
                raise
            pending.end(conn, change.change_id, "suppressed", as_of=run.as_of, actor=actor, reason="account closed")
        state = pending.change(conn, change.change_id).state
        run.applied += state == "applied"
        run.suppressed += state == "suppressed"
    except ChangeEnded:
        log.info("change ended meanwhile", change_id=change.change_id)
    except DatabaseError:
        raise
    except LimitsError as error:  # it concerns this change; the others go on
        log.warning("change waits", change_id=change.change_id, user_id=change.user_id, error=str(error))
        run.waiting[change.change_id] = str(error)


def set_consent(
    database: Database,
    user_id: int,
    subject: str,
    state: str,
    *,
    actor: str,
    reason: str,
    as_of: dt.date | None = None,
) -> tuple[bool, int]:
    """What a user agreed to or took back from a date (None: today) on.

    Gives whether that was new, and how many raises no longer wait because of it.
    """
    date = as_of or today()
    refuse_future(date)
    with database.connect("operations", "limits consent") as conn:
        recomputes.last_decided(conn, user_id)
        return pending.set_consent(
            conn, user_id=user_id, subject=subject, state=state, effective_on=date, actor=actor, reason=reason
        )


def _policy(conn: Connection, change: Change, as_of: dt.date, name: str | None) -> Policy:
    """Which policy decides afresh: the one named, else of the pack it came from the approved one that is in force."""
    if name:
        return policy_for(name, as_of)
    found = approvals.in_force(conn, change.pack, as_of)
    if found is None:
        raise PolicyNotApproved(f"of pack {change.pack} no policy that is in force on {as_of} is approved; approve one")
    return parse_policy(policies.load_policy(conn, found), file=f"policy of change {change.change_id}")


def _refuse_ended(change: Change) -> None:
    if change.state != "open":
        ended = f" on {change.ended_at:%Y-%m-%d}" if change.ended_at else ""
        raise ChangeEnded(
            f"change {change.change_id} was {change.state}{ended} ({change.ended_reason}); nothing was done"
        )
