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
from conch.contracts.errors import ConchError
from conch.contracts.topics import DeviceId

logger = logging.getLogger(__name__)

MOST_REPLIES = 4
"""That wait for one device to be spoken; then the oldest goes."""


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
        try:
            sentences = self._gateway.speak(wearer.device.tenant, reply.text, self._deadline_s)
            async for speech in messages_of(sentences, reply.command_id):
                self._telling.say(wearer, speech)
        except ConchError as error:
            logger.warning("%s: a reply is not spoken: %s", wearer.device, error.message)
            self._telling.tell(wearer.device, wearer.session, events.failed(error))
