"""A device that speaks into Voice.Listen at the pace of speech, and notes when each event comes."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import numpy as np

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1.voice_pb2_grpc import VoiceStub
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array

CHUNK_S = 0.2
"""As a wearable sends."""


@dataclass(frozen=True, slots=True)
class Came:
    """An event, and when it came by time.perf_counter()."""

    at: float
    event: pb.ListenEvent


@dataclass(slots=True)
class Spoken:
    """What one listener said and was told."""

    began_at: float = 0.0
    """When its microphone was opened: sample n is captured n / SPEECH_RATE later."""
    came: list[Came] = field(default_factory=list)

    def captured_at(self, offset: int) -> float:
        return self.began_at + offset / SPEECH_RATE

    def sent_at(self, offset: int) -> float:
        """When the chunk that the sample before `offset` is in was complete."""
        chunk = round(CHUNK_S * SPEECH_RATE)
        return self.captured_at(-(-offset // chunk) * chunk)


async def listened(address: str, key: str, device: str, pcm: Array, contacts: Sequence[str]) -> Spoken:
    """Says `pcm`, int16 at 16 kHz, and waits for the session's end."""
    told = Spoken()
    async with grpc.aio.insecure_channel(address) as channel:
        call = VoiceStub(channel).Listen(  # type: ignore[no-untyped-call]
            metadata=(("authorization", f"Bearer {key}"),)
        )
        opening = pb.ListenOpen(
            device=device,
            sample_rate=SPEECH_RATE,
            language="en",
            contacts=[pb.Contact(name=name) for name in contacts],
        )
        await call.write(pb.ListenRequest(open=opening))
        told.came.append(Came(time.perf_counter(), await call.read()))
        told.began_at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(_speak(call, pcm, told.began_at))
            while (event := await call.read()) is not grpc.aio.EOF:
                told.came.append(Came(time.perf_counter(), event))
    return told


async def _speak(call: grpc.aio.StreamStreamCall[pb.ListenRequest, pb.ListenEvent], pcm: Array, began: float) -> None:
    size = round(CHUNK_S * SPEECH_RATE)
    for number, start in enumerate(range(0, len(pcm), size)):
        chunk = pcm[start : start + size]
        await asyncio.sleep(began + (start + len(chunk)) / SPEECH_RATE - time.perf_counter())
        data = np.ascontiguousarray(chunk, "<i2").tobytes()
        await call.write(pb.ListenRequest(audio=pb.AudioChunk(data=data, sequence=number, offset=start)))
    await call.done_writing()
