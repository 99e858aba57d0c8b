"""The least that Envoy can do before a Triton: what the edge is measured by."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conch.contracts.errors import Unavailable
from conch.edge import kserve
from conch.edge.clusters import HTTP_OPTIONS, socket_address
from conch.edge.discovery import type_url
from conch.edge.settings import Address
from conch.stack.envoy import binary

HTTP2 = {"initial_stream_window_size": 2**20, "initial_connection_window_size": 2**24}
"""As wide as the edge's: they are no part of the difference."""


@dataclass(frozen=True, slots=True)
class BareEnvoy:
    listening: Address
    pid: int


@contextlib.contextmanager
def bare_envoy(config: Path, listening: Address, triton: Address, health: Address, workers: int) -> Iterator[BareEnvoy]:
    """gRPC alone. `config` is written; calls for health go where the edge sends them, too."""
    config.write_text(json.dumps(_bootstrap(listening, {"triton": triton, "health": health})))
    command = [str(binary()), "-c", str(config), "--disable-hot-restart", "--concurrency", str(workers), "-l", "off"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(process, listening)
            yield BareEnvoy(listening, process.pid)
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], listening: Address, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"envoy does not listen on {listening}, its exit code is {process.returncode}")
        try:
            with socket.create_connection((listening.host, listening.port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)


def _bootstrap(listening: Address, upstreams: dict[str, Address]) -> dict[str, Any]:
    asked = [{"match": {"path": kserve.path_of(method)}, "route": {"cluster": "health"}} for method in kserve.HEALTH]
    tensors = {"match": {"prefix": "/"}, "route": {"cluster": "triton", "timeout": "0s"}}
    router = {"@type": type_url("envoy.extensions.filters.http.router.v3.Router")}
    manager = {
        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bare",
        "http2_protocol_options": HTTP2,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*asked, tensors]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    listener = {
        "name": "bare",
        "address": socket_address(listening),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [_cluster(name, address) for name, address in upstreams.items()]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _cluster(name: str, address: Address) -> dict[str, Any]:
    protocol = {"@type": type_url(HTTP_OPTIONS), "explicit_http_config": {"http2_protocol_options": HTTP2}}
    return {
        "name": name,
        "typed_extension_protocol_options": {HTTP_OPTIONS: protocol},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address)}}]}],
        },
    }
