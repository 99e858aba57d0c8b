"""Many devices at once, at the pace of people: what each said, what it was told, and when."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from bridge.devices import Device, DevicesFile
from bridge.mqtt import Broker, Message
from bridge.wearables.clips import Clip
from bridge.wearables.recording import Played
from bridge.wearables.wearable import Event, Wearable, wearing
from conch.contracts.errors import ConchError
from conch.contracts.topics import DEFAULT_TENANT, DeviceId

SILENCE_S = 1.5
"""Behind each clip, in its session: longer than the silence that ends an utterance."""

APART_S = 0.37
"""Between the beginnings of two devices, so that they do not all fall silent at once."""


@dataclass(frozen=True, slots=True)
class Account:
    received: int
    gap: int
    dropped: int

    @property
    def told_of(self) -> int:
        return self.received + self.gap + self.dropped


@dataclass(slots=True)
class Turn:
    """One clip said by one device, in a session of its own."""

    device: str
    clip: Clip
    heard: list[str] = field(default_factory=list)
    first_partial_s: float | None = None
    """After the clip's first sound."""
    final_s: float | None = None
    """From the clip's last sound to the last final."""
    decisions: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sent: int = 0
    account: Account | None = None
    """The bridge's last one; None: none came."""

    @property
    def balances(self) -> bool:
        return self.account is not None and self.account.told_of == self.sent


async def simulate(
    broker: Broker, names: Sequence[DeviceId], clips: Sequence[Clip], seconds: float, done: Callable[[Turn], None]
) -> None:
    """Each device says clip after clip, and begins none when `seconds` have passed; `done` gets every turn.

    Each has a connection of its own: a broker orders, acknowledges and limits by connection, and where certificates
    name the devices it lets none speak for another.
    """
    ends = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            own = replace(broker, client_id=f"{name.device}-{uuid.uuid4()}")
            # So that not all say the same at once.
            first = number % len(clips)
            turn = (*clips[first:], *clips[:first])
            group.create_task(_wear(own, name, turn, number * APART_S, ends, done))


@contextmanager
def registered(file: DevicesFile, count: int, language: str) -> Iterator[list[DeviceId]]:
    """So many new devices of the default tenant, for as long as the context is open."""
    run = uuid.uuid4().hex[:8]
    names = [DeviceId(DEFAULT_TENANT, f"sim-{run}-{number}") for number in range(1, count + 1)]
    try:
        for name in names:
            file.add(Device(name, language))
        yield names
    finally:
        known = file.read()
        for name in names:
            if name in known:
                file.revoke(name)


async def _wear(
    broker: Broker,
    name: DeviceId,
    clips: Sequence[Clip],
    begin_s: float,
    ends: float,
    done: Callable[[Turn], None],
) -> None:
    async with wearing(broker, name) as wearable:
        await asyncio.sleep(begin_s)
        turns = 0
        while not turns or time.monotonic() < ends:
            done(await _say(wearable, name, clips[turns % len(clips)]))
            turns += 1


async def _say(wearable: Wearable, name: DeviceId, clip: Clip) -> Turn:
    turn = Turn(name.device, clip)
    begin = time.monotonic()
    try:
        sent = await wearable.converse(
            Played(clip.recording, silence_s=SILENCE_S), lambda told: _note(turn, told, begin)
        )
        turn.sent = sent.samples
    except ConchError as error:
        turn.errors.append(error.message)
    return turn


def _note(turn: Turn, told: Event | Message, begin: float) -> None:
    if not isinstance(told, Event):
        return
    fields, loud = told.fields, turn.clip.recording.loud_s()
    match told.name:
        case "partial" if turn.first_partial_s is None and loud is not None:
            turn.first_partial_s = told.at_s - begin - loud[0]
        case "final":
            turn.heard.append(fields["text"])
            if loud is not None and fields["text"]:
                turn.final_s = told.at_s - begin - loud[1]
        case "decision":
            turn.decisions.append(fields["decision"])
        case "error" | "refused":
            turn.errors.append(fields["message"])
        case "account":
            turn.account = Account(fields["received"], fields["gap"], fields["dropped"])
