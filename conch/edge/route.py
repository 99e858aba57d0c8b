"""What a route is made of: whose it is, where it leads, how long it may last, and when it is tried again."""

from collections.abc import Mapping
from typing import Any

from conch.edge.clusters import Target, cluster_name
from conch.edge.discovery import type_url
from conch.edge.matches import Match
from conch.edge.tenants import Tenant

Route = Mapping[str, Any]

LUA = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"
SMALL_BYTES = 25_000
"""Too little to be nested dangerously deep; see json.lua."""

STREAMS = {"timeout": "0s", "idle_timeout": "3600s"}
"""Open as long as both sides want; an hour of silence is the end of it."""
ONE_ANSWER = {
    "timeout": "0s",
    "idle_timeout": "300s",
    # The caller's own deadline counts, and nobody sends one request for more than ten minutes.
    "max_stream_duration": {"max_stream_duration": "600s", "grpc_timeout_header_max": "0s"},
}
HIGH = {"priority": "HIGH"}
INTERNAL = {**ONE_ANSWER, **HIGH}
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


def refusal(name: str, match: Match, status: int, message: str) -> Route:
    return {"name": name, "match": match, "direct_response": {"status": status, "body": {"inline_string": message}}}


def to(
    tenant: Tenant,
    name: str,
    match: Match,
    target: Target,
    times: Mapping[str, Any],
    retry: Mapping[str, Any] | None = None,
) -> Route:
    return route(name, match, target, tenant.name if tenant.calls_at_once is not None else None, times, retry)


def route(
    name: str,
    match: Match,
    target: Target,
    tenant: str | None,
    times: Mapping[str, Any],
    retry: Mapping[str, Any] | None,
) -> Route:
    action = {"cluster": cluster_name(target, tenant), **times, **({"retry_policy": retry} if retry else {})}
    return {"name": name, "match": match, "route": action}


def sized(route: Route, max_request_bytes: int) -> Route:
    """Read whole before it is sent on: only then is its size known, and no server waits for a slow caller."""
    size = {
        "@type": type_url("envoy.extensions.filters.http.buffer.v3.BufferPerRoute"),
        "buffer": {"max_request_bytes": max_request_bytes},
    }
    return {**route, "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), "size": size}}


def read_as_json(route: Route) -> Route:
    """Of a sized route: its body is looked at."""
    looked_at = {"json": {"@type": type_url(LUA), "name": "json"}}
    return {**route, "typed_per_filter_config": {**route["typed_per_filter_config"], **looked_at}}


def small(route: Route) -> Route:
    """Its body, if it has one, says little."""
    return sized(route, SMALL_BYTES)
