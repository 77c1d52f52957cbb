"""The pages of sessions and tokens: everybody's own sessions, and for admins all of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from limits.console import sessions
from limits.console.access import answers
from limits.console.access.answers import MadeToken, NewToken
from limits.console.access.api import SessionNumber, TokenId
from limits.console.context import Context, context_of
from limits.console.pages import render, see
from limits.console.paging import Cursor
from limits.console.people import Posted, Principal, may, posted
from limits.console.problems import Problem
from limits.console.signing_in import without_session
from limits.console.tokens import SCOPES

router = APIRouter(include_in_schema=False)

Site = Annotated[Context, Depends(context_of)]
AdminsForm = Annotated[Posted, Depends(posted("admin"))]


@router.get("/access", dependencies=[Depends(may("admin"))])
def access_page(request: Request, context: Site, people: Cursor = None, machines: Cursor = None) -> HTMLResponse:
    """Who is signed in, and which machines may come."""
    return _access(request, context, people=people, machines=machines)


@router.post("/access/tokens")
def make_token(request: Request, context: Site, form: AdminsForm) -> HTMLResponse:
    """Make a token; its secret stands on this page and nowhere else."""
    given = {
        "name": form.needed("name", longest=100),
        "scopes": [scope for scope in SCOPES if form.text(f"scope-{scope}")],
        "days": form.text("days", longest=4) or 90,
    }
    try:
        new = NewToken.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        words = {
            "name": "a name has letters, digits, points and dashes, and begins with a letter or digit",
            "scopes": "choose at least one scope",
            "days": "days are a whole number from 1 to 366",
        }
        raise Problem(422, "not-usable", words[str(first["loc"][0])]) from None
    return _access(request, context, made=answers.make_token(context, form.who, form.key, new))


@router.post("/access/tokens/{token_id}/revoke")
def revoke_token(context: Site, form: AdminsForm, token_id: TokenId) -> Response:
    """End a token at once."""
    token = answers.revoke_token(context, form.who, form.key, token_id)
    return see("/access", f"The token {token.name} is revoked.")


@router.post("/access/sessions/{session}/end")
def end_session(context: Site, form: AdminsForm, session: SessionNumber) -> Response:
    """End a session at once."""
    answers.end_session(context, form.who, form.key, session)
    return see("/access", "The session is over.")


@router.get("/sessions")
def own_sessions(request: Request, context: Site, who: Annotated[Principal, Depends(may())]) -> HTMLResponse:
    """Where the person is signed in."""
    with context.connect("console") as conn:
        page = answers.list_sessions(conn, limit=50, cursor=None, actor=who.actor)
    return render(request, "sessions.html", {"page": page})


@router.post("/sign-out/everywhere")
def sign_out_everywhere(request: Request, context: Site, form: Annotated[Posted, Depends(posted())]) -> Any:
    """End every session of the person, this one too."""
    with context.connect("console") as conn:
        ended = sessions.end_all(conn, form.who.actor)
    return without_session(request, see("/sign-in", f"You are signed out of {ended} sessions."))


def _access(
    request: Request,
    context: Context,
    *,
    people: str | None = None,
    machines: str | None = None,
    made: MadeToken | None = None,
) -> HTMLResponse:
    with context.connect("console") as conn:
        values = {
            "sessions": answers.list_sessions(conn, limit=50, cursor=people),
            "tokens": answers.list_tokens(conn, limit=50, cursor=machines),
            "made": made,
            "scopes": SCOPES,
        }
    return render(request, "access.html", values)
