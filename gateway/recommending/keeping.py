"""Write served lists one turn after the other; those that wait meanwhile are the next one, together.

A turn of its own for each list would wake a thread, and the interpreter runs one at a time: with many callers that
takes as long as a fourth of the call.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from conch.contracts.errors import Unavailable
from conch.stores.breaker import Breaker
from conch.stores.features import HotFeatures, Write
from gateway.recommending.shelf import Shelves

MOST = 32
"""Lists of a turn, of 13 kB where a page has 50 items. Those that wait are never more than calls may run."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    hot: HotFeatures
    breaker: Breaker
    write: Write
    kept: asyncio.Future[None]


class Keeping:
    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._waiting: list[_Asked] = []
        self._turn: asyncio.Future[Sequence[bool]] | None = None

    async def keep(self, hot: HotFeatures, breaker: Breaker, write: Write) -> None:
        """Raises Unavailable. Who does not wait for it any more may have it written all the same."""
        asked = _Asked(hot, breaker, write, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._turn is None:
            self._go_on()
        await asked.kept

    def _go_on(self) -> None:
        self._turn = None
        self._waiting = [one for one in self._waiting if not one.kept.done()]
        if self._waiting:
            first = self._waiting[0]
            some = [one for one in self._waiting if one.hot is first.hot][:MOST]
            self._waiting = [one for one in self._waiting if one not in some]
            writing = partial(first.hot.write, [one.write for one in some])
            self._turn = asyncio.ensure_future(self._shelves.aside(lambda: first.breaker.run(writing)))
            self._turn.add_done_callback(partial(self._ended, some))

    def _ended(self, some: list[_Asked], turn: asyncio.Future[Sequence[bool]]) -> None:
        error = Unavailable("the gateway ends") if turn.cancelled() else turn.exception()
        for one in some:
            if one.kept.done():
                continue
            if error is None:
                one.kept.set_result(None)
            else:
                one.kept.set_exception(error)
        self._go_on()
