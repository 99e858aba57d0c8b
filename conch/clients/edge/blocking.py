"""Client: calls that block, and streams to loop over."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc

from conch.clients.edge import health, kserve, recommend, results, text, voice
from conch.clients.edge.connection import DEFAULT_ADDRESS, OPTIONS, Connection, Tls
from conch.clients.edge.operations import Operation, failure, request_id_in
from conch.clients.edge.patience import Patience
from conch.clients.edge.retries import Attempts, Retries
from conch.clients.inference import Arrays, IndexedModel
from conch.commands.contacts import Contact
from conch.contracts.errors import ConchError
from conch.contracts.recommendation import Recommendation, Tracked, Wish
from conch.contracts.voice import SpokenSentence, TranscriptEvent, Understood

T = TypeVar("T")


class Answers(Iterator[T], Generic[T]):
    """Answers of one call as they are ready. Leaving its `with`, or close(), withdraws the call."""

    def __init__(self, operation: Operation[T], attempts: Attempts, start: Callable[[float], Any]) -> None:
        """`start` begins the call; it is given the seconds that it may take."""
        self.request_id = ""
        """Known from the first answer on."""
        self._operation = operation
        self._attempts = attempts
        self._start = start
        self._call = start(attempts.left_s)
        self._begun = False
        self._closed = False

    def __next__(self) -> T:
        while not self._closed:
            try:
                return self._read()
            except grpc.RpcError as error:
                failed = failure(self._operation, error)
            except ConchError as error:
                failed = error
            self._call.cancel()
            if self._begun:
                raise failed
            time.sleep(self._attempts.pause_s(failed))
            self._call = self._start(self._attempts.left_s)
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._call.cancel()

    def _read(self) -> T:
        reply = next(self._call)
        if not self._begun:
            self.request_id = request_id_in(self._call.initial_metadata())
        answer = self._operation.read(reply, self.request_id)
        self._begun = True
        return answer


class Client:
    """One connection; safe to share between threads. Every method raises ConchError, and ends by its deadline.

    Every method takes `timeout_s`, seconds for the whole call with all its attempts (None: the client's own, or else
    the method's), and `request_id`, which a gateway called directly takes over; the edge makes its own.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        api_key: str = "",
        tls: Tls | None = None,
        timeout_s: float | None = None,
        retries: Retries = Retries(),  # noqa: B008 - it is frozen
    ) -> None:
        self._connection = Connection(address, api_key, tls)
        self._patience = Patience(timeout_s, retries)
        self._channel = (
            grpc.insecure_channel(address, OPTIONS)
            if tls is None
            else grpc.secure_channel(address, tls.credentials(), OPTIONS)
        )

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
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> results.Transcript:
        """Of a whole WAV, FLAC, Ogg or MP3 file; `language` empty is detected, `prompt` has words to expect."""
        operation = voice.transcribe(audio, language, prompt, with_words)
        with self._answers(operation, timeout_s, request_id) as events:
            return results.transcript(list(events), events.request_id)

    def transcribe_stream(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        with_words: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Answers[TranscriptEvent]:
        """The same, piece by piece as each is ready."""
        return self._answers(voice.transcribe(audio, language, prompt, with_words), timeout_s, request_id)

    def understand(
        self,
        text: str,
        *,
        contacts: Sequence[Contact] = (),
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Understood:
        """Without `contacts` a call's name is not looked at."""
        return self._answer(voice.understand(text, contacts), timeout_s, request_id)

    def understand_audio(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        contacts: Sequence[Contact] = (),
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Understood:
        """At most 30 seconds of audio."""
        return self._answer(voice.understand_audio(audio, language, prompt, contacts), timeout_s, request_id)

    def speak(
        self, text: str, *, length_scale: float | None = None, timeout_s: float | None = None, request_id: str = ""
    ) -> results.Speech:
        """`length_scale` None is the voice's own pace, 2.0 half as fast."""
        with self._answers(voice.speak(text, length_scale), timeout_s, request_id) as sentences:
            return results.speech(list(sentences), sentences.request_id)

    def speak_stream(
        self, text: str, *, length_scale: float | None = None, timeout_s: float | None = None, request_id: str = ""
    ) -> Answers[SpokenSentence]:
        """The same, sentence by sentence as each is ready."""
        return self._answers(voice.speak(text, length_scale), timeout_s, request_id)

    def embed(
        self, texts: Sequence[str], *, timeout_s: float | None = None, request_id: str = ""
    ) -> results.Embeddings:
        return self._answer(text.embed(texts), timeout_s, request_id)

    def recommend(self, wish: Wish, *, timeout_s: float | None = None, request_id: str = "") -> Recommendation:
        """A ranked list, or a later page of one; `wish` is conch.contracts.recommendation.Wish."""
        return self._answer(recommend.recommend(wish), timeout_s, request_id)

    def track(
        self, events: Sequence[Mapping[str, Any]], *, timeout_s: float | None = None, request_id: str = ""
    ) -> Tracked:
        """What users did: fields of docs/events.schema.json but `catalogue`; the log has those that were accepted.

        An event without an `id` is not sent again where a call fails.
        """
        return self._answer(recommend.track(events), timeout_s, request_id)

    def infer(
        self,
        model: str,
        inputs: Arrays,
        *,
        outputs: Sequence[str] = (),
        version: str = "",
        parameters: kserve.Parameters = kserve.NO_PARAMETERS,
        idempotent: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> results.Inferred:
        """Of any model, over KServe v2; `outputs` empty is all of them.

        `idempotent`: asking twice does no harm, so a call that failed may be tried again.
        """
        operation = kserve.infer(model, inputs, outputs, version, parameters, idempotent)
        return self._answer(operation, timeout_s, request_id)

    def stream(
        self,
        model: str,
        inputs: Arrays,
        *,
        outputs: Sequence[str] = (),
        version: str = "",
        parameters: kserve.Parameters = kserve.NO_PARAMETERS,
        idempotent: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Answers[results.Inferred]:
        """Of a decoupled model: answers as they come. The edge asks for the permission to stream."""
        operation = kserve.stream(model, inputs, outputs, version, parameters, idempotent)
        return self._answers(operation, timeout_s, request_id)

    def models(self, *, timeout_s: float | None = None, request_id: str = "") -> tuple[IndexedModel, ...]:
        """Every version in the repository; "ready" is the server's own word."""
        return self._answer(kserve.models(), timeout_s, request_id)

    def ready(
        self, model: str = "", *, version: str = "", timeout_s: float | None = None, request_id: str = ""
    ) -> bool:
        """Whether the model, or without one every service, can answer now, as the gateway finds by inferring."""
        operation = kserve.model_ready(model, version) if model else health.ready()
        return self._answer(operation, timeout_s, request_id)

    def _answer(self, operation: Operation[T], timeout_s: float | None, request_id: str) -> T:
        attempts = self._patience.attempts(operation, timeout_s)
        headers = self._connection.headers(request_id)
        call = self._channel.unary_unary(
            operation.method,
            request_serializer=type(operation.request).SerializeToString,
            response_deserializer=operation.reply.FromString,
        )
        while True:
            try:
                reply, done = call.with_call(operation.request, timeout=attempts.left_s, metadata=headers)
                return operation.read(reply, request_id_in(done.initial_metadata()))
            except grpc.RpcError as error:
                failed = failure(operation, error)
            time.sleep(attempts.pause_s(failed))

    def _answers(self, operation: Operation[T], timeout_s: float | None, request_id: str) -> Answers[T]:
        headers = self._connection.headers(request_id)
        call = self._channel.unary_stream(
            operation.method,
            request_serializer=type(operation.request).SerializeToString,
            response_deserializer=operation.reply.FromString,
        )

        def start(left_s: float) -> Any:
            return call(operation.request, timeout=left_s, metadata=headers)

        return Answers(operation, self._patience.attempts(operation, timeout_s), start)
