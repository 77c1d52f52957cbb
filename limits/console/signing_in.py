"""Signing in and out: by a one-time link of a local person, or at the identity provider (``oidc.py``)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from limits.console import sessions
from limits.console.context import Context, context_of
from limits.console.pages import render, see
from limits.console.people import Posted, posted
from limits.console.problems import Problem

router = APIRouter(include_in_schema=False)

COOKIE = "limits_session"


def cookie_name(request: Request) -> str:
    """With the prefix that ties it to this host and to TLS, wherever there is TLS."""
    return f"__Host-{COOKIE}" if context_of(request).secure else COOKIE


def with_session(request: Request, response: Response, secret: str) -> Response:
    """The response that gives the browser its session."""
    response.set_cookie(
        cookie_name(request), secret, path="/", httponly=True, samesite="strict", secure=context_of(request).secure
    )
    return response


def without_session(request: Request, response: Response) -> Response:
    """The response that takes it away."""
    response.delete_cookie(cookie_name(request), path="/", secure=context_of(request).secure, httponly=True)
    return response


@router.get("/sign-in")
def sign_in(request: Request, link: str = "") -> HTMLResponse:
    """The ways to sign in. A link only shows a button: what fetches pages ahead does not use it up."""
    settings = context_of(request).settings
    return render(request, "sign_in.html", {"link": link, "provider": settings.oidc_issuer is not None, "trouble": ""})


@router.post("/sign-in/link")
def use_link(
    request: Request, context: Annotated[Context, Depends(context_of)], link: Annotated[str, Form(max_length=200)]
) -> Any:
    """Exchange a one-time link for a session, where the database is the embedded one."""
    if not context.settings.embedded:
        raise Problem(404, "not-found", "links sign nobody in here: the database is not the embedded one")
    with context.connect("console") as conn:
        secret = sessions.use_link(conn, link)
    if secret is None:
        trouble = "This link was used before, or is older than 15 minutes. A new one: limits web link"
        return render(request, "sign_in.html", {"link": "", "provider": False, "trouble": trouble}, status=403)
    return with_session(request, see("/"), secret)


@router.post("/sign-out")
def sign_out(
    request: Request, context: Annotated[Context, Depends(context_of)], form: Annotated[Posted, Depends(posted())]
) -> Any:
    """End the session, here and in the database."""
    assert form.who.kind == "person"
    secret = request.cookies.get(cookie_name(request), "")
    with context.connect("console") as conn:
        sessions.end(conn, secret)
    return without_session(request, see("/sign-in"))
