"""Messages into sessions: decoded, spooled with one fsync for many, then acknowledged in the order they came."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable

from bridge import events
from bridge.chunk import Reason, Refused, decode
from bridge.counting import Counting
from bridge.devices import Device, Registry
from bridge.mqtt import Message
from bridge.sessions import Sessions
from bridge.share import Share
from bridge.spool import SpoolFull
from conch.contracts.errors import InvalidRequest
from conch.contracts.topics import DeviceId

logger = logging.getLogger(__name__)

FULL_LOOK_S = 0.2
"""A full spool is tried again after this time."""


class Intake:
    def __init__(
        self,
        registry: Registry,
        sessions: Sessions,
        acknowledge: Callable[[Message], None],
        counting: Counting,
        max_chunk_bytes: int,
        share: Share,
    ) -> None:
        self._registry = registry
        self._sessions = sessions
        self._acknowledge = acknowledge
        self._counting = counting
        self._max_chunk_bytes = max_chunk_bytes
        self._share = share
        self._inbox: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._is_full = False

    def take(self, message: Message) -> None:
        """Waits here for its fsync; the broker sends only so many that are not acknowledged."""
        self._inbox.append(message)
        self._arrived.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._inbox:
                await self._take_group()

    async def _take_group(self) -> None:
        taken: list[Message] = []
        with contextlib.suppress(SpoolFull):
            while self._inbox:
                self._take(self._inbox[0])
                taken.append(self._inbox.popleft())
                self._sessions.repeats.heard(taken[-1])
        await asyncio.to_thread(self._sessions.spool.sync())
        for message in taken:
            self._acknowledge(message)
        self._note_full(bool(self._inbox) and not taken)
        if self._is_full:
            await asyncio.sleep(FULL_LOOK_S)

    def _take(self, message: Message) -> None:
        """Raises SpoolFull, and then has done nothing."""
        try:
            name = _device_id(message.topic)
            if not self._share.owns(name):
                return  # and it is acknowledged: each bridge has a copy of its own
            device = self._device(name)
        except Refused as error:
            self._counting.refused("", error.reason)
            logger.debug("refused: %s", error.message)
            return
        try:
            if message.retained:
                raise Refused(Reason.RETAINED, "the message is retained: audio is for the moment it is said in")
            chunk = decode(message.payload, message.properties, self._max_chunk_bytes)
            self._sessions.take(device, chunk, self._sessions.repeats.is_again(message))
        except Refused as error:
            self._counting.refused(device.id.tenant, error.reason)
            self._sessions.tell(
                device, chunk.session if error.reason is Reason.STALE_SESSION else "", events.refused(error)
            )

    def _device(self, name: DeviceId) -> Device:
        device = self._registry.get(name)
        if device is None:
            raise Refused(Reason.UNKNOWN_DEVICE, f"no device {name.device} of tenant {name.tenant} is registered")
        return device

    def _note_full(self, is_full: bool) -> None:
        if is_full != self._is_full:
            self._is_full = is_full
            self._counting.spool_full(is_full)
            if is_full:
                logger.error("the spool is full: no audio is acknowledged until some is decided")
            else:
                logger.info("the spool has room again")


def _device_id(topic: str) -> DeviceId:
    try:
        return DeviceId.of_audio(topic)
    except InvalidRequest as error:
        raise Refused(Reason.TOPIC, error.message) from None
