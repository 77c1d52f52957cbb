"""The kill switch: as it is, who turned it, and turning it."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits.store import gates
from limits.store.db import Connection

#: Turns of the switch that are told.
TURNS = 20


class TurnAnswer(BaseModel):
    """Once that somebody turned it."""

    at: dt.datetime
    engaged: bool
    actor: str
    session_role: str
    reason: str


class SwitchAnswer(BaseModel):
    """The kill switch. Engaged: nothing is applied, of reviews and of single users."""

    engaged: bool
    actor: str | None = Field(description="Who turned it last; null where nobody has.")
    reason: str
    changed_at: dt.datetime
    turns: list[TurnAnswer] = Field(description="The newest first.")
    changed: bool | None = Field(default=None, description="Of a write: whether it was otherwise before.")


def as_it_is(conn: Connection) -> SwitchAnswer:
    """The switch, and who turned it."""
    now, turns = gates.switch(conn), gates.turns(conn, limit=TURNS)
    return SwitchAnswer(
        engaged=now.engaged, actor=now.actor or None, reason=now.reason, changed_at=now.changed_at,
        turns=[
            TurnAnswer(
                at=one.at, engaged=one.engaged, actor=one.actor, session_role=one.session_role, reason=one.reason
            )
            for one in turns
        ],
    )  # fmt: skip
