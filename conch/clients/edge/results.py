"""What a whole call gives; what streams give piece by piece is in contracts/voice.py."""

import io
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conch.clients.inference import Array
from conch.contracts.errors import Internal
from conch.contracts.voice import AudioInfo, Segment, SpokenSentence, TranscriptEvent, TranscriptSummary


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    language: str
    """Of the most speech; empty where nothing was said."""
    duration_s: float
    segments: tuple[Segment, ...]
    audio: AudioInfo
    """What was received."""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    pcm16: bytes
    """16-bit little-endian mono."""
    sample_rate: int
    request_id: str = ""

    @property
    def duration_s(self) -> float:
        return len(self.pcm16) / 2 / self.sample_rate

    @property
    def samples(self) -> npt.NDArray[np.int16]:
        return np.frombuffer(self.pcm16, dtype="<i2")

    def wav(self) -> bytes:
        """A whole WAV file."""
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(self.sample_rate)
            writer.writeframes(self.pcm16)
        return file.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    vectors: npt.NDArray[np.float32]
    """One unit-length row a text, in the order of the texts."""
    request_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Inferred(Mapping[str, Array]):
    """A model's outputs by name, and who gave them."""

    outputs: Mapping[str, Array]
    """Read-only arrays, batch dimension first; BYTES are objects: `str`, or `bytes` where one of them is not UTF-8."""
    model: str
    version: str
    request_id: str = ""

    def __getitem__(self, name: str) -> Array:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)


def transcript(events: Sequence[TranscriptEvent], request_id: str) -> Transcript:
    """Of a whole stream."""
    audio = next((event for event in events if isinstance(event, AudioInfo)), None)
    summary = next((event for event in events if isinstance(event, TranscriptSummary)), None)
    if audio is None or summary is None:
        raise Internal(f"a transcript of {len(events)} events came without its beginning or its end")
    segments = tuple(event for event in events if isinstance(event, Segment))
    return Transcript(summary.text, summary.language, summary.duration_s, segments, audio, request_id)


def speech(sentences: Sequence[SpokenSentence], request_id: str) -> Speech:
    """Of a whole stream."""
    rates = {sentence.sample_rate for sentence in sentences}
    if len(rates) != 1:
        raise Internal(f"a speech of {len(sentences)} sentences came at {len(rates)} sample rates, it has one")
    return Speech(b"".join(sentence.pcm16 for sentence in sentences), rates.pop(), request_id)
