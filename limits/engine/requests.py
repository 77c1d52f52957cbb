"""A user asks for a higher limit: written down, decided as a review of one user and answered, in one transaction."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import structlog

from limits.engine.asking import policy_for, today
from limits.engine.single import Order, apply_order, done_before, refuse_past
from limits.errors import InputError, ReviewRefused
from limits.money import LARGEST_MINOR, Money, money
from limits.policy import Policy
from limits.settings import Settings
from limits.store import pending, reviews
from limits.store.db import Connection, Database
from limits.store.log import LogEntry
from limits.store.pending import Change, Request

log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """A request with the decision that answered it.

    ``asked_minor``: the amount as asked, before it was rounded down to the policy's grid.
    ``repeated``: an earlier call with the same key asked. ``waiting``: the user's open change.
    """

    request: Request
    entry: LogEntry
    asked_minor: int
    repeated: bool = False
    waiting: Change | None = None

    @property
    def said(self) -> str:
        """The answer in a few words."""
        entry = self.entry
        before, after = (
            money(minor, entry.exponent, entry.currency)
            for minor in (entry.limit_before_minor, entry.limit_after_minor)
        )
        if entry.action < 0:  # what is decided afresh may also fall
            return f"refused: the limit is lowered from {before} to {after}"
        return {
            "granted": f"granted: the limit is {after}",
            "partly_granted": f"partly granted: the limit is {after}",
            "refused": f"refused: the limit stays {after}",
        }[self.request.answer]

    def as_dict(self) -> dict[str, Any]:
        """The answer for a machine; amounts in minor units."""
        return {
            "request_id": self.request.request_id,
            "answer": self.request.answer,
            "asked_minor": self.asked_minor,
            "amount_minor": self.request.amount_minor,
            "waiting_change_id": self.waiting.change_id if self.waiting else None,
            "repeated": self.repeated,
            "decision": self.entry.as_dict(),
        }


def request_limit(
    database: Database,
    settings: Settings,
    user_id: int,
    amount: Money,
    *,
    key: str,
    actor: str,
    as_of: dt.date | None = None,
    policy: str | None = None,
) -> Answer:
    """Asks for an amount for a user as of a date (None: today), and answers at once.

    A second call with the same key gives the first one's answer. InputError for an amount
    that cannot be asked for; KeyReused, KillSwitchEngaged and ReviewRefused as for a recompute.
    """
    with database.connect("operations", "limits request") as conn:
        line = pending.line_of(conn, user_id)
        reason = f"asked for {money(amount.minor, line.exponent, amount.currency)}"
        if done := done_before(conn, key, user_id, reason, as_of):
            return _answer(conn, done.entry, amount, repeated=True)
        date = as_of or today()
        refuse_past(conn, user_id, date)
        if amount.currency != line.currency:
            raise InputError(f"user {user_id} has a limit in {line.currency}; ask for an amount in {line.currency}")
        chosen = policy_for(policy or settings.policy, date)
        minor = _on_grid(amount, chosen)
        if minor <= line.limit_minor:
            limit = money(line.limit_minor, line.exponent, line.currency)
            raise InputError(f"user {user_id} has a limit of {limit}; ask for a higher amount, by steps of the policy")
        reviews.refresh_cash_flow(conn)
    order = Order(
        user_id, date, chosen, actor, reason, key, request_minor=minor, snapshot_store=settings.snapshot_store
    )  # fmt: skip
    made = apply_order(database, order)
    with database.connect("operations", "limits request") as conn:
        return _answer(conn, made.entry, amount, repeated=made.repeated)


def _on_grid(amount: Money, policy: Policy) -> int:
    """The amount rounded down to the policy's grid."""
    if policy.currency != amount.currency:
        raise ReviewRefused(f"policy {policy.pack} is in {policy.currency}, not {amount.currency}; name another policy")
    if amount.minor > LARGEST_MINOR:
        raise InputError(f"{amount.minor} minor units are too many; the largest amount is {LARGEST_MINOR}")
    return amount.minor - amount.minor % policy.rounding.grid.minor


def _answer(conn: Connection, entry: LogEntry, amount: Money, *, repeated: bool) -> Answer:
    request = pending.request_of(conn, entry.review_id)
    waiting = pending.changes(conn, user_id=entry.user_id)
    log.info("request answered", request_id=request.request_id, user_id=entry.user_id, answer=request.answer)
    return Answer(request, entry, amount.minor, repeated, waiting[0] if waiting else None)
