"""Bulk work waits where somebody who listens would be told no: for a full queue, for a server that restarts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from conch.clients.inference import CallOptions
from conch.contracts.errors import DeadlineExceeded, TooMuch, Unavailable
from gateway.calls import Call

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries while the server is away; it is given up after the last."""

LONGEST_S = 30.0
"""Of a wait that somebody asks for: a queue is empty by then, and what a day allows is not there before midnight."""


async def patiently(ask: Callable[[CallOptions], Awaitable[T]], call: Call) -> T:
    """Asks again until the call's own time is over. What is asked must be safe to repeat."""
    return await persistently(lambda: ask(call.in_bulk()), call)


async def persistently(ask: Callable[[], Awaitable[T]], call: Call) -> T:
    """The same for what somebody waits for, who would rather wait than say it again."""
    away = iter(AWAY_WAITS_S)
    while True:
        call.check_time()
        try:
            return await ask()
        except DeadlineExceeded:
            # A queue holds a request for 30 seconds at most, however long the call may take.
            wait_s = 0.1
        except TooMuch as error:
            if error.retry_after_s is None or error.retry_after_s > LONGEST_S:
                raise
            wait_s = error.retry_after_s
        except Unavailable as error:
            pause_s = next(away, None)
            if pause_s is None:
                raise
            wait_s = pause_s
            logger.warning("request %s waits %.1f s: %s", call.identity.request_id, wait_s, error.message)
        await asyncio.sleep(wait_s)
