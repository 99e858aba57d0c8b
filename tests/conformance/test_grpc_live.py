"""Everything over gRPC but streams: metadata, extensions, inference, and requests that are wrong."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server, outputs_of, request_of
from tests.conformance.tensors import CONTENTS, DATA_TYPES, Tensor, some

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ONE = Tensor.of("IN_FP32", "FP32", [1.5])
ROW = np.arange(16, dtype=np.int32)[None]


def refused(server: Server, request: pb.ModelInferRequest) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refusal:
        server.call("ModelInfer", request)
    assert refusal.value.details()
    code: grpc.StatusCode = refusal.value.code()
    return code


@cites(Section.GRPC_SERVER_METADATA)
def test_a_server_tells_the_same_of_itself_on_both_faces(grpc_server: Server) -> None:
    told = grpc_server.call("ServerMetadata", pb.ServerMetadataRequest())
    over_http = grpc_server.get("/v2").json()
    assert (told.name, told.version, list(told.extensions)) == tuple(over_http.values())


@cites(Section.GRPC_MODEL_METADATA)
@pytest.mark.parametrize(
    ("name", "version"), [("no_such_model", ""), ("identity", "999999"), ("identity", "x"), ("", "")]
)
def test_what_is_not_there_is_refused(ours_grpc: Server, name: str, version: str) -> None:
    for method, request in (
        ("ModelMetadata", pb.ModelMetadataRequest(name=name, version=version)),
        ("ModelConfig", pb.ModelConfigRequest(name=name, version=version)),
        ("ModelInfer", request_of(name, ONE, model_version=version)),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            ours_grpc.call(method, request)
        assert refusal.value.code() in (NOT_FOUND, INVALID), method


@cites(Section.MODEL_CONFIGURATION, Section.STATISTICS, Section.MODEL_REPOSITORY)
def test_the_extensions_that_read_are_there(grpc_server: Server, served: list[str]) -> None:
    index = grpc_server.call("RepositoryIndex", pb.RepositoryIndexRequest(ready=True))
    assert {one.name for one in index.models} == set(served)
    for model in served:
        assert grpc_server.call("ModelConfig", pb.ModelConfigRequest(name=model)).config.name == model
        (told,) = grpc_server.call("ModelStatistics", pb.ModelStatisticsRequest(name=model)).model_stats
        assert told.name == model
    everything = grpc_server.call("ModelStatistics", pb.ModelStatisticsRequest()).model_stats
    assert {one.name for one in everything} >= set(served)


@cites(Section.GRPC_DATA_TYPES, Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize("datatype", DATA_TYPES)
def test_a_tensor_of_each_type_passes_raw(ours_grpc: Server, datatype: str) -> None:
    sent = Tensor.of(f"IN_{datatype}", datatype, some(datatype))
    answer = ours_grpc.call("ModelInfer", request_of("identity", sent))
    name = f"OUT_{datatype}"
    assert outputs_of(answer) == {name: Tensor(name, datatype, [len(some(datatype))], sent.raw)}


@cites(Section.GRPC_DATA_TYPES, Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize("datatype", CONTENTS)
def test_a_tensor_of_each_type_passes_as_typed_contents(ours_grpc: Server, datatype: str) -> None:
    sent = Tensor.of(f"IN_{datatype}", datatype, some(datatype))
    answer = ours_grpc.call("ModelInfer", request_of("identity", sent, typed=True))
    assert outputs_of(answer)[f"OUT_{datatype}"].raw == sent.raw


@cites(Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize("value", [b"a\x00b\x00", b"\xff\xfe\xfd", b"", b"x" * 70_000], ids=lambda v: ascii(v[:9]))
@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_any_bytes_pass(ours_grpc: Server, value: bytes, typed: bool) -> None:
    sent = Tensor.of("IN_BYTES", "BYTES", [value, b"neighbour"])
    answer = ours_grpc.call("ModelInfer", request_of("identity", sent, typed=typed))
    assert outputs_of(answer)["OUT_BYTES"].elements == [value, b"neighbour"]


@cites(Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize("shape", [[2, 3, 4], [1, 1, 1], [0, 3, 4], [5, 0, 0]], ids=str)
def test_a_shape_passes_as_it_is(ours_grpc: Server, shape: list[int]) -> None:
    answer = ours_grpc.call("ModelInfer", request_of("identity", Tensor.of("IN_CUBE", "FP32", np.zeros(shape))))
    assert list(outputs_of(answer)["OUT_CUBE"].shape) == shape


@cites(Section.GRPC_INFERENCE)
def test_an_answer_tells_model_version_and_id(ours_grpc: Server) -> None:
    answer = ours_grpc.call("ModelInfer", request_of("identity", ONE, id="4 2", model_version="1"))
    assert (answer.model_name, answer.model_version, answer.id) == ("identity", "1", "4 2")
    assert ours_grpc.call("ModelInfer", request_of("identity", ONE)).id == ""


@cites(Section.GRPC_INFERENCE)
def test_the_outputs_asked_for_are_the_outputs_given(ours_grpc: Server) -> None:
    request = request_of("add_sub", Tensor.of("INPUT0", "INT32", ROW), Tensor.of("INPUT1", "INT32", ROW))
    assert set(outputs_of(ours_grpc.call("ModelInfer", request))) == {"OUTPUT0", "OUTPUT1"}
    request.outputs.add(name="OUTPUT1")
    assert {name: one.elements for name, one in outputs_of(ours_grpc.call("ModelInfer", request)).items()} == {
        "OUTPUT1": [0] * 16
    }


@cites(Section.GRPC_PARAMETERS, Section.PARAMETERS)
def test_parameters_reach_the_model(ours_grpc: Server) -> None:
    request = request_of("witness", Tensor.of("HOLD_MS", "UINT32", [[0]]))
    request.parameters["text"].string_param = "höher"
    request.parameters["whole"].int64_param = -(2**53)
    request.parameters["flag"].bool_param = True
    (told,) = outputs_of(ours_grpc.call("ModelInfer", request))["PARAMETERS"].elements
    assert {"text": "höher", "whole": -(2**53), "flag": True}.items() <= json.loads(told).items()


@cites(Section.GRPC_INFERENCE, Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Tensor("NO_SUCH_INPUT", "FP32", [1], b"1234"), id="unknown input"),
        pytest.param(Tensor("IN_FP32", "INT32", [1], b"1234"), id="another data type"),
        pytest.param(Tensor("IN_FP32", "COMPLEX64", [1], b"1234"), id="no data type"),
        pytest.param(Tensor("IN_FP32", "", [1], b"1234"), id="an empty data type"),
        pytest.param(Tensor("IN_FP32", "FP32", [1, 1], b"1234"), id="another rank"),
        pytest.param(Tensor("IN_MATRIX", "FP32", [1, 2], b"12345678"), id="another dimension"),
        pytest.param(Tensor("IN_FP32", "FP32", [-1], b"1234"), id="a negative dimension"),
        pytest.param(Tensor("IN_FP32", "FP32", [2**63 - 1], b"1234"), id="the largest dimension"),
        pytest.param(Tensor("IN_FP32", "FP32", [1], b""), id="no bytes"),
        pytest.param(Tensor("IN_FP32", "FP32", [1], b"123"), id="a byte less"),
        pytest.param(Tensor("IN_FP32", "FP32", [1], b"12345"), id="a byte more"),
        pytest.param(Tensor("IN_BYTES", "BYTES", [1], b"\xff\xff\xff\xffab"), id="a text longer than its bytes"),
        pytest.param(Tensor("IN_BYTES", "BYTES", [2], b"\x01\0\0\0a"), id="fewer texts than the shape says"),
    ],
)
def test_a_wrong_input_is_refused(ours_grpc: Server, wrong: Tensor) -> None:
    assert refused(ours_grpc, request_of("identity", wrong)) == INVALID


def _fewer_raw_than_inputs(request: pb.ModelInferRequest) -> None:
    request.inputs.add(name="IN_INT8", datatype="INT8", shape=[1])


def _raw_and_typed(request: pb.ModelInferRequest) -> None:
    request.inputs[0].contents.fp32_contents.append(1.5)


def _given_twice(request: pb.ModelInferRequest) -> None:
    request.inputs.add().CopyFrom(request.inputs[0])
    request.raw_input_contents.append(b"1234")


def _another_types_contents(request: pb.ModelInferRequest) -> None:
    del request.raw_input_contents[:]
    request.inputs[0].contents.int_contents.append(1)


def _unknown_output(request: pb.ModelInferRequest) -> None:
    request.outputs.add(name="NO_SUCH_OUTPUT")


@cites(Section.GRPC_INFERENCE, Section.GRPC_TENSOR_DATA)
@pytest.mark.parametrize(
    "spoil",
    [
        _fewer_raw_than_inputs,
        _raw_and_typed,
        _given_twice,
        _another_types_contents,
        _unknown_output,
    ],
    ids=lambda one: one.__name__.strip("_").replace("_", " "),
)
def test_a_wrong_request_is_refused(ours_grpc: Server, spoil: Callable[[pb.ModelInferRequest], Any]) -> None:
    request = request_of("identity", ONE)
    spoil(request)
    assert refused(ours_grpc, request) == INVALID


@cites(Section.GRPC_INFERENCE)
@pytest.mark.parametrize(("left", "right"), [(9, 9), (1, 2)], ids=["too large", "unequal"])
def test_a_batch_that_the_model_does_not_take_is_refused(ours_grpc: Server, left: int, right: int) -> None:
    inputs = [
        Tensor.of(name, "INT32", np.repeat(ROW, batch, axis=0)) for name, batch in (("INPUT0", left), ("INPUT1", right))
    ]
    assert refused(ours_grpc, request_of("add_sub", *inputs)) == INVALID


@cites(Section.GRPC_INFERENCE)
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff\x01x"], ids=repr)
def test_a_message_that_is_no_protobuf_is_refused(ours_grpc: Server, body: bytes) -> None:
    with ours_grpc.channel() as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(body, metadata=ours_grpc.metadata, timeout=20)
    assert outputs_of(ours_grpc.call("ModelInfer", request_of("identity", ONE)))["OUT_FP32"].elements == [1.5]


@cites(Section.GRPC_INFERENCE)
@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
def test_a_compressed_call_passes(ours_grpc: Server, algorithm: grpc.Compression) -> None:
    sent = Tensor.of("IN_FP32", "FP32", np.arange(20_000))
    answer = ours_grpc.call("ModelInfer", request_of("identity", sent), compression=algorithm)
    assert outputs_of(answer)["OUT_FP32"].raw == sent.raw
