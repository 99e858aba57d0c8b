"""Where utterances begin and end, from one probability of speech for each window.

audio        ...........s.ss.ssss...ss..............
             a click ─┘ └ onset               └ endpoint, a set silence after the last speech
utterance          [pppps.ss.ssss...sspppp]            p: padding; utterances never overlap

Pure: no clock, no network. Offsets count 16-kHz samples from the first that was fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.audio import Samples

WINDOW_S = VAD_WINDOW / SPEECH_RATE

SMOOTHED_WINDOWS = 5
"""160 ms: what must be quiet together to be cut in, so that no cut falls into a single quiet window of a word."""

PAUSE_WINDOWS = 3
"""96 ms: as long as a stopped consonant is quiet."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    speech_from: float = 0.5
    """Probability from which a window begins speech."""
    speech_until: float = 0.35
    """Probability down to which speech goes on."""
    least_windows: int = 3
    """Fewer windows of speech are a click; the shortest words have six."""
    click_windows: int = 4
    """So many windows of silence part a click from what follows."""
    pre_roll_s: float = 0.4
    """Kept before speech: the detector comes late to soft consonants."""
    post_roll_s: float = 0.3
    """Kept after speech."""
    silence_s: float = 0.7
    """Ends an utterance."""
    longest_s: float = 20.0
    """Of an utterance, below the recogniser's 30 s; then it is cut where its later half is quietest."""


class Ending(StrEnum):
    ENDPOINT = "endpoint"
    TOO_LONG = "too_long"
    STALLED = "stalled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Onset:
    start: int
    """Of the utterance, with its pre-roll."""
    speech_from: int
    """Of the speech itself."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    start: int
    speech_from: int
    """Where its speech began, behind the pre-roll."""
    pcm: Samples
    ending: Ending

    @property
    def end(self) -> int:
        return self.start + len(self.pcm)


Step = Onset | Endpoint


class Endpointer:
    """Given windows in order, tells onsets and endpoints in order. Keeps the open utterance and a pre-roll, no more."""

    def __init__(self, how: Endpointing) -> None:
        self._how = how
        self._pre_roll = round(how.pre_roll_s / WINDOW_S)
        self._post_roll = round(how.post_roll_s / WINDOW_S)
        self._silence = max(round(how.silence_s / WINDOW_S), 1)
        self._longest = max(int(how.longest_s / WINDOW_S), 2 * SMOOTHED_WINDOWS)
        self._windows: list[Samples] = []
        self._voiced: list[bool] = []  # of each of _windows; before an onset, those of a candidate
        self._first = 0  # index of _windows[0] in the stream
        self._candidate: int | None = None  # index of the window where speech may have begun
        self._open = False
        self._last_voiced = 0

    @property
    def open(self) -> bool:
        """Somebody is speaking."""
        return self._open

    @property
    def pausing(self) -> bool:
        """Nobody has spoken for longer than a sound within a word takes."""
        return self._now - 1 - self._last_voiced >= PAUSE_WINDOWS

    @property
    def decided_to(self) -> int:
        """Every sample before is in an utterance that was given, or was silence that no utterance will need."""
        return self._first * VAD_WINDOW

    @property
    def kept(self) -> int:
        """Samples in memory."""
        return len(self._windows) * VAD_WINDOW

    def spoken(self) -> Samples:
        """The open utterance so far."""
        return _joined(self._windows)

    def lull(self) -> Samples | None:
        """The utterance that there will be if the silence that is now ends it; None while somebody speaks."""
        end = self._last_voiced + 1 + self._post_roll
        return _joined(self._windows[: end - self._first]) if self._open and self._now >= end else None

    def feed(self, pcm: Samples, probabilities: Sequence[float]) -> list[Step]:
        """`pcm` is as many whole windows as there are probabilities."""
        steps: list[Step] = []
        for window, probability in zip(pcm.reshape(-1, VAD_WINDOW), probabilities, strict=True):
            self._windows.append(window)
            steps += self._speaking(probability) if self._open else self._waiting(probability)
        return steps

    def finish(self, ending: Ending) -> list[Step]:
        """Ends the open utterance, for a reason from outside."""
        steps: list[Step] = [self._close(self._now, ending)] if self._open else []
        self._candidate = None
        self._drop(self._now - self._pre_roll)
        return steps

    @property
    def _now(self) -> int:
        """Index of the next window."""
        return self._first + len(self._windows)

    def _waiting(self, probability: float) -> list[Step]:
        here = self._now - 1
        bound = self._how.speech_from if self._candidate is None else self._how.speech_until
        voiced = probability >= bound
        self._voiced.append(voiced)
        if voiced:
            self._last_voiced = here
            if self._candidate is None:
                self._candidate = here
        if self._candidate is None:
            self._drop(self._now - self._pre_roll)
            return []
        if sum(self._voiced[self._candidate - self._first :]) >= self._how.least_windows:
            return [self._begin(self._candidate)]
        if here - self._last_voiced >= self._how.click_windows:
            self._candidate = None
            self._drop(self._now - self._pre_roll)
        return []

    def _begin(self, speech_from: int) -> Onset:
        self._candidate, self._open = speech_from, True
        self._drop(speech_from - self._pre_roll)
        return Onset(self._first * VAD_WINDOW, speech_from * VAD_WINDOW)

    def _speaking(self, probability: float) -> list[Step]:
        here = self._now - 1
        voiced = probability >= self._how.speech_until
        self._voiced.append(voiced)
        if voiced:
            self._last_voiced = here
        if here - self._last_voiced >= self._silence:
            return [self._close(self._last_voiced + 1 + self._post_roll, Ending.ENDPOINT)]
        if len(self._windows) >= self._longest:
            return self._split(self._quietest())
        return []

    def _close(self, end: int, ending: Ending) -> Endpoint:
        endpoint = self._taken(min(end, self._last_voiced + 1 + self._post_roll, self._now), ending)
        self._open, self._candidate = False, None
        self._drop(self._now - self._pre_roll)
        # What is left is pre-roll: none of it begins speech by itself.
        self._voiced = [False] * len(self._windows)
        return endpoint

    def _split(self, end: int) -> list[Step]:
        """Speech goes on in the next utterance, where there is any behind the cut."""
        endpoint = self._taken(end, Ending.TOO_LONG)
        if not any(self._voiced):
            self._open, self._candidate = False, None
            return [endpoint]
        return [endpoint, self._begin(self._first + self._voiced.index(True))]

    def _taken(self, end: int, ending: Ending) -> Endpoint:
        speech_from = self._first if self._candidate is None else self._candidate
        count = end - self._first
        start = self._first * VAD_WINDOW
        endpoint = Endpoint(start, speech_from * VAD_WINDOW, _joined(self._windows[:count]), ending)
        self._drop(end)
        return endpoint

    def _drop(self, until: int) -> None:
        count = max(until - self._first, 0)
        del self._windows[:count]
        del self._voiced[:count]
        self._first += count

    def _quietest(self) -> int:
        """The window in the later half before which to cut: the middle of the quietest stretch."""
        power = np.array([np.mean(np.square(window, dtype=np.float64)) for window in self._windows])
        smooth = np.convolve(power, np.ones(SMOOTHED_WINDOWS) / SMOOTHED_WINDOWS, mode="same")
        half = len(smooth) // 2
        return self._first + half + int(np.argmin(smooth[half : -(SMOOTHED_WINDOWS // 2)]))


def _joined(windows: Sequence[Samples]) -> Samples:
    return np.concatenate(windows) if windows else np.zeros(0, np.int16)
