"""A recording as a device plays it: in chunks, at a pace."""

import asyncio
import time
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conch.contracts.errors import InvalidRequest

CHUNK_S = 0.2

SILENCE_S = 1.0
"""After the recording: what somebody who has spoken is followed by."""

FRAME_S = 0.02
LOUD = 0.05
"""Of the loudest frame's level, -26 dB: from there a frame is part of what is said."""


@dataclass(frozen=True, slots=True)
class Recording:
    pcm16: bytes
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm16) / 2 / self.rate

    def chunks(self, silence_s: float = SILENCE_S) -> Iterator[bytes]:
        """With silence behind."""
        size = 2 * round(CHUNK_S * self.rate)
        whole = self.pcm16 + bytes(2 * round(silence_s * self.rate))
        return (whole[at : at + size] for at in range(0, len(whole), size))

    def loud_s(self) -> tuple[float, float] | None:
        """From when to when somebody speaks, where that is all the recording has; None where all is silence."""
        frame = round(FRAME_S * self.rate)
        samples = np.frombuffer(self.pcm16, "<i2").astype(np.float64)
        frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
        levels = np.sqrt((frames**2).mean(axis=1))
        if not levels.any():
            return None
        loud = np.flatnonzero(levels >= LOUD * levels.max())
        return float(loud[0] * FRAME_S), float((loud[-1] + 1) * FRAME_S)


@dataclass(frozen=True, slots=True)
class Played:
    """A Sound: a chunk is there when a microphone would have filled it, or `pace` times as soon."""

    recording: Recording
    pace: float = 1.0
    silence_s: float = SILENCE_S

    @property
    def rate(self) -> int:
        return self.recording.rate

    async def chunks(self) -> AsyncIterator[bytes]:
        begin = time.monotonic()
        for number, chunk in enumerate(self.recording.chunks(self.silence_s), start=1):
            await asyncio.sleep(max(0.0, begin + number * CHUNK_S / self.pace - time.monotonic()))
            yield chunk


def read(file: Path) -> Recording:
    try:
        with wave.open(str(file), "rb") as audio:
            width, channels, rate = audio.getsampwidth(), audio.getnchannels(), audio.getframerate()
            frames = audio.readframes(audio.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidRequest(f"{file} is no WAV file of PCM: {error}") from error
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    if width != 2:
        raise InvalidRequest(f"{file} has samples of {8 * width} bits, and 16 are played")
    samples = np.frombuffer(frames, "<i2").reshape(-1, channels)
    return Recording(samples.mean(axis=1).astype("<i2").tobytes(), rate)
