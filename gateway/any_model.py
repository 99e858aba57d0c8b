"""Any model that the server has loaded, whether the gateway has heard of it or not: its metadata tells how to ask.

Metadata is kept for a short while. Where a request does not fit it, it is read once more: the model may be another
one by now.
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np

from conch.clients.inference import Array, Arrays, CallOptions, Inference, ModelNotFound
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import Internal, InvalidRequest

AT_ONCE = 4
"""Requests of one call that are on their way together."""

MOST_KEPT = 1024
"""Models and versions whose metadata is kept."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_VERSION = re.compile(r"([1-9][0-9]{0,17})?")

Row = Mapping[str, Array]
"""Tensors by name, without a batch dimension."""

T = TypeVar("T")


class AnyModel:
    def __init__(
        self, inference: Inference, *, keep_s: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`keep_s`: how long metadata is believed without being read again."""
        self._inference = inference
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, ModelMetadata]] = {}

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        """Raises ModelNotFound; `version` empty is the one that the server gives to callers who name none."""
        at, kept = self._kept.get((model, version), (float("-inf"), None))
        if kept is not None and self._clock() - at < self._keep_s:
            return kept
        return await self._read(model, version)

    async def described(self, model: str, version: str, use: Callable[[ModelMetadata], Awaitable[T]]) -> T:
        """What `use` makes of the metadata; it is done again where it was refused by metadata that is out of date."""
        metadata = await self.metadata(model, version)
        try:
            return await use(metadata)
        except InvalidRequest:
            now = await self._read(model, version)
            if now == metadata:
                raise
            return await use(now)

    async def infer(
        self, metadata: ModelMetadata, rows: Sequence[Row], outputs: Sequence[str] | None, call: CallOptions
    ) -> list[Row]:
        """An answer a row, in their order; rows that fit together go in requests as large as the model takes."""
        answers: list[Row] = [{}] * len(rows)
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(indexes: Sequence[int]) -> None:
            inputs = _stacked(metadata, [rows[index] for index in indexes])
            async with room:
                answer = await self._inference.infer(metadata.name, inputs, outputs=outputs, call=call)
            for index, row in zip(indexes, _rows(metadata, answer, len(indexes)), strict=True):
                answers[index] = row

        tasks = [asyncio.create_task(ask(indexes)) for indexes in _requests(metadata, rows)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return answers

    async def stream(
        self, metadata: ModelMetadata, row: Row, outputs: Sequence[str] | None, call: CallOptions
    ) -> AsyncIterator[Row]:
        """Of a decoupled model."""
        inputs = _stacked(metadata, [row])
        answers: Any = self._inference.stream(metadata.name, inputs, outputs=outputs, call=call)
        async with aclosing(answers):
            async for answer in answers:
                for one in _rows(metadata, answer, 1):
                    yield one

    async def _read(self, model: str, version: str) -> ModelMetadata:
        if not _NAME.fullmatch(model):
            raise ModelNotFound("no model has such a name: letters, digits, _, . and - are taken").about("model")
        if not _VERSION.fullmatch(version):
            raise ModelNotFound(f"model {model} has no such version: a whole number from 1 is taken").about("version")
        self._kept.pop((model, version), None)
        metadata = await self._inference.metadata(model, version)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[model, version] = self._clock(), metadata
        return metadata


def _requests(metadata: ModelMetadata, rows: Sequence[Row]) -> Iterator[Sequence[int]]:
    """Indexes of rows of the same inputs and shapes, so many as one request takes."""
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        alike[tuple((name, array.shape) for name, array in sorted(row.items()))].append(index)
    most = max(1, metadata.max_batch_size)
    for indexes in alike.values():
        for start in range(0, len(indexes), most):
            yield indexes[start : start + most]


def _stacked(metadata: ModelMetadata, rows: Sequence[Row]) -> Arrays:
    if not metadata.max_batch_size:
        return rows[0]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _rows(metadata: ModelMetadata, answer: Arrays, count: int) -> Sequence[Row]:
    if not metadata.max_batch_size:
        return [answer]
    for name, array in answer.items():
        if array.ndim == 0 or len(array) != count:
            raise Internal(f"model {metadata.name}: output {name} has shape {list(array.shape)} for {count} rows")
    return [{name: array[index] for name, array in answer.items()} for index in range(count)]
