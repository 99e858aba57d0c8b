"""Whisper's log-mel spectrogram of the speech alone; the silence that fills the window is written, not transformed.

As OpenAI's reference computes it: Hann windows of 25 ms every 10 ms, Slaney's mel scale up to 8 kHz, log10 of the
power, all that lies more than 8 below the loudest value lifted to there, scaled to about [-1, 1].
"""

import numpy as np

from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array

FFT = 400
HOP = 160
"""Samples a frame: 10 ms."""

FRAMES_A_SECOND = SPEECH_RATE // HOP

_FLOOR = np.float32(1e-10)


class LogMel:
    """Keeps the window and the filters; one instance serves any number of calls."""

    def __init__(self, bands: int) -> None:
        """`bands` is 80, or 128 for large-v3: the model knows."""
        self._hann = np.hanning(FFT + 1)[:-1].astype(np.float32)
        self._filters = mel_filters(bands).T.copy()  # (201, bands)

    def __call__(self, audio: Array, window: int) -> Array:
        """float32 (bands, window) of 16 kHz audio in [-1, 1] that is followed by silence up to `window` frames."""
        samples = audio[: window * HOP].astype(np.float32, copy=False)
        framed = _frames(samples, window)
        power = np.abs(np.fft.rfft(framed * self._hann)) ** 2
        mel = power.astype(np.float32) @ self._filters  # (frames, bands)
        log = np.log10(np.maximum(mel, _FLOOR))
        full = np.full((window, log.shape[1]), np.log10(_FLOOR), dtype=np.float32)
        full[: len(log)] = log
        loudest = full.max()
        return np.ascontiguousarray((np.maximum(full, loudest - 8) + 4).T / 4, dtype=np.float32)


def mel_filters(bands: int) -> Array:
    """(bands, 201): triangles of equal area (Slaney), even in mel from 0 to 8 kHz."""
    frequencies = np.fft.rfftfreq(FFT, 1 / SPEECH_RATE)
    edges = _hertz(np.linspace(0, _mel(SPEECH_RATE / 2), bands + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.asarray(triangles, dtype=np.float32)


_LINEAR_HERTZ = 200 / 3  # a mel below 1 kHz
_LOG_FROM_MEL = 15.0  # 1 kHz
_LOG_STEP = np.log(6.4) / 27  # above, 27 mels are a factor of 6.4


def _mel(hertz: float) -> float:
    if hertz < 1000:
        return hertz / _LINEAR_HERTZ
    return float(_LOG_FROM_MEL + np.log(hertz / 1000) / _LOG_STEP)


def _hertz(mels: Array) -> Array:
    return np.where(mels < _LOG_FROM_MEL, mels * _LINEAR_HERTZ, 1000 * np.exp(_LOG_STEP * (mels - _LOG_FROM_MEL)))


def _frames(samples: Array, window: int) -> Array:
    """(frames, 400) centred on every hop, both ends mirrored; only the frames that reach into the samples."""
    reach = FFT // 2
    # Silence as far as the last such frame and its mirror can see.
    silence = np.zeros(min(window * HOP - len(samples), FFT + HOP), np.float32)
    padded = np.pad(np.concatenate([samples, silence]), reach, mode="reflect")
    count = min(window, (len(samples) + reach - 1) // HOP + 1)
    return np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:count]
