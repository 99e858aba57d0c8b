"""What a server says of one model: its tensors, and how it wants to be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    name: str
    data_type: str
    """Triton's name of it, which may be one that no model of ours uses (FP16, UINT64)."""
    dims: tuple[int, ...]
    """Without the batch dimension; -1 where the length may differ."""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    name: str
    versions: tuple[str, ...]
    """Those that are ready, in no order."""
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    max_batch_size: int = 0
    """Rows of one request, stacked along a first dimension; 0: a request is one row, and has no such dimension."""
    decoupled: bool = False
    """One request may give any number of responses: to be asked with `stream`."""
    example: str = ""
    """A row of inputs as JSON, that the model answers: parameter `example` of its config. Empty: it names none."""

    def shape(self, tensor: TensorMetadata) -> tuple[int, ...]:
        """As KServe tells it: with the batch dimension, where there is one."""
        return (-1, *tensor.dims) if self.max_batch_size else tensor.dims
