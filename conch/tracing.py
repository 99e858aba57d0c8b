"""Spans of our own processes, sent by OTLP over gRPC where somebody takes them; nothing is done where nobody does.

A context travels as W3C's `traceparent` in an Identity, so a span is told its parent and tells its children, and no
thread or task carries one in secret. An attribute is a name or a count of ours, never a caller's text.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own: http://host:4317, where OTLP is taken over gRPC. Empty: no spans."""

MOST_WAITING = 2048
"""Spans; when as many wait for the collector, the oldest are dropped, and the log says so. Nobody waits for them."""

SEND_WITHIN_S = 1.0

Kind = Literal["server", "client", "internal"]
Attributes = Mapping[str, str | int | float]


class Span(Protocol):
    @property
    def traceparent(self) -> str:
        """For what is asked on behalf of this one."""
        ...

    def end(self, error: str = "") -> None:
        """`error` is the name of one of our error classes; empty for a good end."""
        ...


class Spans(Protocol):
    active: bool
    """False: nobody is told."""

    def start(
        self,
        name: str,
        traceparent: str,
        *,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        started_ns: int | None = None,
    ) -> Span:
        """`traceparent` empty begins a trace; `started_ns` of time.time_ns(), None is now."""
        ...

    def close(self) -> None:
        """What has ended is sent, for a few seconds at most."""
        ...


class NoSpans:
    active = False

    def start(
        self,
        name: str,
        traceparent: str,
        *,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        started_ns: int | None = None,
    ) -> Span:
        return _Unseen(traceparent)

    def close(self) -> None:
        pass


class _Unseen:
    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def end(self, error: str = "") -> None:
        pass


def collector(otlp: str) -> dict[str, str]:
    """What tells a process of ours where spans go, by host:port; empty: nowhere, whatever it inherits."""
    return {ENDPOINT_VARIABLE: f"http://{otlp}" if otlp else ""}


def spans_to(endpoint: str, service: str) -> Spans:
    """`service` is what a trace calls this process; `endpoint` empty is nobody."""
    return OtlpSpans(endpoint, service) if endpoint else NoSpans()


class OtlpSpans:
    """Where a caller's context says that it is not sampled, neither is what it asks for."""

    active = True

    def __init__(self, endpoint: str, service: str) -> None:
        # Imported here: whoever traces nothing does not pay for it.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_WITHIN_S)
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=500)
        )
        self._tracer = self._provider.get_tracer("conch")

    def start(
        self,
        name: str,
        traceparent: str,
        *,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        started_ns: int | None = None,
    ) -> Span:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        span = self._tracer.start_span(
            name, parent, SpanKind[kind.upper()], attributes=attributes, start_time=started_ns or time.time_ns()
        )
        return _OtlpSpan(span)

    def close(self) -> None:
        self._provider.shutdown()


class _OtlpSpan:
    def __init__(self, span: "OtelSpan") -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, error: str = "") -> None:
        from opentelemetry.trace import StatusCode

        if error:
            self._span.set_status(StatusCode.ERROR, error)
        self._span.end()
