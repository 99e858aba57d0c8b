"""A gateway that counts: a real gRPC server, whose Listen keeps what it hears and decides when it is told to.

Speech is any sample that is not zero; an utterance ends with the first chunk of zeros after it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import numpy as np

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1 import voice_pb2_grpc as rpc


@dataclass
class Heard:
    """One Listen call."""

    open: pb.ListenOpen
    tenant: str
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[pb.AudioChunk] = field(default_factory=list)
    half_closed: bool = False

    @property
    def samples(self) -> int:
        return sum(len(chunk.data) for chunk in self.chunks) // 2


class CountingGateway(rpc.VoiceServicer):
    def __init__(self) -> None:
        self.calls: list[Heard] = []
        self.decides = True
        self.decision = pb.UtteranceDecision(
            decision=pb.DECISION_EXECUTE,
            intent="SUMMON_TEAM",
            text="summon the team",
            reply="The team is on its way.",
        )
        """What is decided of every utterance, beside its number, id and samples."""
        self.acks = True
        self.refuses: grpc.StatusCode | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        """Cleared, it reads nothing more."""
        self.spoken: list[str] = []

    async def Listen(self, requests: Any, context: Any) -> AsyncIterator[pb.ListenEvent]:
        first = await anext(requests)
        headers = dict(context.invocation_metadata())
        call = Heard(first.open, headers.get("x-conch-tenant", ""), headers)
        self.calls.append(call)
        if self.refuses is not None:
            await context.abort(self.refuses, "not this one")
        yield pb.ListenEvent(started=pb.ListenStarted(session=first.open.session))
        utterance, start, end = 0, None, first.open.resume_offset
        async for request in requests:
            await self.reads.wait()
            chunk = request.audio
            call.chunks.append(chunk)
            end = chunk.offset + len(chunk.data) // 2
            if np.frombuffer(chunk.data, np.int16).any():
                if start is None:
                    start = chunk.offset
                    yield pb.ListenEvent(speech_started=pb.SpeechStarted(utterance=utterance, start_offset=start))
                continue
            if start is not None and self.decides:
                for event in decided(utterance, start, chunk.offset, self.decision):
                    yield event
                utterance, start = utterance + 1, None
            if start is None and self.acks:
                yield pb.ListenEvent(audio_ack=pb.AudioAck(received_to=end, decided_to=end))
        call.half_closed = True
        decided_to = end if start is None or self.decides else start
        yield pb.ListenEvent(ended=pb.ListenEnded(reason="no more comes", received_to=end, decided_to=decided_to))

    async def Speak(self, request: pb.SpeakRequest, context: Any) -> AsyncIterator[pb.SpeakReply]:
        self.spoken.append(request.text)
        yield pb.SpeakReply(pcm16=b"\1\0" * 12_000, sample_rate=22_050)
        yield pb.SpeakReply(pcm16=b"\2\0" * 100, sample_rate=22_050)


def decided(utterance: int, start: int, end: int, as_told: pb.UtteranceDecision) -> list[pb.ListenEvent]:
    final = pb.FinalText(utterance=utterance, start_offset=start, end_offset=end, text=as_told.text)
    final.end_reason = pb.END_REASON_ENDPOINT
    intent = pb.UtteranceIntent(utterance=utterance, intent=as_told.intent, confidence=0.97)
    decision = pb.UtteranceDecision(
        utterance=utterance, command_id=f"command-{start}", start_offset=start, end_offset=end
    )
    decision.MergeFrom(as_told)
    return [pb.ListenEvent(final=final), pb.ListenEvent(intent=intent), pb.ListenEvent(decision=decision)]


@contextlib.asynccontextmanager
async def running(gateway: CountingGateway, port: int = 0) -> AsyncIterator[int]:
    """The port that it listens on; leaving ends every call at once, as a killed one does."""
    server = grpc.aio.server()
    rpc.add_VoiceServicer_to_server(gateway, server)
    chosen = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield chosen
    finally:
        await server.stop(None)
