"""Audio that was received and not heard yet: bounded, so that whoever sends faster than we hear has to wait."""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from gateway.audio import Samples


@dataclass(frozen=True, slots=True)
class Skip:
    """Audio goes on here, and there is none before."""

    to_offset: int


class Mark(Enum):
    STALLED = "stalled"
    """No audio came for a while."""
    CLOSED = "closed"
    """None will come."""


Taken = Samples | Skip | Mark


class Inlet:
    def __init__(self, most: int, block: int) -> None:
        """Samples: `most` that wait, before a sender does; `block` are worth taking, fewer only before a mark."""
        self._most = most
        self._block = block
        self._waiting: deque[Taken] = deque()
        self._samples = 0
        self._changed = asyncio.Condition()

    @property
    def samples(self) -> int:
        return self._samples

    async def put(self, pcm: Samples) -> bool:
        """Whether there was no room, and the sender waited."""
        async with self._changed:
            full = self._samples >= self._most
            await self._changed.wait_for(lambda: self._samples < self._most)
            self._waiting.append(pcm)
            self._samples += len(pcm)
            self._changed.notify_all()
        return full

    async def mark(self, mark: Skip | Mark) -> None:
        """Behind the audio that waits."""
        async with self._changed:
            self._waiting.append(mark)
            self._changed.notify_all()

    async def take(self) -> Taken:
        """All audio that waits, or the mark that is next."""
        async with self._changed:
            await self._changed.wait_for(self._worth_taking)
            taken: list[Samples] = []
            while self._waiting and isinstance(self._waiting[0], np.ndarray):
                taken.append(self._waiting.popleft())  # type: ignore[arg-type]
            if not taken:
                return self._waiting.popleft()
            self._samples = 0
            self._changed.notify_all()
            return np.concatenate(taken)

    def _worth_taking(self) -> bool:
        return self._samples >= self._block or any(not isinstance(one, np.ndarray) for one in self._waiting)
