"""What the API and the pages ask of one user: each in one snapshot of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from limits.console.context import Context
from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.console.problems import Problem
from limits.console.users import standing
from limits.console.users.answers import DecisionAnswer, UserPage
from limits.console.users.explaining import (
    CounterfactualsAnswer,
    Explanation,
    Sentences,
    counterfactuals_of,
    explanation_of,
    known_of,
    score_of,
    sentences_of,
)
from limits.console.users.flowing import CashFlowAnswer, cash_flow_of
from limits.console.users.standing import Look, page_of_user
from limits.console.users.supposing import WhatIfAnswer, what_if
from limits.engine.asking import policy_for, today
from limits.engine.supposing import Evidence, explain_from, policy_kept
from limits.errors import ErasureRefused, NotFound, PolicyError, ReviewRefused
from limits.policy import Policy
from limits.portfolio import Portfolio
from limits.store import persons, users
from limits.store.db import Connection
from limits.store.log import LogEntry

UserId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The number of the user.")]


class FoundUsers(BaseModel):
    """The numbers of the users of a reference."""

    users: list[int] = Field(description="In order; empty where nobody has it.")


@contextmanager
def looking(context: Context, user_id: int) -> Iterator[tuple[Connection, Look]]:
    """One snapshot, and what is known of the user in it."""
    with context.connect("operations") as conn, users.looking(conn):
        yield conn, standing.look(conn, user_id, today())


def state_of(context: Context, user_id: int, language: str) -> UserPage:
    """The user as known now."""
    with looking(context, user_id) as (conn, seen):
        return page_of_user(conn, seen, language)


def explanation_now(context: Context, user_id: int, language: str) -> Explanation:
    """The newest decision in full."""
    with looking(context, user_id) as (conn, seen):
        entry = _decided(seen)
        gone = seen.state.erased_on
        score = None if gone else score_of(conn, context.settings, entry, known_of(conn, entry, seen.loaded))
        return explanation_of(conn, entry, score, language, gone)


def counterfactuals_now(context: Context, user_id: int, language: str) -> CounterfactualsAnswer:
    """What would lift the limit that the newest decision set."""
    with looking(context, user_id) as (conn, seen):
        entry = _decided(seen)
        refuse_erased(seen)
        known = known_of(conn, entry, seen.loaded)
        if isinstance(known, str):
            raise Problem(409, "refused", known)
        return counterfactuals_of(entry, known, language)


def cash_flow_now(context: Context, user_id: int, language: str) -> CashFlowAnswer:
    """The months that are known, and the forecast."""
    with looking(context, user_id) as (conn, seen):
        user = decidable(seen)
        policy = policy_of(conn, context, seen)
        return cash_flow_of(user, policy, seen.state.exponent or 0, language)


def what_if_now(context: Context, user_id: int, texts: list[str], language: str) -> WhatIfAnswer:
    """The user decided as of today with and without the changes."""
    with looking(context, user_id) as (conn, seen):
        return what_if(conn, decidable(seen), texts, policy_of(conn, context, seen), language)


def history_of(
    context: Context, user_id: int, *, limit: int, cursor: str | None, language: str
) -> Page[DecisionAnswer]:
    """The decisions about the user, the newest first."""
    place = place_of(cursor, str, int)
    with context.connect("operations") as conn, users.looking(conn):
        users.state(conn, user_id)
        with users.planned_once(conn):
            rows = users.history(conn, user_id, limit=limit + 1, after=None if place is None else _place(*place))
    return Page[DecisionAnswer](**page_of(
        rows, limit, lambda row: DecisionAnswer.of(row, language),
        lambda row: cursor_of(row.as_of.isoformat(), row.entry_id),
    ))  # fmt: skip


def found(context: Context, reference: str) -> FoundUsers:
    """The users of the lender's reference. Nothing of it is kept or told."""
    with context.connect("operations") as conn:
        return FoundUsers(users=persons.find(conn, reference))


@dataclass(frozen=True)
class Whole:
    """All that the page of a user shows. What is not known is None, and ``unknown`` says why."""

    seen: Look
    user: UserPage
    explanation: Explanation | None
    counterfactuals: Sentences | None
    for_user: Sentences | None
    same: bool
    flow: CashFlowAnswer | None
    policy: Policy | None
    unknown: str
    decisions: Page[DecisionAnswer]


def whole(context: Context, user_id: int, language: str) -> Whole:
    """All of it, in one snapshot."""
    with looking(context, user_id) as (conn, seen):
        entry, gone = seen.newest, seen.state.erased_on
        known: Evidence | str | None = None
        explanation = inside = for_user = None
        same = True
        if entry is not None:
            known = None if gone else known_of(conn, entry, seen.loaded)
            score = None if known is None else score_of(conn, context.settings, entry, known)
            explanation = explanation_of(conn, entry, score, language, gone)
            if isinstance(known, Evidence):
                made = explain_from(known, entry)
                same = made.same
                inside, for_user = (sentences_of(made, entry, language, for_user=one) for one in (False, True))
        policy, unknown = _policy_or_why(conn, context, seen)
        flow = None
        if seen.portfolio is not None and policy is not None:
            flow = cash_flow_of(seen.portfolio, policy, seen.state.exponent or 0, language)
        return Whole(
            seen=seen, user=page_of_user(conn, seen, language), explanation=explanation, counterfactuals=inside,
            for_user=for_user, same=same, flow=flow, policy=policy,
            unknown=known if isinstance(known, str) else unknown,
            decisions=_first_page(conn, user_id, language),
        )  # fmt: skip


def _first_page(conn: Connection, user_id: int, language: str, limit: int = 12) -> Page[DecisionAnswer]:
    with users.planned_once(conn):
        rows = users.history(conn, user_id, limit=limit + 1)
    make: Callable[[LogEntry], DecisionAnswer] = lambda row: DecisionAnswer.of(row, language)  # noqa: E731
    return Page[DecisionAnswer](
        **page_of(rows, limit, make, lambda row: cursor_of(row.as_of.isoformat(), row.entry_id))
    )


def policy_of(conn: Connection, context: Context, seen: Look) -> Policy:
    """The policy that decided the user last; of one who was not decided yet that of the settings."""
    if seen.newest is not None:
        return policy_kept(conn, seen.newest.policy_hash)
    chosen = policy_for(context.settings.policy, seen.today)
    if chosen.currency != seen.state.currency:
        raise ReviewRefused(
            f"user {seen.state.user_id} was not decided yet, and the usual policy {chosen.pack} is in "
            f"{chosen.currency}, the limit in {seen.state.currency}; a review by another policy has to come first"
        )
    return chosen


def _policy_or_why(conn: Connection, context: Context, seen: Look) -> tuple[Policy | None, str]:
    try:
        return policy_of(conn, context, seen), ""
    except (ReviewRefused, PolicyError) as error:
        return None, str(error)


def decidable(seen: Look) -> Portfolio:
    """The user as known today; ErasureRefused or ReviewRefused where nothing can be decided."""
    refuse_erased(seen)
    if seen.portfolio is None:
        raise ReviewRefused(f"nothing can be decided about user {seen.state.user_id} today: {seen.why_not}")
    return seen.portfolio


def refuse_erased(seen: Look) -> None:
    """ErasureRefused for a user who was erased."""
    if seen.state.erased_on is not None:
        raise ErasureRefused(
            f"user {seen.state.user_id} was erased on {seen.state.erased_on}: what the log says is all there is"
        )


def _decided(seen: Look) -> LogEntry:
    if seen.newest is None:
        raise NotFound(f"no decision about user {seen.state.user_id} is in the log; a review or a recompute makes one")
    return seen.newest


def _place(as_of: str, entry_id: int) -> tuple[dt.date, int]:
    try:
        return dt.date.fromisoformat(as_of), entry_id
    except ValueError:
        raise Problem(422, "cursor-unknown", "this cursor is not one of this list; begin without") from None
