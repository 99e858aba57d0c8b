"""Hold a request's arrays against the model's spec, and turn BYTES into text and back."""

from collections.abc import Mapping

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


def check_inputs(spec: ModelSpec, arrays: Arrays, batched: bool) -> Arrays:
    """The same arrays, BYTES decoded; raises InvalidRequest naming the tensor and both sides of a disagreement."""
    unknown = sorted(arrays.keys() - {tensor.name for tensor in spec.inputs})
    if unknown:
        raise InvalidRequest(f"input {unknown[0]} is not one of {[tensor.name for tensor in spec.inputs]}")
    checked: dict[str, Array] = {}
    for tensor in spec.inputs:
        if tensor.name in arrays:
            checked[tensor.name] = _check_input(tensor, arrays[tensor.name], batched)
        elif not tensor.optional:
            raise InvalidRequest(f"input {tensor.name} is missing")
    return checked


def _check_input(tensor: TensorSpec, array: Array, batched: bool) -> Array:
    dims = array.shape[1:] if batched else array.shape
    if len(dims) != len(tensor.dims) or any(want not in (-1, got) for want, got in zip(tensor.dims, dims, strict=True)):
        raise InvalidRequest(f"input {tensor.name} has shape {list(dims)}, the model takes {list(tensor.dims)}")
    if tensor.data_type is DataType.BYTES:
        return _decode(tensor, array)
    want = NUMPY_TYPES[tensor.data_type]
    if array.dtype != want:
        raise InvalidRequest(f"input {tensor.name} holds {array.dtype}, the model takes {want}")
    if tensor.data_type is DataType.FP32 and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InvalidRequest(f"input {tensor.name} has {bad} of {array.size} values that are NaN or infinite")
    return array


def _decode(tensor: TensorSpec, array: Array) -> Array:
    decoded = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        try:
            decoded[index] = value.decode() if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"input {tensor.name} is not UTF-8: {error.reason} at byte {error.start}") from None
    return decoded


def to_triton(spec: ModelSpec, arrays: Arrays) -> Mapping[str, Array]:
    """Every output of the spec in its type, text encoded; raises Internal where the model broke its own contract."""
    outputs: dict[str, Array] = {}
    for tensor in spec.outputs:
        if tensor.name not in arrays:
            raise Internal(f"output {tensor.name} was not computed")
        array = arrays[tensor.name]
        if tensor.data_type is DataType.BYTES:
            array = _encode(array)
        outputs[tensor.name] = np.ascontiguousarray(array, dtype=NUMPY_TYPES[tensor.data_type])
    return outputs


def _encode(array: Array) -> Array:
    encoded = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        encoded[index] = value if isinstance(value, bytes) else str(value).encode()
    return encoded
