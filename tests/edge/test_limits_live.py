"""What only the whole can hold a tenant to: the edge, the real gateway, real models and a real Redis."""

import asyncio
import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from conch import Client
from conch.clients.triton import TritonInference
from conch.contracts.errors import PermissionDenied, TooMuch
from conch.contracts.identity import AUDIO_LIMIT_HEADER
from conch.contracts.keys import ADDRESS_VARIABLE, audio_quota
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.stack.envoy import fronting
from conch.stack.serving import Server, serving
from conch.weights.cache import verified_weights
from gateway.addresses import Addresses
from tests.gateway.conftest import quick_settings, running, wav
from tests.redis_server import RedisServer, running_redis

MODELS = ("whisper", "vad", "intent", "voice_command")
RATE = 16_000
SPEECH = "Please summon the maintenance team to the loading dock at the north gate."
TENANTS = "".join(
    f"[tenants.{name}]\naudio_seconds_per_day = 5\n"
    for name in ("grpc", "http", "transcribe", "openai", "voice", "understand", "wrong", "forger", "two", "stopped")
)


@dataclass(frozen=True, slots=True)
class Site:
    """Callers name their tenant by its key."""

    edge: Edge
    triton: Server
    redis: RedisServer

    @property
    def url(self) -> str:
        return f"http://{self.edge.settings.listening.http}"

    @property
    def address(self) -> str:
        return str(self.edge.settings.listening.grpc)

    def key(self, tenant: str) -> dict[str, str]:
        return {"x-api-key": self.edge.keys.create(tenant)[1]}

    def used_ms(self, tenant: str) -> int | None:
        with self.redis.client() as redis:
            used: Any = redis.get(audio_quota(tenant, datetime.now(UTC).date()))
            return None if used is None else int(used)

    def infer(self, tenant: str, request: service_pb2.ModelInferRequest) -> grpc.Call:
        """The finished call, refused or not."""
        with grpc.insecure_channel(self.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            call: grpc.Call = stub.ModelInfer.future(request, metadata=list(self.key(tenant).items()), timeout=60)
            call.exception()  # type: ignore[attr-defined]
            return call


@contextlib.contextmanager
def _gateway(triton: Server) -> Iterator[Addresses]:
    """In a loop and a thread of its own."""
    started: list[Addresses] = []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with TritonInference(triton.grpc) as inference, running(quick_settings(), inference) as addresses:
            started.append(addresses)
            ready.set()
            await over.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        assert ready.wait(60), "the gateway does not start"
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("audio")
    with contextlib.ExitStack() as here:
        redis = here.enter_context(running_redis(folder))
        told = {ADDRESS_VARIABLE: redis.address}
        triton = here.enter_context(serving(folder, MODELS, verified_weights(MODELS), environment=told))
        gateway = here.enter_context(_gateway(triton))
        server = TritonServer(*(Address.parse(address) for address in (triton.grpc, triton.http, triton.metrics)))
        settings = EdgeSettings(
            Listening(*(Address("127.0.0.1", port) for port in free_ports(4))),
            Upstreams([server], Address.parse(gateway.grpc), Address.parse(gateway.http), pings=True),
            workers=1,
        )
        streamer = "[tenants.streamer]\nstream = true\naudio_seconds_per_day = 5\n"
        narrow = "[tenants.narrow]\nmodels = ['intent']\n"
        (folder / "tenants.toml").write_text(TENANTS + streamer + narrow + "[tenants.free]\n")
        here.enter_context(fronting(Edge(settings, folder / "edge", folder / "tenants.toml")))
        yield Site(Edge(settings, folder / "edge", folder / "tenants.toml"), triton, redis)


def request(seconds: float, rate: int = RATE) -> service_pb2.ModelInferRequest:
    """Silence is as long as speech."""
    pcm = np.zeros((1, round(seconds * RATE)), np.int16)
    asked = service_pb2.ModelInferRequest(model_name="whisper")
    asked.inputs.add(name="pcm16", datatype="INT16", shape=pcm.shape)
    asked.inputs.add(name="sample_rate", datatype="INT32", shape=[1, 1])
    asked.raw_input_contents.extend([pcm.tobytes(), np.array([rate], np.int32).tobytes()])
    return asked


def document(seconds: float) -> dict[str, Any]:
    pcm = [0] * round(seconds * 8000)
    return {
        "inputs": [
            {"name": "pcm16", "datatype": "INT16", "shape": [1, len(pcm)], "data": pcm},
            {"name": "sample_rate", "datatype": "INT32", "shape": [1, 1], "data": [8000]},
        ]
    }


def until_midnight(seconds: str | float) -> bool:
    now = datetime.now(UTC)
    return abs(float(seconds) - (86_400 - (now.hour * 3600 + now.minute * 60 + now.second))) < 120


@pytest.fixture(scope="module")
def speech(spoken: Callable[[str], Any]) -> bytes:
    """More than two and less than five seconds of it are recognised."""
    said = spoken(SPEECH)
    assert 2 < len(said) / RATE < 5
    return wav(said)


def test_over_kserves_grpc(site: Site) -> None:
    assert [site.infer("grpc", request(2)).code() for _ in range(2)] == [grpc.StatusCode.OK] * 2
    refused = site.infer("grpc", request(2))
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert until_midnight(dict(refused.trailing_metadata())["retry-after"])
    assert refused.details().startswith(
        "model whisper: tenant grpc has sent 4.0 of 5 s of audio on this day in UTC, and the call has 2.0 s of audio"
    )
    assert site.infer("grpc", request(1)).code() is grpc.StatusCode.OK
    assert site.used_ms("grpc") == 5000


def test_on_a_stream_the_words_alone_say_so(site: Site) -> None:
    with grpc.insecure_channel(site.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        asked = iter([request(2)] * 3)
        answers = list(stub.ModelStreamInfer(asked, metadata=list(site.key("streamer").items()), timeout=60))
    refused = [answer.error_message for answer in answers if answer.error_message]
    assert len(refused) == 1
    assert re.search(r"model whisper: tenant streamer has sent 4\.0 of 5 s .*; retry after \d+ s$", refused[0])
    assert site.used_ms("streamer") == 4000


def test_over_kserves_http(site: Site) -> None:
    url, key = f"{site.url}/v2/models/whisper/infer", site.key("http")
    assert httpx.post(url, headers=key, json=document(4), timeout=60).status_code == 200
    refused = httpx.post(url, headers=key, json=document(4), timeout=60)
    assert refused.status_code == 429
    assert until_midnight(refused.headers["retry-after"])
    assert refused.json()["error"].startswith("model whisper: tenant http has sent 4.0 of 5 s of audio")
    assert site.used_ms("http") == 4000


@pytest.mark.parametrize(
    ("tenant", "path", "fields", "error"),
    [
        ("transcribe", "/transcribe", {}, lambda answer: answer["detail"]),
        ("openai", "/v1/audio/transcriptions", {"model": "whisper"}, lambda answer: answer["error"]["message"]),
        ("understand", "/understand", {}, lambda answer: answer["detail"]),
    ],
)
def test_over_the_gateways_http(
    site: Site, speech: bytes, tenant: str, path: str, fields: dict[str, str], error: Callable[[Any], str]
) -> None:
    key = site.key(tenant)

    def ask() -> httpx.Response:
        return httpx.post(site.url + path, headers=key, data=fields, files={"file": ("speech.wav", speech)}, timeout=60)

    heard = ask()
    assert heard.status_code == 200, heard.text
    used_ms = site.used_ms(tenant)
    refused = ask()
    assert refused.status_code == 429, refused.text
    assert until_midnight(refused.headers["retry-after"])
    assert f"tenant {tenant} has sent {(used_ms or 0) / 1000:.1f} of 5 s of audio" in error(refused.json())
    assert site.used_ms(tenant) == used_ms


def test_over_the_gateways_grpc(site: Site, speech: bytes) -> None:
    with Client(site.address, api_key=site.key("voice")["x-api-key"]) as client:
        assert client.transcribe(speech).text
        with pytest.raises(TooMuch, match=r"tenant voice has sent .* of 5 s .*transcribed before") as refused:
            client.transcribe(speech)
    assert refused.value.retry_after_s is not None
    assert until_midnight(refused.value.retry_after_s)


def test_what_the_model_refuses_uses_nothing_up(site: Site) -> None:
    assert site.infer("wrong", request(1, rate=7)).code() is grpc.StatusCode.INVALID_ARGUMENT
    too_long = site.infer("wrong", request(3, rate=48_000))
    assert too_long.code() is grpc.StatusCode.OK
    with_language = request(1)
    with_language.inputs.add(name="language", datatype="BYTES", shape=[1, 1])
    with_language.raw_input_contents.append(b"\x02\x00\x00\x00xx")
    assert site.infer("wrong", with_language).code() is not grpc.StatusCode.OK
    assert site.used_ms("wrong") == 1000


def test_a_limit_cannot_be_widened_from_within_a_body(site: Site) -> None:
    forged = request(6)
    forged.parameters[AUDIO_LIMIT_HEADER].string_param = "1000000"
    refused = site.infer("forger", forged)
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{AUDIO_LIMIT_HEADER} is given twice" in refused.details()
    too_long = site.infer("forger", request(6))
    assert too_long.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "the call has 6.0 s of audio, tenant forger may send 5 s a day" in too_long.details()
    assert site.used_ms("forger") is None


def test_two_edges_share_a_tenants_day(site: Site, tmp_path: Path, free_ports: Callable[[int], list[int]]) -> None:
    (tmp_path / "tenants.toml").write_text(TENANTS)
    listening = Listening(*(Address("127.0.0.1", port) for port in free_ports(4)))
    other = Edge(replace(site.edge.settings, listening=listening), tmp_path / "edge", tmp_path / "tenants.toml")
    with fronting(other):
        assert site.infer("two", request(3)).code() is grpc.StatusCode.OK
        assert replace(site, edge=other).infer("two", request(3)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert replace(site, edge=other).infer("two", request(2)).code() is grpc.StatusCode.OK
    assert site.infer("two", request(1)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_tenant_without_a_limit_is_not_counted(site: Site) -> None:
    assert site.infer("free", request(6)).code() is grpc.StatusCode.OK
    assert site.used_ms("free") is None


def test_a_tenant_with_a_list_of_models_is_held_to_it_by_the_gateway_too(site: Site, speech: bytes) -> None:
    key = site.key("narrow")
    understood = httpx.post(f"{site.url}/understand", headers=key, json={"text": "call john"}, timeout=60)
    assert understood.status_code == 200, understood.text
    spoken_to = httpx.post(f"{site.url}/transcribe", headers=key, files={"file": ("speech.wav", speech)}, timeout=60)
    assert (spoken_to.status_code, spoken_to.json()["detail"]) == (403, "tenant narrow may not call model vad")
    with (
        Client(site.address, api_key=key["x-api-key"]) as client,
        pytest.raises(PermissionDenied, match="tenant narrow may not call model voice_command"),
    ):
        client.understand_audio(speech)


def test_while_redis_hangs_everybody_is_heard_and_a_metric_says_so(site: Site) -> None:
    os.kill(site.redis.process.pid, signal.SIGSTOP)
    try:
        answers = [site.infer("stopped", request(4)).code() for _ in range(3)]
    finally:
        os.kill(site.redis.process.pid, signal.SIGCONT)
    assert answers == [grpc.StatusCode.OK] * 3
    assert _until(lambda: _uncounted(site) >= 3)


def _until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _uncounted(site: Site) -> float:
    page = httpx.get(f"http://{site.triton.metrics}/metrics", timeout=10).text
    lines = [line for line in page.splitlines() if line.startswith('conch_model_uncounted_total{model="whisper"')]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
