"""One tensor of one row as JSON, and back.

A tensor of a single element is that element; any other is a list of lists, as deep as its dims. Text is a string, bytes
that are not UTF-8 are {"base64": "..."}, and a float that is not finite is null.
"""

import base64
import binascii
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import JsonValue

from conch.clients.inference import Array
from conch.clients.metadata import TensorMetadata
from conch.contracts.errors import InvalidRequest

BASE64 = "base64"

NUMPY_TYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{name: np.dtype(name.lower()) for name in ("INT8", "INT16", "INT32", "INT64")},
    **{name: np.dtype(name.lower()) for name in ("UINT8", "UINT16", "UINT32", "UINT64")},
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}

SHOWN = 40
"""Characters of a value that are said back."""


def to_array(tensor: TensorMetadata, value: JsonValue) -> Array:
    """In the tensor's type and dims, without a batch dimension; raises InvalidRequest about the tensor."""
    if tensor.data_type not in NUMPY_TYPES:
        raise _refusal(tensor, f"is {tensor.data_type}, which JSON is not taken for: send it by KServe")
    bare = is_single(tensor) and not isinstance(value, list)
    leaves, shape = ([value], tensor.dims) if bare else _flattened(tensor, value)
    dtype = NUMPY_TYPES[tensor.data_type]
    convert = {"b": _booleans, "i": _integers, "u": _integers, "f": _floats, "O": _texts}[dtype.kind]
    return convert(tensor, leaves, dtype).reshape(shape)


def from_array(tensor: TensorMetadata, array: Array) -> JsonValue:
    """`array` is without a batch dimension."""
    leaves = _leaves(array)
    if is_single(tensor) and len(leaves) == 1:
        return leaves[0]
    nested: JsonValue = _as_objects(leaves).reshape(array.shape).tolist()
    return nested


def is_single(tensor: TensorMetadata) -> bool:
    return all(dim == 1 for dim in tensor.dims)


def bounds_of(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest and the largest finite value of a number's type."""
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return -largest, largest
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _flattened(tensor: TensorMetadata, value: JsonValue) -> tuple[list[JsonValue], tuple[int, ...]]:
    level: list[Any] = [value]
    shape: list[int] = []
    for dim in tensor.dims:
        lengths = {len(one) if isinstance(one, list) else -1 for one in level}
        if -1 in lengths:
            raise _misshapen(tensor, value)
        if len(lengths) > 1:
            few, many = min(lengths), max(lengths)
            raise _refusal(tensor, f"has lists of {few} and of {many} entries side by side, they must be equally long")
        shape.append(lengths.pop() if lengths else max(dim, 0))
        level = list(itertools.chain.from_iterable(level))
    fits = all(dim in (-1, length) for dim, length in zip(tensor.dims, shape, strict=True))
    if not fits or any(isinstance(one, list) for one in level):
        raise _misshapen(tensor, value)
    return level, tuple(shape)


def _misshapen(tensor: TensorMetadata, value: JsonValue) -> InvalidRequest:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    got = f"shape {shape}" if shape else f"no list but {_shown(value)}"
    return _refusal(tensor, f"has {got}, the model takes {list(tensor.dims)}")


def _booleans(tensor: TensorMetadata, leaves: Sequence[JsonValue], dtype: np.dtype[Any]) -> Array:
    _check_types(tensor, leaves, {bool}, "true or false")
    return np.array(leaves, dtype)


def _integers(tensor: TensorMetadata, leaves: Sequence[Any], dtype: np.dtype[Any]) -> Array:
    _check_types(tensor, leaves, {int, float}, "whole numbers")
    if any(isinstance(one, float) for one in leaves):
        broken = next((one for one in leaves if isinstance(one, float) and not one.is_integer()), None)
        if broken is not None:
            raise _refusal(tensor, f"holds {_shown(broken)}, {tensor.data_type} takes whole numbers")
        leaves = [int(one) for one in leaves]
    _check_bounds(tensor, leaves, dtype)
    return np.array(leaves, dtype)


def _floats(tensor: TensorMetadata, leaves: Sequence[Any], dtype: np.dtype[Any]) -> Array:
    _check_types(tensor, leaves, {int, float}, "numbers")
    _check_bounds(tensor, leaves, dtype)
    return np.array(leaves, np.float64).astype(dtype)


def _check_bounds(tensor: TensorMetadata, leaves: Sequence[float], dtype: np.dtype[Any]) -> None:
    least, most = bounds_of(dtype)
    for beyond in (min(leaves, default=0), max(leaves, default=0)):
        if not least <= beyond <= most:
            raise _refusal(tensor, f"holds {_shown(beyond)}, {tensor.data_type} takes {least} to {most}")


def _texts(tensor: TensorMetadata, leaves: Sequence[JsonValue], dtype: np.dtype[Any]) -> Array:
    return _as_objects([one if isinstance(one, str) else _bytes_of(tensor, one) for one in leaves])


def _bytes_of(tensor: TensorMetadata, value: JsonValue) -> bytes:
    packed = value.get(BASE64) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(packed, str):
        raise _refusal(tensor, f'holds {_shown(value)}, BYTES takes texts, or {{"{BASE64}": "..."}}')
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refusal(tensor, f"has bytes that are not base64: {error}") from None


def _check_types(tensor: TensorMetadata, leaves: Sequence[JsonValue], allowed: set[type], words: str) -> None:
    if set(map(type, leaves)) <= allowed:
        return
    odd = next(one for one in leaves if type(one) not in allowed)
    raise _refusal(tensor, f"holds {_shown(odd)}, {tensor.data_type} takes {words}")


def _shown(value: JsonValue) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of more than 128 bits"  # Python does not write out the very long ones
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _refusal(tensor: TensorMetadata, reason: str) -> InvalidRequest:
    return InvalidRequest(f"input {tensor.name} {reason}").about(tensor.name)


def _leaves(array: Array) -> list[JsonValue]:
    flat = array.reshape(-1)
    if flat.dtype.kind == "f":
        return _float_leaves(flat)
    if flat.dtype.kind in "OSU":
        return [_text_or_base64(one) for one in flat.tolist()]
    plain: list[JsonValue] = flat.tolist()
    return plain


def _float_leaves(flat: Array) -> list[JsonValue]:
    # The shortest number that is the same in its own type: 0.99, where a double would say 0.9900000095367432.
    plain: Callable[[Any], float] = float if flat.dtype == np.float64 else lambda one: float(str(one))
    if np.isfinite(flat).all():
        return [plain(one) for one in flat]
    return [plain(one) if np.isfinite(one) else None for one in flat]


def _text_or_base64(value: Any) -> JsonValue:
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {BASE64: base64.b64encode(value).decode()}


def _as_objects(values: Sequence[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
