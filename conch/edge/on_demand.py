"""Calls that ask the loader first, before models that are loaded when they are called: deploy/envoy/on_demand.lua.

Inference, and what one asks before it: metadata and config. Not statistics, which are watched and not used.
"""

from collections.abc import Collection, Mapping
from typing import Any

from conch.edge import kserve
from conch.edge.access import NOT_LOOKED_INTO
from conch.edge.discovery import type_url
from conch.edge.route import LUA, Route

_NAMED_IN_BODY = tuple(kserve.path_of(method) for method in (kserve.INFER, "ModelMetadata", "ModelConfig"))
_BY_HTTP = ("kserve.infer", "kserve.reading", "internal.http")

BUFFER = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"

ASKS_NOBODY: Mapping[str, Any] = {
    "size": {"@type": type_url(BUFFER), "disabled": True},
    "grpc": NOT_LOOKED_INTO,
    "on_demand": {"@type": type_url(LUA), "disabled": True},
}
"""Of a virtual host: its routes say otherwise."""


def asking_first(route: Route, models: Collection[str]) -> Route:
    """Of a route to Triton that may call one of `models`; any other stays as it is. It is a sized one over gRPC."""
    if not models or "route" not in route:
        return route
    path = route["match"].get("path")
    if path in _NAMED_IN_BODY:
        return _with(route, {"grpc": _noted(route), "on_demand": _asks(models)})
    over_http = "grpc" not in route["match"] and route["name"] in _BY_HTTP
    if over_http or path == kserve.path_of(kserve.STREAM):
        return _with(route, {"on_demand": _asks(models)})
    return route


def _asks(models: Collection[str]) -> Mapping[str, Any]:
    return {"@type": type_url(LUA), "name": "on_demand", "filter_context": dict.fromkeys(sorted(models), True)}


def _noted(route: Route) -> Mapping[str, Any]:
    """What is looked for already, and the model's name."""
    looked_into = route.get("typed_per_filter_config", {}).get("grpc", {})
    context = {**looked_into.get("filter_context", {}), "noted": True}
    return {"@type": type_url(LUA), "name": "grpc", "filter_context": context}


def _with(route: Route, filters: Mapping[str, Any]) -> Route:
    return {**route, "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **filters}}
