"""Every check of an ensemble, on an ensemble that is wrong in that one thing."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from tools.ensembles import findings

HEAR = ModelSpec(
    "hear",
    inputs=(
        TensorSpec("pcm", DataType.FP32, (-1,)),
        TensorSpec("language", DataType.BYTES, (1,), optional=True),
    ),
    outputs=(
        TensorSpec("text", DataType.BYTES, (1,)),
        TensorSpec("words", DataType.BYTES, (-1,)),
        TensorSpec("score", DataType.FP32, (1,)),
    ),
)
GUESS = ModelSpec(
    "guess",
    inputs=(TensorSpec("text", DataType.BYTES, (1,)),),
    outputs=(TensorSpec("intent", DataType.BYTES, (1,)), TensorSpec("scores", DataType.FP32, (3,))),
)
SPECS = {"hear": HEAR, "guess": GUESS}

GOOD = """
name: "listen"
platform: "ensemble"
max_batch_size: 8
input [
  { name: "sound" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "spoken" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output [
  { name: "heard" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "scores" data_type: TYPE_FP32 dims: [ 3 ] }
]
ensemble_scheduling {
  step {
    model_name: "hear"
    model_version: -1
    input_map { key: "pcm" value: "sound" }
    input_map { key: "language" value: "spoken" }
    output_map { key: "text" value: "heard" }
  }
  step {
    model_name: "guess"
    model_version: -1
    input_map { key: "text" value: "heard" }
    output_map { key: "scores" value: "scores" }
  }
}
"""

FIRST = 'model_name: "hear"\n    model_version: -1'


def found_in(text: str) -> list[str]:
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    return findings(config, SPECS, {"hear": 8, "guess": 32})


def test_an_ensemble_whose_maps_fit_its_steps_has_no_findings():
    assert found_in(GOOD) == []


def test_an_optional_input_of_a_step_may_stay_unmapped():
    text = GOOD.replace('    input_map { key: "language" value: "spoken" }\n', "").replace(
        '},\n  { name: "spoken" data_type: TYPE_STRING dims: [ 1 ] optional: true }', "}"
    )
    assert found_in(text) == []


@pytest.mark.parametrize(
    ("was", "becomes", "found"),
    [
        ('platform: "ensemble"', 'platform: "onnx"', ["the platform is onnx, not ensemble"]),
        (
            "max_batch_size: 8",
            "max_batch_size: 16",
            ["max_batch_size is 16, step hear takes 8"],
        ),
        (
            "TYPE_FP32 dims: [ -1 ] }",
            "TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }",
            ["input sound has allow_ragged_batch, which Triton takes on models alone"],
        ),
        (
            'platform: "ensemble"',
            'platform: "ensemble" response_cache { enable: true }',
            ["response_cache is on: its key is the inputs, and knows no tenant, no time and no store"],
        ),
        (FIRST, FIRST.replace("-1", "2"), ["step hear is held at version 2: no promotion reaches it"]),
        (
            '    input_map { key: "pcm" value: "sound" }\n',
            "",
            ["input pcm of step hear is mapped to nothing", "input sound is read by nobody"],
        ),
        (
            'input_map { key: "pcm" value: "sound" }',
            'input_map { key: "pcm" value: "noise" }',
            ["input pcm of step hear reads noise, which nothing above it makes", "input sound is read by nobody"],
        ),
        (
            'input_map { key: "language" value: "spoken" }',
            'input_map { key: "dialect" value: "spoken" }',
            ["step hear has no input dialect"],
        ),
        (
            'output_map { key: "text" value: "heard" }',
            'output_map { key: "transcript" value: "heard" }',
            [
                "step hear has no output transcript",
                "input text of step guess reads heard, which nothing above it makes",
                "output heard is made by no step",
            ],
        ),
        (
            'input_map { key: "language" value: "spoken" }',
            'input_map { key: "language" value: "sound" }',
            [
                "input language of step hear is BYTES, input sound gives FP32",
                "input language of step hear takes [1], input sound gives [-1]",
                "input spoken is read by nobody",
            ],
        ),
        (
            '"sound" data_type: TYPE_FP32 dims: [ -1 ]',
            '"sound" data_type: TYPE_INT16 dims: [ -1 ]',
            ["input pcm of step hear is FP32, input sound gives INT16"],
        ),
        (
            '"sound" data_type: TYPE_FP32 dims: [ -1 ]',
            '"sound" data_type: TYPE_FP32 dims: [ -1, 1 ]',
            ["input pcm of step hear takes [-1], input sound gives [-1, 1]"],
        ),
        (
            '"sound" data_type: TYPE_FP32 dims: [ -1 ]',
            '"sound" data_type: TYPE_FP32 dims: [ -1 ] optional: true',
            ["input pcm of step hear is needed, input sound may be absent"],
        ),
        (
            'output_map { key: "text" value: "heard" }',
            'output_map { key: "text" value: "heard" } output_map { key: "words" value: "heard" }',
            ["heard has two sources: output text of step hear and output words of step hear"],
        ),
        (
            'output_map { key: "text" value: "heard" }',
            'output_map { key: "text" value: "heard" } output_map { key: "score" value: "sound" }',
            ["sound has two sources: input sound and output score of step hear"],
        ),
        (
            'output_map { key: "text" value: "heard" }',
            'output_map { key: "text" value: "heard" } output_map { key: "score" value: "hear_score" }',
            ["output score of step hear is read by nobody"],
        ),
        (
            'input_map { key: "text" value: "heard" }',
            'input_map { key: "text" value: "scores" }',
            ["input text of step guess reads scores, which nothing above it makes"],
        ),
        (
            '"scores" data_type: TYPE_FP32 dims: [ 3 ]',
            '"scores" data_type: TYPE_FP32 dims: [ 4 ]',
            ["output scores has dims [4], output scores of step guess gives [3]"],
        ),
        (
            '"scores" data_type: TYPE_FP32',
            '"scores" data_type: TYPE_STRING',
            ["output scores is BYTES, output scores of step guess gives FP32"],
        ),
        (
            '{ name: "heard" data_type: TYPE_STRING dims: [ 1 ] }',
            '{ name: "heard" data_type: TYPE_STRING dims: [ 1 ] }, { name: "mood" data_type: TYPE_FP32 dims: [ 1 ] }',
            ["output mood is made by no step"],
        ),
        (
            'model_name: "guess"',
            'model_name: "divine"',
            ["step divine is no model of ours", "output scores is made by no step"],
        ),
    ],
)
def test_each_thing_that_is_wrong_is_found(was, becomes, found):
    assert GOOD.count(was) == 1
    assert found_in(GOOD.replace(was, becomes)) == found


def test_a_tensor_of_two_consumers_is_no_second_source():
    text = GOOD.replace('{ name: "heard" data_type: TYPE_STRING dims: [ 1 ] },', "")
    assert found_in(text) == []


def test_an_ensemble_without_steps_is_found():
    assert "there is no step" in found_in(GOOD.split("ensemble_scheduling")[0])
