"""Texts as unit-length vectors by the `embedding` model."""

import asyncio
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from conch.clients.inference import Inference, text_column
from gateway.calls import Call
from gateway.limits import Limits
from gateway.recognition import asked

ROWS = 32
"""Texts of one request to the model: within its max_batch_size."""

AT_ONCE = 4
"""Requests of one call that are on their way together."""

Vectors = npt.NDArray[np.float32]


class TextEmbedding:
    def __init__(self, inference: Inference, limits: Limits) -> None:
        self._inference = inference
        self._limits = limits

    async def embed(self, texts: Sequence[str], call: Call) -> Vectors:
        """A row a text, in the order of the texts."""
        self._limits.check_texts(texts)
        room = asyncio.Semaphore(AT_ONCE)

        async def rows(start: int) -> Vectors:
            async with room:
                inputs = {"text": text_column(*texts[start : start + ROWS])}
                answer = await asked(self._inference, "embedding", inputs, call.asked_by_somebody())
                vectors: Vectors = answer["embedding"]
                return vectors

        tasks = [asyncio.create_task(rows(start)) for start in range(0, len(texts), ROWS)]
        try:
            return np.concatenate(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
