"""A real HTTP server of this machine that answers as it is told: what calls that leave the site meet."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

WAIT = b"<wait>"
"""In an answer: what follows comes only when the caller has gone."""


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    content: bytes


@dataclass(slots=True)
class Peer:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


@contextlib.asynccontextmanager
async def answering(
    answer: Callable[[Asked], bytes] | bytes = OK, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """One request a connection. An answer is written as it stands, HTTP or not."""
    peer = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked = await _read(reader)
            peer.asked.append(asked)
            now, waits, _ = (answer if isinstance(answer, bytes) else answer(asked)).partition(WAIT)
            writer.write(now)
            await writer.drain()
            if waits:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield peer


def response(status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
