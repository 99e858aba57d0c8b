"""Models on demand behind a real edge, in a real Triton: loaded by calls, once, and unloaded for others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import httpx
import numpy as np
import pytest

from conch.clients.inference import CallOptions
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError, TooMuch, Unavailable
from conch.contracts.on_demand import says_resting
from tests.rollout.on_demand.demanded import Demanded, demanded

ONE = {"IN": np.array([1.0], np.float32)}
BODY = {"inputs": [{"name": "IN", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
PATIENT = CallOptions(deadline_s=100)


class Callers:
    def __init__(
        self, site: Demanded, face: TritonInference, internal: TritonInference, web: httpx.AsyncClient
    ) -> None:
        self.site = site
        self.face = face
        self.internal = internal
        self.web = web

    async def grpc(self, model: str) -> float:
        return float((await self.face.infer(model, ONE, call=PATIENT))["OUT"][0])

    async def gateway(self, model: str) -> float:
        return float((await self.internal.infer(model, ONE, call=PATIENT))["OUT"][0])

    async def stream(self, model: str) -> float:
        (answer,) = [float(one["OUT"][0]) async for one in self.face.stream(model, ONE, call=PATIENT)]
        return answer

    async def http(self, model: str) -> float:
        answer = await self.web.post(f"/v2/models/{model}/infer", json=BODY)
        answer.raise_for_status()
        return float(answer.json()["outputs"][0]["data"][0])


@contextlib.asynccontextmanager
async def calling(root) -> AsyncIterator[Callers]:
    async with (
        demanded(root) as site,
        TritonInference(site.grpc) as face,
        TritonInference(site.internal) as internal,
        httpx.AsyncClient(base_url=f"http://{site.http}", timeout=100, limits=httpx.Limits(max_connections=64)) as web,
    ):
        while not await face.ready("ordinary") and not await internal.ready("ordinary"):
            continue  # a channel's first attempts may fail on a busy machine
        yield Callers(site, face, internal, web)


@contextlib.asynccontextmanager
async def steady_calls(callers: Callers) -> AsyncIterator[list[str]]:
    """Of the ordinary model, all the time; their errors."""
    errors: list[str] = []
    answers = 0

    async def call() -> None:
        nonlocal answers
        while True:
            try:
                assert await callers.grpc("ordinary") == 2.0
                answers += 1
            except (ConchError, AssertionError) as error:
                errors.append(repr(error))
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(call()) for _ in range(2)]
    yield errors
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert answers > 0


async def test_models_on_demand_are_loaded_by_calls_and_nobody_else_notices(tmp_path):
    async with calling(tmp_path) as callers:
        async with steady_calls(callers) as errors:
            await a_question_of_health_loads_nothing(callers)
            await twenty_at_once_are_one_load(callers)
            await too_many_are_told(callers)
            await two_that_do_not_fit_at_once_alternate(callers)
            await what_does_not_load_is_told_and_others_go_on(callers)
            await an_ensemble_comes_with_its_steps(callers)
        assert errors == []
        assert "loaded" not in [line.action for line in callers.site.folders.journal.lines()]  # by the controller
        await who_may_not_call_it_does_not_load_it(callers)


async def a_question_of_health_loads_nothing(callers):
    with pytest.raises(Unavailable) as told:
        await callers.internal.infer("left", ONE, call=CallOptions("health", deadline_s=20))
    assert says_resting(told.value.message)
    with pytest.raises(Unavailable) as told:
        async for _ in callers.internal.stream("left", ONE, call=CallOptions("health", deadline_s=20)):
            pass
    assert says_resting(told.value.message)
    assert not await callers.face.ready("left")
    assert (await callers.web.get("/v2/models/left/stats")).status_code == 400
    assert callers.site.told("left") == []


async def twenty_at_once_are_one_load(callers):
    """By every face; and one who asks for its config first."""
    faces = (callers.grpc, callers.http, callers.gateway, callers.stream)
    calls = [face("left") for face in faces for _ in range(5)]
    config, *answers = await asyncio.gather(callers.web.get("/v2/models/left/config"), *calls)
    assert answers == [2.0] * 20
    assert config.json()["name"] == "left"
    assert callers.site.told("left") == ["loaded on demand"]


async def too_many_are_told(callers):
    """24 may wait: of 40 at once the others are refused, in the words of their faces."""
    faces = (callers.grpc, callers.http)
    answers = await asyncio.gather(*(face("right") for face in faces for _ in range(20)), return_exceptions=True)
    assert answers.count(2.0) >= 24
    refused = [one for one in answers if one != 2.0]
    assert refused
    for one in refused:
        if isinstance(one, httpx.HTTPStatusError):
            assert one.response.status_code == 429
            assert "24 calls wait for its load, which is the most" in one.response.json()["error"]
            assert one.response.headers["retry-after"] == "2"
        else:
            assert isinstance(one, TooMuch)
            assert one.retry_after_s == 2.0


async def two_that_do_not_fit_at_once_alternate(callers):
    """Each takes some 85 MiB, which is known once it was loaded, and 140 are the bound."""
    await callers.site.until(lambda: callers.site.told("left")[-1] == "unloaded on demand")
    assert await callers.gateway("left") == 2.0
    assert callers.site.told("left") == ["loaded on demand", "unloaded on demand", "loaded on demand"]
    assert callers.site.told("right") == ["loaded on demand", "unloaded on demand"]
    assert callers.site.folders.on_demand.read() == {
        **dict.fromkeys(("right", "broken", "first", "second", "twice"), False),
        "left": True,
    }


async def what_does_not_load_is_told_and_others_go_on(callers):
    with pytest.raises(Unavailable, match=r"model broken: it does not load: .*its weights are gone"):
        await callers.grpc("broken")
    answer = await callers.web.post("/v2/models/broken/infer", json=BODY)
    assert answer.status_code == 503
    assert "its weights are gone" in answer.json()["error"]
    assert int(answer.headers["retry-after"]) >= 1


async def an_ensemble_comes_with_its_steps(callers):
    assert await callers.gateway("twice") == 3.0
    assert callers.site.told("twice") == ["loaded on demand"]


async def who_may_not_call_it_does_not_load_it(callers):
    site = callers.site
    before = site.told("right")
    key = {"x-api-key": site.edge.keys.create("narrow")[1]}
    for _ in range(600):
        if (await callers.web.get("/v2/models/ordinary", headers=key)).status_code == 200:
            break
        await asyncio.sleep(0.05)  # the key is on its way to the edge
    refused = await callers.web.post("/v2/models/right/infer", json=BODY, headers=key)
    assert refused.status_code == 403
    async with grpc.aio.insecure_channel(site.grpc) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.aio.AioRpcError) as told:
            # Two names: Triton, and who checks, take the last.
            await infer(b"\n\x08ordinary\n\x05right", metadata=tuple(key.items()), timeout=30)
        assert told.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert site.told("right") == before
