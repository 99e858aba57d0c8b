"""What a model is asked to show that it infers: ours what they take, any other the example of its config."""

import contextlib
import json
import math
from collections.abc import Mapping
from typing import Any

from conch.contracts.specs import EXAMPLE_PARAMETER, PIPER, VAD, VAD_WINDOW, WHISPER

SAMPLES: Mapping[str, Mapping[str, list[Any]]] = {
    WHISPER.name: {"pcm16": [0] * 1600, "sample_rate": [16_000]},
    VAD.name: {"pcm": [0.0] * VAD_WINDOW},
    PIPER.name: {"text": ["a"]},
}
"""Where a required input full of zeros, or of one word, would be refused."""


def sample(config: Mapping[str, Any]) -> Mapping[str, list[Any]]:
    """The smallest request a model may be asked: ours, or its own example; of one without, what it may refuse."""
    if (known := SAMPLES.get(config["name"])) is not None:
        return known
    example = config.get("parameters", {}).get(EXAMPLE_PARAMETER, {}).get("string_value", "")
    with contextlib.suppress(ValueError, AttributeError):
        return {name: _flat(value) for name, value in json.loads(example).items()}
    inputs: dict[str, list[Any]] = {}
    for tensor in config["input"]:
        if not tensor.get("optional"):
            size = math.prod(max(1, int(dim)) for dim in tensor["dims"])
            inputs[tensor["name"]] = [_filler(tensor["data_type"])] * size
    return inputs


def _flat(value: Any) -> list[Any]:
    return [one for inner in value for one in _flat(inner)] if isinstance(value, list) else [value]


def _filler(data_type: str) -> Any:
    if data_type == "TYPE_STRING":
        return "hello"
    if data_type == "TYPE_BOOL":
        return False
    return 0.0 if data_type.startswith(("TYPE_FP", "TYPE_BF")) else 0
