"""What a served model is: three kinds, by what they take at a time.

    StackedModel     equal shapes, stacked: arrays with a batch dimension in, the same out
    RaggedModel      rows of any length: the model knows best how to batch them
    StreamingModel   one row in, any number of answers out (Triton calls it decoupled)

Arrays come checked against the spec: names, types, shapes, finite floats, BYTES as `str`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import ConchError, Internal
from conch.contracts.identity import ANONYMOUS, Identity
from conch.contracts.metrics import Metric
from conch.contracts.specs import ModelSpec

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
"""By tensor name. BYTES tensors are object arrays of `str`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a batch, without the batch dimension."""

    tensors: Arrays
    identity: Identity = ANONYMOUS
    wanted: frozenset[str] = frozenset()
    """Outputs that are asked for; a model may leave the others out of its answer. Empty: all."""

    def answer(self, outputs: Mapping[str, Callable[[], Array]]) -> Arrays:
        """Those of them that are asked for; no other is made."""
        return {name: made() for name, made in outputs.items() if not self.wanted or name in self.wanted}

    def __getitem__(self, name: str) -> Array:
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def text(self, name: str, default: str = "") -> str:
        """The single string of a BYTES[1] tensor; `default` where the optional tensor is absent."""
        return str(self.tensors[name].item()) if name in self.tensors else default


class Count(Protocol):
    """Adds to a counter of a model, or sets a gauge; `labels` are those that it has beside model and version."""

    def __call__(self, metric: Metric, amount: float, **labels: str) -> None: ...


def uncounted(metric: Metric, amount: float, **labels: str) -> None:
    """Where nobody collects metrics."""


@dataclass(frozen=True, slots=True)
class ModelContext:
    """What a model is loaded with; Triton's config.pbtxt is its source."""

    folder: Path
    """The version's folder: weights stand here."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """`parameters` of config.pbtxt: thread counts, providers, limits."""
    device: Literal["cpu", "gpu"] = "cpu"
    device_id: int = 0
    version: str = "1"
    count: Count = uncounted

    def file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise Internal(f"weights are incomplete: {name} is not in {self.folder}")
        return path

    def integer(self, name: str, default: int) -> int:
        text = self.parameters.get(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            raise Internal(f"parameter {name} of config.pbtxt is {text!r}, not a whole number") from None


class Model(ABC):
    spec: ClassVar[ModelSpec]
    counts_audio: ClassVar[bool] = False
    """True where `audio_ms` says anything: what it says is held against the tenant's limit of a day."""

    @classmethod
    @abstractmethod
    def load(cls, context: ModelContext) -> Self:
        """Read the weights and warm up; called once for each instance."""

    @classmethod
    def audio_ms(cls, inputs: Arrays) -> int:
        """What these inputs, batch dimension first, count against a tenant's day."""
        return 0

    def close(self) -> None:  # noqa: B027 - most models hold nothing that must be let go
        """Let go of what is held; called once, when Triton unloads the instance."""


class StackedModel(Model):
    @abstractmethod
    def predict(self, inputs: Arrays) -> Arrays:
        """Arrays of shape (batch, *dims) in and out. Raises ConchError when any item is refused."""


class RaggedModel(Model):
    @abstractmethod
    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        """One answer a row, in order, without the batch dimension; a refused row's answer is its error."""


class StreamingModel(Model):
    @abstractmethod
    def stream(self, row: Row) -> Iterator[Arrays]:
        """Answers as they become ready, without the batch dimension."""


def scalar(value: object, dtype: npt.DTypeLike) -> Array:
    """A tensor of dims [1]."""
    return np.array([value], dtype=dtype)


def strings(values: Sequence[str]) -> Array:
    """A BYTES tensor of dims [len(values)]."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
