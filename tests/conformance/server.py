"""A server under test, by its addresses: raw HTTP and raw gRPC, nothing of a client library around them."""

import contextlib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from tests.conformance.tensors import CONTENTS, Tensor

TIMEOUT_S = 60.0
LARGEST_MESSAGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
HEADER_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an inference over HTTP."""

    response: httpx.Response
    head: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    """Those that came as bytes; the others are in the head."""

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """Elements by name, however they travelled."""
        as_json = {one["name"]: one["data"] for one in self.head["outputs"] if "data" in one}
        return as_json | {name: tensor.elements for name, tensor in self.tensors.items()}


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    """ "triton" and "edge" are those that the suite started itself."""
    url: str
    grpc: str | None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_headers(self) -> dict[str, str]:
        return {**self.headers, **({"x-api-key": self.key} if self.key else {})}

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return list(self.own_headers.items())

    def send(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """The path goes out as it stands: httpx would tidy it."""
        client = _client(self.url)
        sent = {**self.own_headers, **(headers or {})}
        request = client.build_request(method, self.url, headers=sent, extensions={"target": path.encode()}, **body)
        return client.send(request)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.send("POST", path, **options)

    def infer(
        self,
        model: str,
        *inputs: Tensor,
        binary: Sequence[str] = (),
        path: str = "infer",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """Must be served; inputs named in `binary` travel as bytes behind the JSON."""
        head = {
            "inputs": [one.binary_json if one.name in binary else one.json for one in inputs],
            **more,
        }
        text = json.dumps(head).encode()
        body = text + b"".join(one.raw for one in inputs if one.name in binary)
        sent = {**(headers or {}), **({HEADER_LENGTH: str(len(text))} if binary else {})}
        return answer_of(self.post(f"/v2/models/{model}/{path}", content=body, headers=sent))

    def refusal(self, model: str, *inputs: Mapping[str, Any], path: str = "infer", **more: Any) -> httpx.Response:
        """Must be refused, and in the protocol's shape."""
        response = self.post(f"/v2/models/{model}/{path}", json={"inputs": list(inputs), **more})
        return refused(response)

    @contextlib.contextmanager
    def channel(self, **options: Any) -> Iterator[grpc.Channel]:
        assert self.grpc is not None
        with grpc.insecure_channel(self.grpc, LARGEST_MESSAGE, **options) as channel:
            yield channel

    def call(self, method: str, request: Any, **options: Any) -> Any:
        with self.channel() as channel:
            stub = getattr(service_pb2_grpc.GRPCInferenceServiceStub(channel), method)
            return stub(request, metadata=self.metadata, timeout=TIMEOUT_S, **options)

    def stream(self, requests: Iterable[pb.ModelInferRequest], **options: Any) -> list[pb.ModelStreamInferResponse]:
        with self.channel() as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            return list(stub.ModelStreamInfer(iter(requests), metadata=self.metadata, timeout=TIMEOUT_S, **options))


@functools.cache
def _client(url: str) -> httpx.Client:
    """One for the whole run: what is refused must leave its connection in order."""
    client = httpx.Client(base_url=url, timeout=TIMEOUT_S)
    _clients.append(client)
    return client


_clients: list[httpx.Client] = []


def hang_up() -> None:
    """Before the servers are ended: they wait for connections that are open."""
    for client in _clients:
        client.close()


def answer_of(response: httpx.Response) -> Answer:
    assert response.status_code == 200, response.text
    length = response.headers.get(HEADER_LENGTH)
    content = response.content
    head = json.loads(content[: int(length)] if length else content)
    rest, tensors = content[int(length) :] if length else b"", {}
    for one in head["outputs"]:
        if (size := one.get("parameters", {}).get("binary_data_size")) is not None:
            tensors[one["name"]] = Tensor(one["name"], one["datatype"], one["shape"], rest[:size])
            rest = rest[size:]
    assert not rest, f"{len(rest)} bytes behind the last tensor"
    return Answer(response, head, tensors)


def refused(response: httpx.Response) -> httpx.Response:
    """An HTTP error whose body is {"error": text} and nothing else."""
    assert 400 <= response.status_code < 600, response.text
    told = json.loads(response.content)
    assert set(told) == {"error"}
    assert isinstance(told["error"], str)
    assert told["error"]
    return response


def request_of(model: str, *inputs: Tensor, typed: bool = False, **fields: Any) -> pb.ModelInferRequest:
    """`typed` puts the elements into the contents field of their type, not into raw_input_contents."""
    request = pb.ModelInferRequest(model_name=model, **fields)
    for one in inputs:
        tensor = request.inputs.add(name=one.name, datatype=one.datatype, shape=one.shape)
        if typed:
            getattr(tensor.contents, CONTENTS[one.datatype]).extend(one.elements)
        else:
            request.raw_input_contents.append(one.raw)
    return request


def outputs_of(response: pb.ModelInferResponse) -> dict[str, Tensor]:
    return {
        one.name: Tensor(one.name, one.datatype, list(one.shape), raw)
        for one, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }
