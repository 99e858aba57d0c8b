"""The gateway, as the bridge needs it: Listen for one session, and speech of a text. The one file that knows gRPC."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf.message import Message

from bridge.chunk import Encoding, Format
from bridge.devices import Device
from bridge.events import Acknowledged, Decided, Event, Span, Told
from conch.clients.status import error_of
from conch.contracts.errors import ConchError
from conch.contracts.identity import TENANT_HEADER
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1 import voice_pb2_grpc as rpc
from conch.contracts.voice import SpokenSentence

_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A gateway that vanished without a word is noticed while a session is silent.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

_OVER = (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
"""What gRPC raises where one writes to a call that has ended."""

_ENCODINGS = {
    Encoding.PCM16: pb.AUDIO_ENCODING_PCM16,
    Encoding.MULAW: pb.AUDIO_ENCODING_MULAW,
    Encoding.OPUS: pb.AUDIO_ENCODING_OPUS,
}


@dataclass(frozen=True, slots=True)
class Opening:
    device: Device
    session: str
    format: Format
    resume_offset: int


class Listening:
    """One Listen call. Iterating over it raises ConchError where the gateway, or the way to it, fails."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def send(self, data: bytes, sequence: int, offset: int) -> bool:
        """Waits while the gateway has no room. False: the call is over, and whoever reads it is told why."""
        chunk = pb.AudioChunk(data=data, sequence=sequence, offset=offset)
        return await self._write(pb.ListenRequest(audio=chunk))

    async def finish(self) -> None:
        """No more audio comes."""
        try:
            await self._call.done_writing()
        except _OVER:
            return

    def cancel(self) -> None:
        self._call.cancel()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            async for event in self._call:
                for told in read_event(event):
                    yield told
        except grpc.RpcError as error:
            raise _error(error) from error

    async def _write(self, request: pb.ListenRequest) -> bool:
        try:
            await self._call.write(request)
        except _OVER:
            return False
        return True


class Gateway:
    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._address, _OPTIONS)
        self._voice: Any = rpc.VoiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def listen(self, opening: Opening) -> Listening:
        listening = Listening(self._voice.Listen(metadata=_headers(opening.device.id.tenant)))
        await listening._write(pb.ListenRequest(open=_open(opening)))
        return listening

    async def speak(self, tenant: str, text: str, deadline_s: float) -> AsyncIterator[SpokenSentence]:
        """Sentence by sentence; a gateway that is away is waited for. Raises ConchError."""
        call: Any = self._voice.Speak(
            pb.SpeakRequest(text=text), metadata=_headers(tenant), timeout=deadline_s, wait_for_ready=True
        )
        try:
            async for reply in call:
                yield SpokenSentence(reply.pcm16, reply.sample_rate)
        except grpc.RpcError as error:
            raise _error(error) from error
        finally:
            call.cancel()


def _open(opening: Opening) -> pb.ListenOpen:
    device = opening.device
    return pb.ListenOpen(
        device=device.id.device,
        tenant=device.id.tenant,
        session=opening.session,
        sample_rate=opening.format.rate,
        channels=1,
        encoding=_ENCODINGS[opening.format.encoding],
        language=device.language,
        prompt=device.prompt,
        contacts=[pb.Contact(name=one.name, sounds_like=one.sounds_like) for one in device.contacts],
        resume_offset=opening.resume_offset,
    )


def _headers(tenant: str) -> tuple[tuple[str, str], ...]:
    return ((TENANT_HEADER, tenant),)


def _error(error: Any) -> ConchError:
    return error_of(error.code(), error.details() or "", None)


def read_event(event: pb.ListenEvent) -> list[Event]:
    name = event.WhichOneof("event")
    if name is None:
        return []
    if name == "audio_ack":
        return [Acknowledged(event.audio_ack.decided_to)]
    if name == "decision":
        return _decided(event.decision)
    told: list[Event] = [Told(name, _plain(getattr(event, name)))]
    if name == "ended":
        told.append(Acknowledged(event.ended.decided_to))
    return told


def _decided(decision: pb.UtteranceDecision) -> list[Event]:
    plain = _plain(decision)
    if decision.decision == pb.DECISION_FORWARD:
        # The gateway knows of no assistant; what is said of a question is for whoever forwards it.
        plain["reply"] = ""
    decided = Decided(
        plain["decision"],
        decision.command_id,
        decision.utterance,
        Span(decision.start_offset, decision.end_offset),
        decision.intent,
        decision.text,
        tuple(decision.contacts),
        decision.team,
        decision.place,
        plain["reply"],
    )
    return [Told("decision", plain), decided]


def _plain(message: Message) -> dict[str, Any]:
    """Every field that is not a message stands there, set or not; words of an enum lose their prefix."""
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            plain[field.name] = [_value(field, one) for one in value]
        elif field.message_type is None or message.HasField(field.name):
            plain[field.name] = _value(field, value)
    return plain


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        prefix = f"{field.enum_type.values_by_number[0].name.removesuffix('UNSPECIFIED')}"
        return named.name.removeprefix(prefix).lower() if named is not None else str(value)
    return round(value, 6) if isinstance(value, float) else value
