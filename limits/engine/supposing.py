"""What if, for one user of the database: the user as known on a date, and as might be. Nothing is written."""

from __future__ import annotations

import datetime as dt
import functools
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
from limits.risk import Scorecard
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
        return suppose_on(conn, user_at(conn, user_id, date, chosen), changes, chosen)


def suppose_on(conn: Connection, user: Portfolio, changes: list[Change], policy: Policy) -> Supposed:
    """The same of a user who is loaded, by a policy; inside the snapshot that the user was loaded in."""
    exponent = recomputes.facts(conn, policy.currency).exponent
    waiting = past.anybody_waiting(conn)
    model = model_on(conn, policy, user.as_of)
    both = (user, apply_changes(user, changes))
    before, after = (review(one, policy, model) for one in both)
    first, second = (
        Disposition(int(dispose(one, made, policy).disposition[0]))
        for one, made in zip(both, (before, after), strict=True)
    )
    return Supposed(policy, exponent, changes, before, after, (first, second), waiting)


def explain(conn: Connection, entry: LogEntry) -> Explained:
    """What would change the decision of a log entry, by its policy.

    The user is as known now of its date, with the limit before its review and what was asked for.
    """
    with past.looking(conn):
        return explain_from(evidence(conn, entry), entry)


@dataclass(frozen=True)
class Evidence:
    """What a logged decision was made from, as known now of its date, and what decided."""

    user: Portfolio
    policy: Policy
    model: Scorecard | None


def evidence(conn: Connection, entry: LogEntry, loaded: Portfolio | None = None) -> Evidence:
    """Inside a snapshot. ``loaded``: the user as of the entry's date, where that is loaded already."""
    policy = policy_kept(conn, entry.policy_hash)
    portfolio = loaded if loaded is not None else load_user(conn, entry.user_id, entry.as_of, policy.currency)
    user = past.rebuilt(conn, portfolio, entry.review_id)
    given = past.given(conn, entry.review_id)
    model = model_of(conn, policy, entry.review_id)
    change = None if given.change_id is None else pending.change(conn, given.change_id)
    order = Order(
        entry.user_id, entry.as_of, policy, entry.actor, entry.review_reason,
        request_minor=given.request_minor, change=change,
    )  # fmt: skip
    return Evidence(order.given(user), policy, model)


def explain_from(known: Evidence, entry: LogEntry) -> Explained:
    """What would change the decision of a log entry, from what it was made from."""
    found = counterfactuals(known.user, known.policy, known.model)
    wish = entry.limit_after_minor if entry.proposed_minor is None else entry.proposed_minor
    same = (found.limit_after, found.binding, set(found.reasons)) == (wish, entry.binding, set(entry.reasons))
    return Explained(found, same)


def policy_kept(conn: Connection, policy_hash: bytes) -> Policy:
    """A policy that has decided, by its hash."""
    return _parsed(policies.load_policy(conn, policy_hash))


@functools.lru_cache(maxsize=64)
def _parsed(body: str) -> Policy:
    return parse_policy(body, file="its policy")


def user_at(conn: Connection, user_id: int, as_of: dt.date, policy: Policy, review_id: int | None = None) -> Portfolio:
    """One user as known on a date, with the limit before a review or (None) at the end of the date."""
    return past.rebuilt(conn, load_user(conn, user_id, as_of, policy.currency), review_id)


def load_user(conn: Connection, user_id: int, as_of: dt.date, currency: str) -> Portfolio:
    """One user as known on a date, with the limit of now.

    NotFound for nobody, ReviewRefused for one of whom nothing can be decided.
    """
    portfolio, excluded = load_portfolio(conn, as_of, currency, user_ids=[user_id])
    if excluded:
        why = excluded[0]
        if why.reason == "unknown_user":
            raise NotFound(why.detail)
        raise ReviewRefused(f"user {user_id} gets no decision as of {as_of} ({why.reason}): {why.detail}")
    return portfolio
