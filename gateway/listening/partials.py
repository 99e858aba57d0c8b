"""Text while somebody still speaks: greedy, one at a time, and the first thing that is left out when time is short."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from conch.clients.inference import CallOptions
from conch.contracts.errors import ConchError
from gateway.audio import Samples
from gateway.listening.events import PartialText
from gateway.listening.hypotheses import Hypotheses
from gateway.recognition import Expectation, Recogniser

LATE, FAILED, BEHIND, SENT = "late", "failed", "behind", "sent"


RESTS = 2.0
"""Times as long as the last partial took, before the next."""


class Partials:
    """Of one session."""

    def __init__(
        self,
        recogniser: Recogniser,
        expectation: Expectation,
        offer: Callable[[PartialText], bool],
        count: Callable[[str], None],
        every: int,
        clock: Callable[[], float],
    ) -> None:
        """`offer` says whether there was room for it; `every`: samples of new audio between two."""
        self._clock = clock
        self._rests_until = clock()
        self._recogniser = recogniser
        self._expectation = expectation
        self._offer = offer
        self._count = count
        self._every = every
        self._heard = 0  # samples of the last one
        self._hypotheses = Hypotheses()
        self._running: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup

    def started_in(self, group: asyncio.TaskGroup) -> None:
        """Before the first is asked for."""
        self._group = group

    def begin(self) -> None:
        """Another utterance."""
        self.cancel()
        self._heard, self._hypotheses = 0, Hypotheses()

    def due(self, samples: int) -> bool:
        return samples - self._heard >= self._every and self._clock() >= self._rests_until

    def leave_out(self, samples: int) -> None:
        self._heard = samples
        self._count(BEHIND)

    def ask(self, number: int, spoken: Samples, call: CallOptions) -> None:
        """Unless one is running; `spoken` is the utterance so far."""
        if self._running is not None and not self._running.done():
            return
        self._heard = len(spoken)
        self._running = self._group.create_task(self._ask(number, spoken, call))

    def cancel(self) -> None:
        """What comes now would be out of date."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            self._count(LATE)
        self._running = None

    async def _ask(self, number: int, spoken: Samples, call: CallOptions) -> None:
        # The final is of the same audio, and is what a day's limit counts.
        uncounted = replace(call, audio_seconds_per_day=None)
        asked_at = self._clock()
        try:
            recognition = await self._recogniser.recognise(spoken, self._expectation, uncounted)
        except ConchError:
            self._count(FAILED)
            return
        finally:
            # A batch that runs holds finals up: the slower models are, the fewer partials they get.
            now = self._clock()
            self._rests_until = now + RESTS * (now - asked_at)
        if not recognition.text:
            return
        partial = self._hypotheses.heard(recognition.text)
        told = self._offer(PartialText(number, partial.text, partial.stable_characters))
        self._count(SENT if told else LATE)
