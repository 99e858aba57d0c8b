"""Somebody is called, by Asterisk's REST interface (ARI): POST /channels rings the contact's telephone.

The channel's id is the command's, so that Asterisk refuses a second call. After a request that may have arrived nothing
is asked for again: whether the channel is there says whether it did.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from bridge.actions.order import NotDone, Order, Unsure
from bridge.devices import Device
from conch.clients.outbound import AlreadyThere, Call, Outbound, Unreached
from conch.contracts.errors import ConchError, DeadlineExceeded, NotFound, Unavailable
from conch.contracts.topics import DeviceId
from conch.replies import no_number

LOOK_S = 2.0
"""Kept back to look for a channel, of the time that there is."""


@dataclass(frozen=True, slots=True)
class Asterisk:
    url: str
    user: str
    password: str = field(repr=False)
    context: str
    extension: str
    caller_id: str
    ring_s: int


class Dial:
    def __init__(
        self, asterisk: Asterisk, outbound: Outbound, known: Callable[[DeviceId], Device | None], deadline_s: float
    ) -> None:
        """`known`: a device as the registry has it now."""
        self._asterisk = asterisk
        self._outbound = outbound
        self._known = known
        self.deadline_s = deadline_s

    def check(self, order: Order) -> None:
        self._endpoint(order)

    async def act(self, order: Order, within_s: float) -> str:
        until = asyncio.get_running_loop().time() + within_s
        try:
            await self._send("POST", self._originate(order), max(within_s - LOOK_S, within_s / 2))
        except AlreadyThere:
            return ""
        except Unreached as error:
            raise NotDone(error.message) from error
        except (Unavailable, DeadlineExceeded) as error:
            await self._look(order, error, until - asyncio.get_running_loop().time())
        except ConchError as error:
            raise NotDone(error.message) from error
        return ""

    async def _look(self, order: Order, doubt: ConchError, within_s: float) -> None:
        """Raises Unsure where no channel is to be seen: it may have been there, and be over."""
        try:
            await self._send("GET", f"/channels/{quote(order.command_id, safe='')}", max(within_s, 0.1))
        except NotFound as error:
            raise Unsure(f"{doubt.message}; no such call is there now") from error
        except ConchError as error:
            raise Unsure(f"{doubt.message}; then {error.message}") from doubt

    def _originate(self, order: Order) -> str:
        asterisk, device = self._asterisk, order.wearer.device.device
        words = {
            "endpoint": self._endpoint(order),
            "extension": asterisk.extension.replace("{device}", device),
            "context": asterisk.context,
            "priority": "1",
            "callerId": asterisk.caller_id.replace("{device}", device),
            "timeout": str(asterisk.ring_s),
            "channelId": order.command_id,
        }
        return f"/channels?{urlencode({name: word for name, word in words.items() if word})}"

    def _endpoint(self, order: Order) -> str:
        device = self._known(order.wearer.device)
        if device is None:
            raise NotDone(f"device {order.wearer.device.device} is registered no more")
        if not order.contact:
            raise NotDone("the command names no contact", no_number(""))
        endpoint = device.endpoint_of(order.contact)
        if endpoint is None:
            raise NotDone(f"contact {order.contact!r} has no endpoint", no_number(order.contact))
        return endpoint

    async def _send(self, method: str, path: str, within_s: float) -> None:
        credentials = f"{self._asterisk.user}:{self._asterisk.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
        await self._outbound.send(Call(method, f"{self._asterisk.url.rstrip('/')}{path}", within_s, b"", headers))
