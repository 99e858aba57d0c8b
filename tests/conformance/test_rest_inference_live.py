"""Inference over HTTP with JSON alone."""

import json
import math
from typing import Any

import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server
from tests.conformance.tensors import DATA_TYPES, RAW_ONLY, Tensor, some

JSON_TYPES = [datatype for datatype in DATA_TYPES if datatype not in RAW_ONLY]
ONE = Tensor.of("IN_FP32", "FP32", [1.5])


def ramp(name: str, batch: int = 1) -> Tensor:
    return Tensor.of(name, "INT32", [list(range(16))] * batch)


@cites(Section.REST_DATA_TYPES, Section.REST_TENSOR_DATA)
@pytest.mark.parametrize("datatype", JSON_TYPES)
def test_a_tensor_of_each_type_passes_as_json(ours: Server, datatype: str) -> None:
    answer = ours.infer("identity", Tensor.of(f"IN_{datatype}", datatype, some(datatype)))
    (output,) = answer.head["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (f"OUT_{datatype}", datatype, [len(output["data"])])
    sent = Tensor.of("", datatype, some(datatype))
    assert Tensor.of("", datatype, _as_bytes(datatype, output["data"])).raw == sent.raw


@cites(Section.REST_TENSOR_DATA)
@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]], ids=["flat", "nested"])
def test_a_matrix_may_be_flat_or_nested(ours: Server, data: Any) -> None:
    matrix = {"name": "IN_MATRIX", "datatype": "FP32", "shape": [2, 3], "data": data}
    answer = ours.post("/v2/models/identity/infer", json={"inputs": [matrix]}).json()
    assert answer["outputs"] == [
        {"name": "OUT_MATRIX", "datatype": "FP32", "shape": [2, 3], "data": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    ]


@cites(Section.REST_INPUT)
@pytest.mark.parametrize("shape", [[1, 1, 1], [2, 3, 4], [1, 7, 1], [0, 3, 4], [5, 0, 0]], ids=str)
def test_a_shape_passes_as_it_is(ours: Server, shape: list[int]) -> None:
    answer = ours.infer("identity", Tensor.of("IN_CUBE", "FP32", [2.5] * math.prod(shape), shape))
    assert answer.head["outputs"][0]["shape"] == shape
    assert answer.outputs == {"OUT_CUBE": [2.5] * math.prod(shape)}


@cites(Section.REST_TENSOR_DATA)
@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BYTES", "BOOL"])
def test_an_empty_tensor_passes(ours: Server, datatype: str) -> None:
    answer = ours.infer("identity", Tensor.of(f"IN_{datatype}", datatype, []))
    assert answer.outputs == {f"OUT_{datatype}": []}
    assert answer.head["outputs"][0]["shape"] == [0]


@cites(Section.REST_TENSOR_DATA)
@pytest.mark.parametrize("text", ["a\x00b", "höher", "日本語", "🐚", '"\\/\n\t', ""], ids=ascii)
def test_a_text_passes_as_it_is(ours: Server, text: str) -> None:
    assert ours.infer("identity", Tensor.of("IN_BYTES", "BYTES", [text.encode()])).outputs == {"OUT_BYTES": [text]}


@cites(Section.REST_REQUEST)
def test_an_input_that_is_optional_may_be_left_out(ours: Server) -> None:
    tensors = [Tensor.of(f"IN_{datatype}", datatype, some(datatype)) for datatype in ("INT8", "FP64")]
    for chosen in (tensors[:1], tensors[1:], tensors, tensors[::-1]):
        assert set(ours.infer("identity", *chosen).outputs) == {one.name.replace("IN", "OUT", 1) for one in chosen}


@cites(Section.REST_REQUEST, Section.REST_RESPONSE)
@pytest.mark.parametrize("request_id", ["42", "with spaces", "höher", "x" * 500])
def test_a_request_id_comes_back(ours: Server, request_id: str) -> None:
    assert ours.infer("identity", ONE, id=request_id).head["id"] == request_id


@cites(Section.REST_RESPONSE)
def test_a_request_without_an_id_gets_none(ours: Server) -> None:
    assert "id" not in ours.infer("identity", ONE).head


@cites(Section.REST_RESPONSE)
def test_an_answer_tells_model_and_version(ours: Server) -> None:
    head = ours.infer("identity", ONE).head
    assert (head["model_name"], head["model_version"]) == ("identity", "1")


@cites(Section.REST_PATHS)
def test_a_version_in_the_path_is_the_one_that_answers(ours: Server) -> None:
    assert ours.infer("identity", ONE, path="versions/1/infer").head["model_version"] == "1"


@cites(Section.REST_OUTPUT)
@pytest.mark.parametrize("names", [["OUTPUT1"], ["OUTPUT1", "OUTPUT0"], []], ids=["one", "both", "none named"])
def test_the_outputs_asked_for_are_the_outputs_given(ours: Server, names: list[str]) -> None:
    answer = ours.infer("add_sub", ramp("INPUT0"), ramp("INPUT1"), outputs=[{"name": name} for name in names])
    assert set(answer.outputs) == set(names or ["OUTPUT0", "OUTPUT1"])


@cites(Section.REST_INPUT)
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_batch_is_one_tensor(ours: Server, batch: int) -> None:
    answer = ours.infer("add_sub", ramp("INPUT0", batch), ramp("INPUT1", batch), outputs=[{"name": "OUTPUT0"}])
    assert answer.head["outputs"][0]["shape"] == [batch, 16]
    assert answer.outputs == {"OUTPUT0": [2 * one for one in range(16)] * batch}


@cites(Section.REST_PARAMETERS, Section.PARAMETERS)
def test_parameters_reach_the_model(ours: Server) -> None:
    sent = {"text": "höher", "whole": -(2**53), "flag": True}
    hold = Tensor.of("HOLD_MS", "UINT32", [[0]])
    (told,) = ours.infer("witness", hold, parameters=sent).outputs["PARAMETERS"]
    assert sent.items() <= json.loads(told).items()


@cites(Section.REST_INFERENCE)
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_the_content_type_is_not_asked_for(ours: Server, kind: str) -> None:
    assert ours.infer("identity", ONE, headers={"content-type": kind}).outputs == {"OUT_FP32": [1.5]}


@cites(Section.REST_REQUEST)
def test_unknown_members_are_passed_over(ours: Server) -> None:
    assert ours.infer("identity", ONE, something={"else": [1, 2]}).outputs == {"OUT_FP32": [1.5]}


@cites(Section.REST_REQUEST)
@pytest.mark.parametrize(
    "text",
    [
        b' \n\t{ "inputs" : [ { "name":"IN_FP32","datatype":"FP32","shape":[1],"data":[1.5] } ] }\r\n ',
        rb'{"\u0069nputs":[{"name":"\u0049N_FP32","datatype":"FP32","shape":[1],"data":[15e-1]}]}',
        b'{"inputs":[{"data":[1.5],"shape":[1],"datatype":"FP32","name":"IN_FP32"}]}',
    ],
    ids=["white space", "escapes", "order"],
)
def test_json_may_be_written_in_any_way(ours: Server, text: bytes) -> None:
    answer = ours.post("/v2/models/identity/infer", content=text).json()
    assert answer["outputs"][0]["data"] == [1.5]


@cites(Section.REST_INFERENCE)
def test_a_body_in_chunks_passes(ours: Server) -> None:
    text = b'{"inputs":[{"name":"IN_FP32","datatype":"FP32","shape":[1],"data":[1.5]}]}'
    answer = ours.post("/v2/models/identity/infer", content=iter([text[:20], text[20:]]))
    assert answer.json()["outputs"][0]["data"] == [1.5]


def _as_bytes(datatype: str, data: list[Any]) -> list[Any]:
    return [one.encode() for one in data] if datatype == "BYTES" else data
