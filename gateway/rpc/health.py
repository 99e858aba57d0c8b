"""grpc.health.v1.Health, answered by inference: "" is the whole gateway, the others are its services."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from gateway.health import ALL, Health
from gateway.rpc.answering import Context

WATCH_EVERY_S = 0.5
"""A fault is mended within seconds. Asking is cheap: verdicts are kept."""


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    def __init__(self, health: Health, *, watch_every_s: float = WATCH_EVERY_S) -> None:
        self._health = health
        self._watch_every_s = watch_every_s

    async def Check(self, request: Any, context: Context) -> Any:
        if not self._knows(request.service):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service}")
        return _reply(ready=await self._health.ready(request.service))

    async def Watch(self, request: Any, context: Context) -> None:
        if not self._knows(request.service):
            # The protocol's word: the service may come to exist, so the call stays open there. Here none ever does.
            await context.write(pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN))
            return
        async for ready in self._health.watch(request.service, self._watch_every_s):
            await context.write(_reply(ready=ready))

    def _knows(self, service: str) -> bool:
        return service == ALL or service in self._health.services


def _reply(*, ready: bool) -> Any:
    serving, not_serving = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
    return pb.HealthCheckResponse(status=serving if ready else not_serving)
