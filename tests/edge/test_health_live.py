"""KServe's health as stock clients ask the edge for it: a real Triton behind it, and a real gateway that infers."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio

from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import Server, serving
from conch.weights.cache import verified_weights

Ready = Callable[..., bool]
"""`ready("is_model_ready", "intent", "1")`: one of a client's methods, asked once."""


@dataclass(frozen=True, slots=True)
class Front:
    triton: Server
    live_models: Path
    grpc: str
    http: str


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, free_ports: Any, until: Any) -> Iterator[Front]:
    """Its own server, with `intent` alone: its stubs are killed."""
    folder = tmp_path_factory.mktemp("front")
    own = [Address("127.0.0.1", port) for port in free_ports(6)]
    with serving(folder / "triton", {"intent"}, verified_weights(["intent"])) as triton:
        fronted = TritonServer(*(Address.parse(one) for one in (triton.grpc, triton.http, triton.metrics)))
        settings = EdgeSettings(Listening(*own[:4]), Upstreams([fronted], *own[4:], pings=True), workers=1)
        edge = Edge(settings, folder / "edge", folder / "tenants.toml")
        with fronting(edge), _gateway(folder / "gateway.log", *own[3:]) as gateway:
            one = Front(triton, folder / "triton/live/models", str(own[0]), str(own[1]))
            until(lambda: gateway.poll() is None and _ask_grpc(one.grpc, "is_server_ready") is True, 60)
            yield one


@contextlib.contextmanager
def _gateway(log: Path, triton: Address, grpc: Address, http: Address) -> "Iterator[subprocess.Popen[bytes]]":
    said = {"TRITON_ADDRESS": triton, "GRPC_ADDRESS": grpc, "HTTP_ADDRESS": http, "HEALTH_KEEP_S": 0.05}
    environment = {**os.environ, **{f"CONCH_GATEWAY_{name}": str(value) for name, value in said.items()}}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ask_grpc(address: str, method: str, *arguments: str) -> bool | str:
    """The answer, or the status that came for one."""
    try:
        with grpcclient.InferenceServerClient(address) as client:
            answer: bool = getattr(client, method)(*arguments)
    except grpcclient.InferenceServerException as error:
        return str(error.status())
    return answer


def _ask_http(address: str, method: str, *arguments: str) -> bool:
    client = httpclient.InferenceServerClient(address, network_timeout=30)
    try:
        answer: bool = getattr(client, method)(*arguments)
    finally:
        client.close()
    return answer


def _ask_aio(client: Any, address: str, method: str, *arguments: str) -> bool:
    async def ask() -> bool:
        async with client.InferenceServerClient(address) as open_client:
            answer: bool = await getattr(open_client, method)(*arguments)
            return answer

    return asyncio.run(ask())


@pytest.fixture(params=["grpc", "http", "grpc.aio", "http.aio"])
def ready(request: pytest.FixtureRequest, front: Front) -> Ready:
    asks: dict[str, Callable[..., Any]] = {
        "grpc": lambda *asked: _ask_grpc(front.grpc, *asked),
        "http": lambda *asked: _ask_http(front.http, *asked),
        "grpc.aio": lambda *asked: _ask_aio(grpcaio, front.grpc, *asked),
        "http.aio": lambda *asked: _ask_aio(httpaio, front.http, *asked),
    }
    return asks[request.param]


def test_a_server_that_has_but_one_of_our_models_is_live_and_ready(ready: Ready) -> None:
    assert ready("is_server_live")
    assert ready("is_server_ready")
    assert ready("is_model_ready", "intent")
    assert ready("is_model_ready", "intent", "1")


def test_what_nobody_has_is_not_ready(ready: Ready) -> None:
    assert not ready("is_model_ready", "whisper")
    assert not ready("is_model_ready", "nobody")
    assert not ready("is_model_ready", "intent", "2")


def test_what_is_no_version_is_refused_as_triton_refuses_it(front: Front) -> None:
    for version in ("abc", "-1", "9" * 20):
        asked = ("is_model_ready", "intent", version)
        assert _ask_grpc(front.grpc, *asked) == _ask_grpc(front.triton.grpc, *asked) == "StatusCode.INVALID_ARGUMENT"


def test_a_model_whose_process_died_is_not_ready_though_triton_says_so_and_a_load_heals_it(
    front: Front, until: Any
) -> None:
    model = ("is_model_ready", "intent")
    stubs = psutil.Process(front.triton.process.pid).children()
    assert stubs
    for stub in stubs:
        stub.kill()
    until(lambda: _ask_grpc(front.grpc, *model) is False, 30)
    assert _ask_grpc(front.grpc, *model, "1") is False
    assert _ask_http(front.http, *model) is False
    assert _ask_grpc(front.grpc, "is_server_ready") is False
    assert _ask_http(front.http, "is_server_ready") is False
    assert _ask_grpc(front.grpc, "is_server_live") is True
    assert _ask_grpc(front.triton.grpc, *model) is True
    assert _ask_grpc(front.triton.grpc, "is_server_ready") is True

    os.utime(front.live_models / "intent" / "1")  # or the load would find nothing new
    with grpcclient.InferenceServerClient(front.triton.grpc) as client:
        client.load_model("intent", client_timeout=30)
    until(lambda: _ask_grpc(front.grpc, *model) is True and _ask_http(front.http, "is_server_ready"), 30)


def test_without_triton_nothing_is_live_and_nobody_waits(front: Front, until: Any) -> None:
    front.triton.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: _ask_grpc(front.grpc, "is_server_live") is False, 30)
        assert _ask_http(front.http, "is_server_live") is False
        assert _ask_grpc(front.grpc, "is_server_ready") is False
        assert _ask_http(front.http, "is_model_ready", "intent") is False
        with grpc.insecure_channel(front.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
            _understand(channel, "call the night nurse")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        front.triton.process.send_signal(signal.SIGCONT)
    until(lambda: _ask_grpc(front.grpc, "is_server_ready") is True, 30)
    assert _ask_http(front.http, "is_model_ready", "intent")
    with grpc.insecure_channel(front.grpc) as channel:
        assert _understand(channel, "call the night nurse").intent == "DIAL_PERSON"


def _understand(channel: grpc.Channel, text: str) -> Any:
    stub: Any = voice_pb2_grpc.VoiceStub(channel)  # type: ignore[no-untyped-call]
    return stub.Understand(voice_pb2.UnderstandRequest(text=text), timeout=20)
