"""Around every gRPC call: read who calls and how long they wait, say errors as status codes."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from conch.clients.status import RETRY_AFTER_KEY, code_of
from conch.contracts.errors import ConchError, TooMuch
from conch.contracts.identity import REQUEST_ID_HEADER
from gateway.calls import Call, identify
from gateway.reception import Reception

FACE = "grpc"

T = TypeVar("T")

Context = grpc.aio.ServicerContext[Any, Any]


async def answered(
    reception: Reception, method: str, context: Context, work: Callable[[Call], Awaitable[T]]
) -> T | None:
    """The work's answer; None beside the status that tells its error. The request id goes back first and last.

    Not by context.abort: the error that it raises is kept by the call and keeps the call, so that a refused request of
    100 MB stays until the garbage collector comes by.
    """
    headers = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
    identity = identify(headers)
    echo = (REQUEST_ID_HEADER, identity.request_id)
    context.set_trailing_metadata((echo,))
    await context.send_initial_metadata((echo,))
    try:
        async with reception.call(FACE, method, identity, context.time_remaining()) as call:
            return await work(call)
    except ConchError as error:
        context.set_code(code_of(error))
        context.set_details(error.message)
        if isinstance(error, TooMuch) and error.retry_after_s is not None:
            context.set_trailing_metadata((echo, (RETRY_AFTER_KEY, f"{error.retry_after_s:g}")))
    return None
