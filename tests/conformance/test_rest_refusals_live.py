"""Requests that are wrong, over HTTP with JSON: each is refused with a status and {"error": text}.

What ends Triton 2.51 is never sent: JSON nested deep, bodies over 64 MB, shapes of more than 2^30 elements.
"""

from typing import Any

import pytest

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, refused

PATH = "/v2/models/identity/infer"
ROW = list(range(16))


def tensor(name: str = "IN_FP32", datatype: Any = "FP32", shape: Any = (1,), data: Any = (1.5,)) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in tensor().items() if name != member}


@cites(Section.REST_ERROR, Section.REST_PATHS)
@pytest.mark.parametrize("path", ["no_such_model/infer", "identity/versions/999999/infer", "identity/versions/0/infer"])
def test_an_unknown_model_or_version_is_not_found(ours: Server, path: str) -> None:
    answer = refused(ours.post(f"/v2/models/{path}", json={"inputs": [tensor()]}))
    assert answer.status_code in (400, 404)


@cites(Section.REST_ERROR, Section.REST_REQUEST)
def test_an_unknown_model_is_refused_by_any_server(server: Server) -> None:
    assert server.refusal("no_such_model", tensor()).status_code in (400, 404)


@cites(Section.REST_ERROR, Section.REST_REQUEST)
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(tensor("NO_SUCH_INPUT"), id="unknown input"),
        pytest.param(tensor(datatype="INT32"), id="another data type"),
        pytest.param(tensor(datatype="COMPLEX64"), id="no data type"),
        pytest.param(tensor(datatype="fp32"), id="small letters"),
        pytest.param(tensor(datatype=32), id="a data type that is a number"),
        pytest.param(tensor(shape=[1, 1]), id="another rank"),
        pytest.param(tensor(shape=[]), id="no dimensions"),
        pytest.param(tensor("IN_MATRIX", shape=[1, 2], data=[1, 2]), id="another dimension"),
        pytest.param(tensor(shape=[3]), id="fewer elements than the shape says"),
        pytest.param(tensor(data=[1, 2]), id="more elements than the shape says"),
        pytest.param(tensor(shape=[-1]), id="a negative dimension"),
        pytest.param(tensor(shape=[-(2**63)]), id="the most negative dimension"),
        pytest.param(tensor(shape=[2**64]), id="a dimension beyond 64 bit"),
        pytest.param(tensor(shape=[1.5]), id="half a dimension"),
        pytest.param(tensor(shape=["1"]), id="a dimension in quotes"),
        pytest.param(tensor(shape=1), id="a shape that is a number"),
        pytest.param(tensor(data=["1.5"]), id="a number in quotes"),
        pytest.param(tensor(data=[None]), id="null for a number"),
        pytest.param(tensor(data={"0": 1.5}), id="an object for data"),
        pytest.param(tensor("IN_BOOL", "BOOL", data=["true"]), id="true in quotes"),
        pytest.param(tensor("IN_INT64", "INT64", data=[2**64]), id="a number beyond 64 bit"),
        pytest.param(tensor("IN_UINT64", "UINT64", data=[-1]), id="a negative number without sign"),
        pytest.param(tensor("IN_BYTES", "BYTES", data=[1]), id="a number for a text"),
        pytest.param(tensor("IN_FP16", "FP16"), id="FP16 in JSON"),
        pytest.param(tensor("IN_BF16", "BF16"), id="BF16 in JSON"),
        *(pytest.param(without(member), id=f"no {member}") for member in ("name", "datatype", "shape", "data")),
    ],
)
def test_a_wrong_input_is_refused(ours: Server, wrong: dict[str, Any]) -> None:
    ours.refusal("identity", wrong)


@cites(Section.REST_ERROR, Section.REST_REQUEST)
def test_an_input_given_twice_is_refused(ours: Server) -> None:
    ours.refusal("identity", tensor(), tensor())


@cites(Section.REST_ERROR, Section.REST_REQUEST)
def test_a_missing_input_is_refused(ours: Server) -> None:
    answer = ours.refusal("add_sub", tensor("INPUT0", "INT32", [1, 16], ROW))
    assert "INPUT1" in answer.json()["error"]


@cites(Section.REST_ERROR, Section.REST_OUTPUT)
def test_an_unknown_output_is_refused(ours: Server) -> None:
    assert "NO_SUCH_OUTPUT" in ours.refusal("identity", tensor(), outputs=[{"name": "NO_SUCH_OUTPUT"}]).json()["error"]


@cites(Section.REST_ERROR, Section.REST_INPUT)
@pytest.mark.parametrize(("left", "right"), [(9, 9), (1, 2), (0, 0)], ids=["too large", "unequal", "empty"])
def test_a_batch_that_the_model_does_not_take_is_refused(ours: Server, left: int, right: int) -> None:
    ours.refusal(
        "add_sub",
        tensor("INPUT0", "INT32", [left, 16], ROW * left),
        tensor("INPUT1", "INT32", [right, 16], ROW * right),
    )


@cites(Section.REST_ERROR, Section.REST_PARAMETERS)
@pytest.mark.parametrize("value", [None, [1], {"deep": 1}], ids=str)
def test_a_parameter_is_a_text_a_number_or_a_truth(ours: Server, value: Any) -> None:
    ours.refusal("identity", tensor(), parameters={"mine": value})


@cites(Section.REST_ERROR, Section.REST_REQUEST)
@pytest.mark.parametrize("request_id", [42, None, ["x"]], ids=str)
def test_a_request_id_is_a_text(ours: Server, request_id: Any) -> None:
    ours.refusal("identity", tensor(), id=request_id)


@cites(Section.REST_ERROR, Section.REST_REQUEST)
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{nope",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"inputs":{}}',
        b'{"inputs":[1]}',
        b'{"inputs":[]} {}',
        b'{"inputs":[{"name":"IN_FP32","datatype":"FP32","shape":[1],"data":[1,]}]}',
        b"{'inputs':[]}",
        '{"inputs":[]}'.encode("utf-16"),
        b"\x00" * 10,
    ],
    ids=ascii,
)
def test_a_body_that_is_no_request_is_refused(ours: Server, text: bytes) -> None:
    refused(ours.post(PATH, content=text))


@cites(Section.REST_ERROR)
def test_a_name_that_is_not_utf_8_is_refused(ours: Server) -> None:
    answer = ours.post(PATH, content=b'{"inputs":[{"name":"\xff","datatype":"FP32","shape":[1],"data":[1]}]}')
    # Triton repeats the name as it came, so its answer is not quite JSON.
    assert answer.status_code == 400
    assert answer.content.startswith(b'{"error":')


@cites(Section.REST_INFERENCE)
def test_after_all_that_the_server_still_serves(ours: Server) -> None:
    answer = ours.post(PATH, json={"inputs": [tensor()]})
    assert answer.json()["outputs"][0]["data"] == [1.5]
