"""What is told of sessions and tokens, for the API and the pages alike, and what an admin does with them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, Field

from limits.console import sessions, tokens
from limits.console.context import Context
from limits.console.once import once
from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.console.tokens import LONGEST_DAYS, NAME, Scope, Token
from limits.store.db import Connection
from limits.store.queries import query


class Session(BaseModel):
    """Somebody who is signed in."""

    session: str = Field(description="What the session is called here. It signs nobody in.")
    actor: str
    roles: list[str]
    how: str = Field(description="By a one-time link, or the address of the identity provider.")
    created_at: dt.datetime
    idle_at: dt.datetime = Field(description="When it is over unless it is used before.")
    ends_at: dt.datetime = Field(description="When it is over in any case.")


class MachineToken(BaseModel):
    """A token of a machine. The log knows what it does as `token NAME`."""

    token_id: int
    name: str
    scopes: list[str] = Field(description="risk, operations or auditor: what the roles of these names may.")
    created_by: str
    created_at: dt.datetime
    ends_at: dt.datetime
    used_at: dt.datetime | None = Field(description="When it was last used, to the minute.")
    revoked_by: str | None
    revoked_at: dt.datetime | None
    state: str = Field(description="good, over or revoked")

    @classmethod
    def of(cls, token: Token) -> MachineToken:
        """From the row of the list."""
        return cls(**vars(token))


class MadeToken(MachineToken):
    """A token that was just made."""

    secret: str | None = Field(
        description="Told once, with the first answer, and kept nowhere; null where the request is sent again."
    )


class NewToken(BaseModel, extra="forbid"):
    """What a token is made of."""

    name: Annotated[str, Field(pattern=NAME, description="Stands in the log for ever; never given again.")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3, description="A machine is no second person.")]
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS, description="For so many days it counts.")] = 90


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int


def list_sessions(conn: Connection, *, limit: int, cursor: str | None, actor: str | None = None) -> Page[Session]:
    """Sessions that are not over, the newest first; of one person where named."""
    at, number = place_of(cursor, str, str) or (None, "")
    values = {"actor": actor, "before": _moment(at), "number": number, "limit": limit + 1}
    rows = [
        Session(**dict(zip(Session.model_fields, row, strict=True)))
        for row in conn.execute(query("console_sessions"), values)
    ]
    return Page[Session](
        **page_of(rows, limit, lambda row: row, lambda row: cursor_of(row.created_at.isoformat(), row.session))
    )


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Problem(422, "cursor-unknown", "this cursor is not one of this list; begin without") from None


def list_tokens(conn: Connection, *, limit: int, cursor: str | None) -> Page[MachineToken]:
    """Tokens, the newest first, those that are over too."""
    before = place_of(cursor, int)
    rows = tokens.listing(conn, limit=limit + 1, before=before[0] if before else None)
    return Page[MachineToken](**page_of(rows, limit, MachineToken.of, lambda row: cursor_of(row.token_id)))


def make_token(context: Context, who: Principal, key: str, new: NewToken) -> MadeToken:
    """A token; its secret is in the answer to the first request alone, and never among the answers that are kept."""
    if who.may("approver"):
        raise Problem(
            403, "approver-makes-no-token", "who may approve may not make tokens: a machine could ask and you approve; "
            "let somebody with the role admin alone make it",
        )  # fmt: skip
    secrets: list[str] = []

    def act() -> Any:
        with context.connect("console") as conn:
            token, secret = tokens.make(conn, new.name, new.scopes, new.days, who.actor)
        secrets.append(secret)
        return MachineToken.of(token).model_dump(mode="json")

    made = once(context, who, key, "make a token", new, act)
    return MadeToken(**made, secret=secrets[0] if secrets else None)


def revoke_token(context: Context, who: Principal, key: str, token_id: int) -> MachineToken:
    """The token is over at once; again changes nothing."""

    def act() -> Any:
        with context.connect("console") as conn:
            return MachineToken.of(tokens.revoke(conn, token_id, who.actor)).model_dump(mode="json")

    return MachineToken(**once(context, who, key, f"revoke token {token_id}", {}, act))


def end_session(context: Context, who: Principal, key: str, session: str) -> Ended:
    """That session is over at once."""

    def act() -> Any:
        with context.connect("console") as conn:
            if sessions.end_number(conn, session) is None:
                raise Problem(404, "not-found", "there is no such session; it may be over")
        return {"ended": 1}

    return Ended(**once(context, who, key, f"end session {session}", {}, act))
