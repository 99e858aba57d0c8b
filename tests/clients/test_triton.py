"""Triton's refusals in our words, as told by a gRPC server that says what Triton 2.51 was heard to say."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from conch.clients.inference import CallOptions, ModelNotFound, text_column
from conch.clients.triton import TritonInference
from conch.contracts.errors import (
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    TooMuch,
    Unavailable,
)
from conch.contracts.identity import AUDIO_LIMIT_HEADER
from conch.contracts.specs import PRIORITY_BULK

REFUSALS = [
    (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'x' is not found", ModelNotFound),
    (grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'x' version 1 is not at ready state", ModelNotFound),
    (grpc.StatusCode.UNAVAILABLE, "[request id: r-1] Request timeout expired", DeadlineExceeded),
    (grpc.StatusCode.UNAVAILABLE, "[request id: r-1] Exceeds maximum queue size", TooMuch),
    (grpc.StatusCode.UNAVAILABLE, "in ensemble 'voice_command', Exceeds maximum queue size", TooMuch),
    (grpc.StatusCode.INTERNAL, "Failed to process the request(s): Stub process 'x_0_0' is not healthy.", Unavailable),
    (grpc.StatusCode.INVALID_ARGUMENT, "[request id: r-1] unexpected shape for input 'text'", InvalidRequest),
    (grpc.StatusCode.INVALID_ARGUMENT, "model x: text is empty", InvalidRequest),
    (grpc.StatusCode.NOT_FOUND, "model whisper: language xx is not one of 99", NotFound),
    (grpc.StatusCode.INTERNAL, "model x: internal error", Internal),
    (grpc.StatusCode.UNKNOWN, "anything else", Internal),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded),
]


class Refusing(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self) -> None:
        self.answer = (grpc.StatusCode.OK, "")
        self.request: Any = None
        self.metadata: dict[str, str] = {}
        self.response = service_pb2.ModelInferResponse()

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        self.request = request
        self.metadata = dict(context.invocation_metadata())
        if self.answer[0] is not grpc.StatusCode.OK:
            await context.abort(*self.answer)
        return self.response

    async def ModelStreamInfer(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for _ in requests:
            yield service_pb2.ModelStreamInferResponse(error_message=self.answer[1])


@pytest.fixture
async def refusing() -> AsyncIterator[tuple[Refusing, TritonInference]]:
    servicer = Refusing()
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with TritonInference(f"127.0.0.1:{port}") as inference:
        yield servicer, inference
    await server.stop(None)


@pytest.mark.parametrize(("code", "message", "kind"), REFUSALS, ids=[f"{row[0].name}: {row[1]}" for row in REFUSALS])
async def test_each_refusal_becomes_the_class_that_says_what_to_do(
    refusing: tuple[Refusing, TritonInference], code: grpc.StatusCode, message: str, kind: type[ConchError]
) -> None:
    refusing[0].answer = (code, message)
    with pytest.raises(ConchError) as caught:
        await refusing[1].infer("x", {"text": text_column("hello")})
    assert type(caught.value) is kind
    assert "request id" not in caught.value.message


@pytest.mark.parametrize(
    ("message", "kind", "shown"),
    [
        ("model piper: TooMuch: text is long", TooMuch, "model piper: text is long"),
        ("model piper: NotFound: no such voice", NotFound, "model piper: no such voice"),
        ("model piper: Internal: internal error", Internal, "model x: internal error"),
        ("[request id: r-1] Exceeds maximum queue size", TooMuch, "Exceeds maximum queue size"),
        ("unexpected shape for input 'text'", InvalidRequest, "unexpected shape for input 'text'"),
        ("model piper: os: a word that is no class", Internal, "model x: internal error"),
    ],
)
async def test_a_streams_refusal_has_no_code_and_is_told_by_its_words(
    refusing: tuple[Refusing, TritonInference], message: str, kind: type[ConchError], shown: str
) -> None:
    refusing[0].answer = (grpc.StatusCode.OK, message)
    with pytest.raises(ConchError) as caught:
        await anext(aiter(refusing[1].stream("x", {"text": text_column("hello")})))
    assert (type(caught.value), caught.value.message) == (kind, shown)


async def test_triton_is_told_whose_call_it_is_and_how_long_it_may_wait(
    refusing: tuple[Refusing, TritonInference],
) -> None:
    servicer, inference = refusing
    call = CallOptions("r-1", "factory", PRIORITY_BULK, deadline_s=2.5, traceparent="00-ab-cd-01")
    assert await inference.infer("x", {"text": text_column("hello")}, call=call) == {}
    assert servicer.request.id == "r-1"
    assert servicer.request.parameters["priority"].uint64_param == PRIORITY_BULK
    assert servicer.request.parameters["timeout"].int64_param == 2_500_000
    assert servicer.metadata["x-conch-tenant"] == "factory"
    assert servicer.metadata["x-conch-request-id"] == "r-1"
    assert servicer.metadata["traceparent"] == "00-ab-cd-01"


@pytest.mark.parametrize("before", ["", "[request id: r-1] ", "in ensemble 'voice_command', "])
async def test_a_model_that_asks_to_wait_is_too_much_for_as_long_as_it_says(
    refusing: tuple[Refusing, TritonInference], before: str
) -> None:
    refusing[0].answer = (grpc.StatusCode.UNAVAILABLE, f"{before}model whisper: 5 of 5 s; retry after 3600 s")
    with pytest.raises(TooMuch, match=r"model whisper: 5 of 5 s$") as refused:
        await refusing[1].infer("x", {"text": text_column("x")})
    assert refused.value.retry_after_s == 3600.0


async def test_the_limit_of_audio_goes_with_a_call_that_has_one(
    refusing: tuple[Refusing, TritonInference],
) -> None:
    await refusing[1].infer("x", {"text": text_column("x")}, call=CallOptions(audio_seconds_per_day=60))
    assert refusing[0].metadata[AUDIO_LIMIT_HEADER] == "60"
    await refusing[1].infer("x", {"text": text_column("x")})
    assert AUDIO_LIMIT_HEADER not in refusing[0].metadata


async def test_text_that_utf_8_cannot_hold_is_refused_before_it_is_sent(
    refusing: tuple[Refusing, TritonInference],
) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        await refusing[1].infer("x", {"text": text_column("lone \ud800 surrogate")})
    assert refusing[0].request is None


async def test_bytes_that_are_no_text_come_back_as_bytes(refusing: tuple[Refusing, TritonInference]) -> None:
    servicer, inference = refusing
    servicer.response.outputs.add(name="data", datatype="BYTES", shape=[1, 2])
    servicer.response.raw_output_contents.append(b"\x02\x00\x00\x00\xff\xfe\x02\x00\x00\x00ok")
    answer = await inference.infer("x", {"text": text_column("x")})
    assert answer["data"].tolist() == [[b"\xff\xfe", "ok"]]
