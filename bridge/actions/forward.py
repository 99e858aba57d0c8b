"""What is no command goes to the assistant as text, with the last turns of its session; the answer is spoken.

The answer is data: it is said and kept as a turn, and nothing here or behind reads a command out of it.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from bridge.actions.order import NotDone, Order
from bridge.devices import Device
from bridge.wearer import Wearer
from conch.clients.llm import Assistant, Question, Turn
from conch.contracts.errors import ConchError
from conch.contracts.topics import DeviceId

MOST_SESSIONS = 1000
"""Whose turns are remembered; then those that asked longest ago go."""

TURN_KEPT_S = 600.0
"""A question says "it" of what was said a moment ago, not of what was said an hour ago."""


@dataclass(frozen=True, slots=True)
class Said:
    turn: Turn
    at: float


class Forward:
    def __init__(
        self,
        assistant: Assistant,
        known: Callable[[DeviceId], Device | None],
        deadline_s: float,
        most_turns: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`known`: a device as the registry has it now."""
        self._assistant = assistant
        self._known = known
        self.deadline_s = deadline_s
        self._most_turns = most_turns
        self._clock = clock
        self._said: OrderedDict[Wearer, deque[Said]] = OrderedDict()

    def check(self, order: Order) -> None:
        if not order.text.strip():
            raise NotDone("there is no text to ask")
        if self._known(order.wearer.device) is None:
            raise NotDone(f"device {order.wearer.device.device} is registered no more")

    async def act(self, order: Order, within_s: float) -> str:
        device = self._known(order.wearer.device)
        question = Question(
            order.text,
            order.wearer.device.tenant,
            order.command_id,
            "" if device is None else device.language,
            self._turns(order.wearer),
        )
        try:
            answer = await self._assistant.answer(question, within_s)
        except ConchError as error:
            raise NotDone(error.message) from error
        self._remember(order.wearer, Turn(order.text, answer))
        return answer

    def _turns(self, wearer: Wearer) -> tuple[Turn, ...]:
        since = self._clock() - TURN_KEPT_S
        return tuple(said.turn for said in self._said.get(wearer, ()) if said.at >= since)

    def _remember(self, wearer: Wearer, turn: Turn) -> None:
        said = self._said.setdefault(wearer, deque(maxlen=self._most_turns))
        said.append(Said(turn, self._clock()))
        self._said.move_to_end(wearer)
        if len(self._said) > MOST_SESSIONS:
            self._said.popitem(last=False)
