"""What a caller says stays its own: no word of it stands in a log, a metric or a trace, be it served or refused."""

import contextlib
import json
import queue
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from conch.stack.fronted import Front, fronted
from tests.seeing.collector import Collector, collecting

TENANTS = "[tenants.acme]\nstream = true\n"
INFER = "/inference.GRPCInferenceService/ModelInfer"
WORD = "canary"
TRITONS_ID = "kserveid"
UNKNOWN_TO_TRITON = "unknowngrpc"


@dataclass(frozen=True, slots=True)
class Watched:
    front: Front
    collector: Collector
    folder: Path
    key: str

    def texts(self) -> Mapping[str, str]:
        """All that the stack writes of its own accord, by where it stands."""
        logs = {str(path): path.read_text(errors="replace") for path in self.folder.rglob("*.log")}
        pages = ("/metrics", "/metrics/triton", "/metrics/edge")
        metrics = {page: httpx.get(f"http://{self.front.metrics}{page}", timeout=20).text for page in pages}
        admin = {page: self.front.edge.admin(page) for page in ("/stats", "/clusters", "/listeners")}
        return {**logs, **metrics, **admin, "traces": "\n".join(span.text for span in list(self.collector.spans))}

    def where(self, secret: str) -> list[str]:
        return [name for name, text in self.texts().items() if secret in text]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("c")
    with (
        collecting() as collector,
        fronted(folder, ["intent"], tenants=TENANTS, otlp=collector.grpc, otlp_http=collector.http) as front,
    ):
        yield Watched(front, collector, folder, front.key("acme"))


class Canaries:
    """A word of its own for every place that a caller fills in."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, place: str) -> str:
        word = f"{WORD}{len(self.made)}{place}x7f3a9"
        self.made.append(word)
        return word


@pytest.fixture(scope="module")
def sung(watched: Watched) -> list[str]:
    """Every canary, once each of them has been in a call that was answered, one way or another."""
    canary = Canaries()
    for call in (_over_http, _over_grpc, _to_the_gateway, _with_wrong_keys):
        call(watched, canary)
    last = httpx.get(f"http://{watched.front.http}/v2/logging", headers={"x-api-key": watched.key}, timeout=20)
    ours = last.headers["x-conch-request-id"]
    # Logs and spans are written some time after the answer: this call's stand there when those of all others do.
    ends = time.monotonic() + 30
    while not {"traces", str(watched.front.edge.log)} <= set(watched.where(ours)):
        assert time.monotonic() < ends, f"{ours} stands in {watched.where(ours)} alone"
        time.sleep(0.1)
    return canary.made


def _http(watched: Watched, path: str, key: str | None = None, **options: Any) -> httpx.Response:
    headers = {"x-api-key": key or watched.key, **options.pop("headers", {})}
    return httpx.post(f"http://{watched.front.http}{path}", headers=headers, timeout=60, **options)


def _over_http(watched: Watched, canary: Canaries) -> None:
    def body(place: str, model: str = "intent", shape: tuple[int, ...] = (1, 1), **more: Any) -> None:
        tensor = {"name": "text", "datatype": "BYTES", "shape": list(shape), "data": [canary(f"text{place}")]}
        document = {"id": canary(f"{TRITONS_ID}{place}"), "inputs": [tensor], **more}
        query = {canary("query"): canary("queryvalue")}
        headers = {f"x-{canary('header')}": canary("headervalue"), "user-agent": canary("agent")}
        _http(watched, f"/v2/models/{model}/infer", json=document, params=query, headers=headers)

    body("served")
    body("refused", shape=(2, 2))
    body("parameter", parameters={canary("parameter"): canary("parametervalue")})
    body("output", outputs=[{"name": canary("outputname")}])
    body("model", model=canary("model"))
    named = {"name": canary("inputname"), "datatype": canary("datatype"), "shape": [1, 1], "data": ["x"]}
    _http(watched, "/v2/models/intent/infer", json={"inputs": [named]})
    _http(watched, "/v2/models/intent/infer", content=f'{{"{canary("broken")}":'.encode())
    _http(watched, "/v2/models/intent/generate", json={"text": canary("generated"), canary("field"): 1})
    _http(watched, f"/v2/{canary('path')}", headers={"cookie": canary("cookie"), "referer": canary("referer")})
    _http(watched, "/v2/models/intent/infer", headers={"content-encoding": canary("encoding")}, content=b"x")
    _http(watched, "/v2/models", headers={"x-tenant-id": canary("tenant"), "x-request-id": canary("requestname")})
    _http(watched, "/v2/repository/index", headers={"traceparent": canary("trace"), "x-conch-tenant": canary("ours")})
    _http(watched, "/v2", headers={"host": canary("host"), "x-forwarded-for": canary("forwarded")})


def _over_grpc(watched: Watched, canary: Canaries) -> None:
    def request(place: str, model: str = "intent", shape: tuple[int, ...] = (1, 1)) -> Any:
        made = service_pb2.ModelInferRequest(model_name=model, id=canary(f"grpc{TRITONS_ID}{place}"))
        tensor = made.inputs.add(name="text", datatype="BYTES", shape=list(shape))
        tensor.contents.bytes_contents.append(canary(f"grpctext{place}").encode())
        return made

    requests = [
        request("served"),
        request("refused", shape=(3, 3)),
        request("model", model=canary(UNKNOWN_TO_TRITON + "model")),
    ]
    requests[0].parameters[canary("grpcparameter")].string_param = canary("grpcparametervalue")
    requests[1].inputs[0].name = canary(UNKNOWN_TO_TRITON + "input")
    metadata = [("x-api-key", watched.key), (f"x-{canary('metadata')}", canary("metadatavalue"))]
    with grpc.insecure_channel(watched.front.grpc) as channel:
        for one in requests:
            with contextlib.suppress(grpc.RpcError):
                channel.unary_unary(INFER)(one.SerializeToString(), metadata=metadata, timeout=30)
        for method in (f"/inference.GRPCInferenceService/{canary('method')}", f"/{canary('service')}/Call"):
            with contextlib.suppress(grpc.RpcError):
                channel.unary_unary(method)(canary("message").encode(), metadata=metadata, timeout=30)
    answers: queue.Queue[Any] = queue.Queue()
    text = grpcclient.InferInput("text", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([[canary("streamed")]], dtype=object))
    with grpcclient.InferenceServerClient(watched.front.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)), headers={"x-api-key": watched.key})
        with contextlib.suppress(InferenceServerException):
            client.async_stream_infer("intent", [text], request_id=canary(f"stream{TRITONS_ID}"))
            answers.get(timeout=30)


def _to_the_gateway(watched: Watched, canary: Canaries) -> None:
    _http(watched, "/understand", json={"text": canary("command")})
    _http(watched, "/understand", json={"text": canary("command"), canary("unknown"): 1})
    _http(
        watched, "/understand", content=f"{{{canary('notjson')}".encode(), headers={"content-type": "application/json"}
    )
    _http(watched, "/v1/infer/intent", json={"text": [canary("rest")]})
    _http(watched, f"/v1/infer/{canary('restmodel')}", json={"text": [canary("rest")]})
    _http(watched, "/v1/embeddings", json={"model": canary("openaimodel"), "input": canary("openaiinput")})
    _http(watched, "/v1/audio/speech", json={"model": "piper", "voice": canary("voice"), "input": canary("speech")})
    _http(watched, "/v1/rerank", json={"model": "x", "query": canary("search"), "documents": [canary("document")]})
    file = {"file": (f"{canary('file')}.wav", canary("audio").encode(), f"audio/{canary('type')}")}
    form = {"prompt": canary("prompt"), "language": canary("language"), canary("formfield"): canary("formvalue")}
    for path in ("/transcribe", "/v1/audio/transcriptions"):
        _http(watched, path, files=file, data=form)
    _http(watched, f"/{canary('nowhere')}", params={canary("search"): "1"})


def _with_wrong_keys(watched: Watched, canary: Canaries) -> None:
    head, claims, signature = watched.key.split(".")
    for key in (canary("key"), f"{head}.{claims}.{canary('signature')}", f"{canary('head')}.{claims}.{signature}"):
        _http(watched, "/v2/models/intent/infer", key=key, json={"inputs": []})
        httpx.get(f"http://{watched.front.http}/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=20)


def test_no_canary_stands_anywhere(watched: Watched, sung: list[str]) -> None:
    found = {name: {one for one in sung if one in text} for name, text in watched.texts().items()}
    # Triton's own spans name a request as its caller does. The edge's tell the message of a gRPC error, and Triton's
    # messages quote the names of models and inputs that it does not know.
    found["traces"] -= {one for one in sung if TRITONS_ID in one or UNKNOWN_TO_TRITON in one}
    assert {name: words for name, words in found.items() if words} == {}


def test_no_key_stands_anywhere(watched: Watched, sung: list[str]) -> None:
    assert watched.where(watched.key) == []
    assert watched.where(watched.key.split(".")[2]) == []


def test_what_is_looked_through_is_there(watched: Watched, sung: list[str]) -> None:
    """Logs of all three processes, metrics of all three, and spans: else nothing could be found."""
    texts = watched.texts()
    logs = {Path(name).name: text for name, text in texts.items() if name.endswith(".log")}
    assert {"triton.log", "gateway.log", "envoy.log"} <= logs.keys()
    assert all(logs.values())
    assert "acme" in logs["envoy.log"]
    assert "acme" in logs["gateway.log"]
    for text, metric in (
        (texts["/metrics"], "conch_requests_total"),
        (texts["/metrics/triton"], "nv_inference_request_success"),
        (texts["/metrics/edge"], "envoy_http_downstream_rq_total"),
        (texts["traces"], "conch-edge"),
    ):
        assert metric in text
    assert len(sung) > 60
    assert json.dumps(sorted(sung)).count(WORD) >= len(sung)
