"""Every check of a config, on a config that is wrong in that one thing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.rollout.model_configs import entry_point_findings, findings, parse

SPEC = ModelSpec(
    "echo",
    inputs=(
        TensorSpec("pcm", DataType.FP32, (-1,)),
        TensorSpec("text", DataType.BYTES, (1,), optional=True),
    ),
    outputs=(TensorSpec("probabilities", DataType.FP32, (-1,)), TensorSpec("words", DataType.BYTES, (-1, 2))),
)

GOOD = """
name: "echo"
backend: "python"
max_batch_size: 8
input [
  { name: "pcm" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true },
  { name: "text" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output [
  { name: "probabilities" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "words" data_type: TYPE_STRING dims: [ -1, 2 ] }
]
dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    allow_timeout_override: true
    max_queue_size: 64
  }
}
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters [
  { key: "execution_providers" value: { string_value: "cpu" } },
  { key: "intra_op_threads" value: { string_value: "2" } }
]
"""

GPU = GOOD.replace("KIND_CPU", "KIND_GPU").replace('"cpu"', '"tensorrt,cuda,cpu"')
CTRANSLATE = GPU.replace('"execution_providers"', '"compute_type"').replace('"tensorrt,cuda,cpu"', '"float16"')

# Whisper on a GPU: CTranslate2 there, its small VAD on the CPU.
BOTH = CTRANSLATE + 'parameters { key: "execution_providers" value { string_value: "cpu" } }'

QUEUE = "default_queue_policy"


def config_of(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize(
    ("text", "kind"), [(GOOD, "KIND_CPU"), (GPU, "KIND_GPU"), (CTRANSLATE, "KIND_GPU"), (BOTH, "KIND_GPU")]
)
def test_a_config_that_says_what_the_spec_says_has_no_findings(text, kind):
    assert findings(config_of(text), SPEC, kind) == []


@pytest.mark.parametrize(
    ("was", "becomes", "found"),
    [
        ('name: "echo"', 'name: "other"', ["the name is other, the spec says echo"]),
        ('name: "pcm"', 'name: "audio"', ["inputs are audio, text; the spec says pcm, text"]),
        ('"words"', '"sentences"', ["outputs are probabilities, sentences; the spec says probabilities, words"]),
        ('"pcm" data_type: TYPE_FP32', '"pcm" data_type: TYPE_INT16', ["input pcm is INT16, the spec says FP32"]),
        ("TYPE_STRING dims: [ 1 ]", "TYPE_STRING dims: [ 2 ]", ["input text has dims [2], the spec says [1]"]),
        ("dims: [ -1, 2 ]", "dims: [ -1 ]", ["output words has dims [-1], the spec says [-1, 2]"]),
        (
            '"probabilities" data_type: TYPE_FP32',
            '"probabilities" data_type: TYPE_FP64',
            ["output probabilities is FP64, the spec says FP32"],
        ),
        ("optional: true", "", ["input text has optional False, the spec says True"]),
        ("allow_ragged_batch: true", "", ["input pcm has allow_ragged_batch False, its dims want True"]),
        (
            "optional: true",
            "optional: true allow_ragged_batch: true",
            ["input text has allow_ragged_batch True, its dims want False"],
        ),
        (
            "TYPE_STRING dims: [ 1 ]",
            "TYPE_STRING dims: [ 1 ] reshape { shape: [ ] }",
            ["text is reshaped on its way, the spec knows one shape"],
        ),
        (
            'backend: "python"',
            'backend: "python" model_transaction_policy { decoupled: true }',
            ["decoupled is True, the spec says False"],
        ),
        (
            "max_batch_size: 8",
            "max_batch_size: 0",
            ["max_batch_size is 0, at least 1 gives a model its queue policy"],
        ),
        ("priority_levels: 2", "priority_levels: 3", ["priority_levels is 3, not 2"]),
        ("default_priority_level: 2", "default_priority_level: 1", ["default_priority_level is 1, not 2"]),
        (
            "priority_levels: 2",
            "priority_levels: 2 max_queue_delay_microseconds: 500",
            ["max_queue_delay_microseconds is 500: low traffic pays it in full"],
        ),
        ("REJECT", "DELAY", [f"{QUEUE} delays what is late, it should REJECT"]),
        ("30000000", "5000000", [f"{QUEUE} waits 5000000 µs, a request's own timeout wants 30 s"]),
        ("allow_timeout_override: true", "", [f"{QUEUE} ignores a request's own timeout"]),
        ("max_queue_size: 64", "", [f"{QUEUE} has no bound"]),
        (
            "priority_levels: 2",
            "priority_levels: 2 priority_queue_policy { key: 1 value { default_timeout_microseconds: 30000000 "
            "allow_timeout_override: true } }",
            ["priority_queue_policy 1 has no bound"],
        ),
        (
            'backend: "python"',
            'backend: "python" response_cache { enable: true }',
            ["response_cache is on: its key is the inputs, and knows no tenant, no time and no store"],
        ),
        (
            'backend: "python"',
            'backend: "python" version_policy { latest { num_versions: 2 } }',
            ["version_policy is set: the controller writes it"],
        ),
        ("KIND_CPU", "KIND_GPU", ["instance_group is KIND_GPU, not KIND_CPU"]),
        ("KIND_CPU", "KIND_AUTO", ["instance_group is KIND_AUTO, not KIND_CPU"]),
        ("count: 1", "", ["instance_group has count 0: Triton would choose it"]),
        (
            "instance_group [ { kind: KIND_CPU count: 1 } ]",
            "",
            ["no instance_group: Triton would choose the device, KIND_CPU is wanted"],
        ),
        (
            "intra_op_threads",
            "intra_op_count",
            ["no thread count among the parameters: oversubscription costs 3 to 8 times"],
        ),
        ('"2"', '"two"', ["parameter intra_op_threads is 'two', not a whole number from 1"]),
        ('"2"', '"0"', ["parameter intra_op_threads is '0', not a whole number from 1"]),
        ('"cpu"', '"cuda"', ["execution_providers is cuda on KIND_CPU"]),
        (
            "execution_providers",
            "providers",
            ["neither execution_providers nor compute_type says what computes"],
        ),
    ],
)
def test_each_thing_that_is_wrong_is_found(was, becomes, found):
    assert GOOD.count(was) == 1
    assert findings(config_of(GOOD.replace(was, becomes)), SPEC, "KIND_CPU") == found


@pytest.mark.parametrize(
    ("base", "was", "becomes", "found"),
    [
        (GPU, "KIND_GPU", "KIND_CPU", "instance_group is KIND_CPU, not KIND_GPU"),
        (GPU, "tensorrt,cuda,cpu", "cpu", "execution_providers is cpu on KIND_GPU"),
        (BOTH, '"cpu"', '"rocm"', "execution_providers is rocm on KIND_GPU"),
        (CTRANSLATE, "float16", "int8", "compute_type is int8 on KIND_GPU, not float16"),
    ],
    ids=["instances", "providers", "providers beside a type", "types"],
)
def test_a_gpu_config_that_would_not_use_the_gpu_is_found(base, was, becomes, found):
    assert findings(config_of(base.replace(was, becomes)), SPEC, "KIND_GPU") == [found]


def test_another_scheduler_is_found():
    text = GOOD.replace("dynamic_batching {", "sequence_batching { } optimization {").split("optimization")[0]
    found = findings(config_of(text + "instance_group [ { kind: KIND_CPU count: 1 } ]"), SPEC, "KIND_CPU")
    assert found[0] == "the scheduler is sequence_batching, not dynamic_batching"


def test_a_field_that_triton_does_not_know_is_an_error(tmp_path: Path):
    (tmp_path / "config.pbtxt").write_text(GOOD.replace("backend", "back_end"))
    with pytest.raises(InvalidRequest, match="back_end"):
        parse(tmp_path / "config.pbtxt")


ENTRY_POINT = '''"""Triton entry point; the logic is conch/models/echo.py."""

from conch.models.echo import Echo
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Echo
'''


def test_the_entry_point_that_names_its_class_has_no_findings():
    assert entry_point_findings(ENTRY_POINT, "conch.models.echo", "Echo") == []


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.replace("Echo\n", "Other\n"),
        lambda source: source.replace("conch.models.echo", "conch.models.other"),
        lambda source: source.replace("conch/models/echo.py", "conch/models/other.py"),
        lambda source: source.replace("(TritonModel)", "(object)"),
        lambda source: source.replace("TritonPythonModel", "Model"),
        lambda source: source + "    retries = 3\n",
        lambda source: source + "    def execute(self, requests): ...\n",
        lambda source: source + "print('loaded')\n",
        lambda source: source.replace("from conch.triton", "import os\nfrom conch.triton"),
    ],
    ids=["class", "module", "docstring", "base", "name", "attribute", "method", "statement", "import"],
)
def test_an_entry_point_that_does_anything_else_is_found(change: Callable[[str], str]):
    assert change(ENTRY_POINT) != ENTRY_POINT
    assert entry_point_findings(change(ENTRY_POINT), "conch.models.echo", "Echo") == [
        "model.py is more, or less, than the entry point of conch.models.echo.Echo"
    ]
