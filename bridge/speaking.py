"""Replies become speech, one after another for each device, whether or not it has a stream just then."""

import asyncio
import logging
from collections import deque

from bridge import events
from bridge.events import Reply
from bridge.gateway import Gateway
from bridge.speech import messages_of
from bridge.telling import Telling
from bridge.wearer import Wearer
from conch.contracts.errors import ConchError, Unavailable
from conch.contracts.topics import DeviceId

logger = logging.getLogger(__name__)

MOST_REPLIES = 4
"""That wait for one device to be spoken; then the oldest goes."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
"""Between two attempts; doubled each time."""


class Speaking:
    def __init__(self, gateway: Gateway, telling: Telling, deadline_s: float) -> None:
        """`deadline_s` is for the speech of one reply."""
        self._gateway = gateway
        self._telling = telling
        self._deadline_s = deadline_s
        self._waiting: dict[DeviceId, deque[tuple[Wearer, Reply]]] = {}
        """Of devices that are being spoken to."""
        self._tasks: asyncio.TaskGroup

    async def run(self, ready: asyncio.Event) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            ready.set()
            await asyncio.get_running_loop().create_future()

    def speak(self, wearer: Wearer, reply: Reply) -> None:
        """Returns at once. A reply without words is none."""
        if not reply.text:
            return
        waiting = self._waiting.get(wearer.device)
        if waiting is None:
            waiting = self._waiting[wearer.device] = deque(maxlen=MOST_REPLIES)
            self._tasks.create_task(self._speak_all(wearer.device, waiting))
        waiting.append((wearer, reply))

    async def _speak_all(self, device: DeviceId, waiting: deque[tuple[Wearer, Reply]]) -> None:
        while waiting:
            await self._speak(*waiting.popleft())
        del self._waiting[device]

    async def _speak(self, wearer: Wearer, reply: Reply) -> None:
        """A gateway that is away, or an edge that says so, is asked again for as long as nothing has been said."""
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + self._deadline_s, FIRST_PAUSE_S
        while True:
            failure, begun = await self._try(wearer, reply, until - loop.time())
            if failure is None:
                return
            if begun or not isinstance(failure, Unavailable) or loop.time() + pause_s >= until:
                logger.warning("%s: a reply is not spoken: %s", wearer.device, failure.message)
                self._telling.tell(wearer.device, wearer.session, events.failed(failure))
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, wearer: Wearer, reply: Reply, within_s: float) -> tuple[ConchError | None, bool]:
        """What failed, and whether any of it was said."""
        begun = False
        try:
            sentences = self._gateway.speak(wearer.device.tenant, reply.text, within_s)
            async for speech in messages_of(sentences, reply.command_id):
                self._telling.say(wearer, speech)
                begun = True
        except ConchError as error:
            return error, begun
        return None, begun
