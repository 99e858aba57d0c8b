"""The semantic_search ensemble in a real tritonserver, without a catalogue: it goes as far as the vector.

With one: tests/batch/test_relations_live.py.
"""

from collections.abc import Callable

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from conch.stack.serving import Server


async def test_the_ensemble_gives_the_vector_that_its_model_gives_and_no_masters(
    serving: Callable[..., Server],
) -> None:
    server = serving("semantic_search", "embedding", "nearest")
    text = InferInput("text", [2, 1], "BYTES")
    text.set_data_from_numpy(np.array([[b"running shoes"], [b"a cast iron pan"]], dtype=object))
    async with InferenceServerClient(server.grpc) as client:
        ensemble = await client.infer("semantic_search", [text])
        model = (await client.infer("embedding", [text])).as_numpy("embedding")
    assert ensemble.as_numpy("embedding").shape == (2, 384)
    np.testing.assert_allclose(ensemble.as_numpy("embedding"), model, atol=1e-4)
    assert ensemble.as_numpy("masters").shape == ensemble.as_numpy("similarities").shape == (2, 0)
    assert ensemble.as_numpy("embedding_version").tolist() == [[b""], [b""]]
