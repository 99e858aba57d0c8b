"""Sessions by a clock that the test moves: a rate that lies, and what is counted."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import DeadlineExceeded, InvalidRequest, Unavailable
from conch.contracts.identity import ANONYMOUS
from conch.contracts.specs import SPEECH_RATE
from gateway.calls import Call
from gateway.limits import Limits
from gateway.listening.bounds import Bounds
from gateway.listening.events import Ack, Decided, Ended, Event
from gateway.listening.formats import Encoding, Format
from gateway.listening.listening import Listening
from gateway.listening.opening import Opening
from gateway.listening.receiving import Chunk
from gateway.understanding import CommandUnderstanding
from tests.gateway.conftest import Hold, said, silence
from tests.gateway.microphone import pcm16
from tests.gateway.opus_packets import packets


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counts:
    """What a session counted, by name."""

    told: list[tuple[str, str]] = field(default_factory=list)
    sessions: int = 0
    buffered_s: float = 0.0
    most_buffered_s: float = 0.0

    def session_opened(self) -> None:
        self.sessions += 1

    def session_closed(self) -> None:
        self.sessions -= 1

    def utterance_ended(self, tenant: str, ending: str) -> None:
        self.told.append(("utterance", ending))

    def utterance_decided(self, tenant: str, seconds: float) -> None:
        self.told.append(("decided", tenant))

    def partial(self, tenant: str, outcome: str) -> None:
        pass

    def audio_refused(self, tenant: str, reason: str) -> None:
        self.told.append(("refused", reason))

    def gap(self, tenant: str, seconds: float) -> None:
        self.told.append(("gap", f"{seconds:.1f}"))

    def buffered(self, more_s: float) -> None:
        self.buffered_s += more_s
        self.most_buffered_s = max(self.most_buffered_s, self.buffered_s)


@dataclass
class Caller:
    models: InProcessInference
    clock: Clock = field(default_factory=Clock)
    counts: Counts = field(default_factory=Counts)
    events: list[Event] = field(default_factory=list)
    bounds: Bounds = field(default_factory=lambda: Bounds(tick_s=0.01))
    format: Format = field(default_factory=lambda: Format(Encoding.PCM16, SPEECH_RATE, 1))

    def listening(self) -> Listening:
        limits = Limits()
        understanding = CommandUnderstanding(self.models, limits)
        return Listening(self.models, understanding, limits, self.counts, bounds=self.bounds, clock=self.clock)

    async def listen(self, chunks: AsyncIterator[Chunk], listening: Listening | None = None) -> None:
        listening = listening or self.listening()
        opening = Opening("badge-1", "", "monday", self.format, "", "", (), 0)
        await listening.listen(opening, chunks, self._write, Call(ANONYMOUS, time.monotonic() + 3600))

    async def _write(self, event: Event) -> None:
        self.events.append(event)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def caller(models: InProcessInference) -> Caller:
    return Caller(models)


async def paced(clock: Clock, pcm: np.ndarray, times: float = 1.0, chunk_s: float = 0.2) -> AsyncIterator[Chunk]:
    """Chunk by chunk, while the clock goes on."""
    size = round(chunk_s * SPEECH_RATE)
    for start in range(0, len(pcm), size):
        yield Chunk(pcm[start : start + size].tobytes(), start)
        clock.now += chunk_s / times
        await asyncio.sleep(0)


async def settled() -> None:
    """All that can go on has."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_declared_rate_that_lies_ends_the_session(caller: Caller) -> None:
    two_minutes = pcm16(silence(120.0))
    with pytest.raises(InvalidRequest, match=r"declared as 16000 .* arrives as 32\d\d\d a second"):
        await caller.listen(paced(caller.clock, two_minutes, times=2.0))
    assert caller.counts.sessions == 0


async def test_a_rate_of_opus_that_its_offsets_belie_ends_the_session(caller: Caller) -> None:
    """A packet tells of time alone: that it was counted at another rate shows in how fast the offsets go on."""
    caller.format = Format(Encoding.OPUS, SPEECH_RATE, 1)
    (packet,) = packets(np.zeros(5760, np.int16), 48_000, frame_s=0.12)

    async def counted_at_48_khz() -> AsyncIterator[Chunk]:
        for at in range(500):
            yield Chunk(packet, at * 5760)
            caller.clock.now += 0.12
            await asyncio.sleep(0)

    with pytest.raises(InvalidRequest, match=r"declared as 16000 .* arrives as (47|48)\d\d\d a second"):
        await caller.listen(counted_at_48_khz())


async def test_an_hour_of_silence_is_an_hour_decided(caller: Caller) -> None:
    hour = np.zeros(3600 * SPEECH_RATE, np.int16)
    await caller.listen(paced(caller.clock, hour, chunk_s=8.0))
    assert not caller.told(Decided)
    assert caller.events[-1] == Ended("the caller has closed the stream", len(hour), len(hour))
    assert caller.counts.told == []
    assert caller.counts.most_buffered_s < 20


async def test_every_utterance_gap_and_refusal_is_counted(caller: Caller) -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        pcm = pcm16(said("summon"))
        yield Chunk(pcm.tobytes(), 0)
        yield Chunk(pcm.tobytes(), 0)
        yield Chunk(b"\0", 0)
        yield Chunk(pcm.tobytes(), len(pcm) - 100)
        yield Chunk(pcm.tobytes(), 3 * len(pcm))

    await caller.listen(chunks())
    assert sorted(caller.counts.told) == [
        ("decided", "default"),
        ("decided", "default"),
        ("decided", "default"),
        ("gap", "3.0"),
        ("refused", "chunk"),
        ("refused", "duplicate"),
        ("refused", "overlap"),
        ("utterance", "endpoint"),
        ("utterance", "endpoint"),
        ("utterance", "endpoint"),
    ]
    assert (caller.counts.sessions, round(caller.counts.buffered_s, 6)) == (0, 0.0)


async def test_what_could_not_be_decided_is_not_acknowledged(caller: Caller, models: InProcessInference) -> None:
    caller.bounds = Bounds(tick_s=0.01, final_s=0.3)

    def away(inputs: object, call: object) -> None:
        raise Unavailable("restarting")

    models.functions["intent"] = away
    with pytest.raises(DeadlineExceeded):
        await caller.listen(paced(caller.clock, pcm16(said("summon", "call"))))
    assert not caller.told(Decided)
    assert not caller.told(Ended)
    assert all(ack.decided_to < 0.5 * SPEECH_RATE for ack in caller.told(Ack) if isinstance(ack, Ack))


async def test_who_is_told_to_end_acknowledges_no_audio_that_waits_before_a_full_buffer(
    caller: Caller, models: InProcessInference
) -> None:
    hold = Hold()
    models.functions["vad"] = hold.before(models.functions["vad"])
    caller.bounds = Bounds(tick_s=0.01, buffer_s=1.0)
    listening = caller.listening()
    async with asyncio.TaskGroup() as group:
        group.create_task(caller.listen(paced(caller.clock, pcm16(said("summon", "call")), chunk_s=0.5), listening))
        await hold.entered.wait()
        await settled()
        listening.drain()
        await settled()
        hold.release.set()
    heard = sum(one.inputs["pcm"].shape[1] for one in models.asked if one.model == "vad")
    ended = caller.events[-1]
    assert isinstance(ended, Ended)
    assert ended.decided_to == ended.received_to == heard // 8000 * 8000
