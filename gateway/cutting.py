"""Cut a long recording into pieces of speech, each short enough for one call of the recogniser.

audio  ....ssss.ss....................sssssssssssssssssssssssssssssss...
pieces    [ssss.ss]                  [sssssssssssssssss][ssssssssssssss]
             a short pause stays in      no pause came: cut where it is quietest
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.audio import Samples

WINDOW_S = VAD_WINDOW / SPEECH_RATE


@dataclass(frozen=True, slots=True)
class Cutting:
    """Where to cut. The recogniser's cost goes by windows of 10, 15, 20 and 30 s, so tiny pieces are dear."""

    speech_from: float = 0.5
    """Probability from which a window begins speech."""
    speech_until: float = 0.35
    """Probability down to which speech goes on."""
    pad_s: float = 0.3
    """Kept before and after speech, or first and last sounds are lost."""
    pause_s: float = 1.0
    """Silence that always ends a piece."""
    enough_s: float = 5.0
    """From this length on a short pause ends it too."""
    short_pause_s: float = 0.3
    longest_s: float = 28.0
    """Below the recogniser's 30 s, so that padding fits."""
    least_windows: int = 2
    """Fewer windows of speech are a click."""


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    """Samples from the beginning of the recording."""
    pcm: Samples

    @property
    def start_s(self) -> float:
        return self.start / SPEECH_RATE

    @property
    def end_s(self) -> float:
        return (self.start + len(self.pcm)) / SPEECH_RATE


class Cutter:
    """Given windows in order, gives pieces in order; keeps no more than the piece that is open."""

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self._pad = round(cutting.pad_s / WINDOW_S)
        self._pause = round(cutting.pause_s / WINDOW_S)
        self._short_pause = max(round(cutting.short_pause_s / WINDOW_S), 1)
        self._enough = round(cutting.enough_s / WINDOW_S)
        self._longest = int(cutting.longest_s / WINDOW_S)
        self._windows: list[Samples] = []
        self._first = 0  # index of _windows[0] in the recording
        self._now = 0  # index of the next window
        self._voiced = 0  # windows of speech in the open piece; 0: none is open
        self._last_voiced = 0

    @property
    def decided_s(self) -> float:
        """Everything before is in a piece that was given, or is no speech."""
        return (self._first if self._voiced else self._now) * WINDOW_S

    def feed(self, pcm: Samples, probabilities: Sequence[float]) -> list[Piece]:
        """`pcm` is as many whole windows as there are probabilities."""
        pieces = []
        for window, probability in zip(pcm.reshape(-1, VAD_WINDOW), probabilities, strict=True):
            self._windows.append(window)
            self._now += 1
            piece = self._step(probability)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def finish(self, samples: int) -> list[Piece]:
        """The open piece; `samples` is the recording's true length, without the padding of its last window."""
        piece = self._close(min(self._last_voiced + 1 + self._pad, self._now)) if self._voiced else None
        if piece is None:
            return []
        return [Piece(piece.start, piece.pcm[: samples - piece.start])]

    def _step(self, probability: float) -> Piece | None:
        here = self._now - 1
        if not self._voiced:
            if probability >= self._cutting.speech_from:
                self._voiced, self._last_voiced = 1, here
            else:
                self._drop(self._now - self._pad)
            return None
        if probability >= self._cutting.speech_until:
            self._voiced += 1
            self._last_voiced = here
        silence = here - self._last_voiced
        length = self._now - self._first
        if silence >= self._pause or (length >= self._enough and silence >= self._short_pause):
            return self._close(min(self._last_voiced + 1 + self._pad, self._now))
        if length >= self._longest:
            return self._split(self._quietest())
        return None

    def _close(self, end: int) -> Piece | None:
        voiced, self._voiced = self._voiced, 0
        piece = self._take(end)
        self._drop(self._now - self._pad)
        return piece if voiced >= self._cutting.least_windows else None

    def _split(self, end: int) -> Piece:
        """Speech goes on: the next piece begins where this one ends."""
        piece = self._take(end)
        self._voiced = max(self._last_voiced + 1 - end, 1)
        return piece

    def _take(self, end: int) -> Piece:
        count = end - self._first
        piece = Piece(self._first * VAD_WINDOW, np.concatenate(self._windows[:count]))
        self._drop(end)
        return piece

    def _drop(self, until: int) -> None:
        count = max(until - self._first, 0)
        del self._windows[:count]
        self._first += count

    def _quietest(self) -> int:
        """The window in the later half before which to cut: the middle of the quietest 160 ms."""
        power = np.array([np.mean(np.square(window, dtype=np.float64)) for window in self._windows])
        smooth = np.convolve(power, np.ones(5) / 5, mode="same")
        half = len(smooth) // 2
        return self._first + half + int(np.argmin(smooth[half:-2]))
