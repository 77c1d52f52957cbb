"""The application: the guard around it, errors, and the routers of every area."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.to_thread
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from limits import __version__
from limits.console import areas, parameters, signing_in
from limits.console.context import Context
from limits.console.guard import Guard, problem_response
from limits.console.health.api import Watcher
from limits.console.pages import FOLDER
from limits.console.people import SignInNeeded
from limits.console.problems import Problem, problem_of, without_answer
from limits.console.rate import Buckets
from limits.console.turns import THREADS
from limits.errors import LimitsError
from limits.store.db import TROUBLE, UNHOLDABLE

log = structlog.get_logger()


def create_app(context: Context) -> FastAPI:
    """The console and the API over one context."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
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
        dependencies=[Depends(parameters.known)],
    )
    app.state.context = context
    app.state.buckets = Buckets()
    app.state.watcher = Watcher(context)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.include_router(signing_in.router)
    for router in areas.routers():
        app.include_router(router)
    _add_errors(app)
    app.add_middleware(Guard)
    return app


def _add_errors(app: FastAPI) -> None:
    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, LimitsError)
        return problem_response(request, problem_of(error))

    def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(request, error)

    def unusable(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        # Where it stands and what is wrong; never the value, which may be personal.
        where = ".".join(str(part) for part in first["loc"])
        if first["loc"][0] == "path" and not request.url.path.startswith("/v1/"):
            where = f"there is no such page, as {first['loc'][-1]} in the address is not usable"
        return problem_response(request, Problem(422, "not-usable", f"{where}: {first['msg']}"))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        name = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
        words = {
            404: "there is nothing at this address; look for a slip in it",
            405: f"this address does not take {request.method}",
        }.get(error.status_code, str(error.detail))
        return problem_response(request, Problem(error.status_code, name, words, headers=dict(error.headers or {})))

    def sign_in(request: Request, error: Exception) -> Response:
        return RedirectResponse("/sign-in", status_code=303)

    def trouble(request: Request, error: Exception) -> Response:
        return problem_response(request, without_answer())

    def no_value(request: Request, error: Exception) -> Response:
        log.warning("a value reached the database that it cannot hold", request=request.scope["limits.request"])
        return problem_response(request, Problem(422, "not-usable", "a value is not one that the database can hold"))

    handlers: dict[Any, Callable[[Request, Exception], Response]] = {
        LimitsError: refused, Problem: problem, RequestValidationError: unusable, HTTPException: http,
        SignInNeeded: sign_in, **dict.fromkeys(UNHOLDABLE, no_value), **dict.fromkeys(TROUBLE, trouble),
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
