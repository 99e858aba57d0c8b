"""The servers behind the edge, as Envoy's clusters.

Which of several Tritons get calls stands in a file of its own, so that one which leaves ends no call: see endpoints.py.

A tenant with a limit of calls at once has clusters of its own: Envoy counts calls by cluster. They differ from the
common ones in that limit alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from conch.edge.discovery import Resource, type_url
from conch.edge.relays import TRANSPORT, relay_address, relays
from conch.edge.settings import Address, Upstreams
from conch.edge.tenants import Tenants

ADMIN = "admin"
"""Envoy's own; edge.yaml has it."""
ALL_METRICS_PATH = "/metrics/all"
"""Where whoever answers for everybody does."""
OTLP = "otlp"
"""Only where somebody takes spans."""
UNLIMITED = 65_536
IDLE_S = 30
"""A connection on which nothing moves for so long is closed, before the other side does it: a call that meets that has
been sent, and is not sent again."""
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Target(StrEnum):
    """Where a call goes."""

    TRITON_GRPC = "triton_grpc"
    TRITON_HTTP = "triton_http"
    GATEWAY_GRPC = "gateway_grpc"
    GATEWAY_HTTP = "gateway_http"
    MODELS_GRPC = "models_grpc"

    @property
    def is_grpc(self) -> bool:
        return self in (Target.TRITON_GRPC, Target.GATEWAY_GRPC, Target.MODELS_GRPC)


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: Address
    checked_at: Address | None = None
    """Answers GET /v2/health/live for it; None where calls themselves must show how it is."""
    relay: str | None = None
    """Leads to the address."""


def cluster_name(target: Target, tenant: str | None = None) -> str:
    return target.value if tenant is None else f"{target.value}.{tenant}"


def clusters(
    upstreams: Upstreams, tenants: Tenants, most_calls: int, endpoint_files: Mapping[Target, Path]
) -> Sequence[Resource]:
    """`most_calls` at once of all tenants that have no limit of their own."""
    limits = {None: most_calls} | {
        tenant.name: tenant.calls_at_once for tenant in tenants.by_name.values() if tenant.calls_at_once is not None
    }
    fronted = [
        _cluster(
            cluster_name(target, tenant),
            target,
            endpoints_of(target, upstreams),
            limit,
            pings=upstreams.pings and target is Target.TRITON_GRPC,
            traced=upstreams.otlp is not None,
            endpoints_in=endpoint_files.get(target),
        )
        for tenant, limit in limits.items()
        for target in Target
    ]
    tritons = [Endpoint(triton.metrics) for triton in upstreams.tritons]
    scraped = _single(upstreams.metrics) or tritons
    fronted += [
        _cluster("triton_metrics", Target.TRITON_HTTP, tritons, UNLIMITED),
        _cluster("metrics", Target.GATEWAY_HTTP, scraped, UNLIMITED),
    ]
    if upstreams.otlp is not None:
        fronted.append(_cluster(OTLP, Target.GATEWAY_GRPC, [Endpoint(upstreams.otlp)], UNLIMITED))
    return [*fronted, *(_behind_relay(name, address) for address, name in relays(upstreams).items())]


def _behind_relay(name: str, address: Address) -> Resource:
    cluster = _cluster(name, Target.TRITON_HTTP, [Endpoint(address, address)], UNLIMITED)
    return {**cluster, "close_connections_on_host_health_failure": True}


def endpoints_of(target: Target, upstreams: Upstreams) -> Sequence[Endpoint]:
    match target:
        case Target.TRITON_GRPC:
            return [Endpoint(triton.grpc, triton.http) for triton in upstreams.tritons]
        case Target.TRITON_HTTP:
            ways = relays(upstreams)
            return [Endpoint(triton.http, triton.http, ways.get(triton.http)) for triton in upstreams.tritons]
        case Target.GATEWAY_GRPC:
            return _single(upstreams.gateway_grpc)
        case Target.GATEWAY_HTTP:
            return _single(upstreams.gateway_http)
        case Target.MODELS_GRPC:
            return _single(upstreams.models)


def _single(address: Address | None) -> Sequence[Endpoint]:
    return [Endpoint(address)] if address is not None else []


def _cluster(
    name: str,
    target: Target,
    endpoints: Sequence[Endpoint],
    calls_at_once: int,
    *,
    pings: bool = False,
    traced: bool = False,
    endpoints_in: Path | None = None,
) -> Resource:
    cluster: dict[str, Any] = {
        "@type": type_url("envoy.config.cluster.v3.Cluster"),
        "name": name,
        "type": "STATIC" if all(endpoint.address.is_ip for endpoint in endpoints) else "STRICT_DNS",
        "connect_timeout": "0.5s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": 2**20,
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol(target, pings=pings, traced=traced)},
        "circuit_breakers": {
            "thresholds": [
                _threshold("DEFAULT", calls_at_once),
                # The gateway's own calls: it counts those of its callers itself.
                _threshold("HIGH", UNLIMITED),
            ]
        },
        # Sick ones among several are left out for a while; the only one there is stays.
        "outlier_detection": {
            "consecutive_5xx": 1000,
            "enforcing_consecutive_5xx": 0,
            "consecutive_gateway_failure": 3,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_time": "30s",
            "max_ejection_percent": 50,
        },
        # A call to a server that is known not to answer would wait for nothing.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }
    if endpoints_in is None:
        cluster["load_assignment"] = load_assignment(name, endpoints)
    else:
        cluster["type"] = "EDS"
        source = {"path_config_source": {"path": str(endpoints_in)}, "resource_api_version": "V3"}
        cluster["eds_cluster_config"] = {"eds_config": source, "service_name": cluster_name(target)}
    if endpoints and all(endpoint.checked_at for endpoint in endpoints):
        cluster["health_checks"] = [_HEALTH_CHECK]
    if any(endpoint.relay for endpoint in endpoints):
        cluster["transport_socket"] = TRANSPORT
    return cluster


def _threshold(priority: str, calls_at_once: int) -> dict[str, Any]:
    return {
        "priority": priority,
        "max_connections": UNLIMITED,
        "max_pending_requests": UNLIMITED,
        "max_requests": calls_at_once,
        "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3},
    }


_HEALTH_CHECK = {
    "http_health_check": {"path": "/v2/health/live", "codec_client_type": "HTTP1"},
    # Two misses are known within 0.8 s: a stopped server keeps its port open and answers nothing.
    "timeout": "0.25s",
    "interval": "0.2s",
    "no_traffic_interval": "0.2s",
    "unhealthy_interval": "0.25s",
    "unhealthy_edge_interval": "0.1s",
    "unhealthy_threshold": 2,
    "healthy_threshold": 1,
}


_WITHOUT_TRACESTATE = [
    # Envoy writes an empty tracestate beside its traceparent, and Triton 2.51 then heeds neither.
    {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"),
            "mutations": {"request_mutations": [{"remove": "tracestate"}]},
        },
    },
    {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": type_url("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec")},
    },
]


def _protocol(target: Target, *, pings: bool, traced: bool) -> dict[str, Any]:
    protocol: dict[str, Any] = {"@type": type_url(HTTP_OPTIONS)}
    if traced:
        protocol["http_filters"] = _WITHOUT_TRACESTATE
    if not target.is_grpc:
        idle = {"idle_timeout": f"{IDLE_S}s"}
        return {
            **protocol,
            "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": idle,
        }
    http2: dict[str, Any] = {"initial_stream_window_size": 2**20, "initial_connection_window_size": 2**24}
    if pings:
        # A health check stops new calls; this ends those that a stopped server has taken.
        http2["connection_keepalive"] = {"interval": "0.3s", "timeout": "0.6s"}
    return {**protocol, "explicit_http_config": {"http2_protocol_options": http2}}


def load_assignment(name: str, endpoints: Sequence[Endpoint], leaving: Collection[Address] = ()) -> Resource:
    """Those of `leaving` get no new calls."""
    described = [
        {**_endpoint(one), "health_status": "DRAINING"} if one.address in leaving else _endpoint(one)
        for one in endpoints
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": described}]}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.relay is not None:
        checked = {"address": socket_address(endpoint.address)}
        return {
            "endpoint": {"address": relay_address(endpoint.relay, endpoint.address), "health_check_config": checked}
        }
    described: dict[str, Any] = {"address": socket_address(endpoint.address)}
    if endpoint.checked_at is not None and endpoint.checked_at != endpoint.address:
        described["health_check_config"] = {"port_value": endpoint.checked_at.port}
    return {"endpoint": described}


def socket_address(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}
