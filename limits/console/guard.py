"""Around every request: by which name we were asked, from where, by whom, how often, how much; headers; a log line.

Plain ASGI, so that a body is bounded while it comes in, whatever its length was said to be, and so that nothing is
carried out of a request that was cut off.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limits.console import sessions, tokens
from limits.console.context import Context
from limits.console.health import tracing
from limits.console.pages import render
from limits.console.people import Principal
from limits.console.problems import Problem, ProblemModel, problem_of, without_answer
from limits.console.rate import NOBODY_PER_MINUTE, place_of
from limits.console.signing_in import cookie_name
from limits.console.turns import turns
from limits.errors import LimitsError
from limits.store.db import TROUBLE

log = structlog.get_logger()

#: No inline script or style, nothing from elsewhere, no frame around us, no form to elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
#: Bodies of requests in bytes, at most: of people and machines that are known, and of everybody else.
LONGEST_BODY = 1_000_000
LONGEST_OF_NOBODY = 20_000
#: Seconds in which the whole body has to be there.
BODY_SECONDS = 20.0
#: Nobody signs in for these, and nobody's requests for them are counted.
UNCOUNTED = ("/static/", "/healthz", "/readyz", "/metrics")


class Guard:
    """The middleware; everything else stands inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # Only of our own making: a header from outside would write into our log.
        number = uuid.uuid4().hex
        scope["limits.request"] = number
        asked = scope["method"]
        if asked == "HEAD":
            scope["method"] = "GET"
        request = Request(scope, receive)
        out = _Out(request, send, with_body=asked != "HEAD")
        with tracing.span(request) as tell:
            try:
                await self._answer(request, receive, out)
            except _Gone:
                out.status = 499
            except Exception as error:  # the last resort: told in one sentence, kept in the log
                log.error("request failed", request=number, error=type(error).__qualname__, at=_frames(error))
                out.status = 500
                if out.started:
                    raise
                words = f"unexpected error; the server's log has it under {number}"
                await problem_response(request, Problem(500, "unexpected", words))(scope, receive, out.send)
            finally:
                tell(out.status)
                _tell(request, asked, out.status, time.perf_counter() - began)

    async def _answer(self, request: Request, receive: Receive, out: _Out) -> None:
        scope = request.scope
        try:
            _is_for_us(request)
            await _is_known(request)
            given = await _body(request, receive)
            _is_text(request, given)
        except Problem as problem:
            await problem_response(request, problem)(scope, receive, out.send)
        except LimitsError as error:
            await problem_response(request, problem_of(error))(scope, receive, out.send)
        except TROUBLE:
            await problem_response(request, without_answer())(scope, receive, out.send)
        else:
            await self._in_turn(request, _again(given, receive), out)

    async def _in_turn(self, request: Request, receive: Receive, out: _Out) -> None:
        scope = request.scope
        name: str | None = scope.get("limits.name")
        if name is None:  # what watches is never kept waiting
            await self._app(scope, receive, out.send)
            return
        try:
            async with turns().turn(scope["limits.principal"], name) as out.answered:
                await self._app(scope, receive, out.send)
        except Problem as problem:  # of waiting: those of the application are answered inside
            await problem_response(request, problem)(scope, receive, out.send)


def _tell(request: Request, method: str, status: int, seconds: float) -> None:
    """One line in the log and one more in the metrics: the route and its numbers, never the address."""
    who: Principal | None = request.scope.get("limits.principal")
    told = tracing.route_of(request)
    request.app.state.watcher.requests.count(method, told["route"], status, seconds)
    log.info(
        "request", request=request.scope["limits.request"], method=method, **told, status=status,
        kind=who.kind if who else "nobody", seconds=round(seconds, 4),
    )  # fmt: skip


def _frames(error: Exception) -> list[str]:
    """Where it happened. Not its words: they may hold what is somebody's own."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]


class _Gone(Exception):
    """Whoever asked went away before the request was there as a whole."""


class _Out:
    """What goes out: the headers that everything has, and the ETag of what the API tells."""

    def __init__(self, request: Request, send: Send, *, with_body: bool) -> None:
        self._request, self._send, self._with_body = request, send, with_body
        self._held: Message | None = None
        self._parts: list[bytes] = []
        self.status, self.started = 0, False
        #: Called once the answer is there and only has to be sent.
        self.answered: Callable[[], None] = lambda: None

    async def send(self, message: Message) -> None:
        """One message of the application."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answered()
            self._add_headers(MutableHeaders(scope=message))
            if self._is_to_tag(MutableHeaders(scope=message)):
                self._held = message
                return
            self.started = True
            await self._send(message)
            return
        if self._held is not None:
            self._parts.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._send_tagged(self._held)
            return
        if not self._with_body:
            message = {**message, "body": b""}
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._request.app.state.context.secure:
            headers.setdefault("strict-transport-security", "max-age=31536000")
        if self._request.url.path.startswith("/static/"):
            headers.setdefault("cache-control", "no-cache")  # asked again by ETag: after an upgrade nothing old is used
        headers["x-request-id"] = self._request.scope["limits.request"]

    def _is_to_tag(self, headers: MutableHeaders) -> bool:
        """Exports, which are files, pass through as they come."""
        return (
            self.status == 200
            and self._request.method == "GET"
            and self._request.url.path.startswith("/v1/")
            and headers.get("content-type", "").startswith("application/json")
            and "content-disposition" not in headers
        )

    async def _send_tagged(self, start: Message) -> None:
        body = b"".join(self._parts)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = MutableHeaders(scope=start)
        headers["etag"] = tag
        headers.setdefault("cache-control", "private, no-cache")
        known = [one.strip().removeprefix("W/") for one in self._request.headers.get("if-none-match", "").split(",")]
        if tag in known or known == ["*"]:
            start["status"] = self.status = 304
            del headers["content-length"]
            del headers["content-type"]
            body = b""
        self.started = True
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body if self._with_body else b""})


def problem_response(request: Request, problem: Problem) -> Response:
    """The problem, as JSON for programs and as a page for browsers."""
    headers = {"cache-control": "no-store"} | problem.headers
    if request.url.path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        body = ProblemModel(**problem.as_dict(request.url.path)).model_dump() | problem.more
        return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
    page = render(request, "problem.html", {"problem": problem}, status=problem.status)
    page.headers.update(headers)
    return page


def _is_for_us(request: Request) -> None:
    """Problem for what was asked under another name, or sent by a page of another site."""
    context: Context = request.app.state.context
    host = _name_of(request.headers.get("host", ""))
    # A name of somebody else's that leads here (DNS rebinding) is never an address of numbers.
    if host not in context.hosts and not _is_address(host):
        raise Problem(
            421, "not-this-host", "this server is asked for under another name; use the address in LIMITS_WEB_URL"
        )
    if request.method not in ("GET", "HEAD"):
        # A page of another site cannot write here, whatever cookies a browser would send along. Browsers that do not
        # say where a request comes from say at least the origin of the page.
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = site in ("same-origin", "none") if site is not None else origin is None or _is_same(origin, request)
        if not ours:
            raise Problem(403, "from-elsewhere", "this request comes from a page of another site")


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_same(origin: str, request: Request) -> bool:
    context: Context = request.app.state.context
    if context.settings.web_url is not None and origin == context.settings.web_url.rstrip("/"):
        return True
    return urlsplit(origin).netloc == request.headers.get("host", "")


async def _is_known(request: Request) -> None:
    """Finds out who asks, and counts the request. Problem 401 for a token that does not count, 429 for too many."""
    if request.url.path.startswith(UNCOUNTED):
        return
    unknown: Problem | None = None
    try:
        who = await anyio.to_thread.run_sync(_principal, request, limiter=turns().lookups)
    except Problem as problem:
        who, unknown = None, problem  # counted too: whoever guesses tokens is nobody
    name = who.name if who else f"nobody at {_place(request)}"
    request.scope.update({"limits.principal": who, "limits.name": name})
    wait = request.app.state.buckets.take(name, per_minute=None if who else NOBODY_PER_MINUTE)
    if wait:
        raise Problem(
            429, "too-many-requests", f"too many requests; try again in {wait:.0f} s or a little later",
            headers={"retry-after": str(int(wait) + 1)},
        )  # fmt: skip
    if unknown is not None:
        raise unknown


def _place(request: Request) -> str:
    return place_of(request.client.host if request.client else "nowhere")


def _principal(request: Request) -> Principal | None:
    """The person of the session, or in the API the machine of the token; None for nobody."""
    context: Context = request.app.state.context
    given = request.headers.get("authorization", "") if request.url.path.startswith("/v1/") else ""
    secret = request.cookies.get(cookie_name(request), "")
    if not given and not secret:
        return None
    with context.connect("console") as conn:
        if given:
            return tokens.of(conn, given)
        # What a page fetches by itself does not keep a session alive: nobody may be sitting there.
        alone = request.method == "GET" and request.headers.get("sec-fetch-mode", "navigate") != "navigate"
        return sessions.of(conn, secret, renew=not alone)


async def _body(request: Request, receive: Receive) -> bytes:
    """The whole body, before anything is done. Problem 413 for a long one, 408 for a slow one."""
    longest = LONGEST_BODY if request.scope.get("limits.principal") else LONGEST_OF_NOBODY
    try:
        said = int(request.headers.get("content-length", "0"))
    except ValueError:
        raise Problem(400, "bad-request", "Content-Length is not a number") from None
    too_large = Problem(
        413, "too-large", f"the body is too large; {longest:,} bytes are possible", headers={"connection": "close"}
    )
    if said > longest:
        raise too_large
    if request.method == "GET":
        return b""
    parts, size = [], 0
    with anyio.move_on_after(BODY_SECONDS) as patience:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > longest:
                raise too_large
            if not message.get("more_body"):
                break
    if patience.cancelled_caught:
        raise Problem(
            408, "too-slow", f"the body was not here within {BODY_SECONDS:.0f} s", headers={"connection": "close"}
        )
    return b"".join(parts)


def _is_text(request: Request, body: bytes) -> None:
    """Problem 422 for what no text holds, which the database would refuse; 415 for an API's body that is no JSON."""
    raw: bytes = request.scope.get("raw_path", b"") or b""
    if b"%00" in raw or b"%00" in request.scope["query_string"]:
        raise Problem(422, "not-a-text", "the address holds a character of code 0")
    if not body or not request.url.path.startswith("/v1/"):
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "not-json", "send the body as JSON, with Content-Type: application/json")
    if (b"\\u0000" in body or b"\\ud" in body.lower()) and not _holds_text(body):
        raise Problem(422, "not-a-text", "a text in the body holds a character of code 0, or half a pair of surrogates")


def _holds_text(body: bytes) -> bool:
    try:
        left: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return True  # no JSON: said where it is read
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in one):
            return False
    return True


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, for the application to read; then what comes after it."""
    told = False

    async def give() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
