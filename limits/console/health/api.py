"""How the service is, for machines that watch it: open, because it counts and names nobody."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from limits.console.context import Context, context_of
from limits.console.health.exporting import Requests
from limits.console.health.progress import Check, Health, Progress
from limits.console.problems import Problem
from limits.errors import LimitsError, MigrationError
from limits.settings import is_loopback
from limits.store import metrics, migrate
from limits.store.metrics import Everything

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()

#: What was found is good for so many seconds: whoever asks all the time asks the database once.
FRESH_SECONDS = 1.0

Found = TypeVar("Found")


class Fresh(Generic[Found]):
    """The newest answer of something that costs a connection; one looks at a time."""

    def __init__(self, look: Callable[[], Found]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._last: tuple[float, Found | LimitsError] | None = None

    def get(self) -> Found:
        """What was found within FRESH_SECONDS, or while somebody else is looking; else what is found now."""
        last = self._last
        if last is None or time.monotonic() - last[0] > FRESH_SECONDS:
            # Whoever comes while another looks takes what was there, so that none waits in a row for a slow database.
            with_lock = self._lock.acquire(blocking=last is None)
            if with_lock:
                try:
                    last = self._renewed()
                finally:
                    self._lock.release()
        assert last is not None
        if isinstance(last[1], LimitsError):
            raise last[1]
        return last[1]

    def _renewed(self) -> tuple[float, Found | LimitsError]:
        last = self._last
        if last is None or time.monotonic() - last[0] > FRESH_SECONDS:
            try:
                found: Found | LimitsError = self._look()
            except LimitsError as error:
                log.warning("health cannot be read", error=" ".join(str(error).split()))
                found = error
            last = self._last = (time.monotonic(), found)
        return last


class Watcher:
    """What the three routes share, for as long as the application lives."""

    def __init__(self, context: Context) -> None:
        self.requests = Requests()
        self.progress = Progress()
        self.found: Fresh[Everything] = Fresh(lambda: metrics.everything(context.database("monitor")))
        self.ready: Fresh[None] = Fresh(lambda: _ready(context))


def watcher_of(request: Request) -> Watcher:
    """The watcher of the application; a FastAPI dependency."""
    watcher: Watcher = request.app.state.watcher
    return watcher


Watching = Annotated[Watcher, Depends(watcher_of)]
Here = Annotated[Context, Depends(context_of)]


@router.get("/healthz")
def healthz(context: Here, watcher: Watching) -> Response:
    """Whether what should move moves: 200, or 503 with what stands still and since when."""
    now = dt.datetime.now(dt.UTC)
    try:
        health = watcher.progress.look(watcher.found.get(), context.settings, now)
    except LimitsError as error:
        check = Check(name="database", state="stalled", says=_sentence(error), since=None)
        health = Health(state="stalled", checks=[check])
    return _told(health.model_dump(mode="json"), 200 if health.state == "ok" else 503)


@router.get("/readyz")
def readyz(watcher: Watching) -> Response:
    """Whether requests can be answered: the database is there and its schema is what the code needs."""
    try:
        watcher.ready.get()
    except LimitsError as error:
        return _told({"ready": False, "says": _sentence(error)}, 503)
    return _told({"ready": True, "says": "the database answers and its schema is the one that is needed"}, 200)


def _is_open(request: Request) -> bool:
    return context_of(request).settings.metrics_open or _from_here(request)


def for_metrics(request: Request) -> None:
    """Problem 403 for another machine, unless LIMITS_METRICS_OPEN says so; a FastAPI dependency."""
    if not _is_open(request):
        raise Problem(403, "not-from-elsewhere", "metrics are for this machine; set LIMITS_METRICS_OPEN to open them")


for_metrics.limits_lets_in = _is_open  # type: ignore[attr-defined]


@router.get("/metrics", dependencies=[Depends(for_metrics)])
def prometheus(watcher: Watching) -> Response:
    """Counts and states for Prometheus: to this machine, to others where LIMITS_METRICS_OPEN says so."""
    try:
        text = watcher.requests.text(watcher.found.get())
    except LimitsError as error:
        return PlainTextResponse(f"{_sentence(error)}\n", 503, {"cache-control": "no-store"})
    return Response(text, 200, {"cache-control": "no-store"}, CONTENT_TYPE_LATEST)


def _ready(context: Context) -> None:
    with context.database("console").connect("console", "limits readyz") as conn:
        migrate.ready(conn)


def _from_here(request: Request) -> bool:
    """Whether this machine asks, and not a proxy on it for somebody else."""
    passed_on = {"forwarded", "x-forwarded-for", "x-real-ip"} & set(request.headers)
    return request.client is not None and not passed_on and is_loopback(request.client.host)


def _sentence(error: LimitsError) -> str:
    """For whoever comes: what it is, and nothing of where the database is or as whom we are there."""
    if "limits_monitor" in str(error):
        return "counts cannot be read: the console's login may not act as limits_monitor; grant it that role"
    if isinstance(error, MigrationError):
        return str(error)
    return "the database cannot be asked; the server's log says why"


def _told(body: dict[str, Any], status: int) -> Response:
    return JSONResponse(body, status, {"cache-control": "no-store"})
