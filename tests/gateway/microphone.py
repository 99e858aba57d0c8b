"""A caller of Voice.Listen: sends audio by the chunk, and reads events."""

from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1.voice_pb2_grpc import VoiceStub
from conch.contracts.specs import SPEECH_RATE

CHUNK_S = 0.2


def pcm16(samples: Any) -> np.ndarray:
    """Of float samples in [-1, 1], or as they are."""
    samples = np.asarray(samples)
    return samples if samples.dtype == np.int16 else (samples * 32767).astype(np.int16)


class Microphone:
    def __init__(self, channel: grpc.aio.Channel, *, rate: int = SPEECH_RATE, **opening: Any) -> None:
        self._call = VoiceStub(channel).Listen()
        self._opening = pb.ListenOpen(**{"device": "badge-1", "sample_rate": rate, **opening})
        self._rate = rate
        self.resumed_at: int = self._opening.resume_offset
        self.offset = self.resumed_at
        self._sequence = 0
        self.events: list[pb.ListenEvent] = []

    async def open(self) -> "Microphone":
        await self._call.write(pb.ListenRequest(open=self._opening))
        await self.until("started")
        return self

    async def say(self, samples: Any, chunk_s: float = CHUNK_S) -> None:
        """Chunk by chunk, as fast as they are taken."""
        pcm = pcm16(samples)
        size = round(chunk_s * self._rate)
        for start in range(0, len(pcm), size):
            chunk = pcm[start : start + size]
            await self.send(chunk.tobytes(), self.offset)
            self.offset += len(chunk)

    async def send(self, data: bytes, offset: int) -> None:
        self._sequence += 1
        chunk = pb.AudioChunk(data=data, sequence=self._sequence, offset=offset)
        await self._call.write(pb.ListenRequest(audio=chunk))

    async def until(self, kind: str) -> Any:
        """The next event of that kind; others are kept too."""
        while True:
            event = await self._call.read()
            if event is grpc.aio.EOF:
                raise AssertionError(f"the stream ended before {kind}: {await self._call.code()} {self.kinds()}")
            self.events.append(event)
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)

    async def close(self) -> list[pb.ListenEvent]:
        """Every event there was, the last one being `ended`."""
        await self._call.done_writing()
        while (event := await self._call.read()) is not grpc.aio.EOF:
            self.events.append(event)
        return self.events

    async def leave(self) -> None:
        self._call.cancel()

    async def code(self) -> grpc.StatusCode:
        return await self._call.code()

    async def details(self) -> str:
        return await self._call.details()

    def kinds(self, *without: str) -> list[str]:
        left_out = without or ("audio_ack", "partial")
        kinds = [str(event.WhichOneof("event")) for event in self.events]
        return [kind for kind in kinds if kind not in left_out]

    def told(self, kind: str) -> Sequence[Any]:
        return [getattr(event, kind) for event in self.events if event.HasField(kind)]
