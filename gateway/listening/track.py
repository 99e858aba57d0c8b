"""Audio without a hole: samples of a caller's rate in, windows at 16 kHz and utterances out, their offsets kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from conch.contracts.specs import SPEECH_RATE
from gateway.audio import Samples
from gateway.listening.endpointing import Ending, Endpointer, Endpointing, Onset, Step
from gateway.voice_activity import in_windows, padded


@dataclass(frozen=True, slots=True)
class Begun:
    start_offset: int


@dataclass(frozen=True, slots=True)
class Utterance:
    start_offset: int
    end_offset: int
    speech_offset: int
    """Where its speech began, behind the pre-roll."""
    pcm: Samples
    """At 16 kHz."""
    ending: Ending


class Track:
    def __init__(self, rate: int, first_offset: int, how: Endpointing) -> None:
        self._rate = rate
        self._first_offset = first_offset
        self._given = 0  # samples at the caller's rate
        self._rest: Samples = np.zeros(0, np.int16)
        self._endpointer = Endpointer(how)
        self._resampler = (
            None if rate == SPEECH_RATE else soxr.ResampleStream(rate, SPEECH_RATE, 1, dtype="float32", quality="HQ")
        )

    @property
    def open(self) -> bool:
        return self._endpointer.open

    @property
    def pausing(self) -> bool:
        """Nobody is speaking right now; perhaps the utterance is over."""
        return self._endpointer.pausing

    @property
    def decided_to(self) -> int:
        """Every sample before is in an utterance that was given, or was silence."""
        return self._offset_of(self._endpointer.decided_to)

    @property
    def kept_s(self) -> float:
        return self._endpointer.kept / SPEECH_RATE

    def spoken(self) -> Samples:
        """The open utterance so far."""
        return self._endpointer.spoken()

    def lull(self) -> Samples | None:
        """The utterance that there will be if the silence that is now ends it; None while somebody speaks."""
        return self._endpointer.lull()

    def windows(self, pcm: Samples) -> Samples:
        """Whole windows, perhaps none, for the voice activity detector; then for `hear`."""
        self._given += len(pcm)
        return self._windowed(self._resampled(pcm, last=False))

    def last_windows(self) -> Samples:
        """What is left, with silence up to a whole window. Nothing may follow."""
        flushed = self._windowed(self._resampled(np.zeros(0, np.int16), last=True))
        rest, self._rest = padded(self._rest), np.zeros(0, np.int16)
        return np.concatenate([flushed, rest])

    def hear(self, windows: Samples, probabilities: Sequence[float]) -> list[Begun | Utterance]:
        return [self._told(step) for step in self._endpointer.feed(windows, probabilities)]

    def finish(self, ending: Ending) -> list[Begun | Utterance]:
        return [self._told(step) for step in self._endpointer.finish(ending)]

    def _resampled(self, pcm: Samples, *, last: bool) -> Samples:
        if self._resampler is None:
            return pcm
        # Not in 16 bits: soxr would add noise of its own.
        scaled = self._resampler.resample_chunk(pcm.astype(np.float32), last=last)
        resampled: Samples = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
        return resampled

    def _windowed(self, pcm: Samples) -> Samples:
        windows, self._rest = in_windows(np.concatenate([self._rest, pcm]))
        return windows

    def _offset_of(self, position: int) -> int:
        """Of a sample at 16 kHz. The resampler delays nothing: sample 0 stands for sample 0."""
        return self._first_offset + min(position * self._rate // SPEECH_RATE, self._given)

    def _told(self, step: Step) -> Begun | Utterance:
        start_offset = self._offset_of(step.start)
        if isinstance(step, Onset):
            return Begun(start_offset)
        return Utterance(
            start_offset, self._offset_of(step.end), self._offset_of(step.speech_from), step.pcm, step.ending
        )
