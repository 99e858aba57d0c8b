"""One device's session: its backlog goes to the gateway in one Listen call after another, events come back."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from bridge.backlog import Backlog, Loss
from bridge.devices import Device
from bridge.events import Acknowledged, Decided, Event, Span, Told
from bridge.gateway import Gateway, Listening, Opening
from bridge.spool import Place
from conch.contracts.errors import ConchError, InvalidRequest, NotFound, PermissionDenied

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 5.0

LONGEST_GAP_S = 3600.0
"""Within a stream; behind a longer one another begins. A day's the gateway would take for a mistake, chunk by chunk."""

_FOR_GOOD = (InvalidRequest, NotFound, PermissionDenied)
"""The gateway will not have this audio, however often it is sent."""


class Outlet(Protocol):
    """What a session tells, and whom."""

    def tell(self, device: Device, session: str, told: Told) -> None: ...

    async def decided(self, backlog: Backlog, decided: Decided) -> None:
        """Returns when it is on disk: only then may the audio go."""

    async def interrupted(self, backlog: Backlog) -> None:
        """A stream is over: what it asked will not be answered."""

    def lost(self, backlog: Backlog, losses: list[Loss]) -> None:
        """Counts, and tells the device."""

    def progressed(self, backlog: Backlog) -> None:
        """Less is needed than before: it is noted in the spool."""

    def broke(self, backlog: Backlog, error: ConchError) -> None:
        """A stream ended with an error; the session goes on."""


@dataclass(frozen=True, slots=True)
class Pace:
    idle_s: float
    reorder_s: float
    reconnect_s: float


class Session:
    def __init__(
        self,
        device: Device,
        backlog: Backlog,
        gateway: Gateway,
        read: Callable[[Place], bytes],
        outlet: Outlet,
        pace: Pace,
    ) -> None:
        self.device = device
        self.backlog = backlog
        self._gateway = gateway
        self._read = read
        self._outlet = outlet
        self._pace = pace
        self._changed = asyncio.Event()
        self._last = False
        self._utterance, self._heard = -1, Span(0, 0)
        """The last one that was decoded."""

    def wake(self) -> None:
        """The backlog has more."""
        self._changed.set()

    def finish(self) -> None:
        """No more audio comes: run() returns when all is decided."""
        self._last = True
        self._changed.set()

    async def run(self) -> None:
        """Returns when everything is decided, and no audio came for a while or none will come."""
        pause_s = self._pace.reconnect_s
        while not self.backlog.is_empty:
            decided = self.backlog.decided_to
            try:
                await self._listen()
            except _FOR_GOOD as error:
                self._outlet.broke(self.backlog, error)
                self._lose(self.backlog.throw_away())
            except ConchError as error:
                self._outlet.broke(self.backlog, error)
            await self._outlet.interrupted(self.backlog)
            self.backlog.send_again()
            if self.backlog.decided_to > decided:
                pause_s = self._pace.reconnect_s
            elif not self.backlog.is_empty:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        opening = Opening(self.device, self.backlog.session, self.backlog.format, self.backlog.next_offset)
        listening = await self._gateway.listen(opening)
        failure: ConchError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(listening))
                try:
                    async for event in listening:
                        await self._heed(event)
                except ConchError as error:
                    failure = error
                sending.cancel()
        finally:
            listening.cancel()
        if failure is not None:
            raise failure

    async def _send(self, listening: Listening) -> None:
        sequence, sent_to = 0, self.backlog.next_offset
        while True:
            self._changed.clear()
            while (piece := self.backlog.next()) is not None:
                if piece.offset - sent_to > LONGEST_GAP_S * self.backlog.format.rate:
                    await listening.finish()  # it counts as sent, and so is sent again by the stream that follows
                    return
                sent_to = piece.end
                if not await listening.send(self._read(piece.place), sequence, piece.offset):
                    return
                sequence += 1
            if not await self._more():
                await listening.finish()
                return

    async def _more(self) -> bool:
        """Whether there is more to send, or may be."""
        if self.backlog.reorders:
            if not await self._woken(self._pace.reorder_s):
                self._lose(self.backlog.give_up_missing())
            return True
        if self._last:
            return False
        return await self._woken(self._pace.idle_s)

    async def _woken(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _heed(self, event: Event) -> None:
        if isinstance(event, Acknowledged):
            if self.backlog.decide(event.decided_to):
                self._outlet.progressed(self.backlog)
        elif isinstance(event, Decided):
            answer = self._heard if event.utterance == self._utterance else None
            await self._outlet.decided(self.backlog, replace(event, answer=answer))
        elif event.name != "gap":  # its range has been told already, by us
            if event.name == "final":
                self._utterance = event.fields["utterance"]
                self._heard = Span(event.fields["start_offset"], event.fields["end_offset"])
            self._outlet.tell(self.device, self.backlog.session, event)

    def _lose(self, losses: list[Loss]) -> None:
        if losses:
            self._outlet.lost(self.backlog, losses)
