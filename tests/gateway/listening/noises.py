"""What microphones hear while nobody speaks, always the same: 16 kHz, 16 bit."""

from collections.abc import Callable

import numpy as np

from conch.contracts.specs import SPEECH_RATE

RANDOM = np.random.default_rng(5)

Signal = np.ndarray
"""Of a deviation of one."""


def coloured(samples: int, exponent: float) -> Signal:
    """Power falls with frequency to the `exponent`: 0 white, 1 pink, 2 brown."""
    frequencies = np.fft.rfftfreq(samples, 1 / SPEECH_RATE)
    frequencies[0] = frequencies[1]
    spectrum = np.fft.rfft(RANDOM.normal(size=samples)) / frequencies ** (exponent / 2)
    return level(np.fft.irfft(spectrum, samples))


def hum(samples: int) -> Signal:
    at = np.arange(samples) / SPEECH_RATE
    return level(sum(np.sin(2 * np.pi * 50 * harmonic * at) / harmonic for harmonic in range(1, 8)))


def blows(samples: int) -> Signal:
    """A workshop: bangs and hisses of 50 to 600 ms, up to a second apart."""
    heard, at = np.zeros(samples), 0
    while at < samples:
        length = min(round(RANDOM.uniform(0.05, 0.6) * SPEECH_RATE), samples - at)
        if length > 1:
            heard[at : at + length] = RANDOM.normal(size=length) * np.hanning(length)
        at += length + round(RANDOM.uniform(0.05, 1.0) * SPEECH_RATE)
    return level(heard)


def babble(samples: int) -> Signal:
    """A canteen: bands of the voice, each as loud and as quiet as syllables are."""
    at = np.arange(samples) / SPEECH_RATE
    frequencies = np.fft.rfftfreq(samples, 1 / SPEECH_RATE)
    heard = np.zeros(samples)
    for middle in RANDOM.uniform(300, 2500, 8):
        band = np.exp(-(((frequencies - middle) / (0.1 * middle)) ** 2))
        voice = level(np.fft.irfft(np.fft.rfft(RANDOM.normal(size=samples)) * band, samples))
        heard += voice * np.sin(2 * np.pi * RANDOM.uniform(2, 5) * at + RANDOM.uniform(0, 6)) ** 2
    return level(heard)


def level(signal: Signal) -> Signal:
    return np.asarray(signal / np.std(signal))


NOISES: dict[str, Callable[[int], Signal]] = {
    "white": lambda samples: coloured(samples, 0),
    "pink": lambda samples: coloured(samples, 1),
    "brown": lambda samples: coloured(samples, 2),
    "hum": hum,
    "blows": blows,
    "babble": babble,
}


def pcm16_at(signal: Signal, loudness: float) -> np.ndarray:
    """`loudness`: deviation, of 32768."""
    return np.clip(signal * loudness, -32768, 32767).astype(np.int16)
