"""Gathering what is known of one user now: in one snapshot, and only of this user."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from limits.console.users.answers import (
    ChangeAnswer,
    ConsentAnswer,
    DecisionAnswer,
    LeftOutAnswer,
    NoticeAnswer,
    OverrideAnswer,
    ReferralAnswer,
    UserPage,
)
from limits.console.users.holding import holds
from limits.engine.supposing import load_user
from limits.errors import InArchive, ReviewRefused
from limits.portfolio import UNKNOWN, Portfolio, Status
from limits.store import gates, log, notices, overrides, past, pending, referrals, users
from limits.store.db import Connection
from limits.store.log import LogEntry
from limits.store.users import Statement, UserState

#: Rows of each kind that the page shows, at most.
CHANGES, STATEMENTS, NOTICES = 200, 36, 10


@dataclass(frozen=True)
class Look:
    """One user as known today. ``loaded``: with the limit of now; ``portfolio``: with that of the end of today.

    Both are None where nothing can be decided, and ``why_not`` says why.
    """

    today: dt.date
    state: UserState
    newest: LogEntry | None
    changed: list[LogEntry]
    statements: list[Statement]
    loaded: Portfolio | None
    portfolio: Portfolio | None
    why_not: str | None


def look(conn: Connection, user_id: int, today: dt.date) -> Look:
    """Inside a snapshot. NotFound for nobody; of a user who was erased only what the log says."""
    with users.planned_once(conn):
        return _look(conn, user_id, today)


def _look(conn: Connection, user_id: int, today: dt.date) -> Look:
    state = users.state(conn, user_id)
    newest = log.newest(conn, user_id)
    changed = users.changes(conn, user_id, limit=CHANGES)
    if state.erased_on is not None:
        return Look(today, state, newest, changed, [], None, None, None)
    loaded, portfolio, why_not = _known(conn, state, today)
    statements = users.statements(conn, user_id, limit=STATEMENTS)
    return Look(today, state, newest, changed, statements, loaded, portfolio, why_not)


def _known(conn: Connection, state: UserState, today: dt.date) -> tuple[Portfolio | None, Portfolio | None, str | None]:
    if state.currency is None:
        return None, None, "the user has no credit line"
    try:
        loaded = load_user(conn, state.user_id, today, state.currency)
        return loaded, past.rebuilt(conn, loaded), None
    except (ReviewRefused, InArchive) as error:
        return None, None, str(error).partition("): ")[2] or str(error)


def page_of_user(conn: Connection, seen: Look, language: str = "en") -> UserPage:
    """The state of the user, from what was looked at and what stands open; inside the same snapshot."""
    state, today = seen.state, seen.today
    user_id, gone = state.user_id, state.erased_on is not None
    with users.planned_once(conn):
        referred = [] if gone else referrals.list_referrals(conn, today, user_id)
        told = notices.page(conn, as_of=today, user_id=user_id, limit=200)
    told.sort(key=lambda one: -one.notice_id)
    left_out = None if gone else users.left_out(conn, user_id)
    found = [] if gone else holds(users.held_by(conn, user_id), gates.switch(conn), left_out, seen.why_not)
    newest = seen.newest
    return UserPage(
        user_id=user_id, today=today, currency=state.currency, exponent=state.exponent,
        limit_minor=state.limit_minor, limit_since=_since(seen), opened_on=state.opened_on,
        erased_on=state.erased_on, **_use(seen),
        last_raise_on=state.last_raise_on, last_cut_on=state.last_cut_on,
        last_decision=None if newest is None else DecisionAnswer.of(newest, language),
        holds=list(found),
        referrals=[ReferralAnswer.of(one, language) for one in referred],
        changes=[ChangeAnswer.of(one) for one in pending.changes(conn, user_id=user_id)],
        overrides=[
            OverrideAnswer.of(one, today) for one in overrides.list_overrides(conn, user_id)
            if one.counts_on(today) or (one.state in ("proposed", "approved") and one.expires_on > today)
        ],
        consents=[ConsentAnswer.of(one) for one in users.consents(conn, user_id, today)],
        notices=[NoticeAnswer.of(one, today) for one in told[:NOTICES]],
        left_out=None if left_out is None else LeftOutAnswer.of(left_out),
    )  # fmt: skip


def _since(seen: Look) -> dt.date | None:
    """Since when the limit is what it is."""
    return next((one.as_of for one in seen.changed if one.action), seen.state.line_opened_on)


def _use(seen: Look) -> dict[str, object]:
    """Of the limit, and how the user stands."""
    user, newest = seen.portfolio, next(iter(seen.statements), None)
    limit = seen.state.limit_minor
    balance = None if newest is None else newest.balance_minor
    use: dict[str, object] = {
        "balance_minor": balance,
        "balance_on": None if newest is None else newest.statement_on,
        "available_minor": None if limit is None or balance is None else max(limit - max(balance, 0), 0),
        "utilisation": max(balance, 0) / limit if limit and balance is not None else None,
    }
    if user is None:
        state = "erased" if seen.state.erased_on else "closed" if "closed" in (seen.why_not or "") else "unknown"
        names = ("average_balance_minor", "days_past_due", "missed_payments", "raise_consent", "opted_out",
                 "automation_refused")  # fmt: skip
        return use | dict.fromkeys(names) | {"state": state}
    average = int(user.average_balance[0])
    return use | {
        "state": Status(int(user.status[0])).name.lower(),
        "average_balance_minor": None if average == UNKNOWN else average,
        "days_past_due": int(user.days_past_due[0]),
        "missed_payments": int(user.missed_payments[0]),
        "raise_consent": bool(user.raise_consent[0]),
        "opted_out": bool(user.opted_out[0]),
        "automation_refused": bool(user.automation_refused[0]),
    }
