"""Tensors as they travel: raw bytes, JSON, and the typed contents of gRPC."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

NUMBERS = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    # The upper half of an FP32; numpy has no such type.
    "BF16": np.dtype("<u2"),
}
RAW_ONLY = ("FP16", "BF16")
"""Neither JSON nor gRPC's typed contents have a field for them."""
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
DATA_TYPES = (*NUMBERS, "BYTES")


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    datatype: str
    shape: Sequence[int]
    raw: bytes
    """Little-endian and row-major; of BYTES each element after its length."""

    @classmethod
    def of(cls, name: str, datatype: str, values: Any, shape: Sequence[int] | None = None) -> Self:
        if datatype == "BYTES":
            raw = b"".join(struct.pack("<I", len(value)) + value for value in values)
            return cls(name, datatype, [len(values)] if shape is None else shape, raw)
        array = np.asarray(values, NUMBERS[datatype])
        return cls(name, datatype, list(array.shape) if shape is None else shape, array.tobytes())

    @property
    def elements(self) -> list[Any]:
        if self.datatype != "BYTES":
            values: list[Any] = np.frombuffer(self.raw, NUMBERS[self.datatype]).tolist()
            return values
        found, at = [], 0
        while at < len(self.raw):
            (size,) = struct.unpack_from("<I", self.raw, at)
            found.append(self.raw[at + 4 : at + 4 + size])
            at += 4 + size
        return found

    @property
    def json(self) -> dict[str, Any]:
        data = [one.decode() for one in self.elements] if self.datatype == "BYTES" else self.elements
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape), "data": data}

    @property
    def binary_json(self) -> dict[str, Any]:
        """What stands for it in the JSON where its bytes follow that."""
        return {
            "name": self.name,
            "datatype": self.datatype,
            "shape": list(self.shape),
            "parameters": {"binary_data_size": len(self.raw)},
        }


def some(datatype: str) -> list[Any]:
    """Values of a type, its ends among them."""
    if datatype == "BYTES":
        return [b"plain", b"", "höher".encode()]
    if datatype == "BOOL":
        return [True, False, True]
    if datatype == "BF16":
        return [0x3F80, 0xC000, 0x7F7F]  # 1, -2 and the largest
    if datatype.startswith("FP"):
        ends = np.finfo(NUMBERS[datatype])
        return [0.0, -1.5, float(ends.max), float(ends.tiny)]
    whole = np.iinfo(NUMBERS[datatype])
    return [0, 1, int(whole.min), int(whole.max)]


def zeros(name: str, datatype: str, shape: Sequence[int]) -> Tensor:
    """Of a tensor's metadata; a dimension that may be anything is 1."""
    fixed = [1 if size < 0 else size for size in shape]
    count = int(np.prod(fixed, dtype=np.int64))
    if datatype == "BYTES":
        return Tensor.of(name, datatype, [b"1"] * count, fixed)
    return Tensor.of(name, datatype, np.zeros(count), fixed)
