"""A real Triton that serves small models made on the spot, and how a test speaks with it."""

import contextlib
import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpcclient
from google.protobuf import text_format
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from conch.contracts.specs import DataType, ModelSpec
from conch.models.base import Model
from conch.stack.serving import Server, serving_repositories

SMALL_MODELS = Path(__file__).with_name("small_models.py")

ENTRY_POINT = '''"""Triton entry point of a test's model."""
from conch.triton.adapter import TritonModel
from small_models import {name}


class TritonPythonModel(TritonModel):
    model_class = {name}
'''

CHAIN = """
name: "chain"
platform: "ensemble"
max_batch_size: 1
input [
  { name: "numbers" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "label" data_type: TYPE_STRING dims: [ 1 ] }
]
output [
  { name: "total" data_type: TYPE_FP32 dims: [ 1 ] },
  { name: "first_tenant" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "second_tenant" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "second_request_id" data_type: TYPE_STRING dims: [ 1 ] }
]
ensemble_scheduling {
  step {
    model_name: "ledger"
    model_version: -1
    input_map { key: "numbers" value: "numbers" }
    input_map { key: "label" value: "label" }
    output_map { key: "total" value: "subtotal" }
    output_map { key: "label" value: "first_label" }
    output_map { key: "tenant" value: "first_tenant" }
  }
  step {
    model_name: "single"
    model_version: -1
    input_map { key: "numbers" value: "subtotal" }
    input_map { key: "label" value: "first_label" }
    output_map { key: "total" value: "total" }
    output_map { key: "tenant" value: "second_tenant" }
    output_map { key: "request_id" value: "second_request_id" }
  }
}
"""


@dataclass(frozen=True, slots=True)
class SmallRepository:
    """Writes models that Triton can load, with the queue policy of the real ones."""

    folder: Path
    models: ModuleType

    def write(
        self,
        name: str,
        model_class: type[Model],
        *,
        max_batch_size: int = 16,
        max_queue_size: int = 64,
        instances: int = 1,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        config = config_of(model_class.spec, name, max_batch_size, max_queue_size)
        config.instance_group.add(kind=model_config_pb2.ModelInstanceGroup.KIND_CPU, count=instances)
        own = {"journal": str(self.journal(name)), "gate": str(self.gate(name)), **(parameters or {})}
        for key, value in own.items():
            config.parameters[key].string_value = value
        version = self.folder / name / "1"
        version.mkdir(parents=True)
        (self.folder / name / "config.pbtxt").write_text(text_format.MessageToString(config))
        shutil.copy(SMALL_MODELS, version / SMALL_MODELS.name)
        (version / "model.py").write_text(ENTRY_POINT.format(name=model_class.__name__))

    def write_ensemble(self, name: str, config: str) -> None:
        (self.folder / name / "1").mkdir(parents=True)
        (self.folder / name / "config.pbtxt").write_text(config)

    def journal(self, name: str) -> Path:
        return self.folder.with_name(f"{name}.journal")

    def gate(self, name: str) -> Path:
        """While this file stands, the model keeps the rows it was given."""
        return self.folder.with_name(f"{name}.gate")

    def noted(self, name: str) -> list[str]:
        """What the model wrote into its journal, in order."""
        return self.journal(name).read_text().splitlines() if self.journal(name).exists() else []


def config_of(spec: ModelSpec, name: str, max_batch_size: int, max_queue_size: int) -> Any:
    config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=max_batch_size)
    for tensor in spec.inputs:
        config.input.add(
            name=tensor.name,
            data_type=_config_type(tensor.data_type),
            dims=tensor.dims,
            optional=tensor.optional,
            allow_ragged_batch=tensor.ragged and max_batch_size > 0,
        )
    for tensor in spec.outputs:
        config.output.add(name=tensor.name, data_type=_config_type(tensor.data_type), dims=tensor.dims)
    config.model_transaction_policy.decoupled = spec.decoupled
    if max_batch_size:
        batching = config.dynamic_batching
        batching.priority_levels = 2
        batching.default_priority_level = 2
        policy = batching.default_queue_policy
        policy.timeout_action = model_config_pb2.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = 30_000_000
        policy.allow_timeout_override = True
        policy.max_queue_size = max_queue_size
    return config


def _config_type(data_type: DataType) -> Any:
    return model_config_pb2.DataType.Value("TYPE_STRING" if data_type is DataType.BYTES else f"TYPE_{data_type}")


class Pending:
    """A call on its way."""

    def __init__(self, client: Any, model: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> None:
        self._answer: Future[Any] = Future()
        self._call = client.async_infer(model, inputs, callback=self._finish, client_timeout=30, **options)

    def cancel(self) -> None:
        self._call.cancel()

    def result(self) -> dict[str, Any]:
        return _read(self._answer.result(timeout=30))

    def error(self) -> InferenceServerException | None:
        error = self._answer.exception(timeout=30)
        assert error is None or isinstance(error, InferenceServerException)
        return error

    def _finish(self, result: Any, error: Exception | None) -> None:
        if error is None:
            self._answer.set_result(result)
        else:
            self._answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class Small:
    """The running server of small models."""

    server: Server
    repository: SmallRepository
    client: Any

    def infer(self, model: str, arrays: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Outputs by name, as nested lists; a single value stands alone."""
        return _read(self.client.infer(model, _tensors(arrays), client_timeout=30, **options))

    def refusal(self, model: str, arrays: Mapping[str, Any], **options: Any) -> InferenceServerException:
        with pytest.raises(InferenceServerException) as refused:
            self.infer(model, arrays, **options)
        return refused.value

    def start(self, model: str, arrays: Mapping[str, Any], **options: Any) -> Pending:
        return Pending(self.client, model, _tensors(arrays), options)

    def row(self, numbers: Sequence[float], label: str | bytes | None = None) -> dict[str, Any]:
        """The inputs of one row for a Ledger or a Double."""
        arrays: dict[str, Any] = {"numbers": np.array([numbers], np.float32)}
        if label is not None:
            arrays["label"] = np.array([[label]], dtype=object)
        return arrays

    @contextlib.contextmanager
    def holding(self, model: str) -> Iterator[None]:
        """Inside, the model is busy with one call and every other one waits in its queue."""
        gate = self.repository.gate(model)
        gate.touch()
        try:
            first = self.start(model, self.row([0.0], "held"))
            self.until(lambda: self.repository.noted(model)[-1:] == ["held"])
            yield
        finally:
            gate.unlink()
        assert first.error() is None

    def await_queue(self, model: str, length: int) -> None:
        self.until(lambda: self.metric("nv_inference_pending_request_count", model=model) == length)

    def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"it does not come true within {seconds} s"
            time.sleep(0.005)

    def metric(self, name: str, **labels: str) -> float:
        """The sum over every series that has these labels."""
        text = httpx.get(f"http://{self.server.metrics}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            # The parser renames counters.
            if sample.name.removesuffix("_total") == name.removesuffix("_total")
            and labels.items() <= sample.labels.items()
        )

    def shared_memory_bytes(self) -> int:
        """Of all regions through which the server speaks with its models."""
        maps = psutil.Process(self.server.process.pid).memory_maps()
        return sum(Path(region.path).stat().st_size for region in maps if region.path.startswith("/dev/shm/"))


def _tensors(arrays: Mapping[str, Any]) -> list[Any]:
    inputs = []
    for name, array in arrays.items():
        tensor = grpcclient.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def _read(result: Any) -> dict[str, Any]:
    return {output.name: _plain(result.as_numpy(output.name)) for output in result.get_response().outputs}


def _plain(array: Any) -> Any:
    values = [value.decode() if isinstance(value, bytes) else value for value in array.reshape(-1).tolist()]
    return values[0] if len(values) == 1 else values


@pytest.fixture(scope="session")
def small_models() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_models", SMALL_MODELS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, small_models: ModuleType) -> Iterator[Small]:
    """One server with every small model that the live tests share."""
    folder = tmp_path_factory.mktemp("small")
    repository = SmallRepository(folder / "models", small_models)
    repository.write("ledger", small_models.Ledger)
    repository.write("ledger-canary", small_models.Ledger)
    repository.write("single", small_models.Ledger, max_batch_size=1)
    repository.write("bounded", small_models.Ledger, max_batch_size=1, max_queue_size=2)
    repository.write("unbatched", small_models.Ledger, max_batch_size=0)
    repository.write("double", small_models.Double)
    repository.write("countdown", small_models.Countdown, max_batch_size=1)
    repository.write("pairs", small_models.Countdown, max_batch_size=2)
    repository.write_ensemble("chain", CHAIN)
    with (
        serving_repositories(folder, [repository.folder]) as server,
        grpcclient.InferenceServerClient(server.grpc) as client,
    ):
        yield Small(server, repository, client)
