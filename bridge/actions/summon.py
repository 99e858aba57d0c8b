"""A team is summoned by MQTT: one JSON object on team/summon, acknowledged by the broker.

At QoS 1 a broker may deliver it twice; `command_id` is the same.
"""

import json
from collections.abc import Awaitable, Callable

from bridge.actions.order import NotDone, Order, Unsure
from conch.contracts.errors import DeadlineExceeded, Unavailable
from conch.contracts.topics import summon_topic

Deliver = Callable[[str, bytes, float], Awaitable[None]]
"""Topic, payload, seconds. Returns when the broker has it; Unavailable: it was never sent, DeadlineExceeded: it was."""


class Summon:
    def __init__(self, deliver: Deliver, deadline_s: float) -> None:
        self._deliver = deliver
        self.deadline_s = deadline_s

    def check(self, order: Order) -> None:
        """Whoever is meant: a team without a name is whoever hears it."""

    async def act(self, order: Order, within_s: float) -> str:
        try:
            await self._deliver(summon_topic(order.wearer.device.tenant), payload(order), within_s)
        except Unavailable as error:
            raise NotDone(error.message) from error
        except DeadlineExceeded as error:
            raise Unsure(error.message) from error
        return ""


def payload(order: Order) -> bytes:
    document = {
        "command_id": order.command_id,
        "team": order.team,
        "place": order.place,
        "device": order.wearer.device.device,
        "time": rfc3339(order),
        "text": order.text,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def rfc3339(order: Order) -> str:
    """When it was decided, to the millisecond, in UTC."""
    return order.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
