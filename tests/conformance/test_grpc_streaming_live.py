"""ModelStreamInfer: any number of responses to a request, and which of them is the last."""

import queue
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from tests.conformance.protocol import Section, cites
from tests.conformance.server import TIMEOUT_S, Server, outputs_of, request_of
from tests.conformance.tensors import Tensor

FINAL = "triton_final_response"


def asking(text: str, *, finals: bool = False, **fields: Any) -> pb.ModelInferRequest:
    request = request_of("repeat", Tensor.of("text_input", "BYTES", [text.encode()]), **fields)
    if finals:
        request.parameters["triton_enable_empty_final_response"].bool_param = True
    return request


def words(answers: Sequence[pb.ModelStreamInferResponse]) -> list[str]:
    """Errors in brackets."""
    return [
        f"({answer.error_message})"
        if answer.error_message
        else outputs_of(answer.infer_response)["text_output"].elements[0].decode()
        for answer in answers
    ]


@cites(Section.STREAMING)
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_a_decoupled_model_answers_as_often_as_it_likes(ours_grpc: Server, count: int) -> None:
    said = [f"w{number}" for number in range(count)]
    assert words(ours_grpc.stream([asking(" ".join(said))])) == said


@cites(Section.STREAMING)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_last_response_is_told_to_who_asks_for_it(ours_grpc: Server, count: int) -> None:
    answers = ours_grpc.stream([asking("word " * count, finals=True, id="7")])
    assert [answer.infer_response.id for answer in answers] == ["7"] * (count + 1)
    flags = [answer.infer_response.parameters[FINAL].bool_param for answer in answers]
    assert flags == [False] * count + [True]
    assert not answers[-1].infer_response.outputs


@cites(Section.STREAMING)
def test_an_error_is_a_message_and_the_stream_goes_on(ours_grpc: Server) -> None:
    answers = ours_grpc.stream([asking("one FAIL two"), asking("three")])
    assert words(answers) == ["one", "(asked to fail)", "two", "three"]


@cites(Section.STREAMING)
def test_a_request_that_is_refused_does_not_end_the_stream(ours_grpc: Server) -> None:
    unknown = request_of("no_such_model", Tensor.of("text_input", "BYTES", [b"x"]))
    refusal, answer = words(ours_grpc.stream([unknown, asking("after")]))
    assert "no_such_model" in refusal
    assert answer == "after"


@cites(Section.STREAMING)
def test_requests_share_a_stream_and_each_answer_has_its_requests_id(ours_grpc: Server) -> None:
    # All for one model: Triton 2.51 ends (SIGABRT) after a few streams that mix decoupled models with others.
    by_id: dict[str, list[bytes]] = {}
    for answer in ours_grpc.stream([asking("one two", id="a"), asking("three", id="b")]):
        for output in outputs_of(answer.infer_response).values():
            by_id.setdefault(answer.infer_response.id, []).extend(output.elements)
    assert by_id == {"a": [b"one", b"two"], "b": [b"three"]}


@cites(Section.STREAMING)
def test_an_answer_comes_before_the_next_question_is_asked(ours_grpc: Server) -> None:
    questions: queue.Queue[pb.ModelInferRequest | None] = queue.Queue()
    with ours_grpc.channel() as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answers = stub.ModelStreamInfer(iter(questions.get, None), metadata=ours_grpc.metadata, timeout=TIMEOUT_S)
        for word in ("one", "two", "three"):
            questions.put(asking(word))
            assert words([next(answers)]) == [word]
        questions.put(None)
        assert list(answers) == []
        assert answers.code() == grpc.StatusCode.OK


@cites(Section.STREAMING)
def test_many_streams_share_a_connection(ours_grpc: Server) -> None:
    with ours_grpc.channel() as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [
            stub.ModelStreamInfer(iter([asking(f"a{n} b{n}")]), metadata=ours_grpc.metadata, timeout=TIMEOUT_S)
            for n in range(20)
        ]
        assert [words(list(call)) for call in calls] == [[f"a{n}", f"b{n}"] for n in range(20)]


@cites(Section.GRPC_INFERENCE)
def test_a_decoupled_model_is_refused_where_one_answer_is_expected(ours_grpc: Server) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        ours_grpc.call("ModelInfer", asking("one two"))
    assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED
