"""conch.voice.v1.Voice: convert, call, convert."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from conch.commands.contacts import Contact
from conch.contracts.errors import DeadlineExceeded, InvalidRequest
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1.voice_pb2_grpc import VoiceServicer
from conch.contracts.voice import (
    AudioInfo,
    Progress,
    Segment,
    TranscriptEvent,
    TranscriptSummary,
    Understood,
)
from gateway.calls import Call
from gateway.limits import Limits
from gateway.listening.events import Event
from gateway.reception import Reception
from gateway.recognition import Expectation
from gateway.rpc.answering import Context, answered
from gateway.rpc.listen import chunks_in, listen_event, opening_in
from gateway.rpc.scores import to_scores, to_word
from gateway.use_cases import UseCases

OPEN_WITHIN_S = 10.0
"""A stream that says nothing holds a session's place no longer."""

Write = Callable[[Any], Awaitable[None]]


class Voice(VoiceServicer):
    def __init__(self, reception: Reception, limits: Limits, use_cases: UseCases) -> None:
        self._reception = reception
        self._limits = limits
        self._use_cases = use_cases

    async def Transcribe(self, request: pb.TranscribeRequest, context: Context) -> None:
        await answered(self._reception, "Transcribe", context, partial(self._transcribe, request, context.write))

    async def Understand(self, request: pb.UnderstandRequest, context: Context) -> pb.UnderstandReply | None:
        return await answered(self._reception, "Understand", context, partial(self._understand, request))

    async def Speak(self, request: pb.SpeakRequest, context: Context) -> None:
        await answered(self._reception, "Speak", context, partial(self._speak, request, context.write))

    async def Listen(self, request_iterator: AsyncIterator[Any], context: Context) -> None:
        await answered(self._reception, "Listen", context, partial(self._listen, request_iterator, context.write))

    async def _transcribe(self, request: pb.TranscribeRequest, write: Write, call: Call) -> None:
        self._limits.check_audio_bytes(len(request.audio))
        expectation = Expectation(request.language, request.prompt, request.with_words)
        events: Any = self._use_cases.transcription.transcribe(io.BytesIO(request.audio), expectation, call)
        async with aclosing(events):
            async for event in events:
                await write(to_event(event))

    async def _understand(self, request: pb.UnderstandRequest, call: Call) -> pb.UnderstandReply:
        kind = request.WhichOneof("command")
        contacts = [Contact(contact.name, tuple(contact.sounds_like)) for contact in request.contacts]
        if kind == "text":
            return to_reply(await self._use_cases.understanding.of_text(request.text, call, contacts))
        if kind == "audio":
            self._limits.check_audio_bytes(len(request.audio))
            expectation = Expectation(request.language, request.prompt)
            audio = io.BytesIO(request.audio)
            return to_reply(await self._use_cases.understanding.of_audio(audio, expectation, call, contacts=contacts))
        raise InvalidRequest("neither audio nor text is given, 1 of the 2 is needed")

    async def _speak(self, request: pb.SpeakRequest, write: Write, call: Call) -> None:
        length_scale = request.length_scale if request.HasField("length_scale") else None
        sentences: Any = self._use_cases.speaking.speak(request.text, length_scale, call)
        async with aclosing(sentences):
            async for sentence in sentences:
                await write(pb.SpeakReply(pcm16=sentence.pcm16, sample_rate=sentence.sample_rate))

    async def _listen(self, requests: AsyncIterator[Any], write: Write, call: Call) -> None:
        async def tell(event: Event) -> None:
            await write(listen_event(event))

        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                opening = await opening_in(requests)
        except TimeoutError:
            raise DeadlineExceeded(f"no open came within {OPEN_WITHIN_S:g} s") from None
        await self._use_cases.listening.listen(opening, chunks_in(requests), tell, call)


def to_event(event: TranscriptEvent) -> pb.TranscribeReply:
    match event:
        case AudioInfo():
            return pb.TranscribeReply(
                audio=pb.AudioInfo(duration_s=event.duration_s, sample_rate=event.sample_rate, channels=event.channels)
            )
        case Segment():
            return pb.TranscribeReply(segment=_to_segment(event))
        case Progress():
            return pb.TranscribeReply(progress=pb.Progress(done_s=event.done_s, duration_s=event.duration_s))
        case TranscriptSummary():
            return pb.TranscribeReply(
                summary=pb.TranscriptSummary(text=event.text, language=event.language, duration_s=event.duration_s)
            )


def to_reply(understood: Understood) -> pb.UnderstandReply:
    return pb.UnderstandReply(
        text=understood.text,
        language=understood.language,
        intent=understood.intent,
        confidence=understood.confidence,
        scores=[pb.IntentScore(intent=intent, probability=sure) for intent, sure in understood.scores.items()],
        decision=f"DECISION_{understood.decision.upper()}",
        reason=understood.reason,
        contacts=understood.contacts,
        team=understood.team,
        place=understood.place,
        recognition=None if understood.recognition is None else to_scores(understood.recognition),
        stages=[pb.Stage(name=stage.name, ms=stage.ms) for stage in understood.stages],
    )


def _to_segment(segment: Segment) -> pb.Segment:
    return pb.Segment(
        start_s=segment.start_s,
        end_s=segment.end_s,
        text=segment.text,
        language=segment.language,
        scores=to_scores(segment.scores),
        words=[to_word(word) for word in segment.words],
    )
