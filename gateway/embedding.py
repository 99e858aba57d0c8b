"""Texts as unit-length vectors by the `embedding` model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Embedded:
    vectors: Vectors
    """A row a text, in the order of the texts."""
    tokens: int
    """Word pieces of all texts that the model has read."""


class TextEmbedding:
    def __init__(self, inference: Inference, limits: Limits) -> None:
        self._inference = inference
        self._limits = limits

    async def embed(self, texts: Sequence[str], call: Call) -> Embedded:
        self._limits.check_texts(texts)
        room = asyncio.Semaphore(AT_ONCE)

        async def rows(start: int) -> Embedded:
            async with room:
                inputs = {"text": text_column(*texts[start : start + ROWS])}
                answer = await asked(self._inference, "embedding", inputs, call.asked_by_somebody())
                return Embedded(answer["embedding"], int(answer["tokens"].sum()))

        tasks = [asyncio.create_task(rows(start)) for start in range(0, len(texts), ROWS)]
        try:
            parts = await asyncio.gather(*tasks)
            return Embedded(np.concatenate([part.vectors for part in parts]), sum(part.tokens for part in parts))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
