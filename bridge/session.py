"""One device's session: its backlog goes to the gateway in one Listen call after another, events come back."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge import events
from bridge.backlog import Backlog, Loss
from bridge.devices import Device
from bridge.events import Acknowledged, Event, Reply, Told
from bridge.gateway import Gateway, Listening, Opening
from bridge.speech import Speech, messages_of
from bridge.spool import Place
from conch.contracts.errors import ConchError, InvalidRequest, NotFound, PermissionDenied

logger = logging.getLogger(__name__)

MOST_REPLIES = 4
"""That wait to be spoken; then the oldest goes."""

LONGEST_PAUSE_S = 5.0

_FOR_GOOD = (InvalidRequest, NotFound, PermissionDenied)
"""The gateway will not have this audio, however often it is sent."""


class Outlet(Protocol):
    """What a session tells, and whom."""

    def tell(self, device: Device, session: str, told: Told) -> None: ...

    def say(self, backlog: Backlog, speech: Speech) -> None: ...

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
    speak_deadline_s: float


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
        self._replies: deque[Reply] = deque(maxlen=MOST_REPLIES)
        self._replied = asyncio.Event()
        self._silent = False
        """The gateway says no more."""

    def wake(self) -> None:
        """The backlog has more."""
        self._changed.set()

    def finish(self) -> None:
        """No more audio comes: run() returns when all is decided."""
        self._last = True
        self._changed.set()

    async def run(self) -> None:
        """Returns when everything is decided, and no audio came for a while or none will come."""
        self._silent = False
        async with asyncio.TaskGroup() as group:
            group.create_task(self._speak_replies())
            await self._listen_again_and_again()
            self._silent = True
            self._replied.set()

    async def _listen_again_and_again(self) -> None:
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
                        self._heed(event)
                except ConchError as error:
                    failure = error
                sending.cancel()
        finally:
            listening.cancel()
        if failure is not None:
            raise failure

    async def _send(self, listening: Listening) -> None:
        sequence = 0
        while True:
            self._changed.clear()
            while (piece := self.backlog.next()) is not None:
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

    def _heed(self, event: Event) -> None:
        if isinstance(event, Acknowledged):
            if self.backlog.decide(event.decided_to):
                self._outlet.progressed(self.backlog)
        elif isinstance(event, Reply):
            self._replies.append(event)
            self._replied.set()
        elif event.name != "gap":  # its range has been told already, by us
            self._outlet.tell(self.device, self.backlog.session, event)

    def _lose(self, losses: list[Loss]) -> None:
        if losses:
            self._outlet.lost(self.backlog, losses)

    async def _speak_replies(self) -> None:
        while self._replies or not self._silent:
            if self._replies:
                await self._speak(self._replies.popleft())
            else:
                self._replied.clear()
                await self._replied.wait()

    async def _speak(self, reply: Reply) -> None:
        try:
            sentences = self._gateway.speak(self.device, reply.text, self._pace.speak_deadline_s)
            async for speech in messages_of(sentences, reply.command_id):
                self._outlet.say(self.backlog, speech)
        except ConchError as error:
            logger.warning("%s: a reply is not spoken: %s", self.device.id, error.message)
            self._outlet.tell(self.device, self.backlog.session, events.failed(error))
