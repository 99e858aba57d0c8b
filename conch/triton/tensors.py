"""Hold arrays against a model's spec on their way in and out, and turn BYTES into text and back.

All arrays here have the batch dimension first.
"""

from collections.abc import Collection, Sequence

import numpy as np

from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import Array, Arrays

NUMPY_TYPES: dict[DataType, np.dtype] = {  # type: ignore[type-arg]
    DataType.BOOL: np.dtype(np.bool_),
    DataType.UINT8: np.dtype(np.uint8),
    DataType.INT16: np.dtype(np.int16),
    DataType.INT32: np.dtype(np.int32),
    DataType.INT64: np.dtype(np.int64),
    DataType.UINT32: np.dtype(np.uint32),
    DataType.FP32: np.dtype(np.float32),
    DataType.BYTES: np.dtype(object),
}


def from_triton(spec: ModelSpec, arrays: Arrays) -> Arrays:
    """The same arrays, BYTES decoded; raises InvalidRequest naming the tensor and both sides of a disagreement."""
    given = [tensor for tensor in spec.inputs if tensor.name in arrays]
    if len(given) < len(arrays):
        unknown = sorted(arrays.keys() - {tensor.name for tensor in given})
        raise InvalidRequest(f"input {unknown[0]} is not one of {', '.join(tensor.name for tensor in spec.inputs)}")
    if len(given) < len(spec.inputs):
        missing = [tensor.name for tensor in spec.inputs if not tensor.optional and tensor.name not in arrays]
        if missing:
            raise InvalidRequest(f"input {missing[0]} is missing")
    return {tensor.name: _check_input(tensor, arrays[tensor.name]) for tensor in given}


def to_triton(spec: ModelSpec, arrays: Arrays, batch: int, wanted: Collection[str] = ()) -> Arrays:
    """Outputs in their types, text encoded: those that are `wanted`, or every one of the spec.

    Raises Internal where the model broke its own contract.
    """
    return {
        tensor.name: _check_output(tensor, arrays, batch)
        for tensor in spec.outputs
        if not wanted or tensor.name in wanted
    }


def refuse_numpy(version: str) -> None:
    # With numpy 2 every output of Triton 2.51's python back end has the right shape and 0 bytes, without an error.
    if int(version.split(".")[0]) >= 2:
        raise Internal(f"numpy is {version}, Triton's python back end needs one below 2")


def _check_input(tensor: TensorSpec, array: Array) -> Array:
    if not _fits(tensor, array):
        raise InvalidRequest(f"input {tensor.name} has shape {list(array.shape[1:])}, the model takes {_dims(tensor)}")
    if tensor.data_type is DataType.BYTES:
        return _decode(tensor, array)
    want = NUMPY_TYPES[tensor.data_type]
    if array.dtype != want:
        raise InvalidRequest(f"input {tensor.name} holds {array.dtype}, the model takes {want}")
    if tensor.data_type is DataType.FP32:
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            raise InvalidRequest(f"input {tensor.name} has {bad} of {array.size} values that are NaN or infinite")
    return array


def _check_output(tensor: TensorSpec, arrays: Arrays, batch: int) -> Array:
    if tensor.name not in arrays:
        raise Internal(f"output {tensor.name} was not computed")
    array = arrays[tensor.name]
    if not _fits(tensor, array) or array.shape[0] != batch:
        raise Internal(f"output {tensor.name} has shape {list(array.shape)}, the contract is {[batch, *_dims(tensor)]}")
    if tensor.data_type is DataType.BYTES:
        return _encode(array)
    want = NUMPY_TYPES[tensor.data_type]
    if array.dtype != want and not np.can_cast(array.dtype, want, casting="same_kind"):
        raise Internal(f"output {tensor.name} holds {array.dtype}, the contract is {want}")
    return np.ascontiguousarray(array, dtype=want)


def _fits(tensor: TensorSpec, array: Array) -> bool:
    """Whether the shape behind the batch dimension is one the spec allows."""
    if array.ndim != 1 + len(tensor.dims):
        return False
    # A loop: all() of a generator takes twice as long, for each tensor of each call.
    for want, got in zip(tensor.dims, array.shape[1:], strict=True):  # noqa: SIM110
        if want not in (-1, got):
            return False
    return True


def _dims(tensor: TensorSpec) -> list[int]:
    return list(tensor.dims)


def _decode(tensor: TensorSpec, array: Array) -> Array:
    try:
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"input {tensor.name} is not UTF-8: {error.reason} at byte {error.start}") from None
    return _objects(texts, array.shape)


def _encode(array: Array) -> Array:
    values = array.ravel().tolist()
    return _objects([value if isinstance(value, bytes) else str(value).encode() for value in values], array.shape)


def _objects(values: Sequence[object], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)
