"""The embedding model in a real tritonserver: unequal texts in one batch, refusals that name the model."""

import asyncio
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from conch.models.base import Array
from conch.stack.serving import Server


@pytest.fixture(scope="module")
def server(serving: Callable[..., Server]) -> Server:
    return serving("embedding")


def inputs(*texts: bytes) -> list[InferInput]:
    tensor = InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text] for text in texts], dtype=object))
    return [tensor]


async def embed(client: InferenceServerClient, *texts: str) -> Array:
    result = await client.infer("embedding", inputs(*(text.encode() for text in texts)))
    vectors: Array = result.as_numpy("embedding")
    return vectors


async def test_a_batch_of_one_request_comes_back_in_order(server: Server) -> None:
    async with InferenceServerClient(server.grpc) as client:
        together = await embed(client, "cordless drill", "jam " * 50, "shoes")
        alone = [await embed(client, text) for text in ("cordless drill", "jam " * 50, "shoes")]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


async def test_concurrent_texts_of_unequal_length_execute_together(server: Server) -> None:
    async with InferenceServerClient(server.grpc) as client:
        await asyncio.gather(*(embed(client, "word " * length) for length in range(1, 65)))
    async with httpx.AsyncClient() as http:
        stats = (await http.get(f"http://{server.http}/v2/models/embedding/stats")).json()["model_stats"][0]
    assert stats["inference_count"] > stats["execution_count"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([b""], "model embedding: text has 0 characters and not one word"),
        ([b"shoes", b""], "model embedding: text has 0 characters and not one word"),
        ([b"a" * 1_000_000], "model embedding: text has 1000000 characters, the model takes at most 20000"),
        ([b"\xff\xfe"], "model embedding: input text is not UTF-8"),
    ],
    ids=["empty", "one of two empty", "a megabyte", "not UTF-8"],
)
async def test_a_refusal_says_why(server: Server, texts: list[bytes], message: str) -> None:
    async with InferenceServerClient(server.grpc) as client:
        with pytest.raises(InferenceServerException, match=message):
            await client.infer("embedding", inputs(*texts))
        assert (await embed(client, "shoes")).shape == (1, 384)
