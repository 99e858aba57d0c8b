"""Four ways to one Triton: bare, behind an Envoy that does nothing else, and behind our edge, open or with keys."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import tritonclient.grpc as triton_grpc

from benchmarks.bare_envoy import bare_envoy
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import Server, free_ports, serving_repositories
from conch.stack.triton import HOST

MODEL = "echo"
CONFIG = """
name: "echo"
backend: "python"
max_batch_size: 64
dynamic_batching { }
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 16 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 16 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
ENTRY_POINT = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(request, "IN").as_numpy())]
            )
            for request in requests
        ]
"""
TENANTS = """
[tenants.acme]
models = ["echo"]
stream = true
calls_per_second = 1000000
calls_at_once = 1000
"""
"""Limits that are looked at and never reached."""

TRITON, ENVOY, OPEN, EVERYTHING = "triton", "envoy", "edge, open", "edge, key and tenant and limits"


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    address: str
    """host:port of gRPC."""
    pid: int | None = None
    """Of the Envoy on it."""
    key: str | None = None

    @property
    def proxy_cpu_s(self) -> float:
        """What its Envoy has worked so far; 0.0 where none is."""
        return 0.0 if self.pid is None else cpu_s(self.pid)


@dataclass(frozen=True, slots=True)
class Ways:
    triton: Server
    ways: Sequence[Way]
    edge: Edge
    """The one with everything on; its key is of `acme`."""
    key_id: str

    def calls(self) -> int:
        """How many Triton has answered, whichever way they came."""
        with triton_grpc.InferenceServerClient(self.triton.grpc) as client:
            (statistics,) = client.get_inference_statistics(MODEL).model_stats
            return int(statistics.inference_stats.success.count)


@contextlib.contextmanager
def four_ways(folder: Path, workers: int) -> Iterator[Ways]:
    """`workers` are threads of each Envoy."""
    with contextlib.ExitStack() as running:
        triton = running.enter_context(serving_repositories(folder / "triton", [_write_model(folder / "models")]))
        health = running.enter_context(_always_ready())
        bare = running.enter_context(
            bare_envoy(folder / "envoy.json", _free(1)[0], Address.parse(triton.grpc), health, workers)
        )
        opened = running.enter_context(fronting(new_edge(folder / "open", triton, health, workers)))
        edge = new_edge(folder / "keyed", triton, health, workers)
        edge.tenants_file.write_text(TENANTS)
        key, token = edge.keys.create("acme")
        keyed = running.enter_context(fronting(edge))
        ways = [
            Way(TRITON, triton.grpc),
            Way(ENVOY, str(bare.listening), bare.pid),
            Way(OPEN, str(opened.edge.settings.listening.grpc), opened.process.pid),
            Way(EVERYTHING, str(edge.settings.listening.grpc), keyed.process.pid, token),
        ]
        yield Ways(triton, ways, edge, key.id)


def new_edge(folder: Path, triton: Server, gateway: Address | None, workers: int) -> Edge:
    """Before one Triton; not running yet."""
    folder.mkdir()
    server = TritonServer(*(Address.parse(address) for address in (triton.grpc, triton.http, triton.metrics)))
    upstreams = Upstreams([server], gateway, None, pings=True)
    return Edge(
        EdgeSettings(Listening(*_free(4)), upstreams, workers=workers), folder / "edge", folder / "tenants.toml"
    )


def cpu_s(pid: int) -> float:
    """Of all threads of a process, exact to nanoseconds: /proc/PID/stat counts in hundredths of a second."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _free(count: int) -> list[Address]:
    return [Address(HOST, port) for port in free_ports(count)]


def _write_model(folder: Path) -> Path:
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    (version / "model.py").write_text(ENTRY_POINT)
    return folder


@contextlib.contextmanager
def _always_ready() -> Iterator[Address]:
    """Stands in for the gateway: perf_analyzer asks whether the model is ready."""

    class Ready(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            async def answer(_: AsyncIterator[bytes], __: Any) -> AsyncIterator[bytes]:
                yield b"\x08\x01"  # field 1 is true, in all three replies

            return grpc.stream_stream_rpc_method_handler(answer)

    async def serve() -> tuple[Any, Address]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([Ready()])
        port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        return server, Address(HOST, port)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, address = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield address
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
