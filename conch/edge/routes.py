"""Who answers a call: a tenant is a virtual host, found by the header that the key has set.

Routes are tried in order, so each list ends with what refuses the rest. A refusal is a route too: it is named, logged
and counted like any other.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from conch.contracts.identity import OPERATOR_HEADER, REQUEST_ID_HEADER, TENANT_HEADER
from conch.edge import kserve
from conch.edge.access import (
    NOT_LOOKED_INTO,
    looked_into_as_inference,
    looked_into_as_load,
    looked_into_for_its_model,
)
from conch.edge.clusters import ADMIN, Target, cluster_name
from conch.edge.discovery import Resource, type_url
from conch.edge.settings import Limits
from conch.edge.tenants import Tenant, Tenants
from conch.edge.told import answer_filter, limit_headers

Route = Mapping[str, Any]
Match = Mapping[str, Any]

_LUA = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"
SMALL_BYTES = 25_000
"""Too little to be nested dangerously deep; see json.lua."""

PACKED = "gzip|deflate"
"""What gRPC messages may be packed with: Triton knows these."""
PACKED_BYTES = 64 * 1024
"""Of a packed gRPC message, which only Triton unpacks: to a thousand times as much, and in memory."""
PACKED_TOO_LARGE = f"a packed message has more than {PACKED_BYTES} bytes: send it unpacked, or packed over HTTP"

GATHERED_BYTES = 2**20
"""Of a body for the gateway: up to this it is sent on when all of it is there."""

TENANT_ID_HEADER = "x-tenant-id"
"""A caller may say whom it means to be; it must be who its key says."""

STREAMS = {"timeout": "0s", "idle_timeout": "3600s"}
"""Open as long as both sides want; an hour of silence is the end of it."""
ONE_ANSWER = {
    "timeout": "0s",
    "idle_timeout": "300s",
    # The caller's own deadline counts, and nobody sends one request for more than ten minutes.
    "max_stream_duration": {"max_stream_duration": "600s", "grpc_timeout_header_max": "0s"},
}
_HIGH = {"priority": "HIGH"}
INTERNAL = {**ONE_ANSWER, **_HIGH}
"""For the gateway, which no flood of other calls keeps from Triton."""
_ELSEWHERE = {
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": type_url("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
            },
        }
    ],
    "host_selection_retry_max_attempts": 5,
}
UNSENT = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 1, **_ELSEWHERE}
"""Again only where no server has begun with the call."""
READ_AGAIN = {
    "retry_on": "connect-failure,refused-stream,reset,unavailable,gateway-error",
    "num_retries": 2,
    **_ELSEWHERE,
}
"""For calls that change nothing."""


def public_routes(tenants: Tenants, limits: Limits) -> Resource:
    """Who has no tenant that we know finds refusals alone."""
    return {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": "edge",
        "vhost_header": TENANT_HEADER,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            *(_virtual_host(tenant, limits) for tenant in tenants.by_name.values()),
            {
                "name": "nobody",
                "domains": ["*"],
                "routes": [refusal("tenant.unknown", {"prefix": "/"}, 403, "the key's tenant is not known here")],
            },
        ],
        "request_headers_to_remove": ["authorization", "x-api-key"],
        "response_headers_to_add": [_header(REQUEST_ID_HEADER, f"%REQ({REQUEST_ID_HEADER})%")],
    }


def internal_routes() -> Resource:
    """All of Triton, for the gateway."""
    # The gateway's page of all metrics; the metrics port may want a certificate that the gateway has not.
    metrics = {
        "name": "internal.metrics",
        "match": {"path": "/metrics/edge"},
        "route": {"cluster": ADMIN, "prefix_rewrite": "/stats/prometheus?usedonly"},
    }
    reading = [
        _route(f"internal.{method}", _method(method), Target.TRITON_GRPC, None, INTERNAL, READ_AGAIN)
        for method in kserve.READING
    ]
    stream = _method(kserve.STREAM)
    return {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": "internal",
        "virtual_hosts": [
            {
                "name": "internal",
                "domains": ["*"],
                "routes": [
                    metrics,
                    *reading,
                    _route("internal.stream", stream, Target.TRITON_GRPC, None, {**STREAMS, **_HIGH}, UNSENT),
                    _route("internal.grpc", _GRPC, Target.TRITON_GRPC, None, INTERNAL, UNSENT),
                    _route("internal.http", {"prefix": "/"}, Target.TRITON_HTTP, None, INTERNAL, UNSENT),
                ],
            }
        ],
    }


_GRPC: Match = {"prefix": "/", "grpc": {}}


def _virtual_host(tenant: Tenant, limits: Limits) -> Mapping[str, Any]:
    return {
        "name": tenant.name,
        "domains": [tenant.name],
        "routes": [
            *_claims(tenant, limits),
            *_kserve_grpc(tenant, limits),
            _to(tenant, "gateway.grpc", _GRPC, Target.GATEWAY_GRPC, STREAMS, UNSENT),
            *_kserve_http(tenant, limits),
            refusal("metrics", {"prefix": "/metrics"}, 404, "metrics have a port of their own"),
            *_gateway_http(tenant, limits),
        ],
        # Said twice: this is what a model sees, whatever came before.
        "request_headers_to_add": [_header(TENANT_HEADER, tenant.name), *limit_headers(tenant)],
        "typed_per_filter_config": {
            "size": {"@type": type_url("envoy.extensions.filters.http.buffer.v3.BufferPerRoute"), "disabled": True},
            "json": {"@type": type_url(_LUA), "disabled": True},
            "grpc": NOT_LOOKED_INTO,
            **_rate(tenant),
            **answer_filter(tenant),
        },
    }


def _claims(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    """What the caller says of itself must be true, and of its body bearable."""
    somebody_else = [
        {"name": TENANT_ID_HEADER, "present_match": True},
        {"name": TENANT_ID_HEADER, "string_match": {"exact": tenant.name}, "invert_match": True},
    ]
    too_large = [
        {"name": "content-length", "range_match": {"start": limits.max_request_bytes + 1, "end": 2**63 - 1}},
    ]
    return [
        refusal(
            "tenant.mismatch", {"prefix": "/", "headers": somebody_else}, 403, "X-Tenant-ID is not the key's tenant"
        ),
        refusal("too_large", {"prefix": "/", "headers": too_large}, 413, too_large_text(limits)),
        refusal("connect", {"connect_matcher": {}}, 405, "this is no way through"),
    ]


def _kserve_grpc(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton = Target.TRITON_GRPC
    infer, stream = _method(kserve.INFER), _method(kserve.STREAM)
    every_call: Match = {"prefix": f"/{kserve.SERVICE}/", "grpc": {}}
    packed = _to(tenant, "kserve.infer", _packed(infer), triton, ONE_ANSWER, UNSENT)
    unpacked = _to(tenant, "kserve.infer", infer, triton, ONE_ANSWER, UNSENT)
    return [
        refusal("kserve.packed", _packed_strangely(every_call), 404, "a message is packed with gzip or deflate"),
        refusal("kserve.packed", _packed(stream), 404, "the messages of a stream are not packed"),
        looked_into_as_inference(_sized(packed, PACKED_BYTES), tenant),
        looked_into_as_inference(_sized(unpacked, limits.max_request_bytes), tenant),
        _to(tenant, "kserve.stream", stream, triton, STREAMS, UNSENT)
        if tenant.stream
        else refusal("kserve.stream", stream, 403, "this tenant may not open ModelStreamInfer"),
        *(
            _to(tenant, "kserve.health", _method(method), Target.GATEWAY_GRPC, ONE_ANSWER, READ_AGAIN)
            for method in kserve.HEALTH
        ),
        *(_kserve_reading(tenant, method) for method in kserve.READING),
        looked_into_as_load(_small(_to(tenant, "kserve.load", _by_operator(_method(kserve.LOAD)), triton, ONE_ANSWER))),
        _small(_to(tenant, "kserve.operator", _by_operator(every_call), triton, ONE_ANSWER)),
        refusal("kserve.operator", every_call, 403, OPERATORS_ONLY),
        # Envoy reads the body of what says that it is gRPC; Triton may take it for that without being told.
        refusal("kserve.not_grpc", {"prefix": f"/{kserve.SERVICE}/"}, 415, "the content-type is not application/grpc"),
    ]


def _kserve_reading(tenant: Tenant, method: str) -> Route:
    route = _small(_to(tenant, "kserve.reading", _method(method), Target.TRITON_GRPC, ONE_ANSWER, READ_AGAIN))
    return looked_into_for_its_model(route, tenant) if method in kserve.OF_A_MODEL else route


def _kserve_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton, gateway = Target.TRITON_HTTP, Target.GATEWAY_HTTP
    ready = _matching(kserve.MODEL_PATH.format(name=kserve.ANY_MODEL) + "/ready")
    load = {"safe_regex": {"regex": "/v2/repository/models/[^/]+/load"}}
    every_call: Match = {"prefix": "/v2/"}
    return [
        _to(tenant, "kserve.health", {"prefix": "/v2/health/"}, gateway, ONE_ANSWER, READ_AGAIN),
        _to(tenant, "kserve.health", ready, gateway, ONE_ANSWER, READ_AGAIN),
        refusal("kserve.packed", _packed_otherwise(every_call), 415, "a body is packed with gzip or not at all"),
        refusal("kserve.escaped", _matching("/v2/.*%.*"), 400, "a path under /v2 has no escaped characters"),
        *_models_http(tenant, limits),
        _json(_small(_to(tenant, "kserve.reading", {"path": "/v2/repository/index"}, triton, ONE_ANSWER, READ_AGAIN))),
        _small(_to(tenant, "kserve.reading", _matching("/v2/?"), triton, ONE_ANSWER, READ_AGAIN)),
        _small(_to(tenant, "kserve.load", _without_body(_by_operator(load)), triton, ONE_ANSWER)),
        refusal("kserve.load", _by_operator(load), 403, LOAD_WITH_PARAMETERS),
        _small(_to(tenant, "kserve.operator", _by_operator(every_call), triton, ONE_ANSWER)),
        refusal("kserve.operator", every_call, 403, OPERATORS_ONLY),
    ]


def _gateway_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    """What is small or JSON is read whole here: of a slow caller the gateway sees large uploads alone."""
    json: Match = {"prefix": "/", "headers": [_starting("content-type", "application/json")]}
    small = {"name": "content-length", "range_match": {"start": 1, "end": GATHERED_BYTES + 1}}
    every_call: Match = {"prefix": "/"}
    target = Target.GATEWAY_HTTP
    return [
        _sized(_to(tenant, "gateway.http", json, target, STREAMS, UNSENT), limits.max_request_bytes),
        _sized(
            _to(tenant, "gateway.http", {**every_call, "headers": [small]}, target, STREAMS, UNSENT), GATHERED_BYTES
        ),
        _to(tenant, "gateway.http", every_call, target, STREAMS, UNSENT),
    ]


def _models_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton = Target.TRITON_HTTP
    any_model = kserve.MODEL_PATH.format(name=kserve.ANY_MODEL)
    # Triton takes this one for statistics of all models, so a model of the name cannot be asked for either.
    stats = {"path": "/v2/models/stats"}
    routes: list[Route] = []
    if tenant.models is None:
        allowed = any_model
        routes.append(_small(_to(tenant, "kserve.stats", stats, triton, ONE_ANSWER, READ_AGAIN)))
    else:
        allowed = kserve.MODEL_PATH.format(name=f"({'|'.join(map(re.escape, tenant.models))})")
        routes.append(refusal("kserve.stats", stats, 403, "statistics of all models are not for this tenant"))
    if tenant.models != ():
        infer, reading = _matching(allowed + kserve.MODEL_INFER), _matching(allowed + kserve.MODEL_READING)
        sized = _sized(_to(tenant, "kserve.infer", infer, triton, ONE_ANSWER, UNSENT), limits.max_request_bytes)
        routes.append(_json(sized))
        routes.append(_small(_to(tenant, "kserve.reading", reading, triton, ONE_ANSWER, READ_AGAIN)))
    beyond = _matching(f"{any_model}({kserve.MODEL_READING}|{kserve.MODEL_INFER})")
    return [*routes, refusal("kserve.model", beyond, 403, "this tenant may not call that model")]


OPERATORS_ONLY = "this call needs an operator's key"
LOAD_WITH_PARAMETERS = "a load takes no parameters here: send Content-Length 0, or 2 and {}"


def too_large_text(limits: Limits) -> str:
    return f"the request has more than {limits.max_request_bytes} bytes"


def refusal(name: str, match: Match, status: int, message: str) -> Route:
    return {"name": name, "match": match, "direct_response": {"status": status, "body": {"inline_string": message}}}


def _to(
    tenant: Tenant,
    name: str,
    match: Match,
    target: Target,
    times: Mapping[str, Any],
    retry: Mapping[str, Any] | None = None,
) -> Route:
    return _route(name, match, target, tenant.name if tenant.calls_at_once is not None else None, times, retry)


def _route(
    name: str,
    match: Match,
    target: Target,
    tenant: str | None,
    times: Mapping[str, Any],
    retry: Mapping[str, Any] | None,
) -> Route:
    action = {"cluster": cluster_name(target, tenant), **times, **({"retry_policy": retry} if retry else {})}
    return {"name": name, "match": match, "route": action}


def _sized(route: Route, max_request_bytes: int) -> Route:
    """Read whole before it is sent on: only then is its size known, and no server waits for a slow caller."""
    size = {
        "@type": type_url("envoy.extensions.filters.http.buffer.v3.BufferPerRoute"),
        "buffer": {"max_request_bytes": max_request_bytes},
    }
    return {**route, "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), "size": size}}


def _json(route: Route) -> Route:
    """Of a sized route: its body is looked at."""
    looked_at = {"json": {"@type": type_url(_LUA), "name": "json"}}
    return {**route, "typed_per_filter_config": {**route["typed_per_filter_config"], **looked_at}}


def _small(route: Route) -> Route:
    """Its body, if it has one, says little."""
    return _sized(route, SMALL_BYTES)


def _method(name: str) -> Match:
    return {"path": kserve.path_of(name), "grpc": {}}


def _matching(regex: str) -> Match:
    return {"safe_regex": {"regex": regex}}


def _packed(match: Match) -> Match:
    """Of gRPC messages."""
    return {**match, "headers": [{"name": "grpc-encoding", "string_match": {"safe_regex": {"regex": PACKED}}}]}


def _packed_strangely(match: Match) -> Match:
    known = {"name": "grpc-encoding", "string_match": {"safe_regex": {"regex": f"{PACKED}|identity"}}}
    return {**match, "headers": [{"name": "grpc-encoding", "present_match": True}, {**known, "invert_match": True}]}


def _starting(header: str, text: str) -> Mapping[str, Any]:
    return {"name": header, "string_match": {"prefix": text, "ignore_case": True}}


def _by_operator(match: Match) -> Match:
    return {**match, "headers": [{"name": OPERATOR_HEADER, "string_match": {"exact": "true"}}]}


def _packed_otherwise(match: Match) -> Match:
    """With what the edge cannot unpack to look into."""
    packed = [
        {"name": "content-encoding", "present_match": True},
        {
            "name": "content-encoding",
            "string_match": {"safe_regex": {"regex": "(gzip|identity|)"}},
            "invert_match": True,
        },
    ]
    return {**match, "headers": packed}


def _without_body(match: Match) -> Match:
    """Two bytes, as clients send {}, hold no parameters."""
    nothing = {"name": "content-length", "string_match": {"safe_regex": {"regex": "[02]"}}}
    return {**match, "headers": [*match["headers"], nothing]}


def _header(name: str, value: str) -> Mapping[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _rate(tenant: Tenant) -> Mapping[str, Any]:
    if tenant.calls_per_second is None:
        return {}
    always = {"default_value": {"numerator": 100}}
    return {
        "rate": {
            "@type": type_url("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"),
            "stat_prefix": "tenant",
            "token_bucket": {
                "max_tokens": tenant.burst or tenant.calls_per_second,
                "tokens_per_fill": tenant.calls_per_second,
                "fill_interval": "1s",
            },
            "filter_enabled": always,
            "filter_enforced": always,
            "rate_limited_as_resource_exhausted": True,
            "response_headers_to_add": [_header("retry-after", "1")],
        }
    }
