"""Tensors as bytes behind the JSON."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import HEADER_LENGTH, Server, answer_of, refused
from tests.conformance.tensors import DATA_TYPES, Tensor, some

PATH = "/v2/models/identity/infer"
PAIR = Tensor.of("IN_FP32", "FP32", [1.0, 2.0])
ALL_BINARY = {"binary_data_output": True}


@cites(Section.BINARY_DATA)
def test_a_server_that_takes_it_says_so(server: Server) -> None:
    assert "binary_tensor_data" in server.get("/v2").json()["extensions"]


@cites(Section.BINARY_DATA, Section.REST_DATA_TYPES)
@pytest.mark.parametrize("datatype", DATA_TYPES)
def test_a_tensor_of_each_type_passes_byte_for_byte(ours: Server, datatype: str) -> None:
    sent = Tensor.of(f"IN_{datatype}", datatype, some(datatype))
    answer = ours.infer("identity", sent, binary=[sent.name], parameters=ALL_BINARY)
    assert answer.tensors == {f"OUT_{datatype}": Tensor(f"OUT_{datatype}", datatype, [len(some(datatype))], sent.raw)}
    assert answer.response.headers["content-type"] == "application/octet-stream"


@cites(Section.BINARY_DATA)
@pytest.mark.parametrize(
    "value", [b"a\x00b\x00", b"\xff\xfe\xfd", b"\x00" * 9, b"", b"x" * 70_000], ids=lambda v: ascii(v[:9])
)
def test_any_bytes_pass(ours: Server, value: bytes) -> None:
    sent = Tensor.of("IN_BYTES", "BYTES", [value, b"neighbour"])
    assert ours.infer("identity", sent, binary=["IN_BYTES"], parameters=ALL_BINARY).outputs == {
        "OUT_BYTES": [value, b"neighbour"]
    }


@cites(Section.BINARY_DATA)
def test_not_a_number_and_the_infinite_pass(ours: Server) -> None:
    sent = Tensor.of("IN_FP32", "FP32", [np.nan, np.inf, -np.inf, -0.0])
    answer = ours.infer("identity", sent, binary=["IN_FP32"], parameters=ALL_BINARY)
    assert answer.tensors["OUT_FP32"].raw == sent.raw


@cites(Section.BINARY_DATA)
def test_an_empty_tensor_passes(ours: Server) -> None:
    sent = Tensor.of("IN_FP32", "FP32", [])
    assert ours.infer("identity", sent, binary=["IN_FP32"], parameters=ALL_BINARY).outputs == {"OUT_FP32": []}


@cites(Section.BINARY_DATA)
def test_bytes_and_json_may_be_mixed(ours: Server) -> None:
    tensors = [
        Tensor.of("IN_BYTES", "BYTES", [b"\xff", b"two"]),
        Tensor.of("IN_INT32", "INT32", [7, 8, 9]),
        Tensor.of("IN_UINT8", "UINT8", [1]),
    ]
    outputs = [
        {"name": "OUT_BYTES", "parameters": {"binary_data": True}},
        {"name": "OUT_INT32", "parameters": {"binary_data": True}},
        {"name": "OUT_UINT8", "parameters": {"binary_data": False}},
    ]
    answer = ours.infer("identity", *tensors, binary=["IN_BYTES", "IN_UINT8"], outputs=outputs)
    assert set(answer.tensors) == {"OUT_BYTES", "OUT_INT32"}
    assert answer.outputs == {"OUT_BYTES": [b"\xff", b"two"], "OUT_INT32": [7, 8, 9], "OUT_UINT8": [1]}


@cites(Section.BINARY_DATA)
def test_what_an_output_asks_for_wins_over_what_the_request_asks_for(ours: Server) -> None:
    outputs = [{"name": "OUT_FP32", "parameters": {"binary_data": False}}]
    answer = ours.infer("identity", PAIR, binary=["IN_FP32"], parameters=ALL_BINARY, outputs=outputs)
    assert (answer.tensors, answer.outputs) == ({}, {"OUT_FP32": [1.0, 2.0]})
    assert HEADER_LENGTH not in answer.response.headers


@cites(Section.BINARY_DATA)
def test_64_mib_pass_both_ways(ours: Server) -> None:
    sent = Tensor("IN_FP32", "FP32", [2**24], bytes(range(256)) * 2**18)
    answer = ours.infer("identity", sent, binary=["IN_FP32"], parameters=ALL_BINARY)
    assert answer.tensors["OUT_FP32"].raw == sent.raw


def _with(length: Callable[[int], Any], size: Any = 8, behind: bytes = PAIR.raw) -> tuple[bytes, dict[str, str]]:
    """A request whose announcements may be wrong: `length` makes the header's value of the JSON's true length."""
    tensor = {**PAIR.binary_json, "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [tensor], "parameters": ALL_BINARY}).encode()
    return text + behind, {HEADER_LENGTH: str(length(len(text)))}


@cites(Section.BINARY_DATA, Section.REST_ERROR)
@pytest.mark.parametrize(
    "length",
    [lambda _: 0, lambda _: -1, lambda _: "x", lambda n: n - 1, lambda n: n + 1, lambda n: n + 100, lambda _: 10**20],
    ids=["0", "-1", "not a number", "one less", "one more", "more than all", "more than 64 bit"],
)
def test_a_header_that_tells_a_wrong_length_is_refused(ours: Server, length: Callable[[int], Any]) -> None:
    body, headers = _with(length)
    refused(ours.post(PATH, content=body, headers=headers))


@cites(Section.BINARY_DATA, Section.REST_ERROR)
def test_bytes_without_the_header_are_refused(ours: Server) -> None:
    body, _ = _with(lambda n: n)
    refused(ours.post(PATH, content=body))


@cites(Section.BINARY_DATA, Section.REST_ERROR)
@pytest.mark.parametrize("size", [0, 4, 7, 9, 12, -1, 2**63 - 1, 2**64, "8", 8.5, None], ids=str)
def test_a_size_that_disagrees_with_the_bytes_is_refused(ours: Server, size: Any) -> None:
    body, headers = _with(lambda n: n, size)
    refused(ours.post(PATH, content=body, headers=headers))


@cites(Section.BINARY_DATA, Section.REST_ERROR)
@pytest.mark.parametrize("behind", [b"", PAIR.raw[:-1], PAIR.raw + b"x"], ids=["none", "too few", "too many"])
def test_bytes_that_disagree_with_the_shape_are_refused(ours: Server, behind: bytes) -> None:
    body, headers = _with(lambda n: n, len(behind), behind)
    refused(ours.post(PATH, content=body, headers=headers))


@cites(Section.BINARY_DATA, Section.REST_ERROR)
@pytest.mark.parametrize("raw", [b"\x09\0\0\0ab", b"\xff\xff\xff\xff", b"\x01", b"\x01\0\0\0a\x01\0\0\0b"], ids=repr)
def test_texts_whose_lengths_disagree_with_the_bytes_are_refused(ours: Server, raw: bytes) -> None:
    tensor = Tensor("IN_BYTES", "BYTES", [1], raw)
    text = json.dumps({"inputs": [tensor.binary_json]}).encode()
    refused(ours.post(PATH, content=text + raw, headers={HEADER_LENGTH: str(len(text))}))


@cites(Section.BINARY_DATA)
def test_a_refused_request_leaves_the_connection_in_order(ours: Server) -> None:
    good, headers = _with(lambda n: n)
    bad, wrong = _with(lambda n: n - 1)
    with httpx.Client(base_url=ours.url, headers=ours.own_headers, timeout=60) as client:
        for _ in range(3):
            refused(client.post(PATH, content=bad, headers=wrong))
            assert answer_of(client.post(PATH, content=good, headers=headers)).outputs == {"OUT_FP32": [1.0, 2.0]}
