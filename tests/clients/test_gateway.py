"""The client against a real gRPC server whose answers the tests write."""

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import pytest

from conch.clients.gateway import GatewayClient
from conch.clients.status import CODES, RETRY_AFTER_KEY, code_of, error_of
from conch.contracts.errors import (
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    TooMuch,
    Unavailable,
)
from conch.contracts.pb.text.v1 import text_pb2, text_pb2_grpc
from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc
from conch.contracts.voice import (
    AudioInfo,
    Progress,
    Scores,
    Segment,
    SpokenSentence,
    Stage,
    TranscriptSummary,
    Understood,
    Word,
)


class Scripted(voice_pb2_grpc.VoiceServicer, text_pb2_grpc.TextServicer):
    """Answers by the text or prompt it is given, and keeps what it saw."""

    def __init__(self) -> None:
        self.metadata: dict[str, str] = {}
        self.cancelled = futures.Future[bool]()

    def Transcribe(
        self, request: voice_pb2.TranscribeRequest, context: grpc.ServicerContext
    ) -> Iterator[voice_pb2.TranscribeReply]:
        self.metadata = dict(context.invocation_metadata())
        context.add_callback(lambda: self.cancelled.set_result(True))
        yield voice_pb2.TranscribeReply(audio=voice_pb2.AudioInfo(duration_s=2.0, sample_rate=8000, channels=2))
        if request.prompt == "break":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the audio is truncated")
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
        if request.text == "flood":
            context.set_trailing_metadata([(RETRY_AFTER_KEY, "1.5")])
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "64 calls are running, at most 64 may")
        if request.text == "hang":
            context.add_callback(lambda: self.cancelled.set_result(True))
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
        )

    def Speak(self, request: voice_pb2.SpeakRequest, context: grpc.ServicerContext) -> Iterator[voice_pb2.SpeakReply]:
        for sentence in request.text.split(". "):
            yield voice_pb2.SpeakReply(pcm16=sentence.encode(), sample_rate=22050)

    def Embed(self, request: text_pb2.EmbedRequest, context: grpc.ServicerContext) -> text_pb2.EmbedReply:
        return text_pb2.EmbedReply(
            embeddings=[text_pb2.Embedding(values=[float(len(text)), 0.5]) for text in request.texts]
        )


@pytest.fixture
def server() -> Iterator[tuple[str, Scripted]]:
    scripted = Scripted()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    voice_pb2_grpc.add_VoiceServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    text_pb2_grpc.add_TextServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", scripted
    server.stop(None).wait()


def test_a_transcript_comes_as_values_in_order(server: tuple[str, Scripted]) -> None:
    address, scripted = server
    with GatewayClient(address) as gateway:
        events = list(gateway.transcribe(b"12345", language="en", request_id="me-1"))
    assert events == [
        AudioInfo(2.0, 8000, 2),
        Segment(0.5, 1.5, "5 bytes", "en", Scores(avg_logprob=-0.5, speech_s=1.0), (Word("bytes", 0.5, 1.5, 0.25),)),
        Progress(2.0, 2.0),
        TranscriptSummary("all", "en", 2.0),
    ]
    assert scripted.metadata["x-conch-request-id"] == "me-1"


def test_a_key_goes_with_every_call_and_none_with_none(server: tuple[str, Scripted]) -> None:
    address, scripted = server
    for key, sent in (("a.b.c", "a.b.c"), ("", None)):
        with GatewayClient(address, key) as gateway:
            list(gateway.transcribe(b"12345"))
        assert scripted.metadata.get("x-api-key") == sent


def test_an_error_in_the_middle_of_a_transcript_is_typed(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway:
        events = gateway.transcribe(b"", prompt="break")
        assert next(events) == AudioInfo(2.0, 8000, 2)
        with pytest.raises(InvalidRequest, match="truncated"):
            next(events)


def test_closing_a_transcript_cancels_its_call(server: tuple[str, Scripted]) -> None:
    address, scripted = server
    with GatewayClient(address) as gateway:
        events: Any = gateway.transcribe(b"", prompt="hang")
        next(events)
        events.close()
        assert scripted.cancelled.result(timeout=30)


def test_a_text_is_understood(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway:
        assert gateway.understand("call Mai") == Understood(
            text="call Mai",
            language="",
            intent="DIAL_PERSON",
            confidence=0.75,
            scores={"DIAL_PERSON": 0.75},
            decision="forward",
            reason="confidence 0.750 is below 0.8",
            recognition=None,
            stages=(Stage("intent", 1.5),),
        )


def test_understood_audio_has_the_recognisers_scores(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway:
        assert gateway.understand_audio(b"RIFF").recognition == Scores(speech_s=0.5)


def test_speech_comes_sentence_by_sentence(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway:
        assert list(gateway.speak("One. Two")) == [SpokenSentence(b"One", 22050), SpokenSentence(b"Two", 22050)]


def test_embeddings_are_rows_in_the_order_of_the_texts(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway:
        np.testing.assert_array_equal(gateway.embed(["a", "abc"]), np.array([[1.0, 0.5], [3.0, 0.5]], np.float32))


def test_a_text_that_utf_8_cannot_hold_is_refused_before_it_is_sent(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway, pytest.raises(InvalidRequest, match="UTF-8"):
        gateway.understand("lone \ud800 surrogate")


def test_a_refusal_for_load_says_when_to_come_back(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway, pytest.raises(TooMuch, match="at most 64") as caught:
        gateway.understand("flood")
    assert caught.value.retry_after_s == 1.5


def test_a_call_ends_at_its_deadline(server: tuple[str, Scripted]) -> None:
    with GatewayClient(server[0]) as gateway, pytest.raises(DeadlineExceeded):
        gateway.understand("hang", timeout_s=0.2)


def test_nobody_listening_is_unavailable() -> None:
    with GatewayClient("127.0.0.1:1") as gateway, pytest.raises(Unavailable):
        gateway.understand("hello", timeout_s=5)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_to_a_status_code_and_back(kind: type[ConchError]) -> None:
    assert type(error_of(code_of(kind("why")), "why")) is kind


def test_a_narrower_error_goes_by_its_ancestors_code() -> None:
    class NoSuchModel(NotFound):
        pass

    assert code_of(NoSuchModel("x")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS], ids=str)
def test_a_code_nobody_is_meant_to_send_is_a_bug(code: grpc.StatusCode) -> None:
    assert type(error_of(code, "?")) is Internal
