"""What a microphone that speaks Opus sends."""

from typing import Any

import numpy as np
import opuslib_next

FRAME_S = 0.02


def packets(pcm: np.ndarray, rate: int, frame_s: float = FRAME_S, *, channels: int = 1, **settings: Any) -> list[bytes]:
    """Of 16-bit samples, interleaved where there are two channels; `settings` are the encoder's."""
    encoder = opuslib_next.Encoder(rate, channels, settings.pop("application", "audio"))
    for name, value in settings.items():
        setattr(encoder, name, value)
    size = round(frame_s * rate)
    whole = np.concatenate([pcm, np.zeros(-len(pcm) % (size * channels), np.int16)])
    frames = whole.reshape(-1, size * channels)
    return [encoder.encode(frame.astype("<i2").tobytes(), size) for frame in frames]
