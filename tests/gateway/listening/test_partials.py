import asyncio
from typing import Any

import numpy as np

from conch.clients.inference import CallOptions
from conch.contracts.errors import TooMuch
from conch.contracts.voice import Scores
from gateway.listening.events import PartialText
from gateway.listening.partials import Partials
from gateway.recognition import Expectation, Recogniser, Recognition

SECOND = 16_000


class Slow(Recogniser):
    """Takes so many seconds of the test's clock, and says the seconds of what it hears."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes_s = 0.5
        self.calls: list[CallOptions] = []
        self.full = False

    async def recognise(self, pcm: Any, expectation: Expectation, call: CallOptions) -> Recognition:
        self.calls.append(call)
        await asyncio.sleep(0)
        self.now += self.takes_s
        if self.full:
            raise TooMuch("the queue is full")
        return Recognition("word " * (len(pcm) // SECOND), "en", Scores(), ())


def of(slow: Slow, told: list[PartialText], counts: list[str]) -> Partials:
    def offer(partial: PartialText) -> bool:
        told.append(partial)
        return True

    return Partials(slow, Expectation(), offer, counts.append, SECOND, lambda: slow.now)


async def test_slow_models_get_fewer_partials() -> None:
    slow, told, counts = Slow(), [], []
    partials = Partials(
        slow, Expectation(), lambda one: told.append(one) is None, counts.append, SECOND, lambda: slow.now
    )
    async with asyncio.TaskGroup() as group:
        partials.started_in(group)
        partials.begin()
        assert partials.due(SECOND)
        partials.ask(0, np.zeros(SECOND, np.int16), CallOptions(audio_seconds_per_day=5))
    assert told == [PartialText(0, "word", 0)]
    assert counts == ["sent"]
    assert slow.calls[0].audio_seconds_per_day is None
    assert not partials.due(2 * SECOND)
    slow.now = 1.5
    assert partials.due(2 * SECOND)
    assert not partials.due(SECOND + 100)


async def test_one_that_fails_is_counted_and_no_more() -> None:
    slow, counts = Slow(), []
    slow.full = True
    partials = of(slow, [], counts)
    async with asyncio.TaskGroup() as group:
        partials.started_in(group)
        partials.ask(0, np.zeros(SECOND, np.int16), CallOptions())
        partials.ask(0, np.zeros(2 * SECOND, np.int16), CallOptions())
    assert (counts, len(slow.calls)) == (["failed"], 1)


async def test_what_runs_at_the_utterances_end_is_withdrawn() -> None:
    slow, told, counts = Slow(), [], []
    partials = Partials(
        slow, Expectation(), lambda one: told.append(one) is None, counts.append, SECOND, lambda: slow.now
    )
    async with asyncio.TaskGroup() as group:
        partials.started_in(group)
        partials.ask(0, np.zeros(SECOND, np.int16), CallOptions())
        await asyncio.sleep(0)
        partials.cancel()
    assert (told, counts) == ([], ["late"])
