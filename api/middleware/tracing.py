"""Traces of requests in OpenTelemetry, sent to whoever the settings name; without that nothing is made or sent.

A request is one span, named by the template of its route, and its steps are spans below it: ``validate``, ``queue``,
``commit`` and ``publish`` of a submission. Their attributes are method, template, status and code of a refusal. What a
client sends, an id, a name or a token is in none of them.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from importlib.metadata import version
from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from api.middleware.measuring import METHODS, OTHER, route_of
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message

SENT_WITHIN_S = 5  # seconds for one answer of the collector, and for the last spans when the service stops
TRACE_PARENT = b"traceparent"  # W3C Trace Context
# FastAPI's own, which would send addresses and faults of requests to whoever a variable names.
NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


class RequestTrace:
    """The span of a request. Moments are those of ``time.perf_counter``."""

    def __init__(self, tracer: Tracer, span: Span, context: Context):
        self._tracer = tracer
        self._span = span
        self._context = context
        self._unix_ns = time.time_ns() - time.perf_counter_ns()

    @property
    def trace_id(self) -> str:
        """Return the id by which the trace is found, as the request's line in the log has it."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def step(self, name: str, began: float, ended: float) -> None:
        """Add a step that has ended."""
        span = self._tracer.start_span(name, self._context, start_time=self._unix_ns + int(began * 1e9))
        span.end(self._unix_ns + int(max(began, ended) * 1e9))

    def end(self, scope: Scope, method: str, status: int) -> None:
        """End the span of a request that was answered."""
        method, route = method if method in METHODS else OTHER, route_of(scope)
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


# That of the request that is answered here, if it is traced.
TRACE_IN_USE: ContextVar[RequestTrace | None] = ContextVar("trace", default=None)


class RequestTracer:
    """Traces a ``share`` of the requests, and those that a proxy traces, and sends the spans to ``url`` by OTLP.

    They are sent from a thread of their own. What cannot be sent is dropped, and nobody waits for it. Raises
    MalformedInput if the packages for it are not installed.
    """

    def __init__(self, url: str, share: float):
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        except ModuleNotFoundError as error:
            raise MalformedInput(
                "the packages that traces need are not installed",
                field="traces_url",
                hint=Message("Install them by the pins in traces.txt: docs/operations/metrics.md tells how."),
            ) from error
        resource = Resource.create({"service.name": "tallystick", "service.version": version("tallystick")})
        self._provider = TracerProvider(ParentBased(TraceIdRatioBased(share)), resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(OTLPSpanExporter(url, timeout=SENT_WITHIN_S))
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("tallystick")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, scope: Scope, *, by_proxy: bool) -> RequestTrace:
        """Begin the span of a request: below that of the proxy that passed it on, if it is one of ours."""
        named = (value for name, value in scope["headers"] if name == TRACE_PARENT)
        parent = next(named, None) if by_proxy else None
        carrier = {} if parent is None else {TRACE_PARENT.decode(): parent.decode("latin-1")}
        span = self._tracer.start_span("request", self._propagator.extract(carrier), SpanKind.SERVER)
        return RequestTrace(self._tracer, span, set_span_in_context(span))

    def close(self) -> None:
        """Send what has not been sent, and end."""
        self._provider.force_flush(SENT_WITHIN_S * 1000)
        self._provider.shutdown()
