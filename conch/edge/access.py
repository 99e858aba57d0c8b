"""Which requests over gRPC are looked into, and what for: deploy/envoy/grpc.lua reads them.

Over HTTP the model's name is in the path; over gRPC it is in the body. Nobody reads ModelStreamInfer, whose later
messages would say something else: that is a permission of its own.
"""

from collections.abc import Mapping
from typing import Any

from conch.edge.discovery import type_url
from conch.edge.route import LUA, Route
from conch.edge.tenants import Tenant

NOT_LOOKED_INTO = {"@type": type_url(LUA), "disabled": True}


def looked_into_for_its_model(route: Route, tenant: Tenant) -> Route:
    """Unless the tenant may call every model."""
    return route if tenant.models is None else _looked_into(route, _models(tenant))


def looked_into_as_inference(route: Route, tenant: Tenant) -> Route:
    return _looked_into(route, {**_models(tenant), "infers": True})


def looked_into_as_load(route: Route) -> Route:
    """For parameters, whoever sends them: `file:` writes what it likes."""
    return _looked_into(route, {"loads": True})


def _models(tenant: Tenant) -> Mapping[str, Any]:
    return {} if tenant.models is None else {"models": list(tenant.models)}


def _looked_into(route: Route, context: Mapping[str, Any]) -> Route:
    """Of a sized route: it has the whole body."""
    lua = {"@type": type_url(LUA), "name": "grpc", "filter_context": context}
    return {**route, "typed_per_filter_config": {**route["typed_per_filter_config"], "grpc": lua}}
