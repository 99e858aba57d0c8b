"""Served lists are written in turns: those that wait for one go together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from conch.contracts.errors import Unavailable
from conch.stores.breaker import Breaker
from conch.stores.features import Write
from conch.stores.memory_features import MemoryFeatures
from gateway.recommending.keeping import MOST, Keeping
from gateway.recommending.shelf import Shelves


class Held(MemoryFeatures):
    """A store that answers when it is let go, and remembers what came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[list[str]] = []
        self.let_go = threading.Event()
        self.away = False

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        self.turns.append([one.key for one in writes])
        assert self.let_go.wait(30)
        if self.away:
            raise Unavailable("Redis does not answer")
        return super().write(writes)


@pytest.fixture
async def shelves() -> AsyncIterator[Shelves]:
    shelves = Shelves(None, None)
    yield shelves
    shelves.close()


def keeping(shelves: Shelves, hot: Held, breaker: Breaker, count: int) -> list[asyncio.Task[None]]:
    keeping = Keeping(shelves)
    return [
        asyncio.create_task(keeping.keep(hot, breaker, Write(f"served:{number}", b"list", ttl_s=60)))
        for number in range(count)
    ]


async def began(hot: Held) -> None:
    async with asyncio.timeout(30):
        while not hot.turns:  # noqa: ASYNC110 - another thread comes there
            await asyncio.sleep(0.001)


async def test_what_waits_for_a_write_goes_with_the_next_one(shelves: Shelves) -> None:
    hot = Held()
    tasks = keeping(shelves, hot, Breaker("Redis"), MOST + 3)
    await began(hot)
    hot.let_go.set()
    await asyncio.gather(*tasks)
    keys = [f"served:{number}" for number in range(MOST + 3)]
    assert hot.turns == [keys[:1], keys[1 : MOST + 1], keys[MOST + 1 :]]
    assert hot.read(keys) == [b"list"] * len(keys)


async def test_who_left_is_not_written_and_keeps_nobody_waiting(shelves: Shelves) -> None:
    hot = Held()
    tasks = keeping(shelves, hot, Breaker("Redis"), 3)
    await began(hot)
    tasks[0].cancel()
    tasks[1].cancel()
    hot.let_go.set()
    await asyncio.wait(tasks)
    assert hot.turns == [["served:0"], ["served:2"]]
    assert [task.cancelled() for task in tasks] == [True, True, False]


async def test_a_store_that_is_away_is_told_to_each_who_waits(shelves: Shelves) -> None:
    hot = Held()
    hot.away = True
    tasks = keeping(shelves, hot, Breaker("Redis", failures=2), 3)
    hot.let_go.set()
    refused = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in refused] == [Unavailable] * 3
    assert len(hot.turns) == 2


async def test_two_stores_have_their_own_turns(shelves: Shelves) -> None:
    one, other = Held(), Held()
    one.let_go.set()
    other.let_go.set()
    keeping = Keeping(shelves)
    breaker = Breaker("Redis")
    writes = [(hot, Write(f"served:{number}", b"list", ttl_s=60)) for number in range(2) for hot in (one, other)]
    await asyncio.gather(*(keeping.keep(hot, breaker, write) for hot, write in writes))
    assert one.turns == [["served:0"], ["served:1"]]
    assert other.turns == [["served:0", "served:1"]]
    assert one.read(["served:1"]) == other.read(["served:1"]) == [b"list"]
