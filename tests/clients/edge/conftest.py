"""A real gRPC server whose answers and failures the tests write, and both clients, called the same way."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as triton
from tritonclient.grpc import service_pb2_grpc as triton_grpc
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from conch import AsyncClient, Client
from conch.clients.status import RETRY_AFTER_KEY
from conch.contracts.identity import REQUEST_ID_HEADER
from conch.contracts.pb.text.v1 import text_pb2, text_pb2_grpc
from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc

KEY = "the-right-key"


@dataclass(frozen=True)
class Failure:
    code: grpc.StatusCode
    message: str = "asked to fail"
    retry_after: str | None = None


class Scripted(voice_pb2_grpc.VoiceServicer, text_pb2_grpc.TextServicer, triton_grpc.GRPCInferenceServiceServicer):
    """Fails as it is told to, call by call, then answers by what it is given; keeps what it saw.

    KServe's half is written with tritonclient's messages: what it reads is what Triton would read.
    """

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.calls = 0
        self.metadata: dict[str, str] = {}
        self.inferred: triton.ModelInferRequest | None = None
        self.hanging = threading.Event()
        self.cancelled = futures.Future[bool]()

    def Transcribe(
        self, request: voice_pb2.TranscribeRequest, context: grpc.ServicerContext
    ) -> Iterator[voice_pb2.TranscribeReply]:
        self._begin(context)
        if request.prompt == "hang":
            context.add_callback(lambda: self.cancelled.set_result(True))
        yield voice_pb2.TranscribeReply(audio=voice_pb2.AudioInfo(duration_s=2.0, sample_rate=8000, channels=2))
        if request.prompt == "break":
            context.abort(grpc.StatusCode.UNAVAILABLE, "it broke half-way")
        if request.prompt == "hang":
            self.cancelled.result(timeout=30)
            return
        yield voice_pb2.TranscribeReply(
            segment=voice_pb2.Segment(
                start_s=0.5,
                end_s=1.5,
                text=f"{len(request.audio)} bytes",
                language=request.language,
                scores=voice_pb2.Scores(avg_logprob=-0.5, speech_s=1.0),
                words=[voice_pb2.Word(text="bytes", start_s=0.5, end_s=1.5, probability=0.25)],
            )
        )
        yield voice_pb2.TranscribeReply(progress=voice_pb2.Progress(done_s=2.0, duration_s=2.0))
        yield voice_pb2.TranscribeReply(
            summary=voice_pb2.TranscriptSummary(text="all", language=request.language, duration_s=2.0)
        )

    def Understand(
        self, request: voice_pb2.UnderstandRequest, context: grpc.ServicerContext
    ) -> voice_pb2.UnderstandReply:
        self._begin(context)
        if request.text == "hang":
            context.add_callback(lambda: self.cancelled.set_result(True))
            self.hanging.set()
            self.cancelled.result(timeout=30)
        return voice_pb2.UnderstandReply(
            text=request.text or "spoken",
            language="en" if request.audio else "",
            intent="DIAL_PERSON",
            confidence=0.75,
            scores=[voice_pb2.IntentScore(intent="DIAL_PERSON", probability=0.75)],
            decision=voice_pb2.DECISION_FORWARD,
            reason="confidence 0.750 is below 0.8",
            recognition=voice_pb2.Scores(speech_s=0.5) if request.audio else None,
            stages=[voice_pb2.Stage(name="intent", ms=1.5)],
            contacts=[f"{contact.name}/{'/'.join(contact.sounds_like)}" for contact in request.contacts],
            team="cleaners" if "cleaners" in request.text else "",
            place="dock 3" if "dock 3" in request.text else "",
        )

    def Speak(self, request: voice_pb2.SpeakRequest, context: grpc.ServicerContext) -> Iterator[voice_pb2.SpeakReply]:
        self._begin(context)
        for sentence in request.text.split(". "):
            yield voice_pb2.SpeakReply(pcm16=sentence.encode(), sample_rate=22050)

    def Embed(self, request: text_pb2.EmbedRequest, context: grpc.ServicerContext) -> text_pb2.EmbedReply:
        self._begin(context)
        return text_pb2.EmbedReply(
            embeddings=[text_pb2.Embedding(values=[float(len(text)), 0.5]) for text in request.texts]
        )

    def ModelInfer(self, request: triton.ModelInferRequest, context: grpc.ServicerContext) -> triton.ModelInferResponse:
        self._begin(context)
        self.inferred = request
        return echoed(request)

    def ModelStreamInfer(
        self, requests: Iterator[triton.ModelInferRequest], context: grpc.ServicerContext
    ) -> Iterator[triton.ModelStreamInferResponse]:
        self._begin(context)
        [request] = requests
        for _ in range(request.parameters["times"].int64_param):
            yield triton.ModelStreamInferResponse(infer_response=echoed(request))
        if request.model_name == "breaks":
            yield triton.ModelStreamInferResponse(error_message="model breaks: NotFound: no such voice")

    def RepositoryIndex(
        self, request: triton.RepositoryIndexRequest, context: grpc.ServicerContext
    ) -> triton.RepositoryIndexResponse:
        self._begin(context)
        index = triton.RepositoryIndexResponse()
        index.models.add(name="intent", version="2", state="READY")
        index.models.add(name="piper", version="1", state="UNAVAILABLE", reason="unloaded")
        return index

    def ModelReady(self, request: triton.ModelReadyRequest, context: grpc.ServicerContext) -> triton.ModelReadyResponse:
        self._begin(context)
        return triton.ModelReadyResponse(ready=(request.name, request.version) == ("intent", "2"))

    def _begin(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        self.metadata = {str(name): str(value) for name, value in context.invocation_metadata()}
        echo = (REQUEST_ID_HEADER, self.metadata.get(REQUEST_ID_HEADER, f"made-{self.calls}"))
        # First of all, as the gateway does: gRPC's own retries end here.
        context.send_initial_metadata((echo,))
        if self.metadata.get("authorization", f"Bearer {KEY}") != f"Bearer {KEY}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Jwt verification fails")
        if self.failures:
            failure = self.failures.pop(0)
            after = ((RETRY_AFTER_KEY, failure.retry_after),) if failure.retry_after is not None else ()
            context.set_trailing_metadata((echo, *after))
            context.abort(failure.code, failure.message)


def echoed(request: triton.ModelInferRequest) -> triton.ModelInferResponse:
    """Every input, twice over."""
    reply = triton.ModelInferResponse(model_name=request.model_name, model_version=request.model_version or "1")
    for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        if tensor.datatype == "BYTES":
            values = deserialize_bytes_tensor(raw)
            raw = serialize_byte_tensor(np.concatenate([values, values])).item()
        else:
            raw = raw * 2
        shape = [2 * tensor.shape[0], *tensor.shape[1:]]
        reply.outputs.add(name=f"{tensor.name}_twice", datatype=tensor.datatype, shape=shape)
        reply.raw_output_contents.append(raw)
    return reply


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def address(scripted: Scripted) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    voice_pb2_grpc.add_VoiceServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    text_pb2_grpc.add_TextServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    triton_grpc.add_GRPCInferenceServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


class Awaited:
    """An AsyncClient with the methods of a Client: every call is awaited in a loop of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            answer = getattr(self._client, name)(*arguments, **options)
            return await answer if asyncio.iscoroutine(answer) else answer

        def run(*arguments: Any, **options: Any) -> Any:
            answer = self._runner.run(call(*arguments, **options))
            return AwaitedAnswers(self._runner, answer) if hasattr(answer, "__anext__") else answer

        return run


class AwaitedAnswers:
    def __init__(self, runner: asyncio.Runner, answers: Any) -> None:
        self._runner = runner
        self._answers = answers

    def __iter__(self) -> "AwaitedAnswers":
        return self

    def __next__(self) -> Any:
        nothing = object()

        async def one() -> Any:
            return await anext(self._answers, nothing)

        answer = self._runner.run(one())
        if answer is nothing:
            raise StopIteration
        return answer

    @property
    def request_id(self) -> str:
        return str(self._answers.request_id)

    def close(self) -> None:
        async def close() -> None:
            self._answers.close()

        self._runner.run(close())


@pytest.fixture(params=[Client, Awaited], ids=["blocking", "async"])
def connect(request: pytest.FixtureRequest, address: str) -> Iterator[Callable[..., Any]]:
    """Either client of the scripted server."""
    opened: list[Any] = []

    def open_client(to: str = address, **options: Any) -> Any:
        opened.append(request.param(to, **options))
        return opened[-1]

    yield open_client
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    return connect()
