"""Any audio file as mono 16 kHz samples, block by block: memory does not grow with the file.

Decoding is libsndfile's, resampling libsoxr's. Their work is done in threads, never on the event loop.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from conch.contracts.errors import InvalidRequest, TooMuch
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.voice import AudioInfo
from gateway.containers import TAKEN, check_container

Samples = npt.NDArray[np.int16]

RATES = (4_000, 192_000)
MOST_CHANNELS = 8
FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"})

BLOCK_S = 10.0
BLOCK_VALUES = 4_000_000
"""Samples of all channels in one block at most: 16 MB."""

UNKNOWN_FRAMES = 2**48
"""A header that does not know its length is read as one beyond all reason."""

TOLERATED_S = 1.0
"""A file may be that much longer than the limit: encoders pad, and an hour is not refused for its last breath."""

SHORT = 256

MP3_FRAME = 1152
"""Samples that an MP3's header may promise and its last frame not hold."""


@dataclass(frozen=True, slots=True)
class RawPcm:
    """`audio/L16` of RFC 2586: samples without a header, big-endian as on every network."""

    sample_rate: int
    channels: int = 1


class AudioFile:
    """One file being decoded; not to be used from two threads at once."""

    def __init__(self, source: BinaryIO, longest_s: float, raw: RawPcm | None = None) -> None:
        """Reads the header. Raises InvalidRequest for what is no audio, TooMuch for more than `longest_s`."""
        if raw is None:
            check_container(source)
        else:
            _check_shape(raw.sample_rate, raw.channels)
        self._source = source
        self._longest_s = longest_s
        self._file = _opened(source, raw)
        _check_format(self._file)
        _check_shape(self._file.samplerate, self._file.channels)
        self._promised = self._file.frames if self._file.frames < UNKNOWN_FRAMES else 0
        self._check_length(self._promised)
        self._read = 0
        self._resampler = soxr.ResampleStream(self._file.samplerate, SPEECH_RATE, 1, dtype="float32", quality="HQ")
        self._frames = max(1, min(int(BLOCK_S * self._file.samplerate), BLOCK_VALUES // self._file.channels))

    @property
    def info(self) -> AudioInfo:
        rate = self._file.samplerate
        return AudioInfo(self._promised / rate, rate, self._file.channels)

    @property
    def read_s(self) -> float:
        """Seconds decoded so far; after the last block, the true length of the file."""
        return float(self._read / self._file.samplerate)

    def read_block(self) -> Samples | None:
        """The next samples, perhaps none yet; None after the last."""
        if self._file.closed:
            return None
        block = self._decoded() if self._promised else self._decoded_to_unknown_end()
        self._read += len(block)
        self._check_length(self._read)
        last = len(block) < self._frames - (0 if self._promised else SHORT)
        if last:
            self._check_end()
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            raise InvalidRequest(f"the audio has samples that are NaN or infinite before {self.read_s:.1f} s")
        resampled = self._resampler.resample_chunk(mono, last=last)
        if last:
            self._file.close()
        samples: Samples = np.clip(np.rint(resampled * 32768.0), -32768, 32767).astype(np.int16)
        return samples

    def close(self) -> None:
        self._file.close()

    def _decoded(self) -> npt.NDArray[np.float32]:
        try:
            return self._values(self._frames)
        except soundfile.LibsndfileError:
            raise self._truncated() from None

    def _decoded_to_unknown_end(self) -> npt.NDArray[np.float32]:
        """Of a FLAC written to a pipe libsndfile cannot say where it ends, and fails there: the last SHORT is lost."""
        parts = [np.zeros((0, self._file.channels), np.float32)]
        with contextlib.suppress(soundfile.LibsndfileError):
            while sum(map(len, parts)) <= self._frames - SHORT and len(part := self._values(SHORT)):
                parts.append(part)
        return np.concatenate(parts)

    def _values(self, frames: int) -> npt.NDArray[np.float32]:
        values: npt.NDArray[np.float32] = self._file.read(frames, dtype="float32", always_2d=True)
        return values

    def _check_length(self, frames: int) -> None:
        seconds = frames / self._file.samplerate
        if seconds > self._longest_s + TOLERATED_S:
            raise TooMuch(f"the audio is {seconds:.1f} s long, at most {self._longest_s:.0f} s are taken")

    def _check_end(self) -> None:
        if self._read == 0:
            raise InvalidRequest("the audio is empty: its header is followed by 0 samples")
        if self._file.format == "MP3":
            # Without a table of its frames an MP3's length is only guessed, from its size.
            if self._promised - self._read > MP3_FRAME and self._has_frame_table():
                raise self._truncated()
        elif self._read < self._promised:
            raise self._truncated()

    def _has_frame_table(self) -> bool:
        self._source.seek(0)
        head = self._source.read(4096)
        return b"Xing" in head or b"Info" in head

    def _truncated(self) -> InvalidRequest:
        promised_s = self._promised / self._file.samplerate
        return InvalidRequest(
            f"the audio is truncated or damaged: its header promises {promised_s:.2f} s, "
            f"{self.read_s:.2f} s can be read"
        )


@contextlib.asynccontextmanager
async def opened(source: BinaryIO, longest_s: float, raw: RawPcm | None = None) -> AsyncIterator[AudioFile]:
    file = await asyncio.to_thread(AudioFile, source, longest_s, raw)
    try:
        yield file
    finally:
        file.close()


async def blocks(file: AudioFile) -> AsyncIterator[Samples]:
    """Each is decoded when it is asked for."""
    while (block := await asyncio.to_thread(file.read_block)) is not None:
        if len(block):
            yield block


async def whole(file: AudioFile) -> Samples:
    """All of a file that is known to be short."""
    return np.concatenate([np.zeros(0, np.int16), *[block async for block in blocks(file)]])


def _opened(source: BinaryIO, raw: RawPcm | None) -> Any:
    try:
        if raw is None:
            return soundfile.SoundFile(source)
        return soundfile.SoundFile(
            source, samplerate=raw.sample_rate, channels=raw.channels, format="RAW", subtype="PCM_16", endian="BIG"
        )
    except soundfile.LibsndfileError as error:
        raise InvalidRequest(f"the audio cannot be read: {error.error_string} {TAKEN}") from None


def _check_format(file: Any) -> None:
    if file.format not in FORMATS | {"RAW"}:
        raise InvalidRequest(f"the audio is {file.format_info}: {TAKEN}")


def _check_shape(rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise InvalidRequest(f"the audio has {rate} samples a second, {RATES[0]} to {RATES[1]} are taken")
    if not 1 <= channels <= MOST_CHANNELS:
        raise InvalidRequest(f"the audio has {channels} channels, 1 to {MOST_CHANNELS} are taken")
