"""Events on their way to the caller, in order.

Bounded: who does not read makes us wait, and so does not get audio heard. What is soon out of date is left out instead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from gateway.listening.events import Event

MOST = 64

Write = Callable[[Event], Awaitable[None]]


class Outlet:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue(MOST)

    async def tell(self, events: Iterable[Event]) -> None:
        for event in events:
            await self._waiting.put(event)

    def offer(self, event: Event) -> bool:
        """Whether there was room."""
        if self._waiting.full():
            return False
        self._waiting.put_nowait(event)
        return True

    async def close(self) -> None:
        await self._waiting.put(None)

    async def run(self) -> None:
        """Until it is closed, and everything is told."""
        while (event := await self._waiting.get()) is not None:
            await self._write(event)
