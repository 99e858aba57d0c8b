"""The contract of the ensemble `recommend`, as its config says it, and one that knows nobody and nothing."""

import numpy as np

from conch.clients.inference import Arrays, CallOptions, text_column
from conch.contracts.items import ITEM_BYTES
from conch.contracts.specs import CANDIDATES, PROMO_RANKER, DataType, ModelSpec, TensorSpec
from conch.contracts.summary import Summary

RECOMMEND = ModelSpec(
    "recommend",
    inputs=(
        *CANDIDATES.inputs,
        TensorSpec("k", DataType.INT32, (1,), optional=True),
        TensorSpec("strict", DataType.BOOL, (1,), optional=True),
    ),
    outputs=(PROMO_RANKER.output("items"), PROMO_RANKER.output("summary")),
)

_NOBODY = Summary(
    recommendation_id="0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa",
    variant="control",
    degraded=("catalogue: none is imported",),
)


def nothing(inputs: Arrays, call: CallOptions) -> Arrays:
    """Of a catalogue that is not there."""
    return {"items": np.zeros((1, 0, ITEM_BYTES), np.uint8), "summary": text_column(_NOBODY.encode())}
