"""Sessions side by side: what one of them may take from the others, counted in calls and in seconds of audio kept."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conch.clients.inference import DEFAULT_CALL, Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.identity import ANONYMOUS
from conch.contracts.specs import PRIORITY_INTERACTIVE, SPEECH_RATE
from gateway.audio import Samples
from gateway.calls import Call
from gateway.limits import Limits
from gateway.listening.bounds import Bounds
from gateway.listening.endpointing import Endpointing
from gateway.listening.events import Decided, Event
from gateway.listening.formats import Encoding, Format
from gateway.listening.listening import Listening
from gateway.listening.opening import Opening
from gateway.listening.receiving import Chunk
from gateway.turns import TakingTurns
from gateway.understanding import CommandUnderstanding
from tests.gateway.conftest import Hold, heard, said, tone, whisper
from tests.gateway.listening.test_session import Counts
from tests.gateway.microphone import pcm16


@dataclass
class Kept(Counts):
    """Tells when so many seconds of audio are kept."""

    wanted_s: float = math.inf
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def buffered(self, more_s: float) -> None:
        super().buffered(more_s)
        if self.buffered_s >= self.wanted_s:
            self.enough.set()

    async def reached(self, seconds: float) -> None:
        self.wanted_s = seconds
        self.buffered(0.0)
        await self.enough.wait()


async def after_a_while(look: Callable[[], int]) -> int:
    await asyncio.sleep(0.3)
    return look()


CHATTY, QUIET = "call", "summon"
"""What each says."""


@dataclass
class Watched(TakingTurns):
    """Knows what whisper was asked for, and what it began, in order."""

    models: InProcessInference
    log: list[tuple[str, str]] = field(default_factory=list)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    """The chatty one has been heard five times."""

    def __post_init__(self) -> None:
        super().__init__(self.models, {"whisper": 1})
        self.models.functions["whisper"] = self._slowly

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        if model == "whisper" and call.priority == PRIORITY_INTERACTIVE:
            self.log.append(("asked", heard(inputs["pcm16"][0])))
        return await super().infer(model, inputs, outputs=outputs, call=call)

    async def _slowly(self, inputs: Arrays, call: CallOptions) -> Arrays:
        self.log.append(("begun", heard(inputs["pcm16"][0])))
        if self.log.count(("begun", CHATTY)) == 5:
            self.busy.set()
        for _ in range(200):
            await asyncio.sleep(0)
        return whisper(inputs, call)

    def begun_while_waiting(self) -> int:
        """Calls of others that whisper began between the quiet one's asking and its turn."""
        asked_at = self.log.index(("asked", QUIET))
        begun_at = self.log.index(("begun", QUIET), asked_at)
        return sum(what == "begun" for what, _ in self.log[asked_at:begun_at])


def listening_with(inference: Any, counts: Counts, bounds: Bounds) -> Listening:
    limits = Limits()
    return Listening(inference, CommandUnderstanding(inference, limits), limits, counts, bounds=bounds)


async def listen(listening: Listening, device: str, chunks: AsyncIterator[Chunk]) -> list[Event]:
    events: list[Event] = []

    async def write(event: Event) -> None:
        events.append(event)

    opening = Opening(device, "", "monday", Format(Encoding.PCM16, SPEECH_RATE, 1), "", "", (), 0)
    await listening.listen(opening, chunks, write, Call(ANONYMOUS, time.monotonic() + 3600))
    return events


async def chunks_of(pcm: Samples) -> AsyncIterator[Chunk]:
    size = SPEECH_RATE // 5
    for start in range(0, len(pcm), size):
        yield Chunk(pcm[start : start + size].tobytes(), start)


async def test_a_chatty_device_keeps_a_quiet_one_waiting_for_two_calls_at_most(models: InProcessInference) -> None:
    watched = Watched(models)
    listening = listening_with(watched, Counts(), Bounds(tick_s=0.01))
    storm = pcm16(said(*[CHATTY] * 40, pause_s=0.8))
    chatty = asyncio.create_task(listen(listening, "chatty", chunks_of(storm)))
    await watched.busy.wait()
    quiet = await listen(listening, "quiet", chunks_of(pcm16(said(QUIET))))
    assert not chatty.done()
    assert [event.command.understood.text for event in quiet if isinstance(event, Decided)] == [QUIET]
    assert watched.begun_while_waiting() <= 2
    told = await chatty
    assert sum(isinstance(event, Decided) for event in told) == 40


async def test_a_session_keeps_so_much_audio_and_then_is_not_read_from(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["whisper"] = hold.before(whisper)
    counts, bounds, longest_s = Kept(), Bounds(tick_s=0.01), Endpointing().longest_s
    taken_s = 0

    async def endless() -> AsyncIterator[Chunk]:
        nonlocal taken_s
        second = pcm16(tone(300, 1.0))
        while not hold.release.is_set():
            yield Chunk(second.tobytes(), taken_s * SPEECH_RATE)
            taken_s += 1

    listened = asyncio.create_task(listen(listening_with(models, counts, bounds), "badge-1", endless()))
    async with asyncio.timeout(60):
        # It is cut in its later half.
        await counts.reached((1 + bounds.finals) * longest_s / 2)
        while (before := taken_s) == 0 or before != await after_a_while(lambda: taken_s):
            pass  # until nothing more is taken, however long whoever sends goes on
    # An utterance that is decided, those that wait, one that waits for a place, and one that is open.
    most_s = bounds.buffer_s + 1 + (1 + bounds.finals + 1 + 1) * longest_s
    assert counts.most_buffered_s <= most_s
    assert taken_s <= most_s + 2
    hold.release.set()
    await listened
    assert round(counts.buffered_s, 6) == 0.0
