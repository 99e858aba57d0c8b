"""What a microphone sends, as mono samples at its own rate."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import InvalidRequest
from conch.contracts.voice import OPUS_RATES
from gateway.audio import Samples

RATES = (8_000, 48_000)


class Encoding(StrEnum):
    PCM16 = "pcm16"
    """Little-endian, channels interleaved."""
    MULAW = "mulaw"
    """G.711: a byte a sample."""
    OPUS = "opus"
    """A packet of RFC 6716 a chunk."""


@dataclass(frozen=True, slots=True)
class Format:
    encoding: Encoding
    rate: int
    """Samples a second of one channel."""
    channels: int

    def check(self) -> None:
        if not RATES[0] <= self.rate <= RATES[1]:
            raise InvalidRequest(f"sample_rate is {self.rate}, {RATES[0]} to {RATES[1]} are taken")
        if self.channels not in (1, 2):
            raise InvalidRequest(f"channels is {self.channels}, 1 or 2 are taken")
        if self.encoding is Encoding.OPUS and self.rate not in OPUS_RATES:
            rates = ", ".join(map(str, OPUS_RATES))
            raise InvalidRequest(f"sample_rate is {self.rate}, of Opus {rates} are taken")


@dataclass(frozen=True, slots=True)
class Plain:
    """The decoder of PCM16 and µ-law, where every sample stands for itself."""

    format: Format

    def samples(self, data: bytes) -> int:
        frame_bytes = self.format.channels * (1 if self.format.encoding is Encoding.MULAW else 2)
        if len(data) % frame_bytes:
            raise InvalidRequest(
                f"the chunk has {len(data)} bytes, {len(data) % frame_bytes} more than whole samples of {frame_bytes}"
            )
        return len(data) // frame_bytes

    def decode(self, data: bytes) -> Samples:
        """The mean of the channels."""
        values = _mulaw(data) if self.format.encoding is Encoding.MULAW else _pcm16(data)
        if self.format.channels == 1:
            return values
        mean: Samples = (values.reshape(-1, 2).sum(axis=1, dtype=np.int32) // 2).astype(np.int16)
        return mean

    def fill(self, samples: int, before: bytes) -> Samples:
        return np.zeros(samples, np.int16)


def _pcm16(data: bytes) -> Samples:
    values: Samples = np.frombuffer(data, "<i2").astype(np.int16, copy=False)
    return values


def _mulaw(data: bytes) -> Samples:
    values: Samples = _MULAW[np.frombuffer(data, np.uint8)]
    return values


def _mulaw_table() -> npt.NDArray[np.int16]:
    """ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted; a bias of 33, 14 bits made 16."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = (((mantissa << 1) + 33 << exponent) - 33) * 4
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


_MULAW = _mulaw_table()
