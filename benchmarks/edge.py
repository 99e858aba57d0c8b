"""What the edge costs: Triton bare, behind an Envoy that does nothing else, behind ours open, and with everything on.

    python -m benchmarks.edge --perf-analyzer PATH

perf_analyzer is in the tritonclient 2.51.0 wheel for manylinux1, under tritonclient-2.51.0.data/data/bin; it needs
libb64.so.0d and libcudart.so.12, which nvidia-pytriton carries in nvidia_pytriton.libs (this script links them).
Client, proxy and server share this machine's cores. Rounds are interleaved and the median round is told, since the
machine may have other work.
"""

import asyncio
import contextlib
import csv
import json
import os
import platform
import socket
import statistics
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import httpx
import typer

from conch.edge.discovery import type_url
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import binary, fronting
from conch.stack.serving import Server, serving_repositories

RESULT = Path(__file__).parent / "results" / "edge.json"
HOST = "127.0.0.1"
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


@dataclass(frozen=True, slots=True)
class Way:
    """To the same Triton."""

    name: str
    address: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    way: str
    streaming: bool
    concurrency: int
    per_s: float
    p50_ms: float
    p99_ms: float


def main(
    perf_analyzer: Annotated[Path, typer.Option(exists=True, help="The program; see this file's first lines.")],
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    window_ms: Annotated[int, typer.Option(min=100)] = 1000,
    workers: Annotated[int, typer.Option(min=1, help="Envoy's threads.")] = 1,
) -> None:
    with contextlib.ExitStack() as running, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        triton = running.enter_context(serving_repositories(folder / "triton", [_write_model(folder / "models")]))
        health = running.enter_context(_always_ready())
        bare_envoy = running.enter_context(_pass_through(folder, triton, health, workers))
        opened = running.enter_context(fronting(_edge(folder / "open", triton, health, workers)))
        keyed_edge = _edge(folder / "keyed", triton, health, workers)
        keyed_edge.tenants_file.write_text(TENANTS)
        key_id, token = (lambda made: (made[0].id, made[1]))(keyed_edge.keys.create("acme"))
        keyed = running.enter_context(fronting(keyed_edge))
        ways = [
            Way("triton", triton.grpc),
            Way("envoy", bare_envoy),
            Way("edge, open", str(opened.edge.settings.listening.grpc)),
            Way("edge, key and tenant and limits", str(keyed.edge.settings.listening.grpc), token),
        ]
        measured: dict[tuple[str, bool, int], list[Figures]] = {}
        for _ in range(rounds):
            for streaming in (False, True):
                for concurrency in (1, 4, 16):
                    for way in ways:
                        figures = _measure(perf_analyzer, folder, way, streaming, concurrency, window_ms)
                        measured.setdefault((way.name, streaming, concurrency), []).append(figures)
        revoked_ms = _revocation_ms(keyed_edge, key_id, token)
    lines = [_median(figures) for figures in measured.values()]
    for line in lines:
        kind = "stream" if line.streaming else "unary"
        latency = f"p50 {line.p50_ms:6.3f}  p99 {line.p99_ms:6.3f}"
        print(f"{kind:7} {line.concurrency:3} {line.way:32} {line.per_s:8.0f}/s  {latency}")
    print(f"a revoked key was refused after {revoked_ms:.0f} ms")
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]}
    document = {
        "machine": machine,
        "workers": workers,
        "rounds": rounds,
        "revoked_ms": round(revoked_ms, 1),
        "measured": [asdict(line) for line in lines],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def _measure(program: Path, folder: Path, way: Way, streaming: bool, concurrency: int, window_ms: int) -> Figures:
    report = folder / "report.csv"
    report.unlink(missing_ok=True)
    command = [
        *(str(program), "-m", MODEL, "-i", "grpc", "-u", way.address, "-f", str(report)),
        *("--concurrency-range", str(concurrency), "-p", str(window_ms), "-s", "999", "-r", "3", "--async"),
        *(["--streaming"] if streaming else []),
        *(["-H", f"x-api-key:{way.key}"] if way.key else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_libraries(folder), timeout=60)
    if not report.is_file():
        raise RuntimeError(f"perf_analyzer on {way.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    with report.open() as file:
        row = next(csv.DictReader(file))
    p50, p99 = (float(row[f"{name} latency"]) / 1000 for name in ("p50", "p99"))
    return Figures(way.name, streaming, concurrency, float(row["Inferences/Second"]), p50, p99)


def _median(figures: Sequence[Figures]) -> Figures:
    first = figures[0]
    values = {name: statistics.median(getattr(one, name) for one in figures) for name in ("per_s", "p50_ms", "p99_ms")}
    return Figures(first.way, first.streaming, first.concurrency, **{name: round(v, 3) for name, v in values.items()})


def _revocation_ms(edge: Edge, key_id: str, token: str) -> float:
    url = f"http://{edge.settings.listening.http}/v2"
    with httpx.Client(headers={"x-api-key": token}) as client:
        client.get(url).raise_for_status()
        start = time.perf_counter()
        edge.keys.revoke(key_id)
        while client.get(url).status_code == 200:
            pass
        return (time.perf_counter() - start) * 1000


def _libraries(folder: Path) -> dict[str, str]:
    """perf_analyzer's, under the names it asks for."""
    found = Path(sysconfig.get_path("purelib")) / "nvidia_pytriton.libs"
    links = folder / "libraries"
    links.mkdir(exist_ok=True)
    for pattern, name in (("libb64-*", "libb64.so.0d"), ("libcudart-*", "libcudart.so.12")):
        link = links / name
        if not link.exists():
            link.symlink_to(next(found.glob(pattern)))
    return {**os.environ, "LD_LIBRARY_PATH": str(links)}


def _write_model(folder: Path) -> Path:
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    (version / "model.py").write_text(ENTRY_POINT)
    return folder


def _edge(folder: Path, triton: Server, health: str, workers: int) -> Edge:
    folder.mkdir()
    listening = Listening(*(Address(HOST, port) for port in _free_ports(4)))
    server = TritonServer(*(Address.parse(address) for address in (triton.grpc, triton.http, triton.metrics)))
    upstreams = Upstreams([server], Address.parse(health), None, pings=True)
    return Edge(EdgeSettings(listening, upstreams, workers=workers), folder / "edge", folder / "tenants.toml")


@contextlib.contextmanager
def _pass_through(folder: Path, triton: Server, health: str, workers: int) -> Iterator[str]:
    """The least that Envoy can do."""
    port = _free_ports(1)[0]
    config = folder / "envoy.json"
    config.write_text(json.dumps(_least(port, {"triton": triton.grpc, "health": health})))
    command = [str(binary()), "-c", str(config), "--disable-hot-restart", "--concurrency", str(workers), "-l", "off"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _until(lambda: _listens(port))
        yield f"{HOST}:{port}"
        process.terminate()


def _least(port: int, upstreams: dict[str, str]) -> dict[str, Any]:
    http2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    windows = {"initial_stream_window_size": 2**20, "initial_connection_window_size": 2**24}
    routes = [
        {"match": {"path": f"/inference.GRPCInferenceService/{method}"}, "route": {"cluster": "health"}}
        for method in ("ServerReady", "ServerLive", "ModelReady")
    ]
    manager = {
        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "least",
        "http2_protocol_options": windows,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [*routes, {"match": {"prefix": "/"}, "route": {"cluster": "triton", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": type_url("envoy.extensions.filters.http.router.v3.Router")},
            }
        ],
    }
    clusters = [
        {
            "name": name,
            "typed_extension_protocol_options": {
                http2: {
                    "@type": type_url(http2),
                    "explicit_http_config": {"http2_protocol_options": windows},
                }
            },
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket_address(address)}}]}],
            },
        }
        for name, address in upstreams.items()
    ]
    listener = {
        "name": "least",
        "address": _socket_address(f"{HOST}:{port}"),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _socket_address(text: str) -> dict[str, Any]:
    address = Address.parse(text)
    return {"socket_address": {"address": address.host, "port_value": address.port}}


@contextlib.contextmanager
def _always_ready() -> Iterator[str]:
    """Stands in for the gateway: perf_analyzer asks whether the model is ready."""

    class Ready(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            async def answer(_: AsyncIterator[bytes], __: Any) -> AsyncIterator[bytes]:
                yield b"\x08\x01"  # field 1 is true, in all three replies

            return grpc.stream_stream_rpc_method_handler(answer)

    async def serve() -> tuple[Any, str]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([Ready()])
        port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        return server, f"{HOST}:{port}"

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, address = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    yield address
    asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        return [held.enter_context(socket.create_server((HOST, 0))).getsockname()[1] for _ in range(count)]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready after {seconds} s")
        time.sleep(0.05)


if __name__ == "__main__":
    typer.run(main)
