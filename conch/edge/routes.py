"""Who answers a call: a tenant is a virtual host, found by the header that the key has set.

Routes are tried in order, so each list ends with what refuses the rest. A refusal is a route too: it is named, logged
and counted like any other.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from conch.contracts.identity import REQUEST_ID_HEADER, TENANT_HEADER
from conch.edge import kserve
from conch.edge.clusters import ADMIN, Target
from conch.edge.discovery import Resource, type_url
from conch.edge.kserve_routes import OPERATORS_ONLY, kserve_grpc, kserve_http
from conch.edge.matches import GRPC, Match, by_operator, method, starting
from conch.edge.on_demand import ASKS_NOBODY, asking_first
from conch.edge.route import HIGH, INTERNAL, LUA, READ_AGAIN, STREAMS, UNSENT, Route, refusal, route, sized, to
from conch.edge.settings import Limits
from conch.edge.tenants import Tenant, Tenants
from conch.edge.told import answer_filter, limit_headers

GATHERED_BYTES = 2**20
"""Of a body for the gateway: up to this it is sent on when all of it is there."""

INTERNAL_BYTES = 256 * 2**20
"""Of a call of the gateway's, which sends no more."""

MODELS_SERVICE = "conch.models.v1.Models"

VOICE: Match = {"prefix": "/conch.voice.v1.Voice/", "grpc": {}}

TENANT_ID_HEADER = "x-tenant-id"
"""A caller may say whom it means to be; it must be who its key says."""


def public_routes(tenants: Tenants, limits: Limits, on_demand: Collection[str] = ()) -> Resource:
    """Who has no tenant that we know finds refusals alone. `on_demand` are models that may have to be loaded first."""
    return {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": "edge",
        "vhost_header": TENANT_HEADER,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            *(_virtual_host(tenant, limits, on_demand) for tenant in tenants.by_name.values()),
            {
                "name": "nobody",
                "domains": ["*"],
                "routes": [refusal("tenant.unknown", {"prefix": "/"}, 403, "the key's tenant is not known here")],
            },
        ],
        "request_headers_to_remove": ["authorization", "x-api-key"],
        "response_headers_to_add": [_header(REQUEST_ID_HEADER, f"%REQ({REQUEST_ID_HEADER})%")],
    }


def internal_routes(tenants: Tenants, on_demand: Collection[str] = ()) -> Resource:
    """All of Triton, for the gateway; and the gateway's voice, for bridges, with the limits of the tenant they name."""
    # The gateway's page of all metrics; the metrics port may want a certificate that the gateway has not.
    metrics = {
        "name": "internal.metrics",
        "match": {"path": "/metrics/edge"},
        "route": {"cluster": ADMIN, "prefix_rewrite": "/stats/prometheus?usedonly"},
    }
    triton = Target.TRITON_GRPC
    to_triton = [
        *(route(f"internal.{name}", method(name), triton, None, INTERNAL, READ_AGAIN) for name in kserve.READING),
        *_inference_on_demand(on_demand),
        route("internal.stream", method(kserve.STREAM), triton, None, {**STREAMS, **HIGH}, UNSENT),
        route("internal.grpc", GRPC, triton, None, INTERNAL, UNSENT),
        route("internal.http", {"prefix": "/"}, Target.TRITON_HTTP, None, INTERNAL, UNSENT),
    ]
    return {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": "internal",
        "virtual_hosts": [
            {
                "name": "internal",
                "domains": ["*"],
                "routes": [
                    metrics,
                    *(_trusted_voice(tenant) for tenant in tenants.by_name.values()),
                    refusal("internal.voice.unknown", VOICE, 403, "the tenant is not known here"),
                    *(asking_first(one, on_demand) for one in to_triton),
                ],
                "typed_per_filter_config": ASKS_NOBODY,
            }
        ],
    }


def _inference_on_demand(on_demand: Collection[str]) -> Sequence[Route]:
    """Read whole, as its model is named in it; where none is on demand it is passed on as it comes."""
    if not on_demand:
        return []
    infer = route("internal.infer", method(kserve.INFER), Target.TRITON_GRPC, None, INTERNAL, UNSENT)
    return [sized(infer, INTERNAL_BYTES)]


def _trusted_voice(tenant: Tenant) -> Route:
    match = {**VOICE, "headers": [{"name": TENANT_HEADER, "string_match": {"exact": tenant.name}}]}
    return {
        **to(tenant, "internal.voice", match, Target.GATEWAY_GRPC, STREAMS, UNSENT),
        "request_headers_to_add": limit_headers(tenant),
        "typed_per_filter_config": _rate(tenant),
    }


def _virtual_host(tenant: Tenant, limits: Limits, on_demand: Collection[str]) -> Mapping[str, Any]:
    return {
        "name": tenant.name,
        "domains": [tenant.name],
        "routes": [
            *_claims(tenant, limits),
            *(asking_first(one, on_demand) for one in kserve_grpc(tenant, limits)),
            *_models_grpc(tenant),
            to(tenant, "gateway.grpc", GRPC, Target.GATEWAY_GRPC, STREAMS, UNSENT),
            *(asking_first(one, on_demand) for one in kserve_http(tenant, limits)),
            refusal("metrics", {"prefix": "/metrics"}, 404, "metrics have a port of their own"),
            *_gateway_http(tenant, limits),
        ],
        # Said twice: this is what a model sees, whatever came before.
        "request_headers_to_add": [_header(TENANT_HEADER, tenant.name), *limit_headers(tenant)],
        "typed_per_filter_config": {
            **ASKS_NOBODY,
            "json": {"@type": type_url(LUA), "disabled": True},
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


def _models_grpc(tenant: Tenant) -> Sequence[Route]:
    """Who changes what everybody is served."""
    every_call: Match = {"prefix": f"/{MODELS_SERVICE}/", "grpc": {}}
    return [
        to(tenant, "models.operator", by_operator(every_call), Target.MODELS_GRPC, STREAMS, UNSENT),
        refusal("models.operator", every_call, 403, OPERATORS_ONLY),
    ]


def _gateway_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    """What is small or JSON is read whole here: of a slow caller the gateway sees large uploads alone."""
    json: Match = {"prefix": "/", "headers": [starting("content-type", "application/json")]}
    small = {"name": "content-length", "range_match": {"start": 1, "end": GATHERED_BYTES + 1}}
    every_call: Match = {"prefix": "/"}
    target = Target.GATEWAY_HTTP
    return [
        sized(to(tenant, "gateway.http", json, target, STREAMS, UNSENT), limits.max_request_bytes),
        sized(to(tenant, "gateway.http", {**every_call, "headers": [small]}, target, STREAMS, UNSENT), GATHERED_BYTES),
        to(tenant, "gateway.http", every_call, target, STREAMS, UNSENT),
    ]


def too_large_text(limits: Limits) -> str:
    return f"the request has more than {limits.max_request_bytes} bytes"


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
