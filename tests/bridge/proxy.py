"""A way between two processes that can be made bad: held up in either direction, or cut. TCP, in a loop of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from enum import Enum

PIECE = 2048
"""Bytes; small, so that what is held up is held up at once."""


class Way(Enum):
    THERE = "there"
    """From whoever connected."""
    BACK = "back"


class Proxy:
    def __init__(self, port: int) -> None:
        """`port`: where it leads to."""
        self._leads_to = port
        self._open = {way: asyncio.Event() for way in Way}
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop
        self.port = 0

    def lead_to(self, port: int) -> None:
        """From the next connection on."""
        self._leads_to = port

    def hold(self, *ways: Way) -> None:
        """Nothing goes on, and nothing breaks."""
        self._do(lambda: [self._open[way].clear() for way in ways])

    def release(self) -> None:
        self._do(lambda: [gate.set() for gate in self._open.values()])

    def cut(self) -> None:
        """What was held up is lost; new connections are let through."""

        def cut() -> None:
            for writer in self._writers:
                writer.transport.abort()
            for gate in self._open.values():
                gate.set()

        self._do(cut)

    async def serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        for gate in self._open.values():
            gate.set()
        async with await asyncio.start_server(self._carry, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stop.wait()
            for writer in self._writers:
                writer.transport.abort()

    def stop(self) -> None:
        self._do(self._stop.set)

    def _do(self, change: object) -> None:
        self._loop.call_soon_threadsafe(change)  # type: ignore[arg-type]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._leads_to)
            ours = {writer, far_writer}
            self._writers |= ours
            try:
                await asyncio.gather(
                    self._pump(reader, far_writer, Way.THERE), self._pump(far_reader, writer, Way.BACK)
                )
            finally:
                self._writers -= ours
                far_writer.transport.abort()
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        while data := await reader.read(PIECE):
            if not self._open[way].is_set():
                await self._open[way].wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextlib.contextmanager
def leading_to(port: int) -> Iterator[Proxy]:
    proxy, ready = Proxy(port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)))
    thread.start()
    assert ready.wait(30)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
