"""Where a gateway listens."""

import asyncio
import socket
from typing import Any

import pytest

from conch.contracts.errors import Unavailable
from gateway.addresses import address_of, bound, split


async def test_answers_are_sent_at_once() -> None:
    """Not held back until the caller has acknowledged what came before: that takes it 40 ms."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    listening = bound("127.0.0.1:0", share_port=False)
    async with await asyncio.start_server(lambda _, writer: accepted.set_result(writer), sock=listening):
        _, caller = await asyncio.open_connection(*split(address_of(listening)))
        writer = await asyncio.wait_for(accepted, 10)
        assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        caller.close()


def test_an_address_that_is_taken_is_named() -> None:
    with bound("127.0.0.1:0", share_port=False) as first:
        first.listen()
        with pytest.raises(Unavailable, match=f"{address_of(first)} cannot be listened at"):
            bound(address_of(first), share_port=False)
