"""A command goes to an HTTP server as one signed JSON object, by Standard Webhooks.

It is sent again, with the same id, until the server says 2xx, says that it will never, or time is over. So the server
may hear it several times; the id tells it so.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.actions.order import Kind, NotDone, Order, Unsure
from bridge.actions.signing import Secret
from bridge.actions.summon import rfc3339
from conch.clients.outbound import Call, Outbound, Unreached
from conch.contracts.errors import ConchError, DeadlineExceeded, TooMuch, Unavailable

FIRST_PAUSE_S = 0.2
"""Before the second attempt; doubled each time, and spread by half."""


@dataclass(frozen=True, slots=True)
class Hook:
    url: str
    secret: Secret
    attempts: int
    attempt_s: float
    """The deadline of one attempt."""


class Webhook:
    def __init__(
        self, hook: Hook, outbound: Outbound, deadline_s: float, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._hook = hook
        self._outbound = outbound
        self.deadline_s = deadline_s
        self._wall_clock = wall_clock

    def check(self, order: Order) -> None:
        """A call to nobody is none, and a summons without a team may be meant."""
        if order.kind is Kind.DIAL and not order.contact:
            raise NotDone("the command names no contact")

    async def act(self, order: Order, within_s: float) -> str:
        until = asyncio.get_running_loop().time() + within_s
        body = payload(order)
        may_be_done = False
        last: ConchError = DeadlineExceeded("no time was left")
        for attempt in range(self._hook.attempts):
            pause_s = _pause_s(attempt, last) if attempt else 0.0
            left_s = until - asyncio.get_running_loop().time() - pause_s
            if left_s <= 0:
                break
            await asyncio.sleep(pause_s)
            try:
                await self._post(order.command_id, body, min(left_s, self._hook.attempt_s))
                return ""
            except (Unavailable, DeadlineExceeded, TooMuch) as error:
                last = error
                may_be_done = may_be_done or not _surely_not_done(error)
            except ConchError as error:
                # It will say so again.
                last = error
                break
        raise _ended(last, may_be_done) from last

    async def _post(self, message_id: str, body: bytes, within_s: float) -> None:
        signed = self._hook.secret.headers(message_id, int(self._wall_clock()), body)
        headers = {"Content-Type": "application/json", "User-Agent": "conch-bridge", **signed}
        await self._outbound.send(Call("POST", self._hook.url, within_s, body, headers))


def payload(order: Order) -> bytes:
    """The same bytes whenever it is sent."""
    data = {
        "command_id": order.command_id,
        "tenant": order.wearer.device.tenant,
        "device": order.wearer.device.device,
        "session": order.wearer.session,
        "intent": order.intent,
        "text": order.text,
        "team": order.team,
        "place": order.place,
        "contact": order.contact,
    }
    document = {"type": f"voice.{order.kind}", "timestamp": rfc3339(order), "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _pause_s(attempt: int, last: ConchError) -> float:
    asked_s = (last.retry_after_s or 0.0) if isinstance(last, TooMuch) else 0.0
    # Spread, so that many who failed together do not come back together.
    backoff_s: float = FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(1.0, 1.5)
    return max(backoff_s, asked_s)


def _surely_not_done(error: ConchError) -> bool:
    """429 says so; an answer that is too long was one."""
    return isinstance(error, Unreached) or (isinstance(error, TooMuch) and error.retry_after_s is not None)


def _ended(last: ConchError, may_be_done: bool) -> ConchError:
    return Unsure(last.message) if may_be_done else NotDone(last.message)
