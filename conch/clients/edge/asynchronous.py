"""AsyncClient: as Client, for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
import grpc.aio

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


class AsyncAnswers(AsyncIterator[T], Generic[T]):
    """Answers of one call as they are ready. Leaving its `async with`, or close(), withdraws the call."""

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

    async def __anext__(self) -> T:
        while not self._closed:
            try:
                return await self._read()
            except grpc.RpcError as error:
                failed = failure(self._operation, error)
            except ConchError as error:
                failed = error
            self._call.cancel()
            if self._begun:
                raise failed
            await asyncio.sleep(self._attempts.pause_s(failed))
            self._call = self._start(self._attempts.left_s)
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._call.cancel()

    async def _read(self) -> T:
        reply = await self._call.read()
        if reply is grpc.aio.EOF:
            raise StopAsyncIteration
        if not self._begun:
            self.request_id = request_id_in(await self._call.initial_metadata())
        answer = self._operation.read(reply, self.request_id)
        self._begun = True
        return answer


class AsyncClient:
    """Client's methods, awaited; of one event loop."""

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if "_channel" in self.__dict__:
            await self._channel.close()

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        """Opened by the first call: it belongs to the event loop that it was made in."""
        address, tls = self._connection.address, self._connection.tls
        if tls is None:
            return grpc.aio.insecure_channel(address, OPTIONS)
        return grpc.aio.secure_channel(address, tls.credentials(), OPTIONS)

    async def transcribe(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        with_words: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> results.Transcript:
        operation = voice.transcribe(audio, language, prompt, with_words)
        async with self._answers(operation, timeout_s, request_id) as events:
            return results.transcript([event async for event in events], events.request_id)

    def transcribe_stream(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        with_words: bool = False,
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> AsyncAnswers[TranscriptEvent]:
        return self._answers(voice.transcribe(audio, language, prompt, with_words), timeout_s, request_id)

    async def understand(
        self,
        text: str,
        *,
        contacts: Sequence[Contact] = (),
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Understood:
        """Without `contacts` a call's name is not looked at."""
        return await self._answer(voice.understand(text, contacts), timeout_s, request_id)

    async def understand_audio(
        self,
        audio: bytes,
        *,
        language: str = "",
        prompt: str = "",
        contacts: Sequence[Contact] = (),
        timeout_s: float | None = None,
        request_id: str = "",
    ) -> Understood:
        return await self._answer(voice.understand_audio(audio, language, prompt, contacts), timeout_s, request_id)

    async def speak(
        self, text: str, *, length_scale: float | None = None, timeout_s: float | None = None, request_id: str = ""
    ) -> results.Speech:
        async with self._answers(voice.speak(text, length_scale), timeout_s, request_id) as sentences:
            return results.speech([sentence async for sentence in sentences], sentences.request_id)

    def speak_stream(
        self, text: str, *, length_scale: float | None = None, timeout_s: float | None = None, request_id: str = ""
    ) -> AsyncAnswers[SpokenSentence]:
        return self._answers(voice.speak(text, length_scale), timeout_s, request_id)

    async def embed(
        self, texts: Sequence[str], *, timeout_s: float | None = None, request_id: str = ""
    ) -> results.Embeddings:
        return await self._answer(text.embed(texts), timeout_s, request_id)

    async def recommend(self, wish: Wish, *, timeout_s: float | None = None, request_id: str = "") -> Recommendation:
        return await self._answer(recommend.recommend(wish), timeout_s, request_id)

    async def track(
        self, events: Sequence[Mapping[str, Any]], *, timeout_s: float | None = None, request_id: str = ""
    ) -> Tracked:
        return await self._answer(recommend.track(events), timeout_s, request_id)

    async def infer(
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
        operation = kserve.infer(model, inputs, outputs, version, parameters, idempotent)
        return await self._answer(operation, timeout_s, request_id)

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
    ) -> AsyncAnswers[results.Inferred]:
        operation = kserve.stream(model, inputs, outputs, version, parameters, idempotent)
        return self._answers(operation, timeout_s, request_id)

    async def models(self, *, timeout_s: float | None = None, request_id: str = "") -> tuple[IndexedModel, ...]:
        return await self._answer(kserve.models(), timeout_s, request_id)

    async def ready(
        self, model: str = "", *, version: str = "", timeout_s: float | None = None, request_id: str = ""
    ) -> bool:
        operation = kserve.model_ready(model, version) if model else health.ready()
        return await self._answer(operation, timeout_s, request_id)

    async def _answer(self, operation: Operation[T], timeout_s: float | None, request_id: str) -> T:
        attempts = self._patience.attempts(operation, timeout_s)
        headers = self._connection.headers(request_id)
        call = self._channel.unary_unary(
            operation.method,
            request_serializer=type(operation.request).SerializeToString,
            response_deserializer=operation.reply.FromString,
        )
        while True:
            try:
                begun = call(operation.request, timeout=attempts.left_s, metadata=headers)
                reply = await begun
                return operation.read(reply, request_id_in(await begun.initial_metadata()))
            except grpc.RpcError as error:
                failed = failure(operation, error)
            await asyncio.sleep(attempts.pause_s(failed))

    def _answers(self, operation: Operation[T], timeout_s: float | None, request_id: str) -> AsyncAnswers[T]:
        headers = self._connection.headers(request_id)
        call = self._channel.unary_stream(
            operation.method,
            request_serializer=type(operation.request).SerializeToString,
            response_deserializer=operation.reply.FromString,
        )

        def start(left_s: float) -> Any:
            return call(operation.request, timeout=left_s, metadata=headers)

        return AsyncAnswers(operation, self._patience.attempts(operation, timeout_s), start)
