"""The application: middleware, errors, and the routers of every area."""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from limits import __version__
from limits.console import areas, sessions, signing_in
from limits.console.context import Context
from limits.console.health import tracing
from limits.console.health.api import Watcher
from limits.console.pages import FOLDER, render
from limits.console.people import Principal, SignInNeeded
from limits.console.problems import Problem, ProblemModel, problem_of
from limits.console.rate import Buckets
from limits.errors import LimitsError

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
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
#: Bodies of requests in bytes, at most.
LONGEST_BODY = 1_000_000
#: What probes ask for, under whatever name.
WATCHED = ("/healthz", "/readyz")

Next = Callable[[Request], Awaitable[Response]]


def create_app(context: Context) -> FastAPI:
    """The console and the API over one context."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = FastAPI(
        title="Credit-limit scheduler",
        version=__version__,
        summary="Reviews, users, policies and the adjustment log.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.context = context
    app.state.buckets = Buckets()
    app.state.watcher = Watcher(context)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.include_router(signing_in.router)
    for router in areas.routers():
        app.include_router(router)
    _add_errors(app)
    app.middleware("http")(_guard)
    return app


async def _guard(request: Request, call_next: Next) -> Response:
    """Around every request: whose it is, how often, how large; headers, and one line in the log."""
    began = time.perf_counter()
    # Only of our own making: a header from outside would write into our log.
    number = uuid.uuid4().hex
    request.scope["limits.request"] = number
    with tracing.span(request) as tell:
        try:
            response = await _answer(request, call_next)
        except Problem as problem:
            response = _problem(request, problem)
        except Exception:
            _tell(request, 500, time.perf_counter() - began)
            tell(500)
            raise
        tell(response.status_code)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app.state.context.secure:
        response.headers.setdefault("strict-transport-security", "max-age=31536000")
    response.headers["x-request-id"] = number
    _tell(request, response.status_code, time.perf_counter() - began)
    return response


def _tell(request: Request, status: int, seconds: float) -> None:
    """One line in the log and one more in the metrics: the route, never the address."""
    who: Principal | None = request.scope.get("limits.principal")
    told = tracing.route_of(request)
    request.app.state.watcher.requests.count(request.method, told["route"], status, seconds)
    log.info(
        "request", request=request.scope.get("limits.request"), method=request.method, **told, status=status,
        kind=who.kind if who else "nobody", seconds=round(seconds, 4),
    )  # fmt: skip


async def _answer(request: Request, call_next: Next) -> Response:
    context: Context = request.app.state.context
    host = request.headers.get("host", "")
    known = host.rpartition(":")[0] in context.hosts or host in context.hosts
    # Machines that watch come by the number of a machine; what is open to them says nothing of anybody.
    if not known and not (
        request.url.path in WATCHED or (request.url.path == "/metrics" and context.settings.metrics_open)
    ):
        raise Problem(
            421, "not-this-host", "this server is asked for under another name; use the address in LIMITS_WEB_URL"
        )
    # A page of another site cannot write here, whatever cookies a browser would send along.
    if request.method not in ("GET", "HEAD") and request.headers.get("sec-fetch-site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise Problem(403, "from-elsewhere", "this request comes from a page of another site")
    try:
        length = int(request.headers.get("content-length", "0"))
    except ValueError:
        raise Problem(400, "bad-request", "Content-Length is not a number") from None
    if length > LONGEST_BODY:
        raise Problem(413, "too-large", f"a body of {length:,} bytes is too large; {LONGEST_BODY:,} are possible")
    if request.url.path not in (*WATCHED, "/metrics") and not request.url.path.startswith("/static/"):
        who = await run_in_threadpool(_principal, request)
        request.scope["limits.principal"] = who
        name = who.actor if who else f"nobody at {request.client.host if request.client else 'nowhere'}"
        wait = request.app.state.buckets.take(name, per_minute=who.per_minute if who else None)
        if wait:
            raise Problem(
                429, "too-many-requests", f"too many requests; try again in {wait:.0f} s or a little later",
                headers={"retry-after": str(int(wait) + 1)},
            )  # fmt: skip
    response = await call_next(request)
    if request.method == "GET" and request.url.path.startswith("/v1/") and response.status_code == 200:
        return await _with_etag(request, response)
    return response


def _principal(request: Request) -> Principal | None:
    """The person of the session, or the machine of the token; None for nobody."""
    from limits.console import tokens

    context: Context = request.app.state.context
    given = request.headers.get("authorization", "")
    secret = request.cookies.get(signing_in.cookie_name(request), "")
    if not given and not secret:
        return None
    with context.connect("console") as conn:
        if given:
            return tokens.of(conn, given)
        return sessions.of(conn, secret)


async def _with_etag(request: Request, response: Response) -> Response:
    """The answer under the digest of its bytes; 304 where the caller has it. Exports, which are files, pass through."""
    if "content-disposition" in response.headers:
        return response
    body = b"".join([part async for part in response.body_iterator])  # type: ignore[attr-defined]
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {key: value for key, value in response.headers.items() if key != "content-length"} | {"etag": tag}
    headers.setdefault("cache-control", "private, no-cache")
    if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers={"etag": tag, "cache-control": headers["cache-control"]})
    return Response(body, response.status_code, headers)


def _add_errors(app: FastAPI) -> None:
    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, LimitsError)
        return _problem(request, problem_of(error))

    def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return _problem(request, error)

    def unusable(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        # Where it stands and what is wrong; never the value, which may be personal.
        where = ".".join(str(part) for part in first["loc"])
        return _problem(request, Problem(422, "not-usable", f"{where}: {first['msg']}"))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        name = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        return _problem(request, Problem(error.status_code, name, str(error.detail), headers=dict(error.headers or {})))

    def sign_in(request: Request, error: Exception) -> Response:
        return RedirectResponse("/sign-in", status_code=303)

    def unexpected(request: Request, error: Exception) -> Response:
        log.error("request failed", request=request.scope.get("limits.request"), exc_info=error)
        words = f"unexpected error; the server's log has it under {request.scope.get('limits.request')}"
        response = _problem(request, Problem(500, "unexpected", words))
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    handlers: dict[Any, Callable[[Request, Exception], Response]] = {
        LimitsError: refused, Problem: problem, RequestValidationError: unusable, HTTPException: http,
        SignInNeeded: sign_in, Exception: unexpected,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _problem(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        body = ProblemModel(**problem.as_dict(request.url.path)).model_dump() | problem.more
        return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")
    page = render(request, "problem.html", {"problem": problem}, status=problem.status)
    page.headers.update(problem.headers)
    return page
