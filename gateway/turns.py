"""Let a model have no more calls than it computes at once: the others wait here, finals before partials.

Triton 2.51 looks only every 500 ms at a queue that filled while every instance was busy (docs/adr/0022), so where
models have few instances nothing should wait there. What waits here is withdrawn at no cost.
"""

import asyncio
import heapq
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conch.clients.inference import DEFAULT_CALL, Arrays, CallOptions, IndexedModel, Inference
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import DeadlineExceeded, TooMuch
from conch.contracts.specs import PRIORITY_INTERACTIVE

RUNS: Mapping[str, str] = {"voice_command": "whisper"}
"""Ensembles, by the model in them that has few instances."""

MOST_WAITING = 512
"""Calls of one model; the next is told to come back."""

RETRY_AFTER_S = 1.0

LATELY_S = 10.0
"""After something interactive was asked for: so long bulk leaves an instance free for the next."""


class TakingTurns(Inference):
    def __init__(
        self, inference: Inference, at_once: Mapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`at_once` by model: its instances, of all servers. A model that is not in it has a queue of its own."""
        self._inference = inference
        self._turns = {model: Turns(model, most, clock=clock) for model, most in at_once.items()}
        self._clock = clock

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        turns = self._turns.get(RUNS.get(model, model))
        if turns is None:
            return await self._inference.infer(model, inputs, outputs=outputs, call=call)
        call = await self._taken(turns, call)
        asking = asyncio.ensure_future(self._inference.infer(model, inputs, outputs=outputs, call=call))
        asking.add_done_callback(lambda done: _ended(done, turns, call))
        # The model goes on with what it has begun, whoever has lost interest: its instance is free when it answers.
        return await asyncio.shield(asking)

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        turns = self._turns.get(model)
        if turns is not None:
            call = await self._taken(turns, call)
        answers = self._inference.stream(model, inputs, outputs=outputs, call=call)
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()  # type: ignore[attr-defined]
            if turns is not None:
                turns.give_back(call.priority)

    async def ready(self, model: str, version: str = "") -> bool:
        return await self._inference.ready(model, version)

    async def index(self) -> Sequence[IndexedModel]:
        return await self._inference.index()

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        return await self._inference.metadata(model, version)

    async def _taken(self, turns: "Turns", call: CallOptions) -> CallOptions:
        """The call, with the time that waiting has left it."""
        asked_at = self._clock()
        try:
            async with asyncio.timeout(call.deadline_s):
                await turns.take(call.priority)
        except TimeoutError:
            raise DeadlineExceeded(f"model {turns.model} was busy for all of {call.deadline_s:.3f} s") from None
        if call.deadline_s is None:
            return call
        return replace(call, deadline_s=max(call.deadline_s - (self._clock() - asked_at), 0.0))


class Turns:
    """Of one model. What is interactive goes first; lately asked for, it finds one of two instances free of bulk."""

    def __init__(
        self,
        model: str,
        most: int,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._most = most
        self._clock = clock
        self._interactive_at = -math.inf
        self._most_waiting = most_waiting
        self._running = 0
        self._running_bulk = 0
        self._asked = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, priority: int) -> None:
        """Raises TooMuch where too many wait. Each turn is given back."""
        self._waiting = [one for one in self._waiting if not one[2].done()]
        heapq.heapify(self._waiting)
        if len(self._waiting) >= self._most_waiting:
            raise TooMuch(
                f"{len(self._waiting)} calls wait for model {self.model}, at most {self._most_waiting} may",
                RETRY_AFTER_S,
            )
        if priority == PRIORITY_INTERACTIVE:
            self._interactive_at = self._clock()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked += 1
        heapq.heappush(self._waiting, (priority, self._asked, turn))
        self._go_on()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(priority)
            raise

    def give_back(self, priority: int) -> None:
        self._running -= 1
        self._running_bulk -= priority != PRIORITY_INTERACTIVE
        self._go_on()

    def _go_on(self) -> None:
        lately = self._clock() - self._interactive_at < LATELY_S
        most_bulk = max(self._most - 1, 1) if lately else self._most
        while self._waiting and self._running < self._most:
            priority, _, turn = self._waiting[0]
            bulk = priority != PRIORITY_INTERACTIVE
            if bulk and self._running_bulk >= most_bulk:
                return  # all that wait are bulk: what is interactive stands before it
            heapq.heappop(self._waiting)
            if turn.done():
                continue
            self._running += 1
            self._running_bulk += bulk
            turn.set_result(None)


def _ended(asking: asyncio.Future[Any], turns: Turns, call: CallOptions) -> None:
    turns.give_back(call.priority)
    if not asking.cancelled():
        asking.exception()  # seen, where nobody waits for it any more
