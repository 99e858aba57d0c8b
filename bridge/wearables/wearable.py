"""A device with a connection of its own: what it says goes out by the chunk, what it is told comes in."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.mqtt import Broker, Message, Mqtt
from bridge.wearables.recording import CHUNK_S
from conch.contracts.errors import ConchError, DeadlineExceeded, Unavailable
from conch.contracts.topics import LAST, OFFSET, RATE, SEQUENCE, SESSION, DeviceId
from conch.decision import Action

CONNECT_S = 10.0

PATIENCE_S = 60.0
"""For a session's last event, after its last chunk."""

MOST_UNACKNOWLEDGED = 100

ACTED_ON = (Action.EXECUTE, Action.FORWARD)
"""Decisions that an `action` event follows."""


class Sound(Protocol):
    """What a device hears: 16-bit little-endian mono."""

    @property
    def rate(self) -> int: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Each when it is complete; ends when nothing more is said."""


@dataclass(frozen=True, slots=True)
class Event:
    """As docs/bridge.md has them."""

    fields: dict[str, Any]
    at_s: float
    """When it came, by the monotonic clock."""

    @property
    def name(self) -> str:
        return str(self.fields["event"])

    @property
    def session(self) -> str:
        return str(self.fields.get("session", ""))


@dataclass(frozen=True, slots=True)
class Sent:
    """One session, as the device knows it."""

    session: str
    samples: int


Heed = Callable[[Event | Message], None]
"""Gets the session's events, and messages of every other topic that the device hears."""


class Wearable:
    """Made by wearing()."""

    def __init__(self, mqtt: Mqtt, name: DeviceId) -> None:
        self._mqtt = mqtt
        self._name = name
        self.told: asyncio.Queue[Event | Message] = asyncio.Queue()
        """Everything that came and nobody has heeded. It has no bound: a device is told little, and for a while."""

    def take(self, message: Message) -> None:
        self._mqtt.acknowledge(message)
        if message.topic == self._name.events:
            self.told.put_nowait(Event(json.loads(message.payload), time.monotonic()))
        else:
            self.told.put_nowait(message)

    async def converse(self, sound: Sound, heed: Heed) -> Sent:
        """One session: returns when the sound is over and the session's last event has come."""
        session, samples = str(uuid.uuid4()), 0
        failure: ConchError | None = None
        async with asyncio.TaskGroup() as group:
            heeding = group.create_task(self._heed(session, heed))
            try:
                samples = await self._say(sound, session)
                async with asyncio.timeout(PATIENCE_S):
                    await heeding
            except TimeoutError:
                failure = DeadlineExceeded(f"the session has not ended {PATIENCE_S:.0f} s after its last chunk")
            except ConchError as error:  # a group would wrap it
                failure = error
            heeding.cancel()
        if failure is not None:
            raise failure
        return Sent(session, samples)

    async def _say(self, sound: Sound, session: str) -> int:
        sequence = offset = 0
        async for chunk in sound.chunks():
            self._publish(chunk, session, sequence, offset, sound.rate, "false")
            sequence, offset = sequence + 1, offset + len(chunk) // 2
        # Nobody knows of a microphone's chunk that it is the last one; so the last one is silence.
        quiet = bytes(2 * round(CHUNK_S * sound.rate))
        self._publish(quiet, session, sequence, offset, sound.rate, "true")
        return offset + len(quiet) // 2

    def _publish(self, chunk: bytes, session: str, sequence: int, offset: int, rate: int, last: str) -> None:
        places = ((SESSION, session), (SEQUENCE, str(sequence)), (OFFSET, str(offset)), (RATE, str(rate)))
        self._mqtt.publish(self._name.audio, chunk, 1, (*places, (LAST, last)))

    async def _heed(self, session: str, heed: Heed) -> None:
        """Until the session has ended, and is accounted for, and what was decided in it is done."""
        ended = accounted = False
        undone: set[str] = set()
        while not (ended and accounted) or undone:
            told = await self.told.get()
            if isinstance(told, Event):
                if told.session not in (session, ""):
                    continue
                ended |= told.name == "ended"
                # One also comes after each loss, before the session's end.
                accounted = ended and (accounted or told.name == "account")
                if told.name == "decision" and told.fields["decision"] in ACTED_ON:
                    undone.add(told.fields["command_id"])
                if told.name == "action":
                    undone.discard(told.fields["command_id"])
            heed(told)


@asynccontextmanager
async def wearing(broker: Broker, name: DeviceId, also: Sequence[str] = ()) -> AsyncIterator[Wearable]:
    """Connected and subscribed: to the device's own topics, and to `also`."""
    mqtt = Mqtt(broker, [name.events, name.speech, *also], MOST_UNACKNOWLEDGED)
    wearable = Wearable(mqtt, name)
    failure: ConchError | None = None
    async with asyncio.TaskGroup() as group:
        running = group.create_task(mqtt.run(wearable.take))
        try:
            await _subscribed(mqtt)
            yield wearable
        except ConchError as error:
            failure = error
        finally:
            running.cancel()
    if failure is not None:
        raise failure


async def _subscribed(mqtt: Mqtt) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            while not mqtt.connected:  # noqa: ASYNC110 - paho's thread says so in no other way
                await asyncio.sleep(0.02)
            return
    raise Unavailable(f"the broker does not answer within {CONNECT_S:.0f} s")
