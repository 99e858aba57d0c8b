"""What a tenant's virtual host does about its audio seconds: models count them, and are told the limit on every call."""

from collections.abc import Mapping, Sequence
from typing import Any

from conch.contracts.identity import AUDIO_LIMIT_HEADER
from conch.edge.discovery import type_url
from conch.edge.tenants import Tenant


def limit_headers(tenant: Tenant) -> Sequence[Mapping[str, Any]]:
    if tenant.audio_seconds_per_day is None:
        return []
    header = {"key": AUDIO_LIMIT_HEADER, "value": str(tenant.audio_seconds_per_day)}
    return [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]


def answer_filter(tenant: Tenant) -> Mapping[str, Any]:
    """Looks at answers of tenants that may be refused so; others' pass by it."""
    if tenant.audio_seconds_per_day is None:
        return {}
    lua = {"@type": type_url("envoy.extensions.filters.http.lua.v3.LuaPerRoute"), "name": "too_much"}
    return {"too_much": lua}
