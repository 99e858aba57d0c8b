"""The final of an utterance that seems to be over, asked for in the silence that has yet to end it.

When the silence lasts, the utterance is exactly what was decoded, and its decision comes that much earlier. When speech
goes on, the decoding was in vain and is withdrawn.
"""

import asyncio
from collections.abc import Awaitable, Callable

from conch.contracts.errors import ConchError
from gateway.audio import Samples
from gateway.recognition import Recognition

Foreseen = asyncio.Task[Recognition | None]
"""None where it failed: the final is asked for as if nothing had been foreseen."""


class Foresight:
    """Of one session; one utterance at a time."""

    def __init__(self, recognise: Callable[[Samples], Awaitable[Recognition]]) -> None:
        self._recognise = recognise
        self._group: asyncio.TaskGroup
        self._samples = 0
        self._running: Foreseen | None = None

    def started_in(self, group: asyncio.TaskGroup) -> None:
        """Before anything is expected."""
        self._group = group

    def expect(self, pcm: Samples) -> None:
        """The open utterance, if it ends with the silence that is now."""
        if self._running is not None and len(pcm) == self._samples:
            return
        self.forget()
        self._samples = len(pcm)
        self._running = self._group.create_task(self._ask(pcm))

    def forget(self) -> None:
        """Speech goes on."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def take(self, pcm: Samples) -> Foreseen | None:
        """What was asked for this utterance, whose end has come; None where that was another one."""
        foreseen = self._running
        if foreseen is None or len(pcm) != self._samples:
            self.forget()
            return None
        self._running = None
        return foreseen

    async def _ask(self, pcm: Samples) -> Recognition | None:
        try:
            return await self._recognise(pcm)
        except ConchError:
            return None
