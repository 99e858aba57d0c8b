"""Our raw tensors are those that tritonclient makes and reads."""

import numpy as np
import pytest
from tritonclient.grpc import InferInput, InferResult, service_pb2
from tritonclient.utils import np_to_triton_dtype

from conch.clients.edge.tensors import add_input, outputs_of
from conch.clients.inference import Array
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.pb.kserve.v1 import inference_pb2 as pb

NUMBERS = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def sent(array: Array) -> service_pb2.ModelInferRequest:
    """As Triton reads it."""
    request = pb.ModelInferRequest(model_name="m")
    add_input(request, "x", array)
    return service_pb2.ModelInferRequest.FromString(request.SerializeToString())


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_sent_and_read_as_tritonclient_does(kind: str) -> None:
    array = np.array([[0, 1, 100], [7, 1, 2]]).astype(kind)
    theirs = InferInput("x", list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)
    request = sent(array)
    assert request.inputs[0] == theirs._get_tensor()
    assert request.raw_input_contents[0] == theirs._get_content()
    reply = service_pb2.ModelInferResponse(raw_output_contents=request.raw_input_contents)
    reply.outputs.add(name="x", datatype=request.inputs[0].datatype, shape=array.shape)
    ours = outputs_of(pb.ModelInferReply.FromString(reply.SerializeToString()))["x"]
    np.testing.assert_array_equal(ours, InferResult(reply).as_numpy("x"))
    assert ours.dtype == array.dtype


@pytest.mark.parametrize(
    "array",
    [np.array([["a", "chào"]]), np.array([[b"a", b"bc"]]), np.array([["a", b"\xff", 7]], dtype=object)],
    ids=["str", "bytes", "objects"],
)
def test_texts_are_sent_as_tritonclient_does(array: Array) -> None:
    as_bytes = np.empty(array.shape, dtype=object)
    for at, value in np.ndenumerate(array):
        as_bytes[at] = bytes(value) if isinstance(value, bytes) else str(value).encode()
    theirs = InferInput("x", list(array.shape), "BYTES").set_data_from_numpy(as_bytes)
    assert sent(array).inputs[0] == theirs._get_tensor()
    assert sent(array).raw_input_contents[0] == theirs._get_content()


def test_views_and_other_byte_orders_are_sent_as_their_values() -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    assert sent(array).raw_input_contents[0] == np.array([[0, 3], [1, 4], [2, 5]], "<f4").tobytes()


def replied(datatype: str, shape: list[int], raw: bytes) -> pb.ModelInferReply:
    output = pb.OutputTensor(name="x", datatype=datatype, shape=shape)
    return pb.ModelInferReply(outputs=[output], raw_output_contents=[raw])


def test_bytes_that_are_no_text_stay_bytes() -> None:
    raw = b"\x02\0\0\0hi\x01\0\0\0\xff"
    assert outputs_of(replied("BYTES", [2], raw))["x"].tolist() == [b"hi", b"\xff"]
    assert outputs_of(replied("BYTES", [1], raw[:6]))["x"].tolist() == ["hi"]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(replied("FP32", [2], b"1234"), id="too few bytes"),
        pytest.param(replied("BYTES", [2], b"\x02\0\0\0hi"), id="too few elements"),
        pytest.param(replied("BYTES", [1], b"\xff\0\0\0hi"), id="an element that ends beyond the end"),
        pytest.param(replied("BF16", [2], b"1234"), id="a type that numpy has not"),
        pytest.param(pb.ModelInferReply(outputs=[pb.OutputTensor(name="x")]), id="no bytes"),
    ],
)
def test_a_reply_that_contradicts_itself_is_the_servers_fault(reply: pb.ModelInferReply) -> None:
    with pytest.raises(Internal, match="output"):
        outputs_of(reply)


def test_what_kserve_has_no_type_for_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="input x holds complex64"):
        sent(np.zeros(1, np.complex64))


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="input x cannot be sent as UTF-8"):
        sent(np.array(["\ud800"], dtype=object))
