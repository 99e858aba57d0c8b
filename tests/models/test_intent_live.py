"""The intent model in a real tritonserver."""

import asyncio
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from conch.stack.serving import Server


@pytest.fixture(scope="module")
def server(serving: Callable[..., Server]) -> Server:
    return serving("intent")


async def understand(client: InferenceServerClient, *texts: bytes) -> InferResult:
    tensor = InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text] for text in texts], dtype=object))
    return await client.infer("intent", [tensor])


async def test_a_batch_comes_back_in_order_with_no_intent_for_no_text(server: Server) -> None:
    async with InferenceServerClient(server.grpc) as client:
        result = await understand(client, b"summon the cleaning crew to hall four", b"", b"call my mother")
    assert result.as_numpy("intent").tolist() == [[b"SUMMON_TEAM"], [b""], [b"DIAL_PERSON"]]
    assert result.as_numpy("confidence")[1].item() == 0.0
    assert result.as_numpy("intent_scores").shape == (3, 3)


async def test_concurrent_texts_of_unequal_length_execute_together(server: Server) -> None:
    async with InferenceServerClient(server.grpc) as client:
        await asyncio.gather(*(understand(client, b"call john " * length) for length in range(1, 129)))
    async with httpx.AsyncClient() as http:
        stats = (await http.get(f"http://{server.http}/v2/models/intent/stats")).json()["model_stats"][0]
    assert stats["inference_count"] > stats["execution_count"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a" * 1_000_000, "model intent: text has 1000000 characters, the model takes at most 4000"),
        (b"call \xff\xfe", "model intent: input text is not UTF-8"),
    ],
    ids=["a megabyte", "not UTF-8"],
)
async def test_a_refusal_says_why(server: Server, text: bytes, message: str) -> None:
    async with InferenceServerClient(server.grpc) as client:
        with pytest.raises(InferenceServerException, match=message):
            await understand(client, text)
        assert (await understand(client, b"call john")).as_numpy("intent").tolist() == [[b"DIAL_PERSON"]]
