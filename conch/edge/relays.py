"""A piece of TCP within the edge, before each Triton's HTTP port, so that calls to a server that hangs end.

HTTP/1.1 has no pings, and Envoy's pools for HTTP keep a connection on which somebody waits, also to a server that fails
its health checks. Its TCP proxy closes it. Servers that are told by name are called without: one name may stand for
several, and calls are spread over them one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from conch.edge.discovery import Resource, type_url
from conch.edge.settings import Address, Upstreams

TRANSPORT: Mapping[str, Any] = {
    "name": "envoy.transport_sockets.internal_upstream",
    "typed_config": {
        "@type": type_url("envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"),
        "transport_socket": {
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": type_url("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")},
        },
    },
}
"""Of a cluster whose servers are behind relays."""


def relays(upstreams: Upstreams) -> Mapping[Address, str]:
    """By the address that each leads to: the name of a listener, and of a cluster."""
    addresses = [triton.http for triton in upstreams.tritons]
    if not all(address.is_ip for address in addresses):
        return {}
    return {address: f"triton_http_relay_{number}" for number, address in enumerate(addresses)}


def relay_listeners(upstreams: Upstreams) -> Sequence[Resource]:
    return [_listener(name) for name in relays(upstreams).values()]


def relay_address(name: str, address: Address) -> Mapping[str, Any]:
    """The log names a server by it."""
    return {"envoy_internal_address": {"server_listener_name": name, "endpoint_id": str(address)}}


def _listener(name: str) -> Resource:
    proxy = {
        "@type": type_url("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
        "stat_prefix": "relay",
        "cluster": name,
    }
    return {
        "@type": type_url("envoy.config.listener.v3.Listener"),
        "name": name,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": 2**20,
        "filter_chains": [{"filters": [{"name": "relay", "typed_config": proxy}]}],
    }
