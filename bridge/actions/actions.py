"""From decisions to actions: each is claimed on disk, waits in the queue of its kind, and is acted on at most once.

    decision ─ claimed ─ queue ─ begun ─ the action ─ done, failed or unknown ─ event, speech, metric

A session waits for the claim alone. Each kind has its own queue and its own workers: a slow assistant delays no
summons. A full queue refuses.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridge.actions.order import Acting, Kind, NotDone, Order, State, Unsure, intent_of
from bridge.actions.outbox import Outbox, Recorded, Repeat
from bridge.actions.outcomes import Outcomes
from bridge.actions.questions import Questions
from bridge.events import Decided, Reply
from bridge.speaking import Speaking
from bridge.wearer import Wearer
from conch.contracts.errors import ConchError
from conch.decision import Action
from conch.replies import SAY_AGAIN, TOO_BUSY, TOO_LATE, not_done, not_known_done

logger = logging.getLogger(__name__)

GRACE_S = 2.0
"""An action that does not heed its own deadline is cancelled so much later."""


@dataclass(frozen=True, slots=True)
class Claimed:
    number: int
    order: Order
    since: float


@dataclass(frozen=True, slots=True)
class Room:
    waiting: int
    """Commands of each kind; then one more is refused."""
    at_once: int
    """Of each kind."""
    fresh_s: float = 300.0
    """What was said longer ago, as before a gateway was away, is not acted on."""


@dataclass(slots=True)
class Lane:
    acting: Acting
    queue: asyncio.Queue[Claimed] = field(repr=False)


class Actions:
    def __init__(
        self,
        ways: Mapping[Kind, Acting],
        outbox: Outbox,
        speaking: Speaking,
        outcomes: Outcomes,
        room: Room,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ways` has one for every kind."""
        self._lanes = {kind: Lane(ways[kind], asyncio.Queue(room.waiting)) for kind in Kind}
        self._outbox = outbox
        self._speaking = speaking
        self._outcomes = outcomes
        self._questions = Questions(outbox, outcomes)
        self._room = room
        self._clock = clock

    @property
    def waiting(self) -> int:
        return sum(lane.queue.qsize() for lane in self._lanes.values())

    async def run(self, ready: asyncio.Event) -> None:
        """Tells what a bridge before has left open, is ready, and acts until it is cancelled."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes.values():
                for _ in range(self._room.at_once):
                    group.create_task(self._work(lane))
            ready.set()

    async def decided(self, decided: Decided, wearer: Wearer, said_at: float | None = None) -> None:
        """Returns when it is on disk, or will not be acted on. `said_at`: Unix time, where it is known."""
        await self._questions.follow(decided, wearer)
        if decided.decision in (Action.EXECUTE, Action.FORWARD):
            await self._take(Order.of(decided, wearer, datetime.now(UTC)), said_at)
        else:
            self._speaking.speak(wearer, Reply(decided.reply, decided.command_id))

    async def interrupted(self, wearer: Wearer) -> None:
        """Its stream is over, and so is what was asked there."""
        await self._questions.interrupted(wearer)

    async def _take(self, order: Order, said_at: float | None) -> None:
        since = self._clock()
        try:
            claim = await asyncio.to_thread(self._outbox.claim, order)
        except ConchError as error:
            self._tell(order, State.FAILED, error.message, _not_done(order))
            return
        if isinstance(claim, Repeat):
            self._refuse_repeat(order, claim)
            return
        lane = self._lanes[order.kind]
        try:
            self._check_age(order, said_at)
            lane.acting.check(order)
            lane.queue.put_nowait(Claimed(claim, order, since))
        except NotDone as error:
            await self._settle(claim, State.FAILED, error.message)
            self._tell(order, State.FAILED, error.message, error.reply or _not_done(order))
        except asyncio.QueueFull:
            reason = f"{self._room.waiting} commands wait already, which is the most"
            await self._settle(claim, State.FAILED, reason)
            self._tell(order, State.REFUSED, reason, TOO_BUSY)
        else:
            self._speaking.speak(order.wearer, Reply(order.reply, order.command_id))

    def _check_age(self, order: Order, said_at: float | None) -> None:
        age_s = 0.0 if said_at is None else order.at.timestamp() - said_at
        if age_s > self._room.fresh_s:
            reason = f"it was said {age_s:.0f} s ago, and after {self._room.fresh_s:g} s nothing is acted on"
            raise NotDone(reason, TOO_LATE)

    def _refuse_repeat(self, order: Order, repeat: Repeat) -> None:
        recorded, own = repeat.recorded, order.samples[0]
        reason = (
            f"samples {own.first} to {own.after} overlap those of command {recorded.command_id},"
            f" which is {recorded.state}"
        )
        self._tell(order, State.REPEATED, reason, "" if repeat.is_same else SAY_AGAIN)

    async def _work(self, lane: Lane) -> None:
        while True:
            claimed = await lane.queue.get()
            await self._act(lane.acting, claimed)

    async def _act(self, acting: Acting, claimed: Claimed) -> None:
        order = claimed.order
        state, reason, reply = await self._outcome(acting, claimed)
        await self._settle(claimed.number, state, reason)
        self._tell(order, state, reason, reply)

    async def _outcome(self, acting: Acting, claimed: Claimed) -> tuple[State, str, str]:
        order = claimed.order
        try:
            within_s = acting.deadline_s - (self._clock() - claimed.since)
            if within_s <= 0:
                raise NotDone(f"it waited longer than the {acting.deadline_s:g} s it may take")
            await asyncio.to_thread(self._outbox.begin, claimed.number)
        except ConchError as error:
            return State.FAILED, error.message, _not_done(order)
        try:
            async with asyncio.timeout(within_s + GRACE_S):
                return State.DONE, "", await acting.act(order, within_s)
        except NotDone as error:
            return State.FAILED, error.message, error.reply or _not_done(order)
        except Unsure as error:
            return State.UNKNOWN, error.message, _not_known(order.kind, order.subject)
        except TimeoutError:
            return State.UNKNOWN, f"it took longer than {within_s:g} s", _not_known(order.kind, order.subject)
        except Exception:
            # One action that breaks must not end the others.
            logger.exception("%s of command %s broke", order.kind, order.command_id)
            return State.UNKNOWN, "internal error", _not_known(order.kind, order.subject)

    async def _settle(self, number: int, state: State, reason: str) -> None:
        """Where the disk fails it stays open, and is told as unknown at the next start."""
        try:
            await asyncio.to_thread(self._outbox.settle, number, state, reason)
        except ConchError as error:
            logger.error("how command %d ended is not on disk: %s", number, error.message)

    async def _recover(self) -> None:
        await self._questions.recover()
        for left in await asyncio.to_thread(self._outbox.unsettled):
            state, reason, reply = _left(left)
            self._outcomes.tell(left.wearer, left.command_id, left.kind, state, reason, reply)
            await self._settle(left.number, state, reason)

    def _tell(self, order: Order, state: State, reason: str, reply: str) -> None:
        self._outcomes.tell(order.wearer, order.command_id, order.kind, state, reason, reply)


def _left(left: Recorded) -> tuple[State, str, str]:
    if left.state is State.CLAIMED:
        return State.FAILED, "the bridge ended before it was begun", not_done(intent_of(left.kind), left.subject)
    return (
        State.UNKNOWN,
        "the bridge ended while it was being done: unknown whether it was",
        _not_known(left.kind, left.subject),
    )


def _not_done(order: Order) -> str:
    return not_done(intent_of(order.kind), order.subject)


def _not_known(kind: Kind, subject: str) -> str:
    return not_known_done(intent_of(kind), subject)
