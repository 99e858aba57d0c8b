"""A small Triton model made on the spot, and its twin of this process: what both kinds of Inference are held to."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions, Inference, text_column
from conch.clients.inprocess import InProcessInference
from conch.clients.triton import TritonInference
from conch.contracts import errors
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.stack.serving import Server, serving_repositories

ECHO = ModelSpec(
    name="echo",
    inputs=(
        TensorSpec("text", DataType.BYTES, (1,)),
        TensorSpec("values", DataType.FP32, (-1,), optional=True),
    ),
    outputs=(
        TensorSpec("said", DataType.BYTES, (1,)),
        TensorSpec("doubled", DataType.FP32, (-1,)),
    ),
)

COUNTER = ModelSpec(
    name="counter",
    inputs=(TensorSpec("text", DataType.BYTES, (1,)),),
    outputs=(TensorSpec("number", DataType.INT32, (1,)),),
    decoupled=True,
)

# `raise NotFound` raises it; `hold PATH` waits for that file; `mark PATH` makes it; anything else is said again.
ECHO_MODEL = """
import time
from pathlib import Path
import numpy as np
from conch.contracts import errors
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import RaggedModel, strings
from conch.triton.adapter import TritonModel


class Echo(RaggedModel):
    spec = ModelSpec(
        "echo",
        (TensorSpec("text", DataType.BYTES, (1,)), TensorSpec("values", DataType.FP32, (-1,), optional=True)),
        (TensorSpec("said", DataType.BYTES, (1,)), TensorSpec("doubled", DataType.FP32, (-1,))),
    )

    @classmethod
    def load(cls, context):
        return cls()

    def predict(self, rows):
        return [self._answer(row) for row in rows]

    def _answer(self, row):
        text = row.text("text")
        verb, _, rest = text.partition(" ")
        if verb == "raise":
            raise getattr(errors, rest)("because you asked") if hasattr(errors, rest) else ZeroDivisionError("secret")
        if verb == "hold":
            ends = time.monotonic() + 60
            while not Path(rest).exists() and time.monotonic() < ends:
                time.sleep(0.01)
        if verb == "mark":
            Path(rest).touch()
        if verb == "who":
            text = f"{row.identity.tenant} {row.identity.request_id} {row.identity.traceparent}"
        values = row["values"] if "values" in row else np.zeros(0, np.float32)
        return {"said": strings([text]), "doubled": values * 2}


class TritonPythonModel(TritonModel):
    model_class = Echo
"""

ECHO_CONFIG = """
backend: "python"
max_batch_size: 4
input [
  { name: "text" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "values" data_type: TYPE_FP32 dims: [ -1 ] optional: true allow_ragged_batch: true }
]
output [
  { name: "said" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] }
]
dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    allow_timeout_override: true
    max_queue_size: 8
  }
}
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters { key: "example" value: { string_value: "{\\"text\\": \\"hello\\"}" } }
"""

COUNTER_MODEL = """
import time
import numpy as np
from conch.contracts import errors
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import StreamingModel, scalar
from conch.triton.adapter import TritonModel


class Counter(StreamingModel):
    spec = ModelSpec(
        "counter",
        (TensorSpec("text", DataType.BYTES, (1,)),),
        (TensorSpec("number", DataType.INT32, (1,)),),
        decoupled=True,
    )

    @classmethod
    def load(cls, context):
        return cls()

    def stream(self, row):
        count, _, then = row.text("text").partition(" ")
        for number in range(int(count)):
            if then == "slowly":
                time.sleep(0.01)
            yield {"number": scalar(number, np.int32)}
        if hasattr(errors, then):
            raise getattr(errors, then)("because you asked")
        if then == "bug":
            raise ZeroDivisionError("secret")


class TritonPythonModel(TritonModel):
    model_class = Counter
"""

COUNTER_CONFIG = """
backend: "python"
max_batch_size: 1
model_transaction_policy { decoupled: true }
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "number" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""


def echo(inputs: Arrays, call: CallOptions) -> Arrays:
    said = []
    for text in inputs["text"][:, 0]:
        verb, _, rest = text.partition(" ")
        if verb == "raise":
            kind = getattr(errors, rest, None)
            raise kind("because you asked") if kind else ZeroDivisionError("secret")
        said.append(f"{call.tenant} {call.request_id} {call.traceparent}" if verb == "who" else text)
    values = inputs.get("values", np.zeros((len(said), 0), np.float32))
    return {"said": text_column(*said), "doubled": values * 2}


async def counter(inputs: Arrays, call: CallOptions) -> AsyncIterator[Arrays]:
    count, _, then = inputs["text"][0, 0].partition(" ")
    for number in range(int(count)):
        yield {"number": np.array([[number]], np.int32)}
    if hasattr(errors, then):
        raise getattr(errors, then)("because you asked")


@pytest.fixture(scope="session")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("echo")
    for name, model, config in (("echo", ECHO_MODEL, ECHO_CONFIG), ("counter", COUNTER_MODEL, COUNTER_CONFIG)):
        (folder / "models" / name / "1").mkdir(parents=True)
        (folder / "models" / name / "1" / "model.py").write_text(model)
        (folder / "models" / name / "config.pbtxt").write_text(f'name: "{name}"\n{config}')
    with serving_repositories(folder, [folder / "models"]) as server:
        yield server


@pytest.fixture(params=["in this process", "through Triton"])
async def inference(request: pytest.FixtureRequest) -> AsyncIterator[Inference]:
    if request.param == "in this process":
        yield InProcessInference(
            {"echo": echo, "counter": counter}, {"echo": ECHO, "counter": COUNTER}, max_batch_size=4
        )
        return
    server: Server = request.getfixturevalue("echo_server")
    async with TritonInference(server.grpc) as real:
        yield real


@pytest.fixture
async def triton(echo_server: Server) -> AsyncIterator[TritonInference]:
    async with TritonInference(echo_server.grpc) as real:
        yield real


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that a held request waits for; made at the end whatever happens."""
    path = tmp_path / "gate"
    yield path
    path.touch()
