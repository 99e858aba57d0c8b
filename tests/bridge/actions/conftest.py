"""Actions as a bridge has them, with a gateway that speaks; what is published is kept here."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.actions.actions import Actions, Room
from bridge.actions.order import Acting, Kind, NotDone, Order, Unset
from bridge.actions.outbox import Outbox
from bridge.actions.outcomes import Outcomes
from bridge.counting import Counting
from bridge.events import Decided, Span
from bridge.gateway import Gateway
from bridge.speaking import Speaking
from bridge.telling import Telling
from bridge.wearer import Wearer
from conch.contracts.topics import DeviceId
from tests.bridge.gateway import CountingGateway, running

WATCH = Wearer(DeviceId("default", "watch-1"), "one", True)

ROOM = Room(waiting=8, at_once=2)

PATIENCE_S = 40.0


def decided(first: int, after: int, decision: str = "execute", intent: str = "DIAL_PERSON", **more: Any) -> Decided:
    words = {"text": "call Mai", "contacts": ("Mai",), "reply": "Calling Mai.", **more}
    return Decided(decision, f"command-{first}", 0, Span(first, after), intent, **words)


def ordered(kind: Kind = Kind.DIAL, **more: Any) -> Order:
    words = {"text": "call Mai", "contact": "Mai", "intent": "DIAL_PERSON", **more}
    at = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)
    return Order(kind, WATCH, "7a0e", (Span(0, 16_000),), at, **words)


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 # it looks at what others change
            await asyncio.sleep(0.01)


@dataclass
class Deeds:
    """A way to act, that keeps what it did; it waits while it is held."""

    deadline_s: float = 30.0
    acted: list[str] = field(default_factory=list)
    says: str = ""
    fails: Exception | None = None
    refuses: NotDone | None = None
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def check(self, order: Order) -> None:
        if self.refuses is not None:
            raise self.refuses

    async def act(self, order: Order, within_s: float) -> str:
        self.acted.append(order.command_id)
        await self.free.wait()
        if self.fails is not None:
            raise self.fails
        return self.says


@dataclass
class Crew:
    actions: Actions
    gateway: CountingGateway
    counting: Counting
    outbox: Outbox
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [event for _, event in self.published if event["event"] == "action"]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(event["command_id"], event["state"]) for event in self.told]

    def counted(self, action: str, outcome: str) -> float | None:
        labels = {"tenant": "default", "action": action, "outcome": outcome}
        return self.counting.registry.get_sample_value("conch_bridge_actions_total", labels)


Crewed = Callable[..., contextlib.AbstractAsyncContextManager[Crew]]


@pytest.fixture
def crewed(tmp_path: Path) -> Crewed:
    """One after another on the same outbox: a bridge that was restarted."""

    @contextlib.asynccontextmanager
    async def crew(ways: Mapping[Kind, Acting], room: Room = ROOM) -> AsyncIterator[Crew]:
        counting, counted = Counting(), CountingGateway()
        outbox = Outbox(tmp_path / "outbox.db", 86_400, 1000)
        outbox.open()
        published: list[tuple[str, dict[str, Any]]] = []

        def publish(topic: str, payload: bytes, qos: int, properties: object = ()) -> None:
            if topic.endswith("/events"):
                published.append((topic, json.loads(payload)))

        async with running(counted) as port, Gateway(f"127.0.0.1:{port}") as gateway:
            telling = Telling(publish, counting)
            speaking = Speaking(gateway, telling, PATIENCE_S)
            every = {kind: Unset("not set up") for kind in Kind} | dict(ways)
            outcomes = Outcomes(telling, speaking, counting)
            actions = Actions(every, outbox, speaking, outcomes, room)
            tasks = []
            for run in (speaking.run, actions.run):
                ready = asyncio.Event()
                tasks.append(asyncio.create_task(run(ready)))
                await ready.wait()
            try:
                yield Crew(actions, counted, counting, outbox, published)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                outbox.close()

    return crew
