"""A client of WhisperLive: speaks over its WebSocket at the pace of speech, and notes when its text settles."""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from benchmarks.listener import CHUNK_S
from bridge.wearables.words import words_of
from conch.contracts.errors import Unavailable
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array

READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What its whole text was from this moment on, by time.perf_counter()."""

    at: float
    text: str
    completed: bool
    """By its own mark, of every segment."""


@dataclass(slots=True)
class Transcribed:
    began_at: float = 0.0
    shown: list[Shown] = field(default_factory=list)

    def captured_at(self, offset: int) -> float:
        return self.began_at + offset / SPEECH_RATE

    @property
    def text(self) -> str:
        return self.shown[-1].text if self.shown else ""

    @property
    def settled_at(self) -> float | None:
        """Since when every text it showed had the words of its last one: only who knows the future can tell then."""
        at: float | None = None
        for shown in reversed(self.shown):
            if words_of(shown.text) != words_of(self.text):
                break
            at = shown.at
        return at

    @property
    def completed_at(self) -> float | None:
        """When it said of its last text that it will not change."""
        return next((shown.at for shown in self.shown if shown.completed and shown.text == self.text), None)


async def transcribed(client: aiohttp.ClientSession, address: str, pcm: Array) -> Transcribed:
    """Says `pcm`, int16 at 16 kHz, and waits for nothing more: it must end with enough silence."""
    told = Transcribed()
    async with client.ws_connect(f"ws://{address}", max_msg_size=0) as socket:
        await socket.send_json(
            {
                "uid": str(uuid.uuid4()),
                "language": "en",
                "task": "transcribe",
                "model": "served",
                "use_vad": True,
                "audio_format": "int16",
            }
        )
        await _until_ready(socket)
        told.began_at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read(socket, told))
            await _speak(socket, pcm, told.began_at)
            reading.cancel()
        await socket.send_bytes(b"END_OF_AUDIO")
    return told


async def _until_ready(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await socket.receive_json(timeout=READY_S)
        if message.get("message") == "SERVER_READY":
            return
        if "status" in message:
            raise Unavailable(f"WhisperLive takes no more clients: {message}")


async def _read(socket: aiohttp.ClientWebSocketResponse, told: Transcribed) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT and (segments := json.loads(message.data).get("segments")):
            text = " ".join(segment["text"].strip() for segment in segments)
            completed = all(segment["completed"] for segment in segments)
            told.shown.append(Shown(time.perf_counter(), text, completed))


async def _speak(socket: aiohttp.ClientWebSocketResponse, pcm: Array, began: float) -> None:
    size = round(CHUNK_S * SPEECH_RATE)
    for start in range(0, len(pcm), size):
        chunk = pcm[start : start + size]
        await asyncio.sleep(began + (start + len(chunk)) / SPEECH_RATE - time.perf_counter())
        await socket.send_bytes(np.ascontiguousarray(chunk, "<i2").tobytes())
