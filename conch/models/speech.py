"""Where in a piece of audio somebody speaks, from the VAD's probabilities."""

from dataclasses import dataclass

import numpy as np

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from conch.models.base import Array
from conch.models.silero import Silero

ONSET = 0.5
"""A run of windows is speech if one of them reaches this,"""
OFFSET = 0.35
"""and lasts while they stay at or above this."""

SHORTEST_WINDOWS = 3
"""Runs below 96 ms are clicks."""

PADDING_S = 0.3
"""Kept on both sides: the VAD comes late to soft consonants."""

WINDOW_S = VAD_WINDOW / SPEECH_RATE


@dataclass(frozen=True, slots=True)
class Run:
    """Speech without a pause."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """From the first word to the last, with padding."""

    start: int
    """Sample of the audio where it starts."""
    end: int
    """The sample after the last."""
    runs: tuple[Run, ...]
    """In order, without padding; one at least."""

    @property
    def speech_s(self) -> float:
        return sum(run.end_s - run.start_s for run in self.runs)


def find_speech(silero: Silero, audio: Array) -> Speech | None:
    """None where nobody speaks. `audio` is float32 at 16 kHz, of any length."""
    if not len(audio):
        return None
    padded = np.pad(audio, (0, -len(audio) % VAD_WINDOW))
    return speech_of(silero.listen(padded).probabilities, len(audio))


def speech_of(probabilities: Array, samples: int) -> Speech | None:
    """From the probabilities of all windows of `samples` samples."""
    runs = [
        (start, end)
        for start, end in _runs(probabilities >= OFFSET)
        if end - start >= SHORTEST_WINDOWS and probabilities[start:end].max() >= ONSET
    ]
    if not runs:
        return None
    padding = round(PADDING_S * SPEECH_RATE)
    return Speech(
        start=max(0, runs[0][0] * VAD_WINDOW - padding),
        end=min(samples, runs[-1][1] * VAD_WINDOW + padding),
        runs=tuple(Run(start * WINDOW_S, min(end * WINDOW_S, samples / SPEECH_RATE)) for start, end in runs),
    )


def _runs(flags: Array) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
