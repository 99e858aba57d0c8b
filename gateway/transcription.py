"""Text of recorded audio of any length, piece by piece as each is ready.

    file → blocks (audio.py) → probabilities of speech (voice_activity.py) → pieces (cutting.py) → text (recognition.py)

A step is asked for its next part only when the one after it has room, so memory does not grow with the recording. The
language, unless given, is detected on one piece after the other until enough speech agrees (languages.py), then kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import BinaryIO

import numpy as np

from conch.clients.inference import Inference
from conch.contracts.errors import TooMuch
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.voice import Progress, Segment, TranscriptEvent, TranscriptSummary, Word
from gateway import audio
from gateway.audio import AudioFile, RawPcm
from gateway.calls import Call
from gateway.cutting import Cutter, Cutting, Piece
from gateway.languages import LanguageVote
from gateway.limits import Limits
from gateway.metrics import Metrics
from gateway.patience import patiently
from gateway.recognition import Expectation, Recogniser, Recognition
from gateway.voice_activity import VoiceActivity, in_windows, padded

DEFAULT_CUTTING = Cutting()


class Transcription:
    def __init__(
        self,
        inference: Inference,
        limits: Limits,
        metrics: Metrics,
        *,
        in_flight: int = 4,
        cutting: Cutting = DEFAULT_CUTTING,
    ) -> None:
        """`in_flight`: pieces of one recording that are being recognised at once."""
        self._inference = inference
        self._limits = limits
        self._metrics = metrics
        self._in_flight = in_flight
        self._cutting = cutting

    async def transcribe(
        self, source: BinaryIO, expectation: Expectation, call: Call, raw: RawPcm | None = None
    ) -> AsyncIterator[TranscriptEvent]:
        """Events in the order of contracts/voice.py; what is wrong with the file may show after the first segments."""
        self._limits.check_prompt(expectation.prompt)
        async with audio.opened(source, self._limits.audio_s, raw) as file:
            recogniser = Recogniser(self._inference)
            await _check_expectation(recogniser, expectation, call)
            yield file.info
            transcript = _Transcript(recogniser, expectation, call, file)
            try:
                async with aclosing(self._pieces(file, call)) as steps:
                    async for pieces, decided_s in steps:
                        for piece in pieces:
                            async for event in transcript.until(transcript.room(self._in_flight)):
                                yield event
                            transcript.start(piece)
                        async for event in transcript.finished():
                            yield event
                        yield transcript.progress(decided_s)
                async for event in transcript.until(0):
                    yield event
            except TooMuch as error:
                raise TooMuch(f"{error.message}; {transcript.told()}", error.retry_after_s) from None
            finally:
                await transcript.cancel()
            yield transcript.progress(file.read_s)
            self._metrics.transcribed(call.identity.tenant, file.read_s)
            yield transcript.summary()

    async def _pieces(self, file: AudioFile, call: Call) -> AsyncGenerator[tuple[list[Piece], float], None]:
        """For each block: the pieces it completes, and the second before which every piece has been given."""
        activity, cutter = VoiceActivity(self._inference), Cutter(self._cutting)
        samples, rest = 0, np.zeros(0, np.int16)
        async for block in audio.blocks(file):
            samples += len(block)
            windows, rest = in_windows(np.concatenate([rest, block]))
            if len(windows):
                probabilities = await patiently(partial(activity.probabilities, windows), call)
                yield cutter.feed(windows, probabilities.tolist()), cutter.decided_s
        pieces = []
        if len(rest):
            windows = padded(rest)
            probabilities = await patiently(partial(activity.probabilities, windows), call)
            pieces = cutter.feed(windows, probabilities.tolist())
        yield [*pieces, *cutter.finish(samples)], samples / SPEECH_RATE


class _Transcript:
    """Pieces of one recording being recognised, told in their order; and what was told so far."""

    def __init__(self, recogniser: Recogniser, expectation: Expectation, call: Call, file: AudioFile) -> None:
        self._recogniser = recogniser
        self._expectation = expectation
        self._call = call
        self._file = file
        self._vote = LanguageVote()
        self._running: deque[tuple[Piece, asyncio.Task[Recognition]]] = deque()
        self._texts: list[str] = []

    def room(self, in_flight: int) -> int:
        """How many may still be running when the next one starts: none while it needs to know their language."""
        return in_flight - 1 if self._language else 0

    def start(self, piece: Piece) -> None:
        expectation = Expectation(self._language, self._expectation.prompt, self._expectation.with_words)
        ask = partial(self._recogniser.recognise, piece.pcm, expectation)
        self._running.append((piece, asyncio.create_task(patiently(ask, self._call))))

    async def until(self, room: int) -> AsyncIterator[TranscriptEvent]:
        """Waits until at most `room` pieces are running."""
        while len(self._running) > room:
            piece, task = self._running[0]
            recognition = await task
            self._running.popleft()
            segment = self._segment(piece, recognition)
            if segment is not None:
                yield segment
            yield self.progress(piece.end_s)

    async def finished(self) -> AsyncIterator[TranscriptEvent]:
        """Without waiting."""
        while self._running and self._running[0][1].done():
            async for event in self.until(len(self._running) - 1):
                yield event

    def progress(self, decided_s: float) -> Progress:
        done_s = min([decided_s, *(piece.start_s for piece, _ in self._running)])
        return Progress(done_s, max(self._file.info.duration_s, self._file.read_s))

    def summary(self) -> TranscriptSummary:
        return TranscriptSummary(" ".join(self._texts), self._vote.leader, self._file.read_s)

    def told(self) -> str:
        return f"{self.progress(self._file.read_s).done_s:.1f} s of the recording were transcribed before"

    async def cancel(self) -> None:
        for _, task in self._running:
            task.cancel()
        await asyncio.gather(*(task for _, task in self._running), return_exceptions=True)

    @property
    def _language(self) -> str:
        return self._expectation.language or self._vote.settled

    def _segment(self, piece: Piece, recognition: Recognition) -> Segment | None:
        if not recognition.text:
            return None
        scores = recognition.scores
        self._vote.add(recognition.language, scores.speech_s, scores.language_probability)
        self._texts.append(recognition.text)
        words = tuple(
            Word(word.text, piece.start_s + word.start_s, piece.start_s + word.end_s, word.probability)
            for word in recognition.words
        )
        return Segment(piece.start_s, piece.end_s, recognition.text, recognition.language, scores, words)


async def _check_expectation(recogniser: Recogniser, expectation: Expectation, call: Call) -> None:
    """A moment of silence asks the model itself: what it does not know is refused before the work begins."""
    if expectation.language or expectation.prompt:
        await patiently(partial(recogniser.recognise, np.zeros(SPEECH_RATE // 10, np.int16), expectation), call)
