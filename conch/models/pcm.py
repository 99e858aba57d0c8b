"""PCM as callers send it, turned into what the speech models hear: float32, 16 kHz, mono."""

import numpy as np
import soxr

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array

LOWEST_RATE = 8_000
HIGHEST_RATE = 48_000

_LOUDEST = 2.0
"""Decoders overshoot 1.0 a little; integers in float's clothing are far above."""


def milliseconds(samples: Array, rates: Array) -> int:
    """Of all rows, each rounded up. `rates` has dims [1]; what has a rate that no model takes will be refused: 0."""
    length = samples.shape[1] * 1000
    return sum(-(-length // rate) for rate in rates[:, 0].tolist() if LOWEST_RATE <= rate <= HIGHEST_RATE)


def speech_pcm(samples: Array, rate: int, longest_s: float) -> Array:
    """`samples` are int16, or float32 in [-1, 1]; raises InvalidRequest with both numbers that disagree."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidRequest(f"sample_rate is {rate}, the model takes {LOWEST_RATE} to {HIGHEST_RATE}")
    if len(samples) > longest_s * rate:
        raise InvalidRequest(f"the audio is {len(samples) / rate:.2f} s, one call takes {longest_s:.2f} s")
    if samples.dtype == np.int16:
        audio = samples.astype(np.float32) / 32768
    else:
        audio = samples
        peak = float(np.abs(audio).max(initial=0.0))
        if peak > _LOUDEST:
            raise InvalidRequest(f"pcm reaches {peak:.6g}, floats lie between -1 and 1")
    if rate == SPEECH_RATE or not len(audio):
        return audio
    return np.asarray(soxr.resample(audio, rate, SPEECH_RATE, quality="HQ"), dtype=np.float32)
