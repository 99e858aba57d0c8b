"""A call before it is known how it travels: what both clients, blocking and async, are made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from conch.clients.status import RETRY_AFTER_KEY, error_of
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.identity import REQUEST_ID_HEADER

T = TypeVar("T")

TellError = Callable[[grpc.StatusCode, str, float | None], ConchError]


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    method: str
    """As gRPC calls it: /package.Service/Method."""
    request: Message
    reply: type[Message]
    read: Callable[[Any, str], T]
    """Of a reply and the call's request id; raises ConchError where the reply tells of one."""
    timeout_s: float
    """For the whole call, all attempts together, where the caller names none."""
    idempotent: bool = True
    """Doing it twice is no different from doing it once."""
    error: TellError = error_of


def built(build: Callable[[], T]) -> T:
    """The request, or InvalidRequest where a text holds what UTF-8 cannot, such as a lone surrogate."""
    try:
        return build()
    except (UnicodeEncodeError, ValueError) as error:
        raise InvalidRequest(f"the text cannot be sent as UTF-8: {error}") from None


def failure(operation: Operation[Any], error: Any) -> ConchError:
    """What a grpc.RpcError, of either kind of channel, means."""
    trailers = _texts(error.trailing_metadata())
    failed = operation.error(error.code(), error.details() or "", _seconds(trailers.get(RETRY_AFTER_KEY, "")))
    failed.request_id = trailers.get(REQUEST_ID_HEADER) or request_id_in(error.initial_metadata())
    if failed.request_id:
        failed.add_note(f"request id: {failed.request_id}")
    return failed


def request_id_in(metadata: Any) -> str:
    return _texts(metadata).get(REQUEST_ID_HEADER, "")


def _texts(metadata: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in metadata or ()}


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
