"""Small models for the edge's live tests: each stands beside the model.py that serves it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from conch.contracts.errors import ConchError
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import Arrays, ModelContext, RaggedModel, Row, StreamingModel, scalar, strings


class Sum(RaggedModel):
    """Adds up, tells whom it was called for, and waits while its gate file stands."""

    spec = ModelSpec(
        name="sum",
        inputs=(TensorSpec("numbers", DataType.FP32, (-1,)),),
        outputs=(
            TensorSpec("total", DataType.FP32, (1,)),
            TensorSpec("identity", DataType.BYTES, (3,)),
        ),
    )

    def __init__(self, gate: Path) -> None:
        self._gate = gate

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls(Path(context.parameters["gate"]))

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        while self._gate.exists():
            time.sleep(0.002)
        return [
            {
                "total": scalar(row["numbers"].sum(), np.float32),
                "identity": strings([row.identity.tenant, row.identity.request_id, row.identity.traceparent]),
            }
            for row in rows
        ]


class Countdown(StreamingModel):
    """Counts down to 1."""

    spec = ModelSpec(
        name="countdown",
        inputs=(TensorSpec("start", DataType.INT32, (1,)),),
        outputs=(TensorSpec("count", DataType.INT32, (1,)),),
        decoupled=True,
    )

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls()

    def stream(self, row: Row) -> Iterator[Arrays]:
        for count in range(int(row["start"].item()), 0, -1):
            yield {"count": scalar(count, np.int32)}
            time.sleep(0.001)
