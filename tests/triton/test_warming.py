"""The first call of a model, before anybody else's."""

import json
import subprocess
import sys

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import RaggedModel, StackedModel, StreamingModel
from conch.triton.warming import example_arrays, warm

SPEC = ModelSpec(
    "double",
    (TensorSpec("x", DataType.FP32, (-1,)), TensorSpec("name", DataType.BYTES, (1,), optional=True)),
    (TensorSpec("y", DataType.FP32, (-1,)),),
)
EXAMPLE = {"x": [1, 2], "name": "two"}


class Seeing:
    spec = SPEC

    def __init__(self, error=None):
        self.seen = []
        self.error = error

    def see(self, x):
        self.seen.append(x)
        if self.error is not None:
            raise self.error


class Stacked(Seeing, StackedModel):
    @classmethod
    def load(cls, context):
        raise NotImplementedError

    def predict(self, inputs):
        self.see(inputs["x"].tolist())
        return {"y": inputs["x"] * 2}


class Ragged(Seeing, RaggedModel):
    @classmethod
    def load(cls, context):
        raise NotImplementedError

    def predict(self, rows):
        self.see([row["x"].tolist() for row in rows])
        return [{"y": row["x"] * 2} for row in rows]


class Streaming(Seeing, StreamingModel):
    @classmethod
    def load(cls, context):
        raise NotImplementedError

    def stream(self, row):
        self.see([row["x"].tolist()])
        yield {"y": row["x"]}
        raise AssertionError("one answer is enough")


@pytest.mark.parametrize("kind", [Stacked, Ragged, Streaming])
def test_a_model_has_answered_its_example_once(kind):
    model = kind()
    warm(model, SPEC, json.dumps(EXAMPLE))
    assert model.seen == [[[1.0, 2.0]]]


@pytest.mark.parametrize("example", ["", "no JSON", "[1]", '{"z": 1}', '{"x": "words"}'])
def test_an_example_that_is_none_is_left_to_who_asks_next(example):
    model = Ragged()
    warm(model, SPEC, example)
    assert model.seen == []


def test_a_model_that_cannot_answer_yet_is_loaded_all_the_same():
    model = Ragged(Unavailable("the store is away"))
    warm(model, SPEC, json.dumps(EXAMPLE))
    assert len(model.seen) == 1


def test_an_example_is_a_batch_of_one_in_the_types_of_the_spec():
    arrays = example_arrays(SPEC, EXAMPLE)
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "x": (np.float32, (1, 2)),
        "name": (np.object_, (1, 1)),
    }
    with pytest.raises(InvalidRequest, match="the example has the input z, the model takes x, name"):
        example_arrays(SPEC, {"z": 1})


def test_what_triton_s_stub_imports_with_its_first_call_is_there_before():
    code = (
        "import sys, types\n"
        "sys.modules['triton_python_backend_utils'] = types.ModuleType('pb_utils')\n"
        "import conch.triton.adapter\n"
        "sys.exit('asyncio' not in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
