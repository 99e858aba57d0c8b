"""What bare Triton does and the edge does not, or does otherwise: all of it that a caller can see.

Each is asked of both in every run, and of an operator's key, so that a line that is no longer true fails. The table in
docs/conformance.md is this one.
"""

import json
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.protocol import Section
from tests.conformance.server import Server, request_of
from tests.conformance.tensors import Tensor

Ask = Callable[[Server], str]
"""Gives the HTTP status or the gRPC status's name."""

ROW = Tensor.of("INPUT0", "INT32", [list(range(16))])
OTHER_ROW = Tensor.of("INPUT1", "INT32", [list(range(16))])


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    ask: Ask
    triton: str
    edge: str
    operator: str
    """Of the edge, to an operator's key."""
    section: Section
    why: str


def http(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Ask:
    return lambda server: str(server.send(method, path, content=body, headers=headers).status_code)


def rpc(method: str, request: Any, packed: grpc.Compression = grpc.Compression.NoCompression) -> Ask:
    def ask(server: Server) -> str:
        try:
            server.call(method, request, compression=packed)
        except grpc.RpcError as refusal:
            return str(refusal.code().name)
        return "OK"

    return ask


def _unknown_method(server: Server) -> str:
    with server.channel() as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/SomethingNew")
        try:
            call(b"", metadata=server.metadata, timeout=20)
        except grpc.RpcError as refusal:
            return str(refusal.code().name)
    return "OK"


def _without_key(server: Server) -> str:
    return str(Server(server.name, server.url, server.grpc).get("/v2").status_code)


def _head(server: Server) -> str:
    """Status, and whether a body follows, which a HEAD has none of."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    lines = [f"{name}: {value}" for name, value in (server.own_headers | {"host": host, "connection": "close"}).items()]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join(["HEAD /v2 HTTP/1.1", *lines, "", ""]).encode())
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    return head.split()[1].decode() + (" and a body" if body else "")


def _request_id(server: Server) -> str:
    return "in the headers" if "x-conch-request-id" in server.get("/v2").headers else "none"


def _deflated(server: Server) -> str:
    body = zlib.compress(json.dumps({"inputs": [ROW.json, OTHER_ROW.json]}).encode())
    return http("POST", "/v2/models/add_sub/infer", body, {"content-encoding": "deflate"})(server)


def _classification() -> bytes:
    output = {"name": "OUTPUT0", "parameters": {"classification": 2}}
    return json.dumps({"inputs": [ROW.json, OTHER_ROW.json], "outputs": [output]}).encode()


def _classification_rpc() -> pb.ModelInferRequest:
    request = request_of("add_sub", ROW, OTHER_ROW)
    request.outputs.add(name="OUTPUT0").parameters["classification"].int64_param = 2
    return request


def _rows_in_brackets() -> bytes:
    rows = [[1.0, 2.0, 3.0]] * 30_000
    tensor = {"name": "IN_MATRIX", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}
    output = {"name": "OUT_MATRIX", "parameters": {"binary_data": True}}
    return json.dumps({"inputs": [tensor], "outputs": [output]}).encode()


def _packed_rpc(server: Server) -> str:
    numbers = np.random.default_rng(1).random(50_000, np.float32)
    return rpc("ModelInfer", request_of("identity", Tensor.of("IN_FP32", "FP32", numbers)), grpc.Compression.Gzip)(
        server
    )


def _packed_stream(server: Server) -> str:
    request = request_of("repeat", Tensor.of("text_input", "BYTES", [b"word " * 100]))
    try:
        server.stream([request], compression=grpc.Compression.Gzip)
    except grpc.RpcError as refusal:
        return str(refusal.code().name)
    return "OK"


def _load_with_parameters() -> pb.RepositoryModelLoadRequest:
    request = pb.RepositoryModelLoadRequest(model_name="no_such_model")
    request.parameters["config"].string_param = "{}"
    return request


DIVIDES = "of an output that is text it ends Triton"
PATHS = "two readers of a path might undo it differently"
SOON = "what a later Triton adds is closed until somebody opens it"
BOUND = "it bounds what a caller can make it hold"


def _operators(
    what: str, ask: Ask, section: Section, triton: str = "200", why: str = "it reaches what belongs to everybody"
) -> Difference:
    edge = "403" if triton.isdigit() else "PERMISSION_DENIED"
    return Difference(what, ask, triton, edge, triton, section, why)


DIFFERENCES = (
    _operators("load a model", http("POST", "/v2/repository/models/add_sub/load"), Section.MODEL_REPOSITORY),
    _operators("unload a model", http("POST", "/v2/repository/models/no_such_model/unload"), Section.MODEL_REPOSITORY),
    _operators("read system shared memory", http("GET", "/v2/systemsharedmemory/status"), Section.SHARED_MEMORY),
    _operators("read CUDA shared memory", http("GET", "/v2/cudasharedmemory/status"), Section.SHARED_MEMORY),
    _operators("read the trace setting", http("GET", "/v2/trace/setting"), Section.TRACE),
    _operators("read a model's trace setting", http("GET", "/v2/models/add_sub/trace/setting"), Section.TRACE),
    _operators("read the log setting", http("GET", "/v2/logging"), Section.LOGGING),
    *(
        _operators(f"{method}, gRPC", rpc(method, request), section, "OK")
        for method, request, section in (
            ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="add_sub"), Section.MODEL_REPOSITORY),
            (
                "RepositoryModelUnload",
                pb.RepositoryModelUnloadRequest(model_name="no_such_model"),
                Section.MODEL_REPOSITORY,
            ),
            ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest(), Section.SHARED_MEMORY),
            ("CudaSharedMemoryStatus", pb.CudaSharedMemoryStatusRequest(), Section.SHARED_MEMORY),
            ("TraceSetting", pb.TraceSettingRequest(), Section.TRACE),
            ("LogSettings", pb.LogSettingsRequest(), Section.LOGGING),
        )
    ),
    Difference(
        "a load with parameters",
        http("POST", "/v2/repository/models/no_such_model/load", b'{"parameters":{"config":"{}"}}'),
        *("500", "403", "403"),
        Section.MODEL_REPOSITORY,
        "a parameter of a load can end Triton, or make it run foreign code",
    ),
    Difference(
        "a load with parameters, gRPC",
        rpc("RepositoryModelLoad", _load_with_parameters()),
        *("INTERNAL", "PERMISSION_DENIED", "PERMISSION_DENIED"),
        Section.MODEL_REPOSITORY,
        "a parameter of a load can end Triton, or make it run foreign code",
    ),
    _operators(
        "classification",
        http("POST", "/v2/models/add_sub/infer", _classification()),
        Section.CLASSIFICATION,
        why=DIVIDES,
    ),
    _operators("classification, gRPC", rpc("ModelInfer", _classification_rpc()), Section.CLASSIFICATION, "OK", DIVIDES),
    Difference(
        "a call that KServe does not know, gRPC",
        _unknown_method,
        *("UNIMPLEMENTED", "PERMISSION_DENIED", "UNIMPLEMENTED"),
        Section.GRPC_INFERENCE,
        SOON,
    ),
    *(
        Difference(what, http("GET", path), "404", "403", "404", Section.REST_PATHS, SOON)
        for what, path in (
            ("an unknown path under /v2", "/v2/something/new"),
            ("an unknown path under a model", "/v2/models/add_sub/something"),
            ("a version that is no number", "/v2/models/add_sub/versions/one"),
            ("a slash at the end", "/v2/models/add_sub/"),
        )
    ),
    Difference(
        "an escaped character in a path",
        http("GET", "/v2/models/add%20sub"),
        *("404", "400", "400"),
        Section.REST_PATHS,
        PATHS,
    ),
    *(
        Difference(what, http("GET", path), "404", "200", "200", Section.REST_PATHS, PATHS + ", so the edge undoes it")
        for what, path in (
            ("a letter escaped without need", "/v2/models/%61dd_sub"),
            ("dots in a path", "/v2/models/x/../add_sub"),
            ("two slashes in a path", "/v2//models/add_sub"),
        )
    ),
    Difference("a call without a key", _without_key, "200", "401", "401", Section.REST_PATHS, "an edge with keys asks"),
    Difference(
        "a tenant that is not the key's",
        http("GET", "/v2", headers={"x-tenant-id": "another"}),
        *("200", "403", "403"),
        Section.REST_PATHS,
        "a caller is who its key says",
    ),
    Difference(
        "a request id of the server's",
        _request_id,
        *("none", "in the headers", "in the headers"),
        Section.REST_RESPONSE,
        "a caller can name its call",
    ),
    Difference(
        "HEAD",
        _head,
        *("405 and a body", "405", "405"),
        Section.REST_PATHS,
        "that body would stand before the connection's next answer",
    ),
    Difference(
        "a body packed with deflate",
        _deflated,
        *("200", "415", "415"),
        Section.COMPRESSION,
        "the edge cannot look into it; gzip it can",
    ),
    Difference(
        "a body packed in a way that nobody knows",
        http("POST", "/v2/models/add_sub/infer", b"x", {"content-encoding": "br"}),
        *("501", "415", "415"),
        Section.COMPRESSION,
        "the edge cannot look into it; gzip it can",
    ),
    Difference(
        "packed gRPC messages of more than 64 KiB",
        _packed_rpc,
        *("OK", "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"),
        Section.COMPRESSION,
        "only Triton unpacks them, to a thousand times as much",
    ),
    Difference(
        "packed gRPC messages in a stream",
        _packed_stream,
        *("OK", "UNIMPLEMENTED", "UNIMPLEMENTED"),
        Section.COMPRESSION,
        "only Triton unpacks them, to a thousand times as much",
    ),
    Difference(
        "a request whose JSON is wrong",
        http("POST", "/v2/models/identity/infer", b"{}"),
        *("500", "400", "400"),
        Section.REST_ERROR,
        "it is the caller's error",
    ),
    Difference(
        "30,000 rows in brackets of their own",
        http("POST", "/v2/models/identity/infer", _rows_in_brackets()),
        *("200", "400", "400"),
        Section.REST_TENSOR_DATA,
        "JSON that is nested deep ends Triton; send a large tensor flat, or as bytes",
    ),
    Difference(
        "30 kB of body where little is to say",
        http("POST", "/v2/repository/index", b"{}" + b" " * 30_000),
        *("200", "413", "413"),
        Section.MODEL_REPOSITORY,
        BOUND,
    ),
    Difference(
        "150 headers",
        http("GET", "/v2", headers={f"x-header-{number}": "1" for number in range(150)}),
        *("200", "431", "431"),
        Section.REST_PATHS,
        BOUND,
    ),
)


def table() -> str:
    """As docs/conformance.md has it."""
    lines = [f"| {one.what} | {one.triton} | {one.edge} | {one.operator} | {one.why} |" for one in DIFFERENCES]
    head = ["| | Triton | edge | edge, operator's key | why |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    print(table())
