"""The real Envoy before a real Triton and before a server that stands in for the gateway."""

import asyncio
import contextlib
import importlib.util
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from conch.contracts.specs import DataType
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Limits, Listening, Tls, TritonServer, Upstreams
from conch.stack.envoy import RunningEdge, fronting
from conch.stack.serving import Server, free_ports, serving_repositories

MODELS = Path(__file__).with_name("edge_models.py")
HOST = "127.0.0.1"

ENTRY_POINT = '''"""Triton entry point of a test's model."""
from conch.triton.adapter import TritonModel
from edge_models import {name}


class TritonPythonModel(TritonModel):
    model_class = {name}
'''


@pytest.fixture(scope="session", name="until")
def _until() -> Callable[..., float]:
    return until


def until(holds: Callable[[], bool], seconds: float = 10.0) -> float:
    """Seconds until it came true."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"it does not come true within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - start


class StandIn:
    """Answers every gRPC method and every HTTP path with what it got, as JSON, and remembers who went away."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = threading.Event()
        self.seen: list[str] = []
        self.failing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.grpc = asyncio.run_coroutine_threadsafe(self._serve_grpc(), self._loop).result(10)
        self._web = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._web.daemon_threads = True
        self.http = f"{HOST}:{self._web.server_address[1]}"
        threading.Thread(target=self._web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.stop()

    def stop(self) -> None:
        """Its ports are closed."""
        self._web.shutdown()
        self._web.server_close()
        asyncio.run_coroutine_threadsafe(self._server.stop(0), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def as_triton(self) -> TritonServer:
        return TritonServer(Address.parse(self.grpc), Address.parse(self.http), Address.parse(self.http))

    async def wait_for_the_caller_to_leave(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def _serve_grpc(self) -> str:
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
        self._server.add_generic_rpc_handlers([_AnyMethod(self)])
        port = self._server.add_insecure_port(f"{HOST}:0")
        await self._server.start()
        return f"{HOST}:{port}"


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, owner: StandIn) -> None:
        self._owner = owner

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            method = str(details.method)
            self._owner.seen.append(method)
            context.set_trailing_metadata((("standing-in", self._owner.name),))
            if "inference" in method and method.endswith(("Live", "Ready")):
                yield b"\x08\x01"  # field 1 is true, in all three replies
                return
            if self._owner.failing:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "asked to fail")
            if method.endswith("/Fail"):
                await context.abort(grpc.StatusCode.ABORTED, "asked to fail")
            async for request in requests:
                yield _told(self._owner, method, dict(details.invocation_metadata), len(request))
                if method.endswith("/Wait"):
                    await self._owner.wait_for_the_caller_to_leave()

        return grpc.stream_stream_rpc_method_handler(answer)


def _told(owner: StandIn, what: str, headers: Mapping[str, Any], size_bytes: int) -> bytes:
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    return json.dumps({"by": owner.name, "path": what, "headers": texts, "size_bytes": size_bytes}).encode()


def _handler(owner: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path != "/v2/health/live":  # the edge's own question
                owner.seen.append(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = _told(owner, self.path, headers, len(body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = answer  # noqa: N815 - as http.server looks for them

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of an edge, with the headers it sends."""

    running: RunningEdge
    headers: Mapping[str, str] = field(default_factory=dict)

    def sending(self, **headers: str) -> "Caller":
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}})

    @property
    def grpc_address(self) -> str:
        return str(self.running.edge.settings.listening.grpc)

    @property
    def url(self) -> str:
        return f"http://{self.running.edge.settings.listening.http}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers, timeout=20, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, headers=self.headers, timeout=60, **options)

    @contextlib.contextmanager
    def triton(self) -> Iterator[Any]:
        with grpcclient.InferenceServerClient(self.grpc_address) as client:
            yield client

    @contextlib.contextmanager
    def triton_http(self) -> Iterator[Any]:
        client = httpclient.InferenceServerClient(self.url.removeprefix("http://"), network_timeout=60)
        try:
            yield client
        finally:
            client.close()

    def infer(self, model: str, numbers: Sequence[float] = (1.0, 2.0), **options: Any) -> Any:
        with self.triton() as client:
            return client.infer(model, _input_of(numbers), headers=dict(self.headers), client_timeout=30, **options)

    def refusal(self, model: str, numbers: Sequence[float] = (1.0, 2.0), **options: Any) -> InferenceServerException:
        with pytest.raises(InferenceServerException) as refused:
            self.infer(model, numbers, **options)
        return refused.value

    def told(self, method: str, request: bytes = b"hello") -> dict[str, Any]:
        """What the stand-in got of a unary gRPC call."""
        with self.channel() as channel:
            answer: dict[str, Any] = json.loads(
                channel.unary_unary(method)(request, metadata=self.metadata, timeout=20)
            )
            return answer

    def raw(self, method: str, request: bytes = b"") -> grpc.RpcError | bytes:
        with self.channel() as channel:
            try:
                answer: bytes = channel.unary_unary(method)(request, metadata=self.metadata, timeout=20)
            except grpc.RpcError as error:
                return error
            return answer

    @contextlib.contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(self.grpc_address) as channel:
            yield channel

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return list(self.headers.items())


@pytest.fixture(scope="session", name="tensors")
def _tensors() -> Callable[..., list[Any]]:
    """`tensors([1.0])` is the input of a Sum; a second argument names tritonclient's module."""
    return _input_of


def _input_of(numbers: Any, client: ModuleType = grpcclient) -> list[Any]:
    array = np.asarray(numbers, np.float32)
    tensor = client.InferInput("numbers", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array)
    return [tensor]


@pytest.fixture(scope="session")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While a file of a model's name stands here, the model keeps what it was given."""
    return tmp_path_factory.mktemp("gates")


def write_models(folder: Path, gates: Path) -> Path:
    spec = importlib.util.spec_from_file_location("edge_models", MODELS)
    assert spec is not None
    assert spec.loader is not None
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    served = {"sum": models.Sum, "other": models.Sum, "held": models.Sum, "countdown": models.Countdown}
    for name, model_class in served.items():
        config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=0)
        for tensor in model_class.spec.inputs:
            config.input.add(name=tensor.name, data_type=_type(tensor.data_type), dims=tensor.dims)
        for tensor in model_class.spec.outputs:
            config.output.add(name=tensor.name, data_type=_type(tensor.data_type), dims=tensor.dims)
        config.model_transaction_policy.decoupled = model_class.spec.decoupled
        config.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=1)
        config.parameters["gate"].string_value = str(gates / name)
        version = folder / name / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(text_format.MessageToString(config))
        shutil.copy(MODELS, version / MODELS.name)
        (version / "model.py").write_text(ENTRY_POINT.format(name=model_class.__name__))
    return folder


def _type(data_type: DataType) -> Any:
    return model_config_pb2.DataType.Value("TYPE_STRING" if data_type is DataType.BYTES else f"TYPE_{data_type}")


@pytest.fixture
def make_triton(tmp_path: Path, gates: Path) -> Callable[..., Any]:
    """A server of the test's own, to be stopped and killed."""

    def make() -> Any:
        return serving_repositories(tmp_path / "triton", [write_models(tmp_path / "models", gates)])

    return make


@pytest.fixture(scope="session")
def make_stand_in() -> type[StandIn]:
    return StandIn


@pytest.fixture(scope="session")
def make_caller() -> type[Caller]:
    return Caller


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory, gates: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("triton")
    with serving_repositories(folder, [write_models(folder / "models", gates)]) as server:
        yield server


@pytest.fixture(scope="session")
def gateway() -> Iterator[StandIn]:
    with StandIn("gateway") as stand_in:
        yield stand_in


def as_upstream(server: Server) -> TritonServer:
    return TritonServer(Address.parse(server.grpc), Address.parse(server.http), Address.parse(server.metrics))


def new_edge(
    folder: Path,
    tritons: Sequence[TritonServer],
    gateway: StandIn,
    *,
    tls: Tls | None = None,
    limits: Limits | None = None,
    pings: bool = True,
) -> Edge:
    """Not running yet: make keys and write the tenants file first."""
    settings = EdgeSettings(
        Listening(*(Address(HOST, port) for port in free_ports(4))),
        Upstreams(tritons, Address.parse(gateway.grpc), Address.parse(gateway.http), pings=pings),
        tls,
        limits or Limits(),
        workers=1,
    )
    return Edge(settings, folder / "edge", folder / "tenants.toml")


@pytest.fixture
def make_edge(tmp_path: Path, gateway: StandIn) -> Callable[..., Edge]:
    def make(*tritons: Server | StandIn, folder: str = "", **options: Any) -> Edge:
        upstreams = [one.as_triton if isinstance(one, StandIn) else as_upstream(one) for one in tritons]
        return new_edge(tmp_path / folder, upstreams, **{"gateway": gateway, **options})

    return make


@pytest.fixture(scope="session")
def open_edge(tmp_path_factory: pytest.TempPathFactory, triton: Server, gateway: StandIn) -> Iterator[Caller]:
    """No keys and no tenants file: everybody on this machine is the default tenant."""
    with fronting(new_edge(tmp_path_factory.mktemp("open"), [as_upstream(triton)], gateway)) as running:
        yield Caller(running)


TENANTS = """
[tenants.acme]
models = ["sum", "held"]

[tenants.beta]

[tenants.streamer]
stream = true

[tenants.none]
models = []

[tenants.slow]
calls_per_second = 1
burst = 3

[tenants.narrow]
calls_at_once = 2

[tenants.heard]
audio_seconds_per_day = 60
"""


@dataclass(frozen=True, slots=True)
class Keyed:
    """An edge that asks for keys."""

    running: RunningEdge

    @property
    def edge(self) -> Edge:
        return self.running.edge

    @property
    def anonymous(self) -> Caller:
        return Caller(self.running)

    def caller(self, tenant: str, **options: Any) -> Caller:
        return self.holding(self.edge.keys.create(tenant, **options)[1])

    def holding(self, token: str) -> Caller:
        return Caller(self.running, {"authorization": f"Bearer {token}"})


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory, triton: Server, gateway: StandIn) -> Iterator[Keyed]:
    edge = new_edge(tmp_path_factory.mktemp("keyed"), [as_upstream(triton)], gateway)
    edge.tenants_file.write_text(TENANTS)
    edge.keys.create("acme")
    with fronting(edge) as running:
        yield Keyed(running)


@pytest.fixture(scope="session")
def make_keyed() -> Callable[[RunningEdge], Keyed]:
    return Keyed


@pytest.fixture(scope="session", name="free_ports")
def _free_ports() -> Callable[[int], list[int]]:
    return free_ports
