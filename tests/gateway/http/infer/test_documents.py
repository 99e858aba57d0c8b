"""Examples of the description: those that our models name in their configs, and those made of tensors alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.clients.model_config import type_name
from gateway.http.infer.documents import example_of, operation_of
from gateway.http.infer.rows import read_rows

CHECKOUT = Path(__file__).parents[4]
CONFIGS = sorted([*CHECKOUT.glob("model_repository/*/**/*.pbtxt"), *CHECKOUT.glob("ensembles/*/config.pbtxt")])


def described(path: Path) -> ModelMetadata:
    config: Any = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    inputs, outputs = (
        tuple(
            TensorMetadata(one.name, type_name(one), tuple(one.dims), getattr(one, "optional", False)) for one in side
        )
        for side in (config.input, config.output)
    )
    example = config.parameters["example"].string_value
    return ModelMetadata(config.name, ("1",), inputs, outputs, config.max_batch_size, example=example)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: "/".join(path.relative_to(CHECKOUT).parts[1:]))
def test_each_model_of_ours_names_an_example_that_fits_it(path: Path) -> None:
    metadata = described(path)
    assert len(read_rows(json.loads(metadata.example), metadata, 1).rows) == 1
    document = operation_of(metadata, 256)["requestBody"]["content"]["application/json"]
    assert document["example"] == json.loads(metadata.example)


@pytest.mark.parametrize("example", ["", "{", "not JSON"])
def test_the_least_that_a_model_takes_is_its_example_where_it_names_none(example: str) -> None:
    inputs = (
        TensorMetadata("text", "BYTES", (1,)),
        TensorMetadata("on", "BOOL", (1,)),
        TensorMetadata("grid", "INT32", (-1, 2)),
        TensorMetadata("left_out", "FP32", (1,), optional=True),
    )
    metadata = ModelMetadata("x", ("1",), inputs, (), 8, example=example)
    assert example_of(metadata) == {"text": "hello", "on": False, "grid": [[0, 0]]}
    assert len(read_rows(example_of(metadata), metadata, 1).rows) == 1
