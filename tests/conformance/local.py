"""The servers of our own runs: a Triton with the suite's models, and the edge before it."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import Server as Triton
from conch.stack.serving import serving_repositories
from tests.conformance.server import Server, hang_up

MODELS = Path(__file__).with_name("models")
HOST = "127.0.0.1"
TENANTS = """
[tenants.tester]
stream = true
"""


@dataclass(frozen=True, slots=True)
class Local:
    triton: Server
    edge: Server
    """With the key of a tenant who may call every model, and stream."""
    operator: Server
    """The edge, with an operator's key."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Local]:
    with serving_repositories(folder / "triton", [MODELS]) as triton:
        edge = _edge(folder, triton)
        edge.tenants_file.write_text(TENANTS)
        _, key = edge.keys.create("tester")
        _, operators = edge.keys.create("tester", operator=True)
        with fronting(edge):
            listening = edge.settings.listening
            url, address = f"http://{listening.http}", str(listening.grpc)
            yield Local(
                Server("triton", f"http://{triton.http}", triton.grpc),
                Server("edge", url, address, key),
                Server("edge", url, address, operators),
            )
            hang_up()


def _edge(folder: Path, triton: Triton) -> Edge:
    listening = Listening(*(Address(HOST, port) for port in _free_ports(4)))
    server = TritonServer(*(Address.parse(address) for address in (triton.grpc, triton.http, triton.metrics)))
    upstreams = Upstreams([server], None, None, pings=True)
    return Edge(EdgeSettings(listening, upstreams, workers=1), folder / "edge", folder / "tenants.toml")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        return [held.enter_context(socket.create_server((HOST, 0))).getsockname()[1] for _ in range(count)]
