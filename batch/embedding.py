"""Titles to vectors by the model `embedding`: full batches, several on their way, behind what somebody waits for."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from batch.titles import Title
from conch.clients.inference import CallOptions, Inference, text_column
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.specs import EMBEDDING, EMBEDDING_WIDTH, PRIORITY_BULK
from conch.stores.meanings import F4

logger = logging.getLogger(__name__)

ROWS = 32
"""Of one request: the model's max_batch_size."""

AT_ONCE = 8
"""Requests on their way together: its instances never wait for us, and its queue stays short for others."""

DEADLINE_S = 60.0
"""Of a request, most of it in a queue."""


@dataclass(frozen=True, slots=True)
class Embedded:
    titles: Sequence[Title]
    vectors: F4
    """(titles, EMBEDDING_WIDTH), unit length."""
    refused: int
    """Titles in which the model finds no word."""


@dataclass(frozen=True, slots=True)
class Embedder:
    inference: Inference
    version: str
    """Asked for by name: a promotion in the middle of a run does not mix two kinds of vectors."""

    @classmethod
    async def find(cls, inference: Inference) -> "Embedder":
        """The version that callers get who name none. Raises ConchError."""
        told = await inference.metadata(EMBEDDING.name)
        return cls(inference, str(max(map(int, told.versions))))

    async def embed(self, titles: Iterable[Title]) -> AsyncIterator[Embedded]:
        """Some titles at a time, in their order. Raises ConchError; what was given before stays given."""
        source = iter(titles)
        while some := list(islice(source, ROWS * AT_ONCE)):
            batches = [some[at : at + ROWS] for at in range(0, len(some), ROWS)]
            answers = await self._together(batches)
            yield Embedded(
                [title for answer in answers for title in answer.titles],
                np.concatenate([answer.vectors for answer in answers]),
                sum(answer.refused for answer in answers),
            )

    async def _together(self, batches: Sequence[Sequence[Title]]) -> Sequence[Embedded]:
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._batch(batch)) for batch in batches]
        except* ConchError as failed:
            error = failed.exceptions[0]
        else:
            return [task.result() for task in asked]
        raise error

    async def _batch(self, titles: Sequence[Title]) -> Embedded:
        try:
            return Embedded(titles, await self._vectors(titles), 0)
        except InvalidRequest as error:
            if len(titles) == 1:
                logger.warning("title of master %d is left out: %s", titles[0].master, error.message)
                return Embedded([], np.zeros((0, EMBEDDING_WIDTH), np.float32), 1)
        # One title without a word refuses all that came with it.
        alone = [await self._batch([title]) for title in titles]
        return Embedded(
            [title for answer in alone for title in answer.titles],
            np.concatenate([answer.vectors for answer in alone]),
            sum(answer.refused for answer in alone),
        )

    async def _vectors(self, titles: Sequence[Title]) -> F4:
        call = CallOptions(priority=PRIORITY_BULK, deadline_s=DEADLINE_S, version=self.version)
        inputs = {"text": text_column(*(title.text for title in titles))}
        answer = await self.inference.infer(EMBEDDING.name, inputs, outputs=["embedding"], call=call)
        vectors: F4 = answer["embedding"]
        return vectors
