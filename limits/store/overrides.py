"""What a person sets for one user in place of the rules, for a time: proposed, approved, ended, as rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import ApprovalRefused, NotFound
from limits.money import Money, money
from limits.store.approvals import in_words
from limits.store.queries import query

Connection = psycopg.Connection[Any]

Kind = Literal["hold", "cap", "floor", "set"]

#: The longest an override may count: it ends by itself, so that nobody forgets it.
MOST_DAYS = 366


@dataclass(frozen=True)
class Override:
    """An override. It counts from ``starts_on`` to the day before ``expires_on``; amounts in minor units."""

    override_id: int
    user_id: int
    kind: Kind
    amount_minor: int | None
    currency: str
    exponent: int
    reason: str
    starts_on: dt.date
    expires_on: dt.date
    state: Literal["proposed", "approved", "rejected", "ended"]
    maker: str
    proposed_at: dt.datetime
    checker: str | None
    decided_at: dt.datetime | None
    decided_reason: str
    ended_by: str | None
    ended_on: dt.date | None
    ended_reason: str

    def counts_on(self, day: dt.date) -> bool:
        """Whether a review as of that day goes by it."""
        until = min(self.expires_on, self.ended_on or self.expires_on)
        return self.state in ("approved", "ended") and self.starts_on <= day < until

    @property
    def amount(self) -> str:
        """The amount with its currency; empty for a hold."""
        return "" if self.amount_minor is None else money(self.amount_minor, self.exponent, self.currency)

    def as_dict(self, today: dt.date) -> dict[str, Any]:
        """The override for a machine; the amount in minor units."""
        return {
            "override_id": self.override_id,
            "user_id": self.user_id,
            "kind": self.kind,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "from": self.starts_on.isoformat(),
            "until": self.expires_on.isoformat(),
            "state": self.state,
            "counts_today": self.counts_on(today),
            "maker": self.maker,
            "proposed_at": self.proposed_at.isoformat(),
            "reason": self.reason,
            "checker": self.checker,
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "decided_reason": self.decided_reason,
            "ended_by": self.ended_by,
            "ended_on": self.ended_on.isoformat() if self.ended_on else None,
            "ended_reason": self.ended_reason,
        }


def propose(
    conn: Connection,
    user_id: int,
    kind: Kind,
    amount: Money | None,
    *,
    starts_on: dt.date,
    expires_on: dt.date,
    actor: str,
    reason: str,
) -> int:
    """Proposes an override; its number. ``expires_on`` is the first day on which it no longer counts.

    NotFound for a user without a credit line; ApprovalRefused says what else is wrong.
    """
    currency = _one(conn, "user_currency", user_id=user_id)
    if currency is None:
        raise NotFound(f"there is no user {user_id} with a credit line")
    if (kind == "hold") != (amount is None):
        raise ApprovalRefused("a hold has no amount; a cap, a floor and a set have one")
    if amount is not None and amount.currency != currency:
        raise ApprovalRefused(f"the limit of user {user_id} is in {currency}, not in {amount.currency}")
    if not starts_on < expires_on <= starts_on + dt.timedelta(days=MOST_DAYS):
        raise ApprovalRefused(
            f"an override from {starts_on} on ends between {starts_on + dt.timedelta(days=1)} and "
            f"{starts_on + dt.timedelta(days=MOST_DAYS)}, not on {expires_on}"
        )
    with in_words():
        return int(
            _one(
                conn, "override_propose", user_id=user_id, kind=kind, amount_minor=amount.minor if amount else None,
                starts_on=starts_on, expires_on=expires_on, actor=actor, reason=reason,
            )
        )  # fmt: skip


def decide(
    conn: Connection, override_id: int, verdict: Literal["approve", "reject"], *, actor: str, reason: str
) -> bool:
    """Approves or rejects; False when that was done before.

    ApprovalRefused when it cannot be decided any more, or not by this person or login.
    """
    with in_words():
        return bool(_one(conn, "override_decide", override_id=override_id, verdict=verdict, actor=actor, reason=reason))


def end(conn: Connection, override_id: int, *, actor: str, reason: str) -> bool:
    """Ends it from today on; False when that was done before. ApprovalRefused for one that does not count."""
    with in_words():
        return bool(_one(conn, "override_end", override_id=override_id, actor=actor, reason=reason))


def get(conn: Connection, override_id: int) -> Override:
    """The override of that number; NotFound names it."""
    found = _list(conn, override_id=override_id)
    if not found:
        raise NotFound(f"there is no override {override_id}; `limits override list` shows those there are")
    return found[0]


def list_overrides(
    conn: Connection,
    user_id: int | None = None,
    *,
    state: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Override]:
    """All overrides, oldest first; those of one user or state when given, after a number, so many at most."""
    return _list(conn, user_id=user_id, state=state, after=after, limit=limit)


def in_force(conn: Connection, user_id: int, as_of: dt.date) -> list[Override]:
    """The overrides that a review as of that date goes by."""
    return [one for one in list_overrides(conn, user_id) if one.counts_on(as_of)]


def _list(conn: Connection, **wanted: Any) -> list[Override]:
    parameters = {"override_id": None, "user_id": None, "state": None, "after": 0, "limit": None} | wanted
    with conn.cursor(row_factory=class_row(Override)) as cursor:
        return cursor.execute(query("override_list"), parameters).fetchall()


def _one(conn: Connection, name: str, **parameters: Any) -> Any:
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query(name), parameters).fetchone()
