"""The servers of our own runs: a Triton with the suite's models, and the edge before it and the gateway."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from conch.clients.triton import TritonInference
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import Server as Triton
from conch.stack.serving import free_ports, serving_repositories
from gateway.addresses import Addresses
from gateway.app import Gateway
from gateway.settings import Settings
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
    with serving_repositories(folder / "triton", [MODELS]) as triton, _gateway(triton) as gateway:
        edge = _edge(folder, triton, gateway)
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


@contextlib.contextmanager
def _gateway(triton: Triton) -> Iterator[Addresses]:
    """In a thread of its own."""
    settings = Settings(
        triton_address=triton.grpc,
        grpc_address=f"{HOST}:0",
        http_address=f"{HOST}:0",
        drain_notice_s=0,
        drain_grace_s=1,
    )
    listening: Future[Addresses] = Future()
    ending: Future[asyncio.Event] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        ending.set_result(stop)
        told = asyncio.get_running_loop().create_future()
        told.add_done_callback(lambda done: listening.set_result(done.result()))
        async with TritonInference(settings.triton_address) as inference:
            await Gateway(settings, inference).serve(stop, told)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield listening.result(60)
    finally:
        loop.call_soon_threadsafe(ending.result(60).set)
        thread.join(60)


def _edge(folder: Path, triton: Triton, gateway: Addresses) -> Edge:
    listening = Listening(*(Address(HOST, port) for port in free_ports(4)))
    server = TritonServer(*(Address.parse(address) for address in (triton.grpc, triton.http, triton.metrics)))
    upstreams = Upstreams([server], Address.parse(gateway.grpc), Address.parse(gateway.http), pings=True)
    return Edge(EdgeSettings(listening, upstreams, workers=1), folder / "edge", folder / "tenants.toml")
