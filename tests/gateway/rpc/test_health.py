"""The standard health protocol and reflection, as any gRPC tool speaks them."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from conch.clients.inprocess import InProcessInference
from gateway.addresses import Addresses

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def check(channel: grpc.aio.Channel, service: str) -> int:
    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return int(reply.status)


@pytest.mark.parametrize("service", ["", "conch.voice.v1.Voice", "conch.text.v1.Text", "conch.recommend.v1.Recommend"])
async def test_a_service_whose_models_answer_is_serving(channel: grpc.aio.Channel, service: str) -> None:
    assert await check(channel, service) == SERVING


async def test_a_service_is_not_serving_without_one_of_its_models(
    channel: grpc.aio.Channel, models: InProcessInference
) -> None:
    del models.functions["embedding"]
    assert await check(channel, "conch.text.v1.Text") == NOT_SERVING
    assert await check(channel, "") == NOT_SERVING
    assert await check(channel, "conch.voice.v1.Voice") == SERVING


async def test_a_service_nobody_has_is_not_found(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(channel, "conch.song.v1.Song")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watching_a_service_nobody_has_tells_so(channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="conch.song.v1.Song"))
    assert (await anext(aiter(watch))).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def test_watching_begins_with_what_is(channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await anext(aiter(watch))).status == SERVING


async def test_reflection_names_every_service(gateway: Addresses) -> None:
    def services() -> set[str]:
        with grpc.insecure_channel(gateway.grpc) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert database.FindFileContainingSymbol("conch.voice.v1.Voice").package == "conch.voice.v1"
            return set(database.get_services())

    assert await asyncio.to_thread(services) == {
        "conch.voice.v1.Voice",
        "conch.text.v1.Text",
        "conch.recommend.v1.Recommend",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
