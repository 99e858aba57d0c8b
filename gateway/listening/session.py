"""One microphone, live: chunks in, events out, for as long as the stream lives.

    chunks → accounts → inlet → track (16 kHz, windows) → vad → utterances → deciding → events
             receiving           hearing                                     deciding    telling

Four tasks, joined by bounded queues: whoever is slow makes the one before wait, up to the caller, who is not read from.
Partials alone are left out instead. A fifth task looks at the clock: acks, stalls, questions that nobody answered.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from conch.contracts.errors import ConchError, DeadlineExceeded
from conch.contracts.specs import SPEECH_RATE
from conch.replies import NO_ANSWER
from gateway.audio import Samples
from gateway.calls import Call
from gateway.listening.bounds import Bounds
from gateway.listening.counting import Counting
from gateway.listening.deciding import Deciding, Numbered
from gateway.listening.dialogue import Dialogue
from gateway.listening.endpointing import Ending, Endpointing
from gateway.listening.events import Ack, Ended, SpeechStarted, Started
from gateway.listening.foresight import Foresight
from gateway.listening.inlet import Inlet, Mark, Skip
from gateway.listening.opening import Opening
from gateway.listening.outlet import Outlet, Write
from gateway.listening.pace import Pacing
from gateway.listening.partials import Partials
from gateway.listening.receiving import Chunk, Receiving, Unreadable
from gateway.listening.track import Begun, Track, Utterance
from gateway.patience import persistently
from gateway.recognition import Recogniser
from gateway.understanding import CommandUnderstanding
from gateway.voice_activity import Probabilities, VoiceActivity


@dataclass(frozen=True, slots=True)
class Tools:
    """What every session uses."""

    activity: Callable[[], VoiceActivity]
    recogniser: Recogniser
    understanding: CommandUnderstanding
    counting: Counting
    bounds: Bounds
    endpointing: Endpointing
    pacing: Pacing
    clock: Callable[[], float]


class Session:
    def __init__(self, opening: Opening, call: Callable[[float], Call], tools: Tools, write: Write) -> None:
        """`opening` is checked; `call` makes a call of ours that may take so many seconds."""
        bounds, rate = tools.bounds, opening.format.rate
        self._opening = opening
        self._call = call
        self._tools = tools
        self._outlet = Outlet(write)
        self._block = round(bounds.block_s * rate)
        self._inlet = Inlet(round(bounds.buffer_s * rate), self._block)
        self._receiving = Receiving(
            opening, self._inlet, self._outlet, tools.counting, bounds, tools.pacing, tools.clock
        )
        self._activity = tools.activity()
        self._track = Track(rate, opening.resume_offset, tools.endpointing)
        thresholds = call(bounds.final_s).identity.thresholds
        self._dialogue = Dialogue(opening.language, opening.contacts, bounds.answer_s, thresholds)
        self._deciding = Deciding(
            opening,
            tools.recogniser,
            tools.understanding,
            self._dialogue,
            tools.clock,
            lambda: self._receiving.received_to,
        )
        self._partials = Partials(
            tools.recogniser,
            opening.expectation,
            self._outlet.offer,
            lambda outcome: tools.counting.partial(opening.tenant, outcome),
            round(bounds.partial_every_s * SPEECH_RATE),
            tools.clock,
        )
        self._foresight = Foresight(lambda pcm: self._deciding.recognise(pcm, call(bounds.final_s)))
        self._finals: asyncio.Queue[Numbered | None] = asyncio.Queue(bounds.finals)
        self._undecided: deque[Utterance] = deque()
        # What may be in vain is not counted against a day's audio.
        self._limited = call(bounds.final_s).identity.audio_seconds_per_day is not None
        self._final_took_s = 0.0
        self._utterances = 0
        self._decided_to = opening.resume_offset
        self._acked = Ack(opening.resume_offset, opening.resume_offset)
        self._acked_at = tools.clock()
        self._stalled_at = 0.0  # when audio had come last, as an utterance ended for its want
        self._buffered_s = 0.0
        self._stopping = asyncio.Event()
        self._stop_reason = "the caller has closed the stream"
        self._broken: ConchError | None = None

    def stop(self, reason: str) -> None:
        """As if the caller had said that no more comes."""
        self._stop_reason = reason
        self._stopping.set()

    def break_off(self, error: ConchError) -> None:
        """At once: nothing more is decided."""
        self._broken = error
        self._stopping.set()

    async def run(self, chunks: AsyncIterator[Chunk | Unreadable]) -> None:
        """Raises the ConchError that ends the session before its time."""
        counting = self._tools.counting
        counting.session_opened()
        try:
            async with asyncio.TaskGroup() as group:
                self._partials.started_in(group)
                self._foresight.started_in(group)
                await self._run(chunks, group)
        except BaseExceptionGroup as group_of_errors:
            raise _first(group_of_errors) from None
        finally:
            counting.session_closed()
            counting.buffered(-self._buffered_s)

    async def _run(self, chunks: AsyncIterator[Chunk | Unreadable], group: asyncio.TaskGroup) -> None:
        telling = group.create_task(self._outlet.run())
        await self._outlet.tell([Started(self._opening.session)])
        hearing = group.create_task(self._hear())
        deciding = group.create_task(self._decide())
        watching = group.create_task(self._watch())
        await self._receive_until_stopped(chunks)
        try:
            async with asyncio.timeout(self._tools.bounds.final_s):
                await self._inlet.mark(Mark.CLOSED)
                await hearing
                await self._finals.put(None)
                await deciding
                watching.cancel()
                await self._end()
                await telling
        except TimeoutError:
            raise DeadlineExceeded(
                f"what was said could not be decided and told within {self._tools.bounds.final_s:g} s"
            ) from None

    async def _end(self) -> None:
        self._decided_to = self._receiving.taken_to
        await self._outlet.tell(self._dialogue.call_off("the session has ended", NO_ANSWER))
        await self._outlet.tell([Ended(self._stop_reason, self._decided_to, self._decided_to)])
        await self._outlet.close()

    async def _receive_until_stopped(self, chunks: AsyncIterator[Chunk | Unreadable]) -> None:
        receiving = asyncio.create_task(self._receiving.run(chunks))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([receiving, stopped], return_when=asyncio.FIRST_COMPLETED)
            if self._broken is not None:
                raise self._broken
            if receiving.done():
                await receiving
        finally:
            for task in (receiving, stopped):
                task.cancel()
            await asyncio.gather(receiving, stopped, return_exceptions=True)

    async def _hear(self) -> None:
        while (taken := await self._inlet.take()) is not Mark.CLOSED:
            if isinstance(taken, Skip):
                await self._end_track(Ending.STALLED)
                self._activity = self._tools.activity()
                self._track = Track(self._opening.format.rate, taken.to_offset, self._tools.endpointing)
            elif taken is Mark.STALLED:
                await self._follow(self._track.finish(Ending.STALLED))
            elif isinstance(taken, np.ndarray):
                await self._hear_windows(self._track.windows(taken))
            self._settle()
        await self._end_track(Ending.CLOSED)

    async def _end_track(self, ending: Ending) -> None:
        await self._hear_windows(self._track.last_windows())
        await self._follow(self._track.finish(ending))

    async def _hear_windows(self, windows: Samples) -> None:
        # As much at once as the detector takes would hold other sessions up.
        most = SPEECH_RATE // 512 * 512
        for start in range(0, len(windows), most):
            block = windows[start : start + most]
            probabilities = await self._probabilities(block)
            await self._follow(self._track.hear(block, probabilities.tolist()))
            self._ask_ahead()

    async def _probabilities(self, windows: Samples) -> Probabilities:
        call = self._call(self._tools.bounds.final_s)
        return await persistently(lambda: self._activity.probabilities(windows, call.asked_by_somebody()), call)

    async def _follow(self, told: list[Begun | Utterance]) -> None:
        # Before anything is waited for: until it is decided, an utterance holds `decided_to`.
        self._undecided += [one for one in told if isinstance(one, Utterance)]
        for one in told:
            if isinstance(one, Begun):
                self._partials.begin()
                await self._outlet.tell([SpeechStarted(self._utterances, one.start_offset)])
                continue
            self._partials.cancel()
            self._tools.counting.utterance_ended(self._opening.tenant, one.ending)
            foreseen = self._foresight.take(one.pcm)
            await self._finals.put(Numbered(self._utterances, one, self._tools.clock(), foreseen))
            self._utterances += 1

    def _ask_ahead(self) -> None:
        """For the final where speech seems to be over, else for a partial."""
        lull = self._track.lull()
        if lull is None:
            self._foresight.forget()
            self._ask_partial()
        elif not self._undecided and not self._limited and self._final_took_s <= self._tools.bounds.prompt_s:
            self._foresight.expect(lull)

    def _ask_partial(self) -> None:
        # What is asked for in a pause would stand in the way of the final, if the pause is the end.
        if not self._track.open or self._track.pausing:
            return
        spoken = self._track.spoken()
        if not self._partials.due(len(spoken)):
            return
        behind_s = self._inlet.samples / self._opening.format.rate
        if self._undecided or behind_s > self._tools.bounds.partial_every_s:
            self._partials.leave_out(len(spoken))
        else:
            self._partials.ask(self._utterances, spoken, self._call(self._tools.bounds.partial_s).in_bulk())

    async def _decide(self) -> None:
        while (one := await self._finals.get()) is not None:
            async for event in self._deciding.events(one, self._call(self._tools.bounds.final_s)):
                await self._outlet.tell([event])
            self._final_took_s = self._tools.clock() - one.ended_at
            self._tools.counting.utterance_decided(self._opening.tenant, self._final_took_s)
            self._undecided.popleft()
            self._settle()
            self._ack()

    def _settle(self) -> None:
        """What is decided now; it never goes back."""
        first = self._undecided[0].start_offset if self._undecided else self._track.decided_to
        self._decided_to = max(self._decided_to, min(first, self._track.decided_to))
        self._count_buffered()

    async def _watch(self) -> None:
        bounds = self._tools.bounds
        while True:
            await asyncio.sleep(bounds.tick_s)
            # Also while nothing is heard, because what was said waits.
            self._count_buffered()
            now = self._tools.clock()
            arrived_at = self._receiving.arrived_at
            silent_s = now - arrived_at
            # Audio that waits for us is no stall of the sender's.
            heard = self._inlet.samples < self._block and self._track.open
            if heard and silent_s >= bounds.stall_s and arrived_at != self._stalled_at:
                self._stalled_at = arrived_at
                await self._inlet.mark(Mark.STALLED)
            if silent_s >= bounds.idle_s:
                self.stop(f"no audio came for {bounds.idle_s:g} s")
            if not self._undecided and not self._track.open:
                await self._outlet.tell(self._dialogue.time_out(now))
            if now - self._acked_at >= bounds.ack_s:
                self._ack()

    def _ack(self) -> None:
        ack = Ack(self._receiving.received_to, self._decided_to)
        if ack != self._acked and self._outlet.offer(ack):
            self._acked, self._acked_at = ack, self._tools.clock()

    def _count_buffered(self) -> None:
        waiting_s = sum(len(one.pcm) for one in self._undecided) / SPEECH_RATE
        kept_s = self._inlet.samples / self._opening.format.rate + self._track.kept_s + waiting_s
        self._tools.counting.buffered(kept_s - self._buffered_s)
        self._buffered_s = kept_s


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; errors of ours say more than the cancellations that followed."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
