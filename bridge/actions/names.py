"""Addresses of hosts, found in threads of their own: a name server that hangs holds up no audio on its way to disk."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8
"""Look-ups; more wait for these, and with them the calls that need them."""


class Names:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "names")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError where it has none. Whoever is cancelled leaves its thread to the name server."""
        find = asyncio.get_running_loop().run_in_executor
        found = await find(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
