"""A model's first call, made before Triton calls it ready: the `example` of its config.

Libraries put work off until they are first used; a new version's first callers would wait for that.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import ANONYMOUS
from conch.contracts.specs import EXAMPLE_PARAMETER, ModelSpec, TensorSpec
from conch.models.base import Array, Arrays, Model, RaggedModel, StackedModel, StreamingModel
from conch.triton.batching import Call, run
from conch.triton.tensors import NUMPY_TYPES

logger = logging.getLogger(__name__)


def warm(model: Model, spec: ModelSpec, example: str) -> None:
    """Nothing where there is no example. What fails here is told by whoever asks next, or did not matter."""
    if not example:
        return
    try:
        call = Call(example_arrays(spec, json.loads(example)), ANONYMOUS)
        if isinstance(model, StreamingModel):
            next(iter(model.stream(call.row(0))), None)
        elif isinstance(model, StackedModel | RaggedModel):
            run(model, [call], lambda rows: None)
    except Exception as error:  # noqa: BLE001 - nobody has asked yet
        logger.info("its %s was not answered: %r", EXAMPLE_PARAMETER, error)


def example_arrays(spec: ModelSpec, example: Mapping[str, Any]) -> Arrays:
    """A batch of one."""
    known = {tensor.name: tensor for tensor in spec.inputs}
    if unknown := sorted(example.keys() - known.keys()):
        raise InvalidRequest(f"the example has the input {unknown[0]}, the model takes {', '.join(known)}")
    return {name: _array(known[name], value) for name, value in example.items()}


def _array(tensor: TensorSpec, value: Any) -> Array:
    array = np.asarray(value, NUMPY_TYPES[tensor.data_type])
    shape = tensor.dims if tensor.dims.count(-1) <= 1 else array.shape
    return array.reshape(1, *shape)
