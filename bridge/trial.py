"""Connections on which a broker is tried out: they leave nothing behind, and what goes wrong is told by BrokerUnfit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from bridge.mqtt import Broker, Message, Mqtt
from conch.contracts.errors import InvalidRequest

WITHIN_S = 8.0
"""Nothing that the broker has taken comes later."""

LOOK_S = 0.01


class BrokerUnfit(InvalidRequest):
    """It would lose or scatter audio; the message names the limit."""


@contextlib.asynccontextmanager
async def connected(
    broker: Broker, name: str, filters: tuple[str, ...], window: int, take: Callable[[Message], None]
) -> AsyncIterator[Mqtt]:
    """Waits for a broker that is away."""
    mqtt = Mqtt(replace(broker, client_id=f"{broker.client_id}-{name}", kept_s=0), filters, window)
    running = asyncio.create_task(mqtt.run(take))
    try:
        while not mqtt.connected:
            if mqtt.refusal:
                raise BrokerUnfit(f"the broker lets us not subscribe to {', '.join(filters)}: {mqtt.refusal}")
            await asyncio.sleep(LOOK_S)
        yield mqtt
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def until(holds: Callable[[], bool], *connections: Mqtt) -> bool:
    """False where it does not in time, or a connection breaks."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                if any(mqtt.breaks for mqtt in connections):
                    return False
                await asyncio.sleep(LOOK_S)
            return True
    return False
