"""Operations of grpc.health.v1.Health."""

from grpc_health.v1 import health_pb2 as pb

from conch.clients.edge.operations import Operation


def ready() -> Operation[bool]:
    request = pb.HealthCheckRequest(service="")
    # Asked again by whoever waits for it; a probe tells how things are now.
    return Operation("/grpc.health.v1.Health/Check", request, pb.HealthCheckResponse, _serving, 10.0, idempotent=False)


def _serving(reply: pb.HealthCheckResponse, _: str) -> bool:
    return bool(reply.status == pb.HealthCheckResponse.SERVING)
