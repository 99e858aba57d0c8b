"""The contract of the ensemble `recommend`, as its config says it, and one that knows nobody and nothing."""

import numpy as np

from conch.clients.inference import Arrays, CallOptions, text_column
from conch.contracts.specs import CANDIDATES, PROMO_RANKER, DataType, ModelSpec, TensorSpec

TOLD = ("recommendation_id", "assigned_variant", "fallback", "degraded", "explanation")
"""By the candidates, and handed through."""

RECOMMEND = ModelSpec(
    "recommend",
    inputs=(
        *CANDIDATES.inputs,
        TensorSpec("k", DataType.INT32, (1,), optional=True),
        TensorSpec("strict", DataType.BOOL, (1,), optional=True),
    ),
    outputs=(*PROMO_RANKER.outputs, *(tensor for tensor in CANDIDATES.outputs if tensor.name in TOLD)),
)


def nothing(inputs: Arrays, call: CallOptions) -> Arrays:
    """Of a catalogue that is not there."""
    kinds = {DataType.UINT32: np.uint32, DataType.FP32: np.float32, DataType.UINT8: np.uint8, DataType.INT32: np.int32}
    empty = {
        tensor.name: np.zeros((1, *(max(size, 0) for size in tensor.dims)), kinds[tensor.data_type])
        for tensor in PROMO_RANKER.outputs
        if tensor.data_type in kinds
    }
    texts = {"recommendation_id": "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa", "assigned_variant": "control"}
    return {
        **empty,
        **{name: text_column(texts.get(name, "")) for name in TOLD},
        "degraded": np.array([["catalogue: none is imported"]], object),
        "ranker_degraded": np.empty((1, 0), object),
    }
