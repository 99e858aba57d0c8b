"""Small models for the live tests: each stands beside the model.py that serves it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import Arrays, ModelContext, RaggedModel, Row, StackedModel, StreamingModel, scalar, strings

LEDGER = ModelSpec(
    name="ledger",
    inputs=(
        TensorSpec("numbers", DataType.FP32, (-1,)),
        TensorSpec("label", DataType.BYTES, (1,), optional=True),
    ),
    outputs=(
        TensorSpec("total", DataType.FP32, (1,)),
        TensorSpec("label", DataType.BYTES, (1,)),
        TensorSpec("tenant", DataType.BYTES, (1,)),
        TensorSpec("request_id", DataType.BYTES, (1,)),
        TensorSpec("neighbours", DataType.INT32, (1,)),
    ),
)

DOUBLE = ModelSpec(
    name="double",
    inputs=(TensorSpec("numbers", DataType.FP32, (-1,)),),
    outputs=(TensorSpec("doubled", DataType.FP32, (-1,)), TensorSpec("neighbours", DataType.INT32, (1,))),
)

COUNTDOWN = ModelSpec(
    name="countdown",
    inputs=(
        TensorSpec("start", DataType.INT32, (1,)),
        TensorSpec("fail_at", DataType.INT32, (1,), optional=True),
    ),
    outputs=(TensorSpec("count", DataType.INT32, (1,)),),
    decoupled=True,
)

BUG = 13.0
"""The number that makes Ledger and Double fall over."""


class Ledger(RaggedModel):
    """Adds up, notes who was served in its journal, and waits while its gate file stands."""

    spec = LEDGER

    def __init__(self, journal: Path, gate: Path) -> None:
        self._journal = journal
        self._gate = gate

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls(Path(context.parameters["journal"]), Path(context.parameters["gate"]))

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        for row in rows:
            _note(self._journal, row.text("label"))
        while self._gate.exists():
            time.sleep(0.002)
        return [self._answer(row, len(rows)) for row in rows]

    def close(self) -> None:
        _note(self._journal, "closed")

    def _answer(self, row: Row, neighbours: int) -> Arrays | ConchError:
        if BUG in row["numbers"]:
            raise ZeroDivisionError("secret detail")
        if (row["numbers"] < 0).any():
            return InvalidRequest("negative numbers are not taken")
        return {
            "total": scalar(row["numbers"].sum(), np.float32),
            "label": strings([row.text("label")]),
            "tenant": strings([row.identity.tenant]),
            "request_id": strings([row.identity.request_id]),
            "neighbours": scalar(neighbours, np.int32),
        }


class Double(StackedModel):
    spec = DOUBLE

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        context.integer("threads", 1)
        return cls()

    def predict(self, inputs: Arrays) -> Arrays:
        numbers = inputs["numbers"]  # (batch, length)
        if (numbers < 0).any():
            raise InvalidRequest("negative numbers are not taken")
        return {"doubled": 2 * numbers, "neighbours": np.full((len(numbers), 1), len(numbers), np.int32)}


class Weighted(Double):
    """Cannot do without a file."""

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        context.file("weights.bin")
        return cls()


class Countdown(StreamingModel):
    """Counts down to 1; from below 0 for ever."""

    spec = COUNTDOWN

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls(Path(context.parameters["journal"]))

    def stream(self, row: Row) -> Iterator[Arrays]:
        count = int(row["start"].item())
        fail_at = int(row["fail_at"].item()) if "fail_at" in row else 0
        try:
            while count != 0:
                if count == fail_at:
                    raise InvalidRequest(f"asked to fail at {fail_at}")
                if count == BUG:
                    raise ZeroDivisionError("secret detail")
                yield {"count": scalar(count, np.int32)}
                count -= 1
                time.sleep(0.001)
        finally:
            _note(self._journal, "stream closed")


def _note(journal: Path, line: str) -> None:
    with journal.open("a") as file:
        file.write(line + "\n")
