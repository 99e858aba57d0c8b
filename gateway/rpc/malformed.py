"""Refuse bytes that are not the message they should be, as the caller's mistake: gRPC itself would call it our bug.

Text that is not UTF-8 is the common case: protobuf does not read a message that holds it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from conch.contracts.errors import InvalidRequest
from gateway.calls import Call
from gateway.reception import Reception
from gateway.rpc.answering import answered


@dataclass(frozen=True, slots=True)
class Malformed:
    size: int

    def error(self, method: str) -> InvalidRequest:
        return InvalidRequest(
            f"the request of {self.size} bytes is no message of {method}: it is damaged, or a text in it is not UTF-8"
        )


class MalformedRequests(grpc.aio.ServerInterceptor):
    """For the services named; others keep gRPC's own way."""

    def __init__(self, reception: Reception, services: frozenset[str]) -> None:
        self._reception = reception
        self._services = services

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.strip("/").partition("/")
        if handler is None or service not in self._services:
            return handler
        if handler.request_streaming:
            # Such a method says itself what it makes of one damaged message among many.
            return handler._replace(request_deserializer=_tolerant(handler.request_deserializer))
        kind = "unary_stream" if handler.response_streaming else "unary_unary"
        behaviour = self._refusing(method, getattr(handler, kind))
        return handler._replace(request_deserializer=_tolerant(handler.request_deserializer), **{kind: behaviour})

    def _refusing(self, method: str, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def refuse_or_answer(request: Any, context: Any) -> Any:
            if isinstance(request, Malformed):
                return await answered(self._reception, method, context, partial(_refuse, request, method))
            return await behaviour(request, context)

        return refuse_or_answer


async def _refuse(request: Malformed, method: str, call: Call) -> None:
    raise request.error(method)


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return Malformed(len(data))

    return read
