"""Requests that no careful caller sends: each is refused by name, as the caller's fault, and Triton stays up."""

import gzip
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
METADATA = "/inference.GRPCInferenceService/ModelMetadata"
PATH = "/v2/models/sum/infer"
CALLERS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
RAW = np.array([1, 2], np.float32).tobytes()


@pytest.fixture(autouse=True)
def _everything_is_up_after_it(open_edge: Any, triton: Any) -> Iterator[None]:
    yield
    assert triton.process.poll() is None, f"Triton ended with {triton.process.poll()}"
    assert open_edge.infer("sum").as_numpy("total").tolist() == [3.0]
    assert open_edge.get("/v1/models").status_code == 200


def _json(beside: bytes = b"", **changed: Any) -> bytes:
    tensor = {"name": "numbers", "datatype": "FP32", "shape": [2], "data": [1, 2], **changed}
    return json.dumps({"inputs": [tensor]}).encode()[:-1] + beside + b"}"


def _refused(answer: httpx.Response, status: int = 400) -> str:
    """What the refusal says, in KServe's shape."""
    assert answer.status_code == status, answer.text
    document: dict[str, str] = json.loads(answer.text)  # which bears a name that is no UTF-8
    assert list(document) == ["error"]
    return document["error"]


ANNOUNCED = {
    "2^33": [2**33],
    "2^62": [2**62],
    "2^63 - 1": [2**63 - 1],
    "2^63": [2**63],
    "a product": [2**32, 2**32],
    "gigabytes": [10**9],
    "2^62 beside none": [2**62, 0],
}


@pytest.mark.parametrize("shape", ANNOUNCED.values(), ids=list(ANNOUNCED))
def test_a_shape_larger_than_its_body_is_refused_with_both_numbers(open_edge: Any, shape: list[int]) -> None:
    body = _json(shape=shape, data=[])
    elements = np.prod([float(max(size, 1)) for size in shape])
    expected = f"the shapes announce {elements:.0f} elements, the body has {len(body)} bytes"
    assert _refused(open_edge.post(PATH, content=body)) == expected


HIDDEN = {
    "escaped": _json(shape=[2**40]).replace(b'"shape"', b'"\\u0073h\\u0061pe"'),
    "spaced": _json(shape=[2**40]).replace(b'"shape":', b'"shape" \n\t:\r\n'),
    "said twice": _json(shape=[2**40]).replace(b'"shape"', b'"shape": [2], "shape"'),
    "of a second tensor": _json()[:-2] + b"," + _json(shape=[2**40])[12:],
    "in many tensors": b'{"inputs":[' + b",".join([_json(shape=[100])[12:-2]] * 100) + b"]}",
}


@pytest.mark.parametrize("body", HIDDEN.values(), ids=list(HIDDEN))
@pytest.mark.parametrize("path", [PATH, PATH + "?x=1", "/v2/models/sum/versions/1/infer"])
def test_a_shape_is_found_where_a_parser_finds_it(open_edge: Any, path: str, body: bytes) -> None:
    assert "the shapes announce" in _refused(open_edge.post(path, content=body))


def test_words_in_texts_are_no_keys(open_edge: Any) -> None:
    for text in ('"shape": [99999999999]', "shape", 'x", "classification": 1'):
        body = _json(name=text)
        assert "unexpected inference input" in _refused(open_edge.post(PATH, content=body))


@pytest.mark.parametrize("output", ["identity", "total"])
def test_classification_is_an_operators(open_edge: Any, output: str) -> None:
    asked = f',"outputs":[{{"name":"{output}","parameters":{{"classification":1}}}}]'.encode()
    for body in (_json(asked), _json(asked.replace(b"class", b"cl\\u0061ss"))):
        assert _refused(open_edge.post(PATH, content=body), 403) == "classification needs an operator's key"
    request = _request()
    request.outputs.add(name=output).parameters["classification"].int64_param = 1
    assert _code(open_edge.raw(INFER, request.SerializeToString())) == grpc.StatusCode.PERMISSION_DENIED


def test_classification_is_refused_in_the_first_output_and_the_last(open_edge: Any) -> None:
    request = _request()
    request.outputs.add(name="total")
    request.outputs.add(name="identity").parameters["classification"].int64_param = 1
    request.outputs.add(name="total")
    assert _code(open_edge.raw(INFER, request.SerializeToString())) == grpc.StatusCode.PERMISSION_DENIED


MALFORMED_JSON = {
    "nothing that is JSON": b"<x/>",
    "cut short": _json()[:-4],
    "a list": b"[]",
    "null": b"null",
    "no inputs": b"{}",
    "inputs of text": b'{"inputs": "x"}',
    "a number for an id": _json(b',"id": 7'),
    "a lone surrogate": _json(name="\ud800"),
    "bytes that are no UTF-8": _json(name="X").replace(b"X", b"\xff\xfe"),
    "a name with a null": _json(name="num\0bers"),
    "a negative size": _json(shape=[-2]),
    "half a size": _json(shape=[1.5]),
    "a text for a size": _json(shape=["2"]),
    "less data": _json(shape=[3]),
    "data of another shape": _json(data=[[1], [2, 3]]),
    "data of another type": _json(data=["a", "b"]),
    "a number beyond all": _json().replace(b"[1, 2]", b"[1e400, 2]"),
    "an unknown type": _json(datatype="FP99"),
    "a number for a type": _json(datatype=7),
    "no data": _json().replace(b'"data"', b'"dota"'),
    "a region nobody registered": _json(
        b',"outputs":[{"name":"total","parameters":{"shared_memory_region":"x","shared_memory_byte_size":9e18}}]'
    ),
    "a negative priority": _json(b',"parameters":{"priority":-1}'),
    "parameters of text": _json(b',"parameters":"x"'),
    "a reserved parameter": _json(b',"parameters":{"triton_enable_empty_final_response":7}'),
}


@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=list(MALFORMED_JSON))
def test_malformed_json_is_the_callers_fault(open_edge: Any, body: bytes) -> None:
    assert _refused(open_edge.post(PATH, content=body))


@pytest.mark.parametrize("path", ["generate", "generate_stream"])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff\xfe", b'{"numbers": "x"}', b'{"numbers": {"a": 1}}'])
def test_malformed_json_to_generate_is_the_callers_fault(open_edge: Any, path: str, body: bytes) -> None:
    assert _refused(open_edge.post(f"/v2/models/sum/{path}", content=body))


def test_malformed_json_to_the_index_is_the_callers_fault(open_edge: Any) -> None:
    assert _refused(open_edge.post("/v2/repository/index", content=b'{"ready": 7}'))


@pytest.mark.parametrize("size", [-1, 2**63, 2**64 - 1, 7, 9, "8"], ids=str)
def test_bytes_that_disagree_with_what_is_said_of_them_are_refused(open_edge: Any, size: Any) -> None:
    tensor = {"name": "numbers", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    caller = open_edge.sending(**{"inference-header-content-length": str(len(head))})
    assert _refused(caller.post(PATH, content=head + RAW))


@pytest.mark.parametrize("length", ["-1", "9999", str(2**64)])
def test_a_length_of_the_json_that_is_none_is_refused(open_edge: Any, length: str) -> None:
    caller = open_edge.sending(**{"inference-header-content-length": length})
    assert _refused(caller.post(PATH, content=_json()))


def test_a_packed_body_that_is_not_packed_or_cut_short_is_no_servers_fault(open_edge: Any) -> None:
    caller = open_edge.sending(**{"content-encoding": "gzip"})
    assert caller.post(PATH, content=b"not packed").status_code < 500
    assert caller.post(PATH, content=gzip.compress(_json() * 50)[:-20]).status_code < 500


TENSORS: Mapping[str, Mapping[str, Any]] = {
    "a size of -1": {"shape": [-1]},
    "a negative size": {"shape": [-2]},
    "2^63 - 1": {"shape": [2**63 - 1]},
    "a product": {"shape": [2**32, 2**32]},
    "more than there is": {"shape": [3]},
    "less than there is": {"shape": [0]},
    "no shape": {"shape": []},
    "an unknown type": {"datatype": "FP99"},
    "another type": {"datatype": "INT64"},
    "an unknown input": {"name": "nothing"},
}


@pytest.mark.parametrize("changed", TENSORS.values(), ids=list(TENSORS))
def test_a_tensor_that_disagrees_with_its_bytes_is_refused(open_edge: Any, changed: Mapping[str, Any]) -> None:
    request = service_pb2.ModelInferRequest(model_name="sum", raw_input_contents=[RAW])
    request.inputs.add(**{"name": "numbers", "datatype": "FP32", "shape": [2], **changed})
    assert _code(open_edge.raw(INFER, request.SerializeToString())) == grpc.StatusCode.INVALID_ARGUMENT


OVERFLOWING: Mapping[str, list[int]] = {
    "2^62": [2**62],
    "2^62 beside none": [2**62, 0],
    "-2^62": [-(2**62)],
    "-2^63": [-(2**63)],
    "a product of 2^64": [2**32, 2**32],
    "a product of 2^64 in three": [2**31, 2**31, 4],
    "a product of 2^66 in sixty-six": [2] * 66,
    "a product of negatives": [-2, -2, 1],
}


@pytest.mark.parametrize("shape", OVERFLOWING.values(), ids=list(OVERFLOWING))
@pytest.mark.parametrize("written", ["packed", "one by one", "in pieces"])
def test_a_shape_whose_bytes_overflow_to_none_is_refused(open_edge: Any, shape: list[int], written: str) -> None:
    for before, after in (([], []), ([[2]], []), ([], [[2]]), ([[2]], [[3, 4]])):
        request = b"".join(_tensor_of(one, written) for one in [*before, shape, *after])
        refused = open_edge.raw(INFER, _field(1, b"sum") + request + _field(7, b""))
        assert _code(refused) == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.details().startswith("the shapes announce ")


HIDING: Mapping[str, bytes] = {
    # Who goes by a field's number alone takes the next bytes for its text.
    "behind a number that looks like sizes": b"\x18\x01",
    "behind a name that is a number": b"\x08\x0d",
    "behind a field of a long number": b"\xf8\xff\xff\xff\x0f\x01",
    "behind eight bytes": b"\x79" + b"\x0a" * 8,
    "behind four bytes": b"\x7d" + b"\x0a" * 4,
}


@pytest.mark.parametrize("before", HIDING.values(), ids=list(HIDING))
def test_a_shape_cannot_be_hidden(open_edge: Any, before: bytes) -> None:
    named = _field(1, b"numbers") + _field(2, b"FP32")
    for tensor in (named + before + _shape_of([2**62]), before + named + _long_tag(3) + _shape_of([2**62])[1:]):
        request = _field(1, b"sum") + _field(5, tensor) + _field(7, b"")
        assert len(service_pb2.ModelInferRequest.FromString(request).inputs[0].shape) >= 1
        assert _code(open_edge.raw(INFER, request)) == grpc.StatusCode.INVALID_ARGUMENT


def test_what_no_field_begins_with_is_no_message(open_edge: Any) -> None:
    for end in (b"\x0b", b"\x0e", b"\x00", b"\x0a\xff", b"\xff" * 12):
        refused = open_edge.raw(INFER, _request().SerializeToString() + end)
        assert (_code(refused), refused.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "the message is none that this call takes",
        )


@pytest.mark.parametrize("name", ["", "../sum", "..", "sum/../other", "%2e%2e", "sum\n", "süm", "x" * 1000])
def test_a_name_of_no_model_is_not_found(open_edge: Any, name: str) -> None:
    assert _code(open_edge.raw(INFER, _request(name).SerializeToString())) == grpc.StatusCode.NOT_FOUND
    metadata = service_pb2.ModelMetadataRequest(name=name).SerializeToString()
    assert _code(open_edge.raw(METADATA, metadata)) == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["-1", "../1", "x", "9" * 30, "7"])
def test_a_version_that_is_none_is_refused(open_edge: Any, version: str) -> None:
    request = _request()
    request.model_version = version
    assert _code(open_edge.raw(INFER, request.SerializeToString())) in CALLERS_FAULT


FRAMES = {
    "half a prefix": b"\0\0",
    "cut short": lambda message: _frame(message)[:-3],
    "a length below": lambda message: _frame(message, length=len(message) - 4),
    "a length above": lambda message: _frame(message, length=len(message) + 4),
    "a length of 4 GiB": lambda message: _frame(message, length=2**32 - 1),
    "a flag that is none": lambda message: _frame(message, flag=7),
    "bytes that are no message": lambda message: _frame(b"\xff" * 50),
    "a second message": lambda message: _frame(message) * 2,
    "packed in no known way": (lambda message: _frame(message, flag=1), "br"),
    "packed in two ways": (lambda message: _frame(message, flag=1), "gzip, gzip"),
    "not packed as it says": (lambda message: _frame(message, flag=1), "gzip"),
}


@pytest.mark.parametrize("made", FRAMES.values(), ids=list(FRAMES))
def test_a_broken_frame_ends_its_own_call_alone(open_edge: Any, made: Any) -> None:
    make, encoding = made if isinstance(made, tuple) else (made, None)
    body = make if isinstance(make, bytes) else make(_request().SerializeToString())
    answer = _framed(open_edge, body, encoding)
    # Triton takes some of these for what they may mean, and says of others that the fault is inside.
    assert answer.headers.get("grpc-status") in (None, "3", "5", "12", "13")


@pytest.mark.parametrize("method", [INFER, METADATA], ids=["a large call", "a small call"])
def test_a_packed_message_that_may_unpack_to_gigabytes_is_refused(open_edge: Any, triton: Any, method: str) -> None:
    bomb = gzip.compress(b"\0" * (128 * 2**20), 9)
    answer = _framed(open_edge, _frame(bomb, flag=1), "gzip", method)
    assert answer.headers["grpc-status"] == "8"
    assert answer.headers["grpc-message"].startswith("a packed message has more than 65536 bytes")


def test_a_stream_of_packed_messages_is_refused(open_edge: Any) -> None:
    with open_edge.channel() as channel:
        call = channel.stream_stream(STREAM)(iter([b"x" * 1000]), compression=grpc.Compression.Gzip, timeout=20)
        with pytest.raises(grpc.RpcError) as refused:
            next(call)
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "the messages of a stream are not packed",
    )


def test_a_channel_that_packs_every_message_works(open_edge: Any) -> None:
    with grpc.insecure_channel(open_edge.grpc_address, compression=grpc.Compression.Gzip) as channel:
        metadata = service_pb2.ModelMetadataRequest(name="sum").SerializeToString()
        assert channel.unary_unary(METADATA)(metadata, timeout=20)
        assert channel.unary_unary(INFER)(_request().SerializeToString(), timeout=20)


def test_a_small_call_with_a_large_message_is_refused(open_edge: Any) -> None:
    large = service_pb2.ModelMetadataRequest(name="x" * 100_000).SerializeToString()
    assert _code(open_edge.raw(METADATA, large)) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_text_whose_length_lies_is_refused(open_edge: Any) -> None:
    for length in (500, 2**31, 2**32 - 1):
        request = service_pb2.ModelInferRequest(model_name="sum")
        request.inputs.add(name="numbers", datatype="BYTES", shape=[1])
        request.raw_input_contents.append(struct.pack("<I", length) + b"hello")
        assert _code(open_edge.raw(INFER, request.SerializeToString())) == grpc.StatusCode.INVALID_ARGUMENT


def _request(model: str = "sum") -> Any:
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[RAW])
    request.inputs.add(name="numbers", datatype="FP32", shape=[2])
    return request


def _tensor_of(shape: list[int], written: str = "packed") -> bytes:
    """As a client may write it by hand: of all three protobuf makes the same."""
    sizes = {
        "packed": _shape_of(shape),
        "one by one": b"".join(b"\x18" + _varint(size) for size in shape),
        "in pieces": b"".join(_shape_of([size]) for size in shape),
    }
    return _field(5, _field(1, b"numbers") + _field(2, b"FP32") + sizes[written])


def _shape_of(shape: list[int]) -> bytes:
    return _field(3, b"".join(map(_varint, shape)))


def _long_tag(number: int) -> bytes:
    """Of a field with a length, in more bytes than it needs."""
    return bytes([number << 3 | 2 | 128, 128, 0])


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    number, encoded = number % 2**64, b""
    while number >= 128:
        number, encoded = number >> 7, encoded + bytes([number & 127 | 128])
    return encoded + bytes([number])


def _code(answer: grpc.RpcError | bytes) -> grpc.StatusCode | None:
    return answer.code() if isinstance(answer, grpc.RpcError) else None


def _frame(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">BI", flag, len(message) if length is None else length) + message


def _framed(caller: Any, body: bytes, encoding: str | None = None, method: str = INFER) -> httpx.Response:
    """By HTTP/1.1, which the edge turns into HTTP/2: a gRPC library does not send what is broken."""
    headers = {"content-type": "application/grpc", "te": "trailers"}
    packed = {} if encoding is None else {"grpc-encoding": encoding}
    answer: httpx.Response = caller.sending(**headers, **packed).post(method, content=body)
    return answer
