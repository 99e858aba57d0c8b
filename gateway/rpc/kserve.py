"""KServe's health calls, from inference probes; every other call of that service is Triton's, by way of the edge.

Handlers by name and bytes: a process cannot hold two descriptions of the package `inference`, and tritonclient brings
one. See proto/conch/kserve/v1/health.proto.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
from google.protobuf.message import DecodeError

from conch.clients.status import code_of
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.pb.kserve.v1 import health_pb2 as pb
from conch.edge.kserve import SERVICE
from gateway.health import Health
from gateway.rpc.answering import Context

Answer = Callable[[bytes], Awaitable[bytes]]


class KServeHealth(grpc.GenericRpcHandler):
    def __init__(self, health: Health) -> None:
        self._health = health
        self._answers: dict[str, Answer] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        service, _, method = str(handler_call_details.method).strip("/").partition("/")
        if service != SERVICE:
            return None
        if method in self._answers:
            return grpc.unary_unary_rpc_method_handler(_answering(self._answers[method]))
        return grpc.stream_stream_rpc_method_handler(_tritons(method))

    async def _server_live(self, request: bytes) -> bytes:
        return pb.ServerLiveReply(live=(await self._health.of_triton()).ready).SerializeToString()

    async def _server_ready(self, request: bytes) -> bytes:
        return pb.ServerReadyReply(ready=(await self._health.of_server()).ready).SerializeToString()

    async def _model_ready(self, request: bytes) -> bytes:
        try:
            asked = pb.ModelReadyRequest.FromString(request)
        except DecodeError:
            raise InvalidRequest(f"the request of {len(request)} bytes is no message of ModelReady") from None
        verdict = await self._health.of_version(asked.name, asked.version)
        return pb.ModelReadyReply(ready=verdict.ready).SerializeToString()


def _answering(answer: Answer) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def handle(request: bytes, context: Context) -> bytes:
        try:
            return await answer(request)
        except ConchError as error:
            context.set_code(code_of(error))
            context.set_details(error.message)
            return b""

    return handle


def _tritons(method: str) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]:
    async def refuse(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        context.set_details(f"the gateway answers health alone: {method} is asked of Triton, by the edge")
        return
        yield b""  # what makes this a stream

    return refuse
