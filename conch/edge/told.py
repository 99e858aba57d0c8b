"""What a tenant's virtual host tells of it on every call: what the edge cannot hold by itself, others must know."""

from collections.abc import Mapping, Sequence
from typing import Any

from conch.contracts.identity import AUDIO_LIMIT_HEADER, GATE_HEADER, MODELS_HEADER, models_text
from conch.edge.discovery import type_url
from conch.edge.tenants import Tenant


def limit_headers(tenant: Tenant) -> Sequence[Mapping[str, Any]]:
    """Its models and thresholds for the gateway, its audio seconds for the models that count them."""
    limits: dict[str, str] = {}
    if tenant.models is not None:
        limits[MODELS_HEADER] = models_text(tenant.models)
    if tenant.audio_seconds_per_day is not None:
        limits[AUDIO_LIMIT_HEADER] = str(tenant.audio_seconds_per_day)
    if thresholds := tenant.gate.encode():
        limits[GATE_HEADER] = thresholds
    return [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in limits.items()
    ]


def answer_filter(tenant: Tenant) -> Mapping[str, Any]:
    """Looks for used-up audio seconds in the answers of tenants that have some; others' pass by it."""
    if tenant.audio_seconds_per_day is None:
        return {}
    lua = {"@type": type_url("envoy.extensions.filters.http.lua.v3.LuaPerRoute"), "name": "too_much"}
    return {"too_much": lua}
