"""Around every gRPC call: read who calls and how long they wait, say errors as status codes."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from conch.clients.status import RETRY_AFTER_KEY, code_of
from conch.contracts.errors import ConchError, TooMuch
from conch.contracts.identity import REQUEST_ID_HEADER
from gateway.calls import Call, identify
from gateway.edge import Edge

FACE = "grpc"

Context = grpc.aio.ServicerContext[Any, Any]


@contextlib.asynccontextmanager
async def answering(edge: Edge, method: str, context: Context) -> AsyncIterator[Call]:
    """The request id goes back with the first answer and with the last."""
    headers = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
    identity = identify(headers)
    echo = (REQUEST_ID_HEADER, identity.request_id)
    context.set_trailing_metadata((echo,))
    await context.send_initial_metadata((echo,))
    try:
        async with edge.call(FACE, method, identity, context.time_remaining()) as call:
            yield call
    except ConchError as error:
        trailing = [echo]
        if isinstance(error, TooMuch) and error.retry_after_s is not None:
            trailing.append((RETRY_AFTER_KEY, f"{error.retry_after_s:g}"))
        await context.abort(code_of(error), error.message, tuple(trailing))
