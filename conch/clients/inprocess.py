"""Ask functions of this process instead of a server: the fake that tests of everything above use.

    inference = InProcessInference({"intent": lambda inputs, call: {"intent": ..., "confidence": ...}})

What a server would refuse (an unknown name, a missing input, a wrong type or shape) is refused here with the same
error class.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conch.clients.inference import (
    DEFAULT_CALL,
    Array,
    Arrays,
    CallOptions,
    IndexedModel,
    Inference,
    ModelNotFound,
)
from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.contracts.errors import ConchError, DeadlineExceeded, Internal, InvalidRequest, TooMuch
from conch.contracts.specs import MODELS, DataType, ModelSpec, TensorSpec

logger = logging.getLogger(__name__)

VERSION = "1"
"""Every model's only one."""

Function = Callable[[Arrays, CallOptions], Any]
"""Arrays, or an awaitable of them; of a decoupled model an iterable of Arrays, sync or async. Raises what it likes."""

NUMPY_KINDS: dict[DataType, str] = {
    DataType.BOOL: "bool",
    DataType.UINT8: "uint8",
    DataType.INT16: "int16",
    DataType.INT32: "int32",
    DataType.INT64: "int64",
    DataType.UINT32: "uint32",
    DataType.FP32: "float32",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as the function was given it."""

    model: str
    inputs: Arrays
    call: CallOptions


class InProcessInference(Inference):
    """`functions` by model name; `specs` None is those of our own models; `max_batch_size` is every model's."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        specs: Mapping[str, ModelSpec] | None = None,
        *,
        max_batch_size: int = 32,
    ) -> None:
        self.functions = dict(functions)
        """May be changed between calls: a model that is taken out is not found."""
        self.asked: list[Asked] = []
        """Every call that reached a function, in order."""
        self.specs = dict(MODELS if specs is None else specs)
        """May be changed like `functions`: a model that becomes another one."""
        self._max_batch_size = max_batch_size

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        spec = self._admit(model, inputs, outputs, call)
        if spec.decoupled:
            raise InvalidRequest(f"model {model} is decoupled: ask it with stream")
        async with _as_a_server(model, _ends_at(call)):
            answer = self.functions[model](inputs, call)
            arrays: Arrays = await answer if inspect.isawaitable(answer) else answer
            return _chosen(arrays, outputs)

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        self._admit(model, inputs, outputs, call)
        ends_at = _ends_at(call)
        async with _as_a_server(model, ends_at):
            answers = self.functions[model](inputs, call)
        turns: Any = answers if hasattr(answers, "__anext__") else _in_turns(answers)
        try:
            while True:
                # The deadline is not held across the yield: it would end the caller's task, not ours.
                async with _as_a_server(model, ends_at):
                    answer = await anext(turns, None)
                if answer is None:
                    return
                yield _chosen(answer, outputs)
        finally:
            await turns.aclose()

    async def ready(self, model: str, version: str = "") -> bool:
        return model in self.functions and version in ("", VERSION)

    async def index(self) -> Sequence[IndexedModel]:
        return [IndexedModel(model, VERSION, ready=True) for model in self.functions]

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        self._find(model, version)
        spec = self.specs[model]
        inputs, outputs = map(_tensors_metadata, (spec.inputs, spec.outputs))
        return ModelMetadata(model, (VERSION,), inputs, outputs, self._batch_of(spec), spec.decoupled)

    def _admit(self, model: str, inputs: Arrays, outputs: Sequence[str] | None, call: CallOptions) -> ModelSpec:
        self._find(model, call.version)
        if call.deadline_s is not None and call.deadline_s <= 0:
            raise DeadlineExceeded(f"no time was left to ask model {model}")
        spec = self.specs[model]
        check_request(spec, inputs, outputs, self._batch_of(spec))
        self.asked.append(Asked(model, inputs, call))
        return spec

    def _batch_of(self, spec: ModelSpec) -> int:
        return 1 if spec.decoupled else self._max_batch_size

    def _find(self, model: str, version: str) -> None:
        if model not in self.functions:
            raise ModelNotFound(f"Request for unknown model: '{model}' is not found")
        if version not in ("", VERSION):
            raise ModelNotFound(f"Request for unknown model: '{model}' version {version} is not found")


def check_request(spec: ModelSpec, inputs: Arrays, outputs: Sequence[str] | None, max_batch_size: int) -> None:
    """What Triton and our adapter hold a request against before the model sees it."""
    known = [tensor.name for tensor in spec.inputs]
    for name in inputs:
        if name not in known:
            raise InvalidRequest(f"model {spec.name}: input {name} is not one of {', '.join(known)}")
    for tensor in spec.inputs:
        if tensor.name in inputs:
            _check_tensor(spec, tensor, inputs[tensor.name])
        elif not tensor.optional:
            raise InvalidRequest(f"model {spec.name}: input {tensor.name} is missing")
    batches = {array.shape[0] for array in inputs.values()}
    if len(batches) != 1:
        raise InvalidRequest(f"model {spec.name}: inputs disagree on the batch size: {sorted(batches)}")
    if max(batches) > max_batch_size:
        raise InvalidRequest(
            f"model {spec.name}: the batch has {max(batches)} rows, at most {max_batch_size} are taken"
        )
    for name in outputs or ():
        if name not in [tensor.name for tensor in spec.outputs]:
            raise InvalidRequest(f"model {spec.name}: output {name} is not one of its outputs")


def _check_tensor(spec: ModelSpec, tensor: TensorSpec, array: Array) -> None:
    dims = array.shape[1:]
    fits = len(dims) == len(tensor.dims) and all(want in (-1, got) for want, got in zip(tensor.dims, dims, strict=True))
    if array.ndim == 0 or array.shape[0] == 0 or not fits:
        raise InvalidRequest(
            f"model {spec.name}: input {tensor.name} has shape {list(array.shape)}, it takes {[-1, *tensor.dims]}"
        )
    textual = array.dtype.kind in "OUS"
    if textual != (tensor.data_type is DataType.BYTES) or not (textual or array.dtype == NUMPY_KINDS[tensor.data_type]):
        raise InvalidRequest(f"model {spec.name}: input {tensor.name} holds {array.dtype}, not {tensor.data_type}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidRequest(f"model {spec.name}: input {tensor.name} has values that are NaN or infinite")


def _tensors_metadata(tensors: Iterable[TensorSpec]) -> tuple[TensorMetadata, ...]:
    return tuple(TensorMetadata(one.name, one.data_type, one.dims, one.optional) for one in tensors)


def _chosen(arrays: Arrays, outputs: Sequence[str] | None) -> Arrays:
    return arrays if outputs is None else {name: arrays[name] for name in outputs}


async def _in_turns(answers: Iterable[Arrays]) -> AsyncIterator[Arrays]:
    for answer in answers:
        yield answer
        await asyncio.sleep(0)


def _ends_at(call: CallOptions) -> float | None:
    return None if call.deadline_s is None else asyncio.get_running_loop().time() + call.deadline_s


@contextlib.asynccontextmanager
async def _as_a_server(model: str, ends_at: float | None) -> AsyncIterator[None]:
    """The deadline, and what our adapter makes of a model's errors."""
    try:
        async with asyncio.timeout_at(ends_at):
            yield
    except TimeoutError:
        raise DeadlineExceeded(f"model {model} did not answer in time") from None
    except ConchError as error:
        raise _named(model, error) from None
    except Exception:
        logger.exception("model %s failed", model)
        raise Internal(f"model {model}: internal error") from None


def _named(model: str, error: ConchError) -> ConchError:
    message = f"model {model}: {error.message}"
    return TooMuch(message, error.retry_after_s) if isinstance(error, TooMuch) else type(error)(message)
