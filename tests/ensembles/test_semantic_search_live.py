"""The semantic_search ensemble in a real tritonserver: as far as it goes today, text to vector."""

from collections.abc import Callable

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from conch.stack.serving import Server


async def test_the_ensemble_gives_what_its_model_gives(serving: Callable[..., Server]) -> None:
    server = serving("semantic_search", "embedding")
    text = InferInput("text", [2, 1], "BYTES")
    text.set_data_from_numpy(np.array([[b"running shoes"], [b"a cast iron pan"]], dtype=object))
    async with InferenceServerClient(server.grpc) as client:
        ensemble = (await client.infer("semantic_search", [text])).as_numpy("embedding")
        model = (await client.infer("embedding", [text])).as_numpy("embedding")
    assert ensemble.shape == (2, 384)
    np.testing.assert_allclose(ensemble, model, atol=1e-4)
