"""What if, for one user of the database: the user as known on a date, and as might be. Nothing is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from limits.counterfactual import Counterfactuals, counterfactuals
from limits.decision import Decisions, review
from limits.dispositions import Disposition, dispose
from limits.engine.asking import policy_for, refuse_future, today
from limits.engine.scoring import model_of, model_on
from limits.engine.single import Order
from limits.errors import NotFound, ReviewRefused
from limits.policy import Policy, parse_policy
from limits.portfolio import Portfolio
from limits.settings import Settings
from limits.store import past, pending, policies, recomputes
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from limits.store.log import LogEntry
from limits.whatif import Change, apply_changes, parse_changes


@dataclass(frozen=True)
class Supposed:
    """One user decided twice: as known, and with changes. ``waiting``: imported events are not counted yet."""

    policy: Policy
    exponent: int
    changes: list[Change]
    before: Decisions
    after: Decisions
    takes_effect: tuple[Disposition, Disposition]
    waiting: bool


@dataclass(frozen=True)
class Explained:
    """What would change a logged decision. ``same``: what is known now of its date leads to what was decided then."""

    found: Counterfactuals
    same: bool


def suppose(
    database: Database,
    settings: Settings,
    user_id: int,
    texts: Sequence[str],
    *,
    as_of: dt.date | None = None,
    policy: str | None = None,
) -> Supposed:
    """Decides a user as of a date (None: today) with and without the changes.

    The limit is that at the end of the date. InputError for a change that cannot be used,
    ReviewRefused for a user of whom nothing can be decided, NotFound for one who is not there.
    """
    date = as_of or today()
    refuse_future(date)
    chosen = policy_for(policy or settings.policy, date)
    changes = parse_changes(texts, chosen.currency)
    with database.connect("operations", "limits whatif") as conn, past.looking(conn):
        user = user_at(conn, user_id, date, chosen)
        exponent = recomputes.facts(conn, chosen.currency).exponent
        waiting = past.users_waiting(conn) > 0
        model = model_on(conn, chosen, date)
    both = (user, apply_changes(user, changes))
    before, after = (review(one, chosen, model) for one in both)
    first, second = (
        Disposition(int(dispose(one, made, chosen).disposition[0]))
        for one, made in zip(both, (before, after), strict=True)
    )
    return Supposed(chosen, exponent, changes, before, after, (first, second), waiting)


def explain(conn: Connection, entry: LogEntry) -> Explained:
    """What would change the decision of a log entry, by its policy.

    The user is as known now of its date, with the limit before its review and what was asked for.
    """
    policy = parse_policy(policies.load_policy(conn, entry.policy_hash), file="its policy")
    with past.looking(conn):
        user = user_at(conn, entry.user_id, entry.as_of, policy, entry.review_id)
        given = past.given(conn, entry.review_id)
        model = model_of(conn, policy, entry.review_id)
        change = None if given.change_id is None else pending.change(conn, given.change_id)
        order = Order(
            entry.user_id, entry.as_of, policy, entry.actor, entry.review_reason,
            request_minor=given.request_minor, change=change,
        )  # fmt: skip
    found = counterfactuals(order.given(user), policy, model)
    wish = entry.limit_after_minor if entry.proposed_minor is None else entry.proposed_minor
    same = (found.limit_after, found.binding, set(found.reasons)) == (wish, entry.binding, set(entry.reasons))
    return Explained(found, same)


def user_at(conn: Connection, user_id: int, as_of: dt.date, policy: Policy, review_id: int | None = None) -> Portfolio:
    """One user as known on a date, with the limit before a review or (None) at the end of the date."""
    portfolio, excluded = load_portfolio(conn, as_of, policy.currency, user_ids=[user_id])
    if excluded:
        why = excluded[0]
        if why.reason == "unknown_user":
            raise NotFound(why.detail)
        raise ReviewRefused(f"user {user_id} gets no decision as of {as_of} ({why.reason}): {why.detail}")
    return past.rebuilt(conn, portfolio, review_id)
