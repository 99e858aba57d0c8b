"""Users of both faces at once; of gRPC twice as many."""

from benchmarks.locust.grpc_face import GrpcUser
from benchmarks.locust.http_face import HttpUser

__all__ = ["GrpcUser", "HttpUser"]

GrpcUser.weight = 2
HttpUser.weight = 1
