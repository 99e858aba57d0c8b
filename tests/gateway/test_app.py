"""Starting and draining one gateway process."""

import asyncio

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import Cancelled, DeadlineExceeded, InvalidRequest, Unavailable
from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc
from gateway.addresses import Addresses, bound
from gateway.app import Gateway
from gateway.settings import Settings
from tests.gateway.conftest import Face, Hold, face_of, quick_settings


async def started(
    models: InProcessInference, settings: Settings
) -> tuple[asyncio.Task[None], asyncio.Event, Addresses]:
    stop = asyncio.Event()
    listening: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(Gateway(settings, models).serve(stop, listening))
    return serving, stop, await listening


async def refuses(face: Face) -> bool:
    """Whether new calls are not taken any more; one that is taken is refused for its empty text."""
    try:
        await face.understand("", timeout_s=2)
    except InvalidRequest:
        return False
    except (Unavailable, Cancelled, DeadlineExceeded, httpx.TransportError):
        # What reaches a server in the very moment it closes, gRPC itself cancels or never hands on.
        return True
    raise AssertionError("an empty text was understood")


@pytest.mark.parametrize("name", ["grpc", "http"])
async def test_running_calls_end_and_new_ones_are_not_taken(name: str, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    serving, stop, addresses = await started(models, quick_settings(drain_grace_s=30))
    face = face_of(name, addresses)
    call = asyncio.create_task(face.understand("call mai"))
    await hold.entered.wait()
    stop.set()
    async with asyncio.timeout(20):
        while not await refuses(face):  # noqa: ASYNC110 - it shows to callers alone
            await asyncio.sleep(0.02)
    assert not call.done()
    hold.release.set()
    assert (await call)["decision"] == "execute"
    await asyncio.wait_for(serving, 20)


async def test_a_call_that_outlives_the_grace_is_cut_off(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    serving, stop, addresses = await started(models, quick_settings(drain_grace_s=0.1))
    async with grpc.aio.insecure_channel(addresses.grpc) as channel:
        call = voice_pb2_grpc.VoiceStub(channel).Understand(voice_pb2.UnderstandRequest(text="call mai"))
        await hold.entered.wait()
        stop.set()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await call
    await asyncio.wait_for(serving, 20)
    assert hold.left.is_set()


async def test_health_says_no_before_calls_are_refused(models: InProcessInference) -> None:
    serving, stop, addresses = await started(models, quick_settings().model_copy(update={"drain_notice_s": 2.0}))
    async with (
        grpc.aio.insecure_channel(addresses.grpc) as channel,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", trust_env=False) as client,
    ):
        watch = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
        stop.set()
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        health = await client.get("/health")
        assert (health.status_code, health.json()["live"], health.json()["draining"]) == (503, True, True)
        assert (await face_of("grpc", addresses).understand("call mai"))["decision"] == "execute"
        assert (await face_of("http", addresses).understand("call mai"))["decision"] == "execute"
    await asyncio.wait_for(serving, 20)


@pytest.mark.parametrize("field", ["grpc_address", "http_address"])
async def test_a_taken_address_is_named(models: InProcessInference, field: str) -> None:
    with bound("127.0.0.1:0", share_port=False) as taken:
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = quick_settings().model_copy(update={field: address})
        with pytest.raises(Unavailable, match=address):
            await Gateway(settings, models).serve(asyncio.Event())
