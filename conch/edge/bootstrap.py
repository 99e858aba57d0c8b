"""Fill deploy/envoy/edge.yaml in: what Envoy is started with."""

import json
from pathlib import Path
from string import Template
from typing import Any

from conch.contracts.errors import Internal
from conch.contracts.identity import REQUEST_ID_HEADER, TENANT_HEADER, TRACEPARENT_HEADER
from conch.edge.certificates import transport_socket
from conch.edge.clusters import ALL_METRICS_PATH, OTLP, socket_address
from conch.edge.discovery import type_url
from conch.edge.files import EdgeFiles
from conch.edge.kserve_routes import PACKED_TOO_LARGE
from conch.edge.refusals import openai_bodies
from conch.edge.route import SMALL_BYTES
from conch.edge.routes import too_large_text
from conch.edge.settings import EdgeSettings


def template() -> str:
    return _read("edge.yaml")


def _read(name: str) -> str:
    path = Path(__file__).parents[2] / "deploy/envoy" / name
    try:
        return path.read_text()
    except FileNotFoundError:
        raise Internal(f"no {path}: run conch from a checkout") from None


def bootstrap(settings: EdgeSettings, files: EdgeFiles) -> str:
    """Envoy's YAML."""
    listening, limits = settings.listening, settings.limits
    values: dict[str, Any] = {
        "admin_socket": str(files.admin_socket),
        "clusters_file": str(files.clusters),
        "routes_file": str(files.routes),
        "relays_file": str(files.relays),
        "internal_routes_file": str(files.internal_routes),
        "keys_file": str(files.keys),
        "revoked_file": str(files.revoked),
        "grpc_address": socket_address(listening.grpc),
        "http_address": socket_address(listening.http),
        "internal_address": socket_address(listening.internal),
        "metrics_address": socket_address(listening.metrics),
        "metrics_path": "/metrics" if settings.upstreams.metrics is None else ALL_METRICS_PATH,
        "transport_socket": transport_socket(settings.tls, files.secrets),
        "tracing": None if settings.upstreams.otlp is None else _tracing(settings),
        "traceparent": _traceparent(settings),
        "trace_id": "%TRACE_ID%" if settings.upstreams.otlp is not None else _TRACE_ID,
        "access_log_filter": _access_log_filter(settings),
        "max_request_bytes": limits.max_request_bytes,
        "max_heap_bytes": limits.max_heap_bytes,
        "max_connections": limits.max_connections,
        "max_streams": limits.max_streams,
        "headers_within": f"{limits.headers_within_s:g}s",
        "request_within": f"{limits.request_within_s:g}s",
        "json_lua": _read("json.lua"),
        "too_large": f"{too_large_text(limits)}, or more than {SMALL_BYTES} where nothing is inferred",
        "too_much_lua": _read("too_much.lua"),
        "packed_too_large": PACKED_TOO_LARGE,
        "grpc_lua": _read("grpc.lua"),
        "on_demand_lua": _read("on_demand.lua"),
        **openai_bodies(),
    }
    return Template(template()).substitute({name: json.dumps(value) for name, value in values.items()})


_SOME_OF_THE_REQUEST_ID = f"%REQ({REQUEST_ID_HEADER}):8%"
_TRACE_ID = f"%START_TIME(%s%9f)%{_SOME_OF_THE_REQUEST_ID}00000"
"""32 hexadecimal digits: nanoseconds since 1970 are 19 until the year 2286, and chance makes 8."""
_NOT_SAMPLED = f"00-{_TRACE_ID}-{_SOME_OF_THE_REQUEST_ID}%START_TIME(%8f)%-00"

_CALLERS_WORDS = ("http.url", "user_agent", "grpc.path", "grpc.authority", "grpc.content_type", "grpc.timeout")


def _traceparent(settings: EdgeSettings) -> dict[str, Any]:
    """What is done to a caller's. Envoy's tracer follows one that it finds, and writes its own over none."""
    if settings.upstreams.otlp is not None:
        return {"remove": TRACEPARENT_HEADER}
    # The tracer without a place for spans costs as much as all else that the edge does to a call.
    header = {"key": TRACEPARENT_HEADER, "value": _NOT_SAMPLED}
    return {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _tracing(settings: EdgeSettings) -> dict[str, Any]:
    provider = {
        "@type": type_url("envoy.config.trace.v3.OpenTelemetryConfig"),
        "service_name": "conch-edge",
        "grpc_service": {"envoy_grpc": {"cluster_name": OTLP}, "timeout": "5s"},
    }
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "random_sampling": {"value": settings.traced_percent},
        "client_sampling": {"value": 0},
        "operation": "edge %ROUTE_NAME%",
        # Envoy's own attributes hold what a caller wrote, and may have written secrets into: these take their places.
        "custom_tags": [
            *({"tag": tag, "literal": {"value": "-"}} for tag in _CALLERS_WORDS),
            {"tag": "guid:x-request-id", "request_header": {"name": REQUEST_ID_HEADER, "default_value": "-"}},
            {"tag": "conch.tenant", "request_header": {"name": TENANT_HEADER, "default_value": "-"}},
            {"tag": "conch.request_id", "request_header": {"name": REQUEST_ID_HEADER, "default_value": "-"}},
        ],
    }


def _access_log_filter(settings: EdgeSettings) -> dict[str, Any]:
    if settings.log_every_call:
        return {"not_health_check_filter": {}}
    failed = {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "x"}}}}
    is_grpc = {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}}
    # For what is not gRPC it makes up a status, and never "OK".
    not_ok = {"grpc_status_filter": {"statuses": ["OK"], "exclude": True}}
    return {"or_filter": {"filters": [failed, {"and_filter": {"filters": [is_grpc, not_ok]}}]}}
