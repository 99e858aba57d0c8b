"""Opus packets of one microphone as samples, by libopus, whose decoder lives as long as the stream.

The one file that knows the library. A lost packet is concealed: from what was heard before it and, where the sender has
in-band error correction on, from the next packet, which then carries a copy of it.
"""

import numpy as np
import opuslib_next
from opuslib_next.api.decoder import get_nb_samples

from conch.contracts.errors import InvalidRequest
from gateway.audio import Samples

CONCEALED_S = 0.12
"""Of a gap; what is made up beyond that would be no more like speech than silence is."""

_STEP_S = 0.0025
"""The shortest frame; what is concealed is a multiple of it."""


class Opus:
    def __init__(self, rate: int) -> None:
        self._rate = rate
        # Of two channels libopus gives their mean where one is asked for.
        self._decoder = opuslib_next.Decoder(rate, 1)

    def samples(self, data: bytes) -> int:
        try:
            return int(get_nb_samples(self._decoder.decoder_state, data, len(data)))
        except opuslib_next.OpusError as error:
            raise _no_packet(data, error) from error

    def decode(self, data: bytes) -> Samples:
        samples = self.samples(data)
        try:
            return _read(self._decoder.decode(data, samples))
        except opuslib_next.OpusError as error:
            raise _no_packet(data, error) from error

    def fill(self, samples: int, before: bytes) -> Samples:
        filled = np.zeros(samples, np.int16)
        step = round(_STEP_S * self._rate)
        concealed = min(samples, round(CONCEALED_S * self._rate)) // step * step
        if not concealed:
            return filled
        # Beyond what is concealed the next packet's copy would stand in the wrong place.
        copied = before if concealed == samples else b""
        try:
            filled[:concealed] = _read(self._decoder.decode(copied, concealed, decode_fec=bool(copied)))
        except opuslib_next.OpusError:
            return filled  # of a packet that is corrupt itself
        return filled


def _read(pcm: bytes) -> Samples:
    samples: Samples = np.frombuffer(pcm, np.int16)
    return samples


def _no_packet(data: bytes, error: opuslib_next.OpusError) -> InvalidRequest:
    return InvalidRequest(f"the chunk of {len(data)} bytes is no Opus packet: {error}")
