"""Signing in and out: by a one-time link of a local person, or at the identity provider (``oidc.py``)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from limits.console import sessions
from limits.console.context import Context, context_of
from limits.console.oidc import Provider
from limits.console.pages import render, see
from limits.console.people import Posted, posted
from limits.console.problems import Problem
from limits.store.db import Connection

router = APIRouter(include_in_schema=False)

COOKIE = "limits_session"
USED = "This link was used before, or is older than 15 minutes. A new one: limits web link"


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
def sign_in(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    link: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The ways to sign in. A link only shows whom it signs in and a button: what fetches ahead does not use it up."""
    if not link or not context.settings.embedded:
        return _ways(request)
    with context.connect("console") as conn:
        whose = sessions.whose_link(conn, link)
    return _ways(request, trouble=USED) if whose is None else _ways(request, link=link, whose=whose)


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
            return _ways(request, trouble=USED, status=403)
        _end_before(request, conn)
    return with_session(request, see("/"), secret)


@router.get("/sign-in/provider")
def to_provider(request: Request, context: Annotated[Context, Depends(context_of)]) -> Response:
    """Send the browser to the identity provider; a cookie says later that the same one came back."""
    provider = _provider(context)
    with context.connect("console") as conn:
        gone = sessions.leave(conn)
    response = RedirectResponse(provider.address(gone.state, gone.nonce, gone.verifier), status_code=303)
    response.headers["cache-control"] = "no-store"
    # Lax: the way back is a request that another site began. It is worth nothing without the state.
    response.set_cookie(
        _way_name(request), gone.browser, path="/", httponly=True, samesite="lax", secure=context.secure,
        max_age=int(sessions.AWAY.total_seconds()),
    )  # fmt: skip
    return response


@router.get("/sign-in/callback")
def from_provider(
    request: Request,
    context: Annotated[Context, Depends(context_of)],
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Whoever comes back: the code is exchanged for who it is, and the browser gets its session."""
    provider = _provider(context)
    browser = request.cookies.get(_way_name(request), "")
    with context.connect("console") as conn:
        left = sessions.come_back(conn, state, browser)
    if left is None:
        trouble = (
            "This sign-in was not begun in this browser, was used before, or took longer than 10 minutes. Begin anew."
        )
        return _ways(request, trouble=trouble, status=403)
    if error or not code:
        why = error if re.fullmatch("[a-z_]{1,60}", error) else "no code came back"
        refused = _ways(request, trouble=f"The provider did not sign you in: {why}.", status=403)
        return _without_way(request, refused)
    who = provider.signed_in(code, left[0], left[1], iss)
    with context.connect("console") as conn:
        _end_before(request, conn)
        secret = sessions.begin(conn, who.actor, who.roles, context.settings.oidc_issuer or "")
    # A page that goes on by itself: where another site began the request, a redirect would leave the cookie behind.
    page = render(request, "signed_in.html", {"actor": who.actor})
    return with_session(request, _without_way(request, page), secret)


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


def _ways(
    request: Request,
    *,
    trouble: str = "",
    link: str = "",
    whose: tuple[str, list[str]] = ("", []),
    status: int = 200,
) -> HTMLResponse:
    provider = context_of(request).provider is not None
    values = {"link": link, "actor": whose[0], "roles": whose[1], "provider": provider, "trouble": trouble}
    return render(request, "sign_in.html", values, status=status)


def _provider(context: Context) -> Provider:
    if context.provider is None:
        raise Problem(404, "not-found", "no identity provider is set here; sign in by a link: limits web link")
    return context.provider


def _end_before(request: Request, conn: Connection) -> None:
    """Whoever signs in anew leaves no session behind."""
    sessions.end(conn, request.cookies.get(cookie_name(request), ""))


def _way_name(request: Request) -> str:
    return "__Host-limits_way" if context_of(request).secure else "limits_way"


def _without_way(request: Request, response: Response) -> Response:
    response.delete_cookie(
        _way_name(request), path="/", secure=context_of(request).secure, httponly=True, samesite="lax"
    )
    return response
