"""Which keys the edge believes, as two filters that Envoy takes up while it runs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from conch.contracts.identity import KEY_HEADER, OPERATOR_HEADER, TENANT_HEADER
from conch.edge import keys
from conch.edge.discovery import Resource, extension, type_url
from conch.edge.signing import SigningKey

CACHED_KEYS = 1000
"""Of each of Envoy's threads; the least used goes first."""


def key_filter(signing_keys: Sequence[SigningKey]) -> Resource:
    """Every call shows a key that one of these signed; without any, none is asked for."""
    config: dict[str, Any] = {"@type": type_url("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication")}
    if signing_keys:
        # One header is read, never both: two keys could lend each other what only one of them says.
        shown = {"api_key": {"name": "x-api-key"}, "bearer": {"name": "authorization", "value_prefix": "Bearer "}}
        config["providers"] = {name: _provider(signing_keys, header) for name, header in shown.items()}
        with_api_key = {"prefix": "/", "headers": [{"name": "x-api-key", "present_match": True}]}
        config["rules"] = [
            {"match": with_api_key, "requires": {"provider_name": "api_key"}},
            {"match": {"prefix": "/"}, "requires": {"provider_name": "bearer"}},
        ]
    return extension("key", config)


def revoked_filter(revoked: Sequence[str]) -> Resource:
    """No call comes through with the key of one of these ids."""
    config: dict[str, Any] = {"@type": type_url("envoy.extensions.filters.http.rbac.v3.RBAC")}
    if revoked:
        config["rules"] = {
            "action": "DENY",
            "policies": {
                "revoked": {"permissions": [{"any": True}], "principals": [_key_id(key_id) for key_id in revoked]}
            },
        }
    return extension("revoked", config)


def _provider(signing_keys: Sequence[SigningKey], header: Mapping[str, str]) -> dict[str, Any]:
    headers = {"tenant": TENANT_HEADER, "jti": KEY_HEADER, "operator": OPERATOR_HEADER}
    return {
        "issuer": keys.ISSUER,
        "audiences": [keys.AUDIENCE],
        "require_expiration": True,
        # 0 would mean the default of a minute.
        "clock_skew_seconds": 1,
        "local_jwks": {"inline_string": json.dumps({"keys": [key.public() for key in signing_keys]})},
        # A signature is checked once for each of Envoy's threads; end, audience and revocation on every call.
        "jwt_cache_config": {"jwt_cache_size": CACHED_KEYS},
        "from_headers": [header],
        # The key itself goes no further than here.
        "forward": False,
        "claim_to_headers": [{"header_name": name, "claim_name": claim} for claim, name in headers.items()],
        # The tenant is a virtual host: the route is looked for again now that it is known.
        "clear_route_cache": True,
    }


def _key_id(key_id: str) -> dict[str, Any]:
    # What a caller sends under this name was taken away; the filter before has written the key's own.
    return {"header": {"name": KEY_HEADER, "string_match": {"exact": key_id}}}
