"""An answer that leaves in parts, each when it is ready.

What fails before the first part is refused like any other call. After it there is no status left to tell: an answer
that has a last word for an error says it, any other is cut off, so that nobody takes it for whole.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from conch.contracts.errors import ConchError

LAST_WORD_S = 1.0
"""How long a reader who is slow is waited for with an error."""


class Outgoing:
    """Where the work of one call puts its answer: a whole one, or parts."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._last_word: Callable[[ConchError], bytes] | None = None
        self.media_type = ""
        """Of the parts; to be set before the first."""
        self.begun = False
        self._response: Response | None = None

    def says_errors(self, last_word: Callable[[ConchError], bytes]) -> None:
        self._last_word = last_word

    async def whole(self, response: Response) -> None:
        """Sent when the work is over, so that a slow reader of it holds no place among the running calls."""
        self._response = response

    async def part(self, data: bytes) -> None:
        if not self.begun:
            self.begun = True
            headers = [(b"content-type", self.media_type.encode()), (b"cache-control", b"no-store")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        if self._response is not None:
            await self._response(self._scope, self._receive, self._send)
            return
        await self.part(b"")
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, error: ConchError) -> None:
        if self._last_word is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self.part(self._last_word(error))
                await self.end()


class InParts(Response):
    """`work` does all of the call, within its own deadline, and answers by what it is given."""

    def __init__(self, work: Callable[[Outgoing], Awaitable[None]]) -> None:
        super().__init__()
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outgoing = Outgoing(scope, receive, send)
        try:
            await self._work(outgoing)
        except ConchError as error:
            if not outgoing.begun:
                raise
            await outgoing.fail(error)
        else:
            await outgoing.end()
