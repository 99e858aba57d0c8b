"""Arrays as KServe v2's raw tensors, and back."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from conch.clients.inference import Array
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.pb.kserve.v1 import inference_pb2 as pb

_DATATYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DATATYPES.items()}
_LENGTH_BYTES = 4


def add_input(request: pb.ModelInferRequest, name: str, array: Array) -> None:
    array = np.asarray(array)
    if array.dtype.kind in "OUS":
        datatype, raw = "BYTES", b"".join(_with_length(_encoded(name, value)) for value in array.flat)
    else:
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES:
            raise InvalidRequest(f"input {name} holds {array.dtype}, which KServe v2 has no type for")
        datatype, raw = _NAMES[dtype], array.astype(dtype, copy=False).tobytes()
    request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    request.raw_input_contents.append(raw)


def outputs_of(reply: pb.ModelInferReply) -> Mapping[str, Array]:
    pairs: Sequence[tuple[Any, Any]] = list(zip_longest(reply.outputs, reply.raw_output_contents))
    if any(None in pair for pair in pairs):
        raise Internal(f"{len(reply.outputs)} outputs came with the bytes of {len(reply.raw_output_contents)}")
    return {tensor.name: _array(tensor, raw) for tensor, raw in pairs}


def _encoded(name: str, value: object) -> bytes:
    try:
        return value if isinstance(value, bytes) else str(value).encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"input {name} cannot be sent as UTF-8: {error.reason} at {error.start}") from None


def _with_length(value: bytes) -> bytes:
    return len(value).to_bytes(_LENGTH_BYTES, "little") + value


def _array(tensor: pb.OutputTensor, raw: bytes) -> Array:
    count = int(np.prod(tensor.shape, dtype=np.int64))
    if tensor.datatype == "BYTES":
        elements: Array = np.empty(count, dtype=object)
        elements[:] = _texts(_elements(tensor.name, raw, count))
        return elements.reshape(tensor.shape)
    dtype = _DATATYPES.get(tensor.datatype)
    if dtype is None:
        raise Internal(f"output {tensor.name} is {tensor.datatype}, which numpy has no type for")
    if len(raw) != count * dtype.itemsize:
        raise Internal(f"output {tensor.name} has {len(raw)} bytes, its shape needs {count * dtype.itemsize}")
    return np.frombuffer(raw, dtype).reshape(tensor.shape)


def _elements(name: str, raw: bytes, count: int) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(raw[at:begin], "little")
        found.append(raw[begin:at])
    if at != len(raw) or len(found) != count:
        raise Internal(f"output {name} has {len(found)} elements in {len(raw)} bytes, its shape has {count}")
    return found


def _texts(elements: list[bytes]) -> list[str] | list[bytes]:
    """Pictures and the like stay what they are."""
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError:
        return elements
