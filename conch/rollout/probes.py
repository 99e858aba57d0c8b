"""What a version is asked before it goes live, and how its answer is checked.

The config's `example` must be answered; probes.json, beside the config or in the version, may name more, with answers:

    [{"inputs": {"text": "call John"}, "outputs": {"intent": "DIAL_PERSON"}, "tolerance": 0.05}]
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from conch.clients.inference import Array, Arrays
from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.contracts.specs import EXAMPLE_PARAMETER
from conch.rollout.folders import PROBES
from conch.rollout.refusals import RefusedVersion

TYPES: Mapping[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


@dataclass(frozen=True, slots=True)
class ModelProbe:
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Those that are checked; of a decoupled model, in its first answer."""
    tolerance: float = 0.02
    """Of numbers, relative and absolute."""

    @classmethod
    def decode(cls, document: Any, where: str) -> Self:
        try:
            inputs, outputs = dict(document["inputs"]), dict(document.get("outputs", {}))
            return cls(inputs, outputs, float(document.get("tolerance", 0.02)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedVersion(f"{where} holds no probe: {error!r}") from error


def probes_of(config: Any, *folders: Path) -> list[ModelProbe]:
    """Raises RefusedVersion where there is none: what cannot be asked cannot be shown to answer."""
    probes = []
    if EXAMPLE_PARAMETER in config.parameters:
        example = _read(config.parameters[EXAMPLE_PARAMETER].string_value, f"parameter {EXAMPLE_PARAMETER}")
        probes.append(ModelProbe.decode({"inputs": example}, f"parameter {EXAMPLE_PARAMETER}"))
    for path in (folder / PROBES for folder in folders):
        if path.is_file():
            document = _read(path.read_text(encoding="utf-8"), PROBES)
            if not isinstance(document, list):
                raise RefusedVersion(f"{PROBES} is no list of probes")
            probes += [ModelProbe.decode(one, PROBES) for one in document]
    if not probes:
        raise RefusedVersion(f"its config names no {EXAMPLE_PARAMETER}, and there is no {PROBES}: it cannot be probed")
    return probes


def arrays_of(metadata: ModelMetadata, inputs: Mapping[str, Any]) -> Arrays:
    """Raises RefusedVersion for inputs that the model does not have."""
    tensors = {tensor.name: tensor for tensor in metadata.inputs}
    for name in inputs.keys() - tensors.keys():
        raise RefusedVersion(f"a probe has the input {name}, the model takes {', '.join(tensors)}")
    return {name: _array(tensors[name], value, metadata.max_batch_size > 0) for name, value in inputs.items()}


def check_answer(metadata: ModelMetadata, probe: ModelProbe, answer: Arrays) -> None:
    """Raises RefusedVersion for an output that is missing, of another type or shape, not finite, or not as expected."""
    for tensor in metadata.outputs:
        if tensor.name not in answer:
            raise RefusedVersion(f"its answer lacks the output {tensor.name}")
        _check_output(tensor, answer[tensor.name], metadata.max_batch_size > 0)
    for name, wanted in probe.outputs.items():
        if name not in answer:
            raise RefusedVersion(f"a probe expects the output {name}, the model gives {', '.join(answer)}")
        _check_values(name, answer[name], np.asarray(wanted), probe.tolerance)


def _check_output(tensor: TensorMetadata, array: Array, batched: bool) -> None:
    if tensor.data_type in TYPES and array.dtype != np.dtype(TYPES[tensor.data_type]):
        raise RefusedVersion(f"output {tensor.name} came as {array.dtype}, its config says {tensor.data_type}")
    dims = (1, *tensor.dims) if batched else tensor.dims
    fits = len(dims) == array.ndim and all(dim in (-1, size) for dim, size in zip(dims, array.shape, strict=True))
    if not fits:
        raise RefusedVersion(f"output {tensor.name} came with shape {list(array.shape)}, its config says {list(dims)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RefusedVersion(
            f"output {tensor.name} holds {int((~np.isfinite(array)).sum())} values that are no numbers"
        )


def _check_values(name: str, array: Array, wanted: Array, tolerance: float) -> None:
    got = array.reshape(-1)
    expected = wanted.reshape(-1)
    if got.size != expected.size:
        raise RefusedVersion(f"output {name} came with {got.size} values, the probe expects {expected.size}")
    if got.dtype.kind in "iufb" and expected.dtype.kind in "iufb":
        same = bool(np.allclose(got.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance))
    else:
        same = [str(one) for one in got] == [str(one) for one in expected]
    if not same:
        raise RefusedVersion(f"output {name} is {_few(got)}, the probe expects {_few(expected)}")


def _few(array: Array) -> str:
    return ", ".join(str(one) for one in array[:4]) + (", …" if array.size > 4 else "")


def _array(tensor: TensorMetadata, value: Any, batched: bool) -> Array:
    try:
        array: Array = np.asarray(value, dtype=TYPES[tensor.data_type])
        shape = tensor.dims if tensor.dims.count(-1) <= 1 else array.shape
        array = array.reshape(shape)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise RefusedVersion(
            f"a probe's input {tensor.name} is no {tensor.data_type}{list(tensor.dims)}: {error}"
        ) from error
    return array[np.newaxis] if batched else array


def _read(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RefusedVersion(f"{where} is not JSON: {error}") from error


def outputs_named(probes: Sequence[ModelProbe]) -> int:
    """How many outputs are held against a known answer."""
    return sum(len(probe.outputs) for probe in probes)
