"""What a request is told as, in log and trace: its route and the numbers in its address, never the address itself.

Spans (OpenTelemetry) are made where OTEL_EXPORTER_OTLP_ENDPOINT is set and the packages of the extra ``tracing`` are
installed; else nothing of it is imported. They are made here and not by the instrumentation of FastAPI, which writes
down the whole address with its query: what somebody searched for is personal.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import Request

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

log = structlog.get_logger()

#: Numbers in addresses that a line of the log shall have, so that all of a user or a review can be found.
NUMBERS = ("user_id", "review_id", "entry_id")


def route_of(request: Request) -> dict[str, Any]:
    """The template of the route ("none" where there is none), and those of NUMBERS that are numbers."""
    told: dict[str, Any] = {"route": getattr(request.scope.get("route"), "path", "none")}
    given = request.scope.get("path_params") or {}
    return told | {
        name: int(given[name]) for name in NUMBERS if re.fullmatch(r"[0-9]{1,19}", str(given.get(name, "")), re.ASCII)
    }


@contextlib.contextmanager
def span(request: Request) -> Iterator[Callable[[int], None]]:
    """Around a request; what it gives is told the status of the answer."""
    tracer = _tracer()
    if tracer is None:
        yield lambda status: None
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({"traceparent": request.headers.get("traceparent", "")})
    with tracer.start_as_current_span(
        request.method, context=parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as made:

        def tell(status: int) -> None:
            told = route_of(request)
            made.update_name(f"{request.method} {told['route']}")
            made.set_attributes(
                {"http.request.method": request.method, "http.route": told.pop("route"),
                 "http.response.status_code": status, "limits.request": str(request.scope.get("limits.request"))}
                | {f"limits.{name}": value for name, value in told.items()}
            )  # fmt: skip

        yield tell


@functools.cache
def _tracer() -> Tracer | None:
    """The tracer that sends to the collector of the environment; None without one."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("no spans are made: install the packages of the extra tracing", missing=error.name)
        return None
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("limits.console")
