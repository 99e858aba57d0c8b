"""Call our own gRPC services, blocking: values in and out, typed errors, a deadline on every call.

with GatewayClient("127.0.0.1:8001") as gateway:
    for event in gateway.transcribe(Path("talk.wav").read_bytes()):
        ...
"""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conch.clients.status import RETRY_AFTER_KEY, error_of
from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.identity import REQUEST_ID_HEADER
from conch.contracts.pb.text.v1 import text_pb2, text_pb2_grpc
from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc
from conch.contracts.voice import (
    AudioInfo,
    Progress,
    Scores,
    Segment,
    SpokenSentence,
    Stage,
    TranscriptEvent,
    TranscriptSummary,
    Understood,
    Word,
)

T = TypeVar("T")

Metadata = Sequence[tuple[str, str]]

MAX_MESSAGE_BYTES = 256 * 2**20
"""Above every limit of the gateway, so that it is the gateway that refuses, by its own words."""

API_KEY_HEADER = "x-api-key"
"""Where the edge reads a key."""

VOICE_SERVICE = "conch.voice.v1.Voice"
TEXT_SERVICE = "conch.text.v1.Text"


class GatewayClient:
    """One channel; safe to share between threads. Every method raises ConchError."""

    def __init__(self, address: str, key: str = "") -> None:
        """`address` is the edge's, or a gateway's own; `key` empty is none, for an edge that asks for none."""
        self._key = key
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ],
        )
        self._voice: Any = voice_pb2_grpc.VoiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._text: Any = text_pb2_grpc.TextStub(self._channel)  # type: ignore[no-untyped-call]
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def transcribe(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        with_words: bool = False,
        timeout_s: float = 7200.0,
        request_id: str = "",
    ) -> Iterator[TranscriptEvent]:
        """Events as they are ready; closing the iterator cancels the call."""
        request = voice_pb2.TranscribeRequest(audio=audio, language=language, prompt=prompt, with_words=with_words)
        return _stream(self._voice.Transcribe, request, timeout_s, self._metadata(request_id), _transcript_event)

    def understand(self, text: str, *, timeout_s: float = 30.0, request_id: str = "") -> Understood:
        request = _built(lambda: voice_pb2.UnderstandRequest(text=text))
        return _understood(_unary(self._voice.Understand, request, timeout_s, self._metadata(request_id)))

    def understand_audio(
        self, audio: bytes, *, language: str = "", prompt: str = "", timeout_s: float = 60.0, request_id: str = ""
    ) -> Understood:
        """At most 30 seconds of audio."""
        request = voice_pb2.UnderstandRequest(audio=audio, language=language, prompt=prompt)
        return _understood(_unary(self._voice.Understand, request, timeout_s, self._metadata(request_id)))

    def speak(
        self, text: str, *, length_scale: float | None = None, timeout_s: float = 600.0, request_id: str = ""
    ) -> Iterator[SpokenSentence]:
        """Sentences as they are ready; `length_scale` None is the voice's own pace."""
        request = _built(lambda: voice_pb2.SpeakRequest(text=text, length_scale=length_scale))
        return _stream(self._voice.Speak, request, timeout_s, self._metadata(request_id), _spoken)

    def embed(self, texts: Sequence[str], *, timeout_s: float = 60.0, request_id: str = "") -> npt.NDArray[np.float32]:
        """One unit-length row a text."""
        request = _built(lambda: text_pb2.EmbedRequest(texts=texts))
        reply = _unary(self._text.Embed, request, timeout_s, self._metadata(request_id))
        return np.array([embedding.values for embedding in reply.embeddings], dtype=np.float32)

    def ready(self, service: str = "", *, timeout_s: float = 10.0) -> bool:
        """Whether the service can answer now, as the gateway's own probes say; "" is all of them."""
        request = health_pb2.HealthCheckRequest(service=service)
        reply = _unary(self._health.Check, request, timeout_s, self._metadata(""))
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    def _metadata(self, request_id: str) -> Metadata:
        said = ((REQUEST_ID_HEADER, request_id), (API_KEY_HEADER, self._key))
        return [(name, value) for name, value in said if value]


def _unary(method: Callable[..., Any], request: object, timeout_s: float, metadata: Metadata) -> Any:
    try:
        return method(request, timeout=timeout_s, metadata=metadata)
    except grpc.RpcError as error:
        raise _translated(error) from None


def _stream(
    method: Callable[..., Any], request: object, timeout_s: float, metadata: Metadata, convert: Callable[[Any], T]
) -> Iterator[T]:
    call = method(request, timeout=timeout_s, metadata=metadata)
    try:
        for reply in call:
            yield convert(reply)
    except grpc.RpcError as error:
        raise _translated(error) from None
    finally:
        call.cancel()


def _built(build: Callable[[], T]) -> T:
    """The request, or InvalidRequest where a text holds what UTF-8 cannot, such as a lone surrogate."""
    try:
        return build()
    except (UnicodeEncodeError, ValueError) as error:
        raise InvalidRequest(f"the text cannot be sent as UTF-8: {error}") from None


def _translated(error: Any) -> ConchError:
    retry_after = dict(error.trailing_metadata() or ()).get(RETRY_AFTER_KEY)
    return error_of(error.code(), error.details() or "", float(retry_after) if retry_after else None)


def _transcript_event(reply: voice_pb2.TranscribeReply) -> TranscriptEvent:
    kind = reply.WhichOneof("event")
    if kind == "audio":
        return AudioInfo(reply.audio.duration_s, reply.audio.sample_rate, reply.audio.channels)
    if kind == "segment":
        return _segment(reply.segment)
    if kind == "progress":
        return Progress(reply.progress.done_s, reply.progress.duration_s)
    if kind == "summary":
        return TranscriptSummary(reply.summary.text, reply.summary.language, reply.summary.duration_s)
    raise Internal("the gateway sent an event that this client does not know")


def _segment(segment: voice_pb2.Segment) -> Segment:
    words = tuple(Word(word.text, word.start_s, word.end_s, word.probability) for word in segment.words)
    return Segment(segment.start_s, segment.end_s, segment.text, segment.language, _scores(segment.scores), words)


def _scores(scores: voice_pb2.Scores) -> Scores:
    return Scores(
        avg_logprob=scores.avg_logprob,
        no_speech_prob=scores.no_speech_prob,
        compression_ratio=scores.compression_ratio,
        speech_s=scores.speech_s,
        language_probability=scores.language_probability,
    )


def _understood(reply: voice_pb2.UnderstandReply) -> Understood:
    return Understood(
        text=reply.text,
        language=reply.language,
        intent=reply.intent,
        confidence=reply.confidence,
        scores={score.intent: score.probability for score in reply.scores},
        decision=voice_pb2.Decision.Name(reply.decision).removeprefix("DECISION_").lower(),
        reason=reply.reason,
        recognition=_scores(reply.recognition) if reply.HasField("recognition") else None,
        stages=tuple(Stage(stage.name, stage.ms) for stage in reply.stages),
    )


def _spoken(reply: voice_pb2.SpeakReply) -> SpokenSentence:
    return SpokenSentence(reply.pcm16, reply.sample_rate)
