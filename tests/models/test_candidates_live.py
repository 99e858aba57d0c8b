"""Recommendation in a real Triton: without a catalogue, in one batch whatever the shapes, and while Redis is away."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from conch.contracts.identifiers import texts_of
from conch.contracts.items import ITEM_BYTES, items_in
from conch.contracts.provenance import DROPPED
from conch.contracts.summary import Summary
from conch.stack.serving import Server
from conch.stack.serving import serving as serve
from tests.made_up_shop import ShopStack, filled_again, made_up_shop
from tests.redis_server import running_redis
from tests.settling import becomes

PARTS = ("candidates", "promo_ranker", "recommend")


def text(*values: str) -> np.ndarray:
    return np.array([[value.encode() for value in values]], object)


def tensors(**given: np.ndarray) -> list[InferInput]:
    kinds = {np.dtype(object): "BYTES", np.dtype(np.int32): "INT32", np.dtype(np.uint32): "UINT32",
             np.dtype(np.float32): "FP32"}  # fmt: skip
    made = [InferInput(name, list(array.shape), kinds[array.dtype]) for name, array in given.items()]
    return [tensor.set_data_from_numpy(array) for tensor, array in zip(made, given.values(), strict=True)]


def summary_of(answer: grpcclient.InferResult) -> Summary:
    return Summary.decode(answer.as_numpy("summary").item())


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[ShopStack]:
    """To be broken, by the last test."""
    with made_up_shop(tmp_path_factory.mktemp("own"), masters=500) as stack:
        yield stack


@pytest.fixture(scope="module")
def served(own, tmp_path_factory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("triton"), PARTS, {}, environment=own.environment) as server:
        yield server


def test_without_a_catalogue_the_answer_is_empty_and_says_why(serving):
    with grpcclient.InferenceServerClient(serving(*PARTS).grpc) as client:
        answer = client.infer("recommend", tensors(user=text("user-1")))
    assert answer.as_numpy("items").shape == (1, 0, ITEM_BYTES)
    assert summary_of(answer).degraded == ("catalogue: none is imported",)
    assert summary_of(answer).fallback == "best_sellers"


def test_every_example_of_a_config_is_answered(served):
    with httpx.Client(base_url=f"http://{served.http}") as http:
        for name in PARTS:
            config = http.get(f"/v2/models/{name}/config").json()
            example = json.loads(config["parameters"]["example"]["string_value"])
            metadata = http.get(f"/v2/models/{name}").json()
            kinds = {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}
            inputs = [
                {"name": key, "datatype": kinds[key], "shape": [1, np.size(value)], "data": [value]}
                for key, value in example.items()
            ]
            answer = http.post(f"/v2/models/{name}/infer", json={"inputs": inputs})
            assert answer.status_code == 200, answer.text


def test_the_ensemble_gives_what_its_steps_give(served):
    with grpcclient.InferenceServerClient(served.grpc) as client:
        shopper = {"user": text("user-3"), "widget": text("home"), "variant": text("control")}
        whole = client.infer("recommend", tensors(**shopper, k=np.array([[20]], np.int32)))
        found = client.infer("candidates", tensors(**shopper))
        ranked = client.infer(
            "promo_ranker",
            tensors(
                masters=found.as_numpy("masters"),
                scores=found.as_numpy("scores"),
                widget=text("home"),
                variant=text("control"),
                k=np.array([[20]], np.int32),
            ),
        )
    items = items_in(whole.as_numpy("items")[0])
    assert len(items) == 20
    for name, column in {"pids": "pid", "pid_uuids": "pid_uuid", "item_scores": "score", "changes": "changes",
                         "item_bases": "base", "prices": "price"}.items():  # fmt: skip
        assert items[column].tolist() == ranked.as_numpy(name)[0].tolist(), name
    assert len(set(texts_of(items["pid_uuid"]))) == 20
    dropped = dict(zip(DROPPED, ranked.as_numpy("dropped")[0].tolist(), strict=True))
    assert summary_of(whole).dropped == {reason: count for reason, count in dropped.items() if count}
    assert summary_of(whole).fallback == ""
    assert len(summary_of(whole).recommendation_id) == 36


def test_of_a_model_s_outputs_only_what_is_asked_for_is_sent(served):
    with grpcclient.InferenceServerClient(served.grpc) as client:
        asked = [grpcclient.InferRequestedOutput(name) for name in ("masters", "recommendation_id")]
        answer = client.infer("candidates", tensors(user=text("user-3")), outputs=asked)
    assert [output.name for output in answer.get_response().outputs] == ["masters", "recommendation_id"]
    assert answer.as_numpy("masters").shape[1] > 50


async def test_requests_of_unequal_shapes_execute_together(served):
    async with InferenceServerClient(served.grpc) as client:
        shoppers = [
            {"user": text(f"user-{number}"), "exclude": text(*(f"none-{one}" for one in range(1 + number)))}
            for number in range(64)
        ]
        answers = await asyncio.gather(*(client.infer("recommend", tensors(**one)) for one in shoppers))
        ranks = [
            {"masters": np.arange(size, dtype=np.uint32)[np.newaxis], "scores": np.ones((1, size), np.float32)}
            for size in range(1, 65)
        ]
        await asyncio.gather(*(client.infer("promo_ranker", tensors(**one)) for one in ranks))
    assert len({summary_of(answer).recommendation_id for answer in answers}) == 64
    async with httpx.AsyncClient() as http:
        for model in ("candidates", "promo_ranker"):
            stats = (await http.get(f"http://{served.http}/v2/models/{model}/stats")).json()["model_stats"][0]
            assert stats["inference_count"] > stats["execution_count"], model
            assert max(batch["batch_size"] for batch in stats["batch_stats"]) > 1, model


async def answered(client: InferenceServerClient, user: int) -> tuple[str, ...]:
    """`degraded` of an answer that has items."""
    answer = await client.infer("recommend", tensors(user=text(f"user-{user}")), client_timeout=30)
    assert answer.as_numpy("items").shape[1] > 0
    return summary_of(answer).degraded


async def test_redis_flushed_under_load_costs_no_request_is_told_of_and_filled_again(served, own):
    emptied = ("redis: it was emptied and is being filled again",)
    async with InferenceServerClient(served.grpc) as client:
        under_load = [asyncio.create_task(answered(client, user)) for user in range(100)]
        with own.redis.client() as redis:
            await asyncio.to_thread(redis.flushall)
        lame = await asyncio.gather(*(answered(client, user) for user in range(100)))
        whole_or_lame = await asyncio.gather(*under_load)
        await asyncio.to_thread(filled_again, own)
        again = await asyncio.gather(*(answered(client, user) for user in range(40)))
    assert all(words in ((), emptied) for words in whole_or_lame)
    assert all(words == emptied for words in lame)
    assert set(again) == {()}


def told(served: Server) -> tuple[str, ...]:
    with grpcclient.InferenceServerClient(served.grpc) as client:
        return summary_of(client.infer("recommend", tensors(user=text("user-1")))).degraded


async def test_redis_frozen_under_load_costs_no_request_and_answers_when_it_goes_on(served, own):
    async with InferenceServerClient(served.grpc) as client:
        under_load = [asyncio.create_task(answered(client, user)) for user in range(40)]
        await asyncio.wait(under_load, return_when=asyncio.FIRST_COMPLETED)
        own.redis.process.send_signal(signal.SIGSTOP)
        try:
            lame = await asyncio.gather(*(answered(client, user) for user in range(100)))
        finally:
            own.redis.process.send_signal(signal.SIGCONT)
        await asyncio.gather(*under_load)
    assert all(any(word.startswith("redis: ") for word in words) for words in lame)
    assert await asyncio.to_thread(becomes, lambda: told(served), ()) == ()


async def test_redis_killed_under_load_costs_no_request_and_comes_back(served, own, tmp_path):
    async with InferenceServerClient(served.grpc) as client:
        whole = await asyncio.gather(*(answered(client, user) for user in range(40)))
        own.redis.process.kill()
        own.redis.process.wait()
        lame = await asyncio.gather(*(answered(client, user) for user in range(200)))
        assert set(whole) == {()}
        assert all(any(word.startswith("redis: ") for word in words) for words in lame)

    with running_redis(tmp_path, port=own.redis.port):
        await asyncio.to_thread(filled_again, own)
        assert await asyncio.to_thread(becomes, lambda: told(served), ()) == ()
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"http://{served.metrics}/metrics")).text
    assert 'conch_model_features_total{model="candidates",outcome="hit"' in page
    assert 'conch_model_degraded_total{model="candidates",store="redis"' in page
    assert re.search(
        r'conch_model_snapshot_written_seconds\{model="candidates",tenant="default",version="1"\} 1[.0-9e+]+', page
    )
