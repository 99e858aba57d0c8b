"""An answer to a request that was not read whole ends its connection: what is still to come would keep it open."""

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_S = 1.0
"""How long the rest is still read: a caller who is writing does not see an answer to a closed connection."""


class Unread:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # That caller waits for our word before it writes.
        waits = headers.get("expect", "").lower() == "100-continue"

        async def reading() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body", False))
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and unread:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        while unread and not waits:
                            await reading()
                if unread:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, reading, closing)
