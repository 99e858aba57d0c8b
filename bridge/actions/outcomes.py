"""How an action ended: told as an event, said to the wearer, counted, and logged, in one place."""

import logging

from bridge import events
from bridge.actions.order import Kind, State
from bridge.counting import Counting
from bridge.events import Reply
from bridge.speaking import Speaking
from bridge.telling import Telling
from bridge.wearer import Wearer

logger = logging.getLogger(__name__)


class Outcomes:
    def __init__(self, telling: Telling, speaking: Speaking, counting: Counting) -> None:
        self._telling = telling
        self._speaking = speaking
        self._counting = counting

    def tell(self, wearer: Wearer, command_id: str, kind: Kind, state: State, reason: str, reply: str) -> None:
        """`reply`: what to say; empty for nothing."""
        self._counting.acted(wearer.device.tenant, kind, state)
        level = logging.INFO if state is State.DONE else logging.WARNING
        logger.log(level, "%s: %s of command %s: %s %s", wearer.device, kind, command_id, state, reason)
        self._telling.tell(wearer.device, wearer.session, events.action(command_id, kind, state, reason, reply))
        self._speaking.speak(wearer, Reply(reply, command_id))
