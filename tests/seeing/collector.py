"""A collector that takes spans as OTLP writes them: over gRPC, and over HTTP as Triton sends them."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Span:
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty: it began the trace."""
    attributes: Mapping[str, str]
    failed: bool
    text: str
    """All of it, to be searched."""


class Collector(TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.grpc = ""
        self.http = ""

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name", "")
            self.spans += [
                Span(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _attributes(span.attributes),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    str(span) + str(resource.resource),
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        return ExportTraceServiceResponse()

    def take_json(self, body: bytes) -> None:
        """As Triton 2.51 writes it: ids in hex, attributes as in the protobuf."""
        for resource in json.loads(body)["resourceSpans"]:
            service = _json_attributes(resource["resource"]["attributes"]).get("service.name", "")
            self.spans += [
                Span(
                    service,
                    span["name"],
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId", ""),
                    _json_attributes(span.get("attributes", [])),
                    failed=False,
                    text=json.dumps(span),
                )
                for scope in resource["scopeSpans"]
                for span in scope["spans"]
            ]

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.grpc = f"{HOST}:{server.add_insecure_port(f'{HOST}:0')}"
    server.start()
    web = ThreadingHTTPServer((HOST, 0), _handler(collector.take_json))
    collector.http = f"{HOST}:{web.server_address[1]}"
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield collector
    finally:
        web.shutdown()
        web.server_close()
        server.stop(0).wait(10)


def _handler(take: Callable[[bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _attributes(pairs: Any) -> dict[str, str]:
    return {pair.key: str(getattr(pair.value, pair.value.WhichOneof("value"))) for pair in pairs}


def _json_attributes(pairs: Any) -> dict[str, str]:
    return {pair["key"]: str(next(iter(pair["value"].values()))) for pair in pairs}
