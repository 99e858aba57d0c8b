"""What a hop in between could break, one test each; bare Triton is asked too, to know that the question is right."""

import queue
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from tests.conformance.protocol import Section, cites
from tests.conformance.server import TIMEOUT_S, Server, outputs_of, request_of
from tests.conformance.tensors import Tensor

HOLD_MS = 1500
BEHIND = 10
TAKEN = 2
"""Of those that wait, Triton has taken so many out of its queue already."""


def hold(milliseconds: int) -> pb.ModelInferRequest:
    return request_of("witness", Tensor.of("HOLD_MS", "UINT32", [[milliseconds]]))


def ran(answer: pb.ModelInferResponse) -> int:
    """How many requests the model had run, this one included."""
    return int(outputs_of(answer)["RAN"].elements[0])


def refused(server: Server) -> int:
    """How many requests reached Triton and did not run."""
    told = server.call("ModelStatistics", pb.ModelStatisticsRequest(name="witness")).model_stats[0]
    return int(told.inference_stats.fail.count)


@cites(Section.STREAMING)
def test_streaming_survives(ours_grpc: Server) -> None:
    """Each response comes when it is made: the first long before the stream ends."""
    questions: queue.Queue[pb.ModelInferRequest | None] = queue.Queue()
    with ours_grpc.channel() as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answers = stub.ModelStreamInfer(iter(questions.get, None), metadata=ours_grpc.metadata, timeout=TIMEOUT_S)
        for words in (["a"], ["b", "c"], ["d"]):
            questions.put(request_of("repeat", Tensor.of("text_input", "BYTES", [" ".join(words).encode()])))
            found = [outputs_of(next(answers).infer_response)["text_output"].elements[0].decode() for _ in words]
            assert found == words
        questions.put(None)
        assert list(answers) == []


@cites(Section.GRPC_INFERENCE)
def test_cancellation_survives(ours_grpc: Server) -> None:
    """Requests that wait in Triton's queue when their caller leaves are not run."""
    before, refused_before = ran(ours_grpc.call("ModelInfer", hold(0))), refused(ours_grpc)
    with ours_grpc.channel() as channel:
        running, waiting = _behind_a_long_one(ours_grpc, channel, timeout_s=TIMEOUT_S)
        for call in waiting:
            call.cancel()
        assert ran(running.result()) == before + 1
        assert all(call.cancelled() for call in waiting)
    assert ran(ours_grpc.call("ModelInfer", hold(0))) <= before + 2 + TAKEN
    assert 0 < refused(ours_grpc) - refused_before <= BEHIND


@cites(Section.GRPC_INFERENCE)
def test_deadlines_survive(ours_grpc: Server) -> None:
    """Who waits longer than it wants to is told so, and its request, if it still waits then, is not run."""
    before, refused_before = ran(ours_grpc.call("ModelInfer", hold(0))), refused(ours_grpc)
    with ours_grpc.channel() as channel:
        running, waiting = _behind_a_long_one(ours_grpc, channel, timeout_s=0.4)
        assert {call.code() for call in waiting} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert ran(running.result()) == before + 1
    assert ran(ours_grpc.call("ModelInfer", hold(0))) <= before + 2 + TAKEN
    assert 0 < refused(ours_grpc) - refused_before <= BEHIND


def _behind_a_long_one(server: Server, channel: grpc.Channel, timeout_s: float) -> tuple[Any, list[Any]]:
    """A request that runs, and some that wait for it in Triton."""
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    running = stub.ModelInfer.future(hold(HOLD_MS), metadata=server.metadata, timeout=TIMEOUT_S)
    _arrive(server, stub)
    waiting = [stub.ModelInfer.future(hold(0), metadata=server.metadata, timeout=timeout_s) for _ in range(BEHIND)]
    _arrive(server, stub)
    return running, waiting


def _arrive(server: Server, stub: Any) -> None:
    """What went before on this connection has arrived when this is answered."""
    stub.ModelMetadata(pb.ModelMetadataRequest(name="witness"), metadata=server.metadata, timeout=TIMEOUT_S)


@cites(Section.COMPRESSION)
@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
def test_compression_survives(ours_grpc: Server, algorithm: grpc.Compression) -> None:
    """What unpacks to more than a hundred times itself, too."""
    sent = Tensor.of("IN_FP32", "FP32", [1.0] * 2**20)
    answer = ours_grpc.call("ModelInfer", request_of("identity", sent), compression=algorithm)
    assert outputs_of(answer)["OUT_FP32"].raw == sent.raw


@cites(Section.GRPC_INFERENCE)
def test_tensors_of_64_mib_survive(ours_grpc: Server) -> None:
    """Both ways."""
    sent = Tensor("IN_FP32", "FP32", [2**24], bytes(range(256)) * 2**18)
    request = request_of("identity", sent)
    assert outputs_of(ours_grpc.call("ModelInfer", request))["OUT_FP32"].raw == sent.raw


@cites(Section.GRPC_INFERENCE)
def test_trailers_survive(ours_grpc: Server) -> None:
    """A status with its text, which has characters that a header has not; and that of a stream which ends well."""
    with pytest.raises(grpc.RpcError) as refused:
        ours_grpc.call("ModelMetadata", pb.ModelMetadataRequest(name="höher 100 %\n"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert "höher 100 %\n" in refused.value.details()
    with ours_grpc.channel() as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        call = stub.ModelStreamInfer(iter([]), metadata=ours_grpc.metadata, timeout=TIMEOUT_S)
        assert list(call) == []
        assert call.code() == grpc.StatusCode.OK
