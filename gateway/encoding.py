"""Speech as clients want to hear it: 24 kHz mono in the format they name, sentence by sentence as it is made.

Encoding is libsndfile's, resampling libsoxr's. An encoder blocks: use it in a thread, and in one at a time.
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr

from gateway.audio import Samples

RATE = 24_000
"""What OpenAI's clients take samples without a header for."""

UNKNOWN_SIZE = 0xFFFFFFFF


class Encoder(Protocol):
    def write(self, samples: Samples) -> bytes:
        """What of the encoded file is certain by now; perhaps nothing."""
        ...

    def finish(self) -> bytes:
        """The rest of the file."""
        ...


class Resampled:
    """An encoder of what may come at any rate, the same for a whole file."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._resampler: Any = None

    def write(self, pcm16: bytes, rate: int) -> bytes:
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate, RATE, 1, dtype="int16", quality="HQ")
        return self._encoder.write(self._resampler.resample_chunk(np.frombuffer(pcm16, "<i2")))

    def finish(self) -> bytes:
        rest = b""
        if self._resampler is not None:
            rest = self._encoder.write(self._resampler.resample_chunk(np.zeros(0, np.int16), last=True))
        return rest + self._encoder.finish()


class Pcm:
    """Samples, 16 bit little-endian, and nothing else."""

    def write(self, samples: Samples) -> bytes:
        return samples.astype("<i2").tobytes()

    def finish(self) -> bytes:
        return b""


class Wav:
    """Its header goes first, so it says that it does not know the length, as that of a file written to a pipe."""

    def __init__(self) -> None:
        self._header = struct.pack("<4sI4s", b"RIFF", UNKNOWN_SIZE, b"WAVE")
        self._header += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
        self._header += struct.pack("<4sI", b"data", UNKNOWN_SIZE)

    def write(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + samples.astype("<i2").tobytes()

    def finish(self) -> bytes:
        return b""


class Stream:
    """Of a format in which what was written stays as it is."""

    def __init__(self, kind: str, subtype: str, **options: Any) -> None:
        self._sink = _Sink()
        self._file = _writing(self._sink, kind, subtype, **options)

    def write(self, samples: Samples) -> bytes:
        self._file.write(samples)
        return self._sink.taken()

    def finish(self) -> bytes:
        self._file.close()
        return self._sink.taken()


class Flac:
    """Whole at its end: the length stands in its header, and libsndfile's own reader cannot do without."""

    def __init__(self) -> None:
        self._whole = io.BytesIO()
        self._file = _writing(self._whole, "FLAC", "PCM_16")

    def write(self, samples: Samples) -> bytes:
        self._file.write(samples)
        return b""

    def finish(self) -> bytes:
        self._file.close()
        return self._whole.getvalue()


@dataclass(frozen=True, slots=True)
class Format:
    media_type: str
    encoder: Callable[[], Encoder]


FORMATS: Mapping[str, Format] = {
    # 96 kbit/s. At a variable rate readers need the table of contents. soundfile heeds the mode only with a level.
    "mp3": Format(
        "audio/mpeg", lambda: Stream("MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.4)
    ),
    "opus": Format("audio/ogg", lambda: Stream("OGG", "OPUS")),
    "flac": Format("audio/flac", Flac),
    "wav": Format("audio/wav", Wav),
    "pcm": Format("audio/pcm", Pcm),
}


def encoder_of(name: str) -> Resampled:
    return Resampled(FORMATS[name].encoder())


def _writing(target: Any, kind: str, subtype: str, **options: Any) -> Any:
    return soundfile.SoundFile(target, "w", samplerate=RATE, channels=1, format=kind, subtype=subtype, **options)


class _Sink(io.RawIOBase):
    """A file that gives away what it has. What would change that is lost.

    That is a table of contents at the head of an MP3, which libsndfile writes at the end, and which readers do without.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._end = 0
        self._at = 0

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held

    def write(self, data: Any) -> int:
        if self._at == self._end:
            self._held += data
            self._end += len(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence] + offset
        return self._at
