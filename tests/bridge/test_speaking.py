import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import grpc

from bridge.counting import Counting
from bridge.events import Reply
from bridge.gateway import Gateway
from bridge.speaking import MOST_REPLIES, Speaking
from bridge.telling import Telling
from bridge.wearer import Wearer
from conch.contracts.topics import DeviceId
from conch.stack.serving import free_ports
from tests.bridge.gateway import CountingGateway, running

WATCH = Wearer(DeviceId("default", "watch-1"), "one", True)
OTHER = Wearer(DeviceId("acme", "watch-1"), "one", False)

PATIENCE_S = 40.0


class Published:
    def __init__(self) -> None:
        self.speech: list[tuple[str, dict[str, str]]] = []
        self.events: list[dict[str, object]] = []

    def __call__(self, topic: str, payload: bytes, qos: int, properties: tuple[tuple[str, str], ...] = ()) -> None:
        if topic.endswith("/speech"):
            self.speech.append((topic, dict(properties)))
        else:
            self.events.append(json.loads(payload))

    async def until(self, messages: int = 0, events: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.speech) < messages or len(self.events) < events:  # noqa: ASYNC110 # a callback fills them
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def speaking(port: int, published: Published, deadline_s: float = PATIENCE_S) -> AsyncIterator[Speaking]:
    async with Gateway(f"127.0.0.1:{port}") as gateway:
        one = Speaking(gateway, Telling(published, Counting()), deadline_s)
        ready = asyncio.Event()
        task = asyncio.create_task(one.run(ready))
        await ready.wait()
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_replies_to_one_device_come_one_after_another_and_whole():
    published = Published()
    async with running(CountingGateway()) as port, speaking(port, published) as one:
        for number in range(3):
            one.speak(WATCH, Reply(f"reply {number}", str(number)))
        await published.until(messages=9)
    told = [(properties["command_id"], properties["seq"]) for _, properties in published.speech]
    assert told == [(command, seq) for command in "012" for seq in "012"]


async def test_each_device_is_spoken_to_as_it_can_hear():
    published, gateway = Published(), CountingGateway()
    async with running(gateway) as port, speaking(port, published) as one:
        one.speak(OTHER, Reply("hello", "a"))
        await published.until(messages=3)
    assert {topic for topic, _ in published.speech} == {"t/acme/wearable/watch-1/speech"}
    assert all(properties == {} for _, properties in published.speech)
    assert published.events[0]["event"] == "speech"


async def test_a_reply_without_words_is_none():
    published, gateway = Published(), CountingGateway()
    async with running(gateway) as port, speaking(port, published) as one:
        one.speak(WATCH, Reply("", "a"))
        one.speak(WATCH, Reply("hello", "b"))
        await published.until(messages=3)
    assert gateway.spoken == ["hello"]


async def test_of_many_replies_that_wait_the_oldest_go():
    published, gateway = Published(), CountingGateway()
    async with running(gateway) as port, speaking(port, published) as one:
        for number in range(MOST_REPLIES + 3):
            one.speak(WATCH, Reply(f"reply {number}", str(number)))
        await published.until(messages=3 * MOST_REPLIES)
    assert gateway.spoken == [f"reply {number}" for number in range(3, MOST_REPLIES + 3)]


async def test_a_gateway_that_is_away_is_waited_for():
    published, gateway = Published(), CountingGateway()
    (port,) = free_ports(1)
    async with speaking(port, published) as one:
        one.speak(WATCH, Reply("hello", "a"))
        async with running(gateway, port):
            await published.until(messages=3)
    assert gateway.spoken == ["hello"]


class Hesitant(CountingGateway):
    """Refuses a few times, as an edge does whose gateway is away; then speaks, and breaks off where it must."""

    def __init__(self, refusals: int, breaks_off: bool = False) -> None:
        super().__init__()
        self.asked = 0
        self._refusals = refusals
        self._breaks_off = breaks_off

    async def Speak(self, request, context):
        self.asked += 1
        if self.asked <= self._refusals:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
        async for reply in super().Speak(request, context):
            yield reply
            if self._breaks_off:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


async def test_an_edge_that_says_that_its_gateway_is_away_is_asked_again():
    published, gateway = Published(), Hesitant(refusals=2)
    async with running(gateway) as port, speaking(port, published) as one:
        one.speak(WATCH, Reply("hello", "a"))
        await published.until(messages=3)
    assert (gateway.asked, gateway.spoken) == (3, ["hello"])
    assert [event["event"] for event in published.events] == ["speech"]


async def test_what_was_said_in_part_is_not_said_again():
    published, gateway = Published(), Hesitant(refusals=0, breaks_off=True)
    async with running(gateway) as port, speaking(port, published) as one:
        one.speak(WATCH, Reply("hello", "a"))
        await published.until(events=2)
    assert gateway.asked == 1
    assert [event["event"] for event in published.events] == ["speech", "error"]


async def test_a_reply_that_cannot_be_spoken_is_told_as_an_error():
    published = Published()
    (port,) = free_ports(1)
    async with speaking(port, published, deadline_s=0.2) as one:
        one.speak(WATCH, Reply("hello", "a"))
        await published.until(events=1)
    assert [(event["event"], event["code"]) for event in published.events] == [("error", "DEADLINE_EXCEEDED")]
