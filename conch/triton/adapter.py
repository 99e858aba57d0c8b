"""The one file that knows Triton's python back end: its requests in, our models' calls, its responses out."""

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import triton_python_backend_utils as pb_utils

from conch.contracts import metrics
from conch.contracts.errors import (
    Cancelled,
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TooMuch,
    Unauthenticated,
    Unavailable,
)
from conch.contracts.identity import Identity
from conch.models.base import Arrays, Model, ModelContext, RaggedModel, Row, StackedModel, StreamingModel
from conch.triton.batching import Answer, Call, run
from conch.triton.identity import read_identity
from conch.triton.tensors import check_inputs, to_triton

logger = logging.getLogger(__name__)

CODES: dict[type[ConchError], str] = {
    InvalidRequest: "INVALID_ARG",
    NotFound: "NOT_FOUND",
    # The next four have no code of their own in the python back end: clients retry UNAVAILABLE, and not INVALID_ARG.
    Unauthenticated: "INVALID_ARG",
    PermissionDenied: "INVALID_ARG",
    TooMuch: "UNAVAILABLE",
    DeadlineExceeded: "UNAVAILABLE",
    Cancelled: "CANCELLED",
    Unavailable: "UNAVAILABLE",
    Internal: "INTERNAL",
}


class TritonModel:
    """Base of every `1/model.py`, which names its `model_class` and nothing more."""

    model_class: ClassVar[type[Model]]

    def initialize(self, args: dict[str, str]) -> None:
        _refuse_numpy_2()
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        config = json.loads(args["model_config"])
        self._name = args["model_name"]
        self._batched = int(config.get("max_batch_size", 0)) > 0
        self._counts = _Counts(self._name, args["model_version"])
        try:
            self._model = self.model_class.load(_context(args, config))
        except ConchError as error:
            raise pb_utils.TritonModelException(f"model {self._name}: {error.message}") from error

    def execute(self, requests: Sequence[Any]) -> list[Any] | None:
        if isinstance(self._model, StreamingModel):
            for request in requests:
                self._stream(self._model, request)
            return None
        if not isinstance(self._model, StackedModel | RaggedModel):
            raise TypeError(f"{self.model_class.__name__} is none of the three kinds of models")
        return self._answer(self._model, requests)

    def finalize(self) -> None:
        self._model.close()

    def _answer(self, model: StackedModel | RaggedModel, requests: Sequence[Any]) -> list[Any]:
        answers: list[Answer] = [Internal("not run")] * len(requests)
        calls: list[Call] = []
        indices: list[int] = []
        for index, request in enumerate(requests):
            try:
                calls.append(self._read(request))
                indices.append(index)
            except ConchError as error:
                answers[index] = error
        if calls:
            self._counts.executed(sum(_rows(call) for call in calls))
            for index, answer in zip(indices, run(model, calls), strict=True):
                answers[index] = answer
        return [self._response(answer) for answer in answers]

    def _stream(self, model: StreamingModel, request: Any) -> None:
        sender = request.get_response_sender()
        try:
            call = self._read(request)
            if self._batched and call.batch != 1:
                raise InvalidRequest(f"the batch dimension is {call.batch}; a stream takes 1 row a request")
            inputs = {name: array[0] for name, array in call.inputs.items()} if self._batched else call.inputs
            self._counts.executed(1)
            for answer in model.stream(Row(inputs, call.identity)):
                if sender.is_cancelled():
                    raise Cancelled("the caller went away")
                sender.send(self._response(_with_batch(answer) if self._batched else answer))
        except ConchError as error:
            sender.send(self._response(error))
        except Exception:
            logger.exception("model %s: stream failed", self._name)
            sender.send(self._response(Internal("internal error")))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _read(self, request: Any) -> Call:
        if request.is_cancelled():
            raise Cancelled("the caller went away")
        identity: Identity = read_identity(request.parameters(), request.request_id())
        arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return Call(check_inputs(self.model_class.spec, arrays, self._batched), identity)

    def _response(self, answer: Answer) -> Any:
        if not isinstance(answer, ConchError):
            try:
                outputs = to_triton(self.model_class.spec, answer)
                return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])
            except Internal as error:
                logger.error("model %s: %s", self._name, error.message)
                answer = error
        self._counts.refused(type(answer).__name__)
        message = f"model {self._name}: {answer.message}"
        # pb_utils gets its classes only after our modules are imported: CODES holds names.
        code = getattr(pb_utils.TritonError, CODES[type(answer)])
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))


class _Counts:
    """Metrics of one model, on Triton's own /metrics."""

    # Triton refuses a family that one process registers twice, and keeps it while an instance holds it.
    _families: ClassVar[dict[str, Any]] = {}

    def __init__(self, model: str, version: str) -> None:
        self._labels = {"model": model, "version": version}
        self._executions = self._family(metrics.MODEL_EXECUTIONS).Metric(labels=self._labels)
        self._rows = self._family(metrics.MODEL_ROWS).Metric(labels=self._labels)
        self._refused: dict[str, Any] = {}

    def executed(self, rows: int) -> None:
        self._executions.increment(1)
        self._rows.increment(rows)

    def refused(self, reason: str) -> None:
        if reason not in self._refused:
            self._refused[reason] = self._family(metrics.MODEL_REFUSED).Metric(
                labels={**self._labels, "reason": reason}
            )
        self._refused[reason].increment(1)

    @classmethod
    def _family(cls, metric: metrics.Metric) -> Any:
        if metric.name not in cls._families:
            cls._families[metric.name] = pb_utils.MetricFamily(
                name=metric.name, description=metric.help, kind=pb_utils.MetricFamily.COUNTER
            )
        return cls._families[metric.name]


def _context(args: dict[str, str], config: dict[str, Any]) -> ModelContext:
    parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
    return ModelContext(
        folder=Path(args["model_repository"]) / args["model_version"],
        parameters=parameters,
        device="gpu" if args["model_instance_kind"] == "GPU" else "cpu",
        device_id=int(args["model_instance_device_id"]),
        version=args["model_version"],
    )


def _rows(call: Call) -> int:
    return max((array.shape[0] for array in call.inputs.values() if array.ndim), default=1)


def _with_batch(answer: Arrays) -> Arrays:
    return {name: array[np.newaxis] for name, array in answer.items()}


def _refuse_numpy_2() -> None:
    # With numpy 2 every output of Triton 2.51's python back end has the right shape and 0 bytes, without an error.
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        raise pb_utils.TritonModelException(f"numpy is {np.__version__}, Triton's python back end needs one below 2")
