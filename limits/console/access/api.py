"""The API of sessions and tokens, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from limits.console.access import answers
from limits.console.access.answers import Ended, MachineToken, MadeToken, NewToken, Session
from limits.console.context import Context, context_of
from limits.console.once import IdempotencyKey
from limits.console.paging import Cursor, Limit, Page
from limits.console.people import Principal, may
from limits.console.problems import PROBLEMS

router = APIRouter(prefix="/v1", tags=["access"], responses=PROBLEMS)
ADMIN = may("admin")

TokenId = Annotated[int, Path(ge=1, le=2**63 - 1)]
SessionNumber = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


@router.get("/tokens", dependencies=[Depends(ADMIN)])
def list_tokens(
    context: Annotated[Context, Depends(context_of)], limit: Limit = 50, cursor: Cursor = None
) -> Page[MachineToken]:
    """Tokens of machines, the newest first, those that are over too. Never their secrets."""
    with context.connect("console") as conn:
        return answers.list_tokens(conn, limit=limit, cursor=cursor)


@router.post("/tokens")
def make_token(
    context: Annotated[Context, Depends(context_of)],
    who: Annotated[Principal, Depends(ADMIN)],
    key: IdempotencyKey,
    new: NewToken,
) -> MadeToken:
    """Make a token. Its secret is told once. Not for admins who are approvers too."""
    return answers.make_token(context, who, key, new)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(
    context: Annotated[Context, Depends(context_of)],
    who: Annotated[Principal, Depends(ADMIN)],
    key: IdempotencyKey,
    token_id: TokenId,
) -> MachineToken:
    """End a token at once."""
    return answers.revoke_token(context, who, key, token_id)


@router.get("/sessions", dependencies=[Depends(ADMIN)])
def list_sessions(
    context: Annotated[Context, Depends(context_of)], limit: Limit = 50, cursor: Cursor = None
) -> Page[Session]:
    """Who is signed in, the newest first."""
    with context.connect("console") as conn:
        return answers.list_sessions(conn, limit=limit, cursor=cursor)


@router.post("/sessions/{session}/end")
def end_session(
    context: Annotated[Context, Depends(context_of)],
    who: Annotated[Principal, Depends(ADMIN)],
    key: IdempotencyKey,
    session: SessionNumber,
) -> Ended:
    """End a session of a person at once."""
    return answers.end_session(context, who, key, session)
