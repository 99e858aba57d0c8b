"""Arrays on their way to Triton and back, beside what tritonclient itself makes of them."""

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferInput, service_pb2
from tritonclient.utils import np_to_triton_dtype

from conch.clients.triton_tensors import arrays_of, request_of
from conch.contracts.errors import Internal, InvalidRequest

ARRAYS = [
    *(np.arange(6).reshape(2, 3).astype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")),
    *(np.linspace(-1, 1, 6).reshape(3, 2).astype(kind) for kind in ("f2", "f4", "f8")),
    np.array([["a", "žluť"], ["", "🐎"]], object),
    np.zeros((1, 0), np.float32),
    np.array(7, np.int32),
]


def named(array: Any) -> str:
    return f"{array.dtype} {list(array.shape)}"


def returned(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    """As a model answers that says what it was told."""
    answer = service_pb2.ModelInferResponse(raw_output_contents=request.raw_input_contents)
    for tensor in request.inputs:
        answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    return answer


@pytest.mark.parametrize("array", ARRAYS, ids=named)
def test_what_is_sent_is_what_tritonclient_sends(array: Any) -> None:
    sent = request_of("echo", {"x": array}, ["y"], id="r-1")
    peer = InferInput("x", list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(
        np.vectorize(str.encode, otypes=[object])(array) if array.dtype == object else array
    )
    assert sent == service_pb2.ModelInferRequest(
        model_name="echo",
        id="r-1",
        inputs=[peer._get_tensor()],
        outputs=[{"name": "y"}],
        raw_input_contents=[peer._get_content()],
    )


@pytest.mark.parametrize("array", ARRAYS, ids=named)
def test_what_comes_back_is_what_was_sent(array: Any) -> None:
    back = arrays_of(returned(request_of("echo", {"x": array}, None)))["x"]
    np.testing.assert_array_equal(back, array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_numpys_own_texts_and_bytes_are_texts() -> None:
    inputs = {"text": np.array(["ah", "oh"]), "bytes": np.array([b"ah", b"\xff"])}
    back = arrays_of(returned(request_of("echo", inputs, None)))
    assert (back["text"].tolist(), back["bytes"].tolist()) == (["ah", "oh"], ["ah", b"\xff"])


def test_views_and_other_byte_orders_go_as_their_values() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    sent = request_of("echo", {"x": array}, None)
    assert sent.raw_input_contents[0] == np.array([0, 3, 1, 4, 2, 5], "<i4").tobytes()


def test_a_tensor_without_elements_needs_no_bytes() -> None:
    answer = service_pb2.ModelInferResponse()
    answer.outputs.add(name="none", datatype="FP32", shape=[1, 0])
    assert arrays_of(answer)["none"].shape == (1, 0)


def test_a_type_that_triton_does_not_have_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidRequest, match="input x holds complex64"):
        request_of("echo", {"x": np.zeros(2, np.complex64)}, None)


def test_a_type_that_numpy_does_not_have_is_told() -> None:
    answer = service_pb2.ModelInferResponse(raw_output_contents=[b"\0\0"])
    answer.outputs.add(name="y", datatype="BF16", shape=[1])
    with pytest.raises(Internal, match="output y is BF16"):
        arrays_of(answer)
