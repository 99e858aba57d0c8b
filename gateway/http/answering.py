"""Around every HTTP call: read who calls and how long they wait, stop working when they leave."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conch.contracts.errors import Cancelled, InvalidRequest
from conch.contracts.identity import REQUEST_ID_HEADER, Identity
from gateway.calls import Call, identify
from gateway.reception import Reception

FACE = "http"

TIMEOUT_HEADER = "x-request-timeout-s"
"""How long the caller waits, as gRPC's deadline: seconds, more than 0."""

T = TypeVar("T")


class Identified:
    """ASGI middleware: every request has an identity, every answer its request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = identify(Headers(scope=scope))
        scope.setdefault("state", {})["identity"] = identity

        async def echo(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = identity.request_id
            await send(message)

        await self._app(scope, receive, echo)


def identity_of(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


@contextlib.asynccontextmanager
async def answering(reception: Reception, method: str, request: Request, face: str = FACE) -> AsyncIterator[Call]:
    given = request.headers.get(TIMEOUT_HEADER)
    wanted_s = None if given is None else _seconds(given)
    async with reception.call(face, method, identity_of(request), wanted_s) as call:
        if given is not None and wanted_s is None:
            raise InvalidRequest(f"{TIMEOUT_HEADER} is {given!r}, seconds above 0 are taken")
        request.state.place = call.place
        yield call


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result, unless the caller leaves first. To be used once the whole body has been read."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Cancelled("the caller went away")
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _seconds(text: str) -> float | None:
    """None for what is no time to wait."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None
