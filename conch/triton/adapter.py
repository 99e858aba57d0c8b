"""The one file that knows Triton's python back end: its requests in, our models' calls, its responses out."""

# Triton's stub imports it with its first call, which takes 30 ms of a processor: a new version's first callers waited.
import asyncio  # noqa: F401
import json
import logging
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import triton_python_backend_utils as pb_utils

from conch.contracts.errors import Cancelled, ConchError, Internal, InvalidRequest
from conch.contracts.identity import ANONYMOUS, Identity
from conch.contracts.keys import ADDRESS_VARIABLE
from conch.contracts.refusals import kind_of, refusal_of
from conch.contracts.retry_after import with_retry_after
from conch.contracts.specs import EXAMPLE_PARAMETER
from conch.models.base import Arrays, Model, ModelContext, RaggedModel, StackedModel, StreamingModel
from conch.stores.quota import Quota
from conch.tracing import ENDPOINT_VARIABLE, spans_to
from conch.triton.batching import Answer, Call, blamed, run
from conch.triton.counts import Counts, Series
from conch.triton.identity import read_identity
from conch.triton.metering import Meter
from conch.triton.sending import Sending
from conch.triton.tensors import from_triton, refuse_numpy, to_triton
from conch.triton.warming import warm
from conch.triton.watch import Moment, Watch, asked_by


class TritonModel:
    """Base of every `1/model.py`, which names its `model_class` and nothing more."""

    model_class: ClassVar[type[Model]]

    def initialize(self, args: dict[str, str]) -> None:
        self._name = args["model_name"]
        # All stubs write into the server's one log.
        form = f"%(levelname)s {self._name} %(name)s: %(message)s"
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=form)
        config = json.loads(args["model_config"])
        self._batched = int(config.get("max_batch_size", 0)) > 0
        self._counts = Counts(self._name, args["model_version"])
        try:
            refuse_numpy(np.__version__)
            _refuse_another_policy(self.model_class, config)
            self._model = self.model_class.load(_context(args, config, self._counts))
        except ConchError as error:
            raise pb_utils.TritonModelException(f"model {self._name}: {error.message}") from error
        example = config.get("parameters", {}).get(EXAMPLE_PARAMETER, {}).get("string_value", "")
        warm(self._model, self.model_class.spec, example)
        self._meter = Meter(_quota(self.model_class), self._counts.uncounted)
        spans = spans_to(os.environ.get(ENDPOINT_VARIABLE, ""), "conch-models")
        audio_ms = self.model_class.audio_ms if self.model_class.counts_audio else None
        self._watch = Watch(self._name, args["model_version"], self._counts, spans, audio_ms)
        self._sending = Sending(self._counts, _ServerMetrics().increment)
        self._sending.start()

    def execute(self, requests: Sequence[Any]) -> list[Any] | None:
        if isinstance(self._model, StreamingModel):
            for request in requests:
                self._stream(self._model, request)
            return None
        if isinstance(self._model, StackedModel | RaggedModel):
            return self._answer(self._model, requests)
        raise TypeError(f"{self.model_class.__name__} is none of the three kinds of models")

    def finalize(self) -> None:
        self._model.close()
        self._sending.close()
        self._watch.close()
        self._meter.close()

    def _answer(self, model: StackedModel | RaggedModel, requests: Sequence[Any]) -> list[Any]:
        begun = Moment()
        read = [self._read(request) for request in requests]
        calls = [call for call in read if isinstance(call, Call)]
        answers = self._meter.run(calls, model.audio_ms, lambda admitted: run(model, admitted, self._counts.executed))
        responses = iter([self._response(*one) for one in zip(answers, calls, strict=True)])
        self._watch.answered(begun, calls, answers)
        return [next(responses) if isinstance(call, Call) else self._refusal(call) for call in read]

    def _stream(self, model: StreamingModel, request: Any) -> None:
        begun = Moment()
        sender = request.get_response_sender()
        call = self._read(request)
        try:
            if not isinstance(call, Call):
                raise call
            if call.batch != 1:
                raise InvalidRequest(f"the batch dimension is {call.batch}; a stream takes 1 row a request")
            self._counts.executed(1)
            for answer in model.stream(call.row(0)):
                # Asked for each answer of a stream, which takes its time; asked for each request of a batch, at 50 µs
                # a piece, it would cost more than it spares: Triton's queue has dropped the cancelled ones.
                if sender.is_cancelled():
                    raise Cancelled("the caller went away")
                sender.send(self._sent({name: array[np.newaxis] for name, array in answer.items()}, 1))
        except Exception as error:  # noqa: BLE001 - an edge: what a model raises ends here
            refusal = blamed(error, call.identity if isinstance(call, Call) else ANONYMOUS)
            # In one message, and nothing after it: a caller's header `triton_grpc_error` ends its stream with an error,
            # and what is sent after that can end the server (SIGSEGV in 2.51).
            sender.send(self._stream_refusal(refusal), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            ended: Answer = refusal
        else:
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            ended = {}
        if isinstance(call, Call):
            self._watch.answered(begun, [call], [ended])

    def _read(self, request: Any) -> Call | ConchError:
        """The call with a batch dimension, whether Triton batches this model or not."""
        identity = ANONYMOUS
        try:
            identity = _identity(request)
            if self._watch.traces and identity.sampled:
                identity = asked_by(identity, request.trace().get_context())
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            if not self._batched:
                arrays = {name: array[np.newaxis] for name, array in arrays.items()}
            wanted = frozenset(request.requested_output_names())
            return Call(from_triton(self.model_class.spec, arrays), identity, wanted)
        except Exception as error:  # noqa: BLE001 - an edge: one request that cannot be read must not fail its neighbours
            return blamed(error, identity)

    def _response(self, answer: Answer, call: Call) -> Any:
        if isinstance(answer, ConchError):
            return self._refusal(answer)
        try:
            return self._sent(answer, call.batch, call.wanted)
        except Exception as error:  # noqa: BLE001 - an edge: an answer that cannot be sent must not fail its neighbours
            return self._refusal(blamed(error, ANONYMOUS))

    def _sent(self, arrays: Arrays, batch: int, wanted: Collection[str] = ()) -> Any:
        """Without what nobody asked for, where the request says what it asks for: a tensor takes 10 µs to send."""
        outputs = to_triton(self.model_class.spec, arrays, batch, wanted)
        if not self._batched:
            outputs = {name: array[0] for name, array in outputs.items()}
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])

    def _refusal(self, error: ConchError) -> Any:
        """Triton's ensembles do not say which step failed: the model's name stands in every message."""
        return self._error(error, with_retry_after(error))

    def _stream_refusal(self, error: ConchError) -> Any:
        """Triton's streams carry no codes: the error's class stands in the message."""
        return self._error(error, f"{kind_of(error).__name__}: {error.message}")

    def _error(self, error: ConchError, message: str) -> Any:
        self._counts.refused(kind_of(error).__name__)
        # A traceback holds its frames, and they the request's tensors in shared memory, until the garbage collector
        # comes by: a hundred refused megabytes stayed for good.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        code = getattr(pb_utils.TritonError, refusal_of(error).triton)
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"model {self._name}: {message}", code))


class _ServerMetrics:
    """Counters and gauges on Triton's own /metrics, made when they are first told."""

    # Triton refuses a family that one process registers twice, and keeps it while an instance holds it.
    _families: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self._metrics: dict[Series, Any] = {}

    def increment(self, series: Series, value: float) -> None:
        if series not in self._metrics:
            self._metrics[series] = self._family(series).Metric(labels=dict(series.labels))
        if series.is_gauge:
            self._metrics[series].set(value)
        else:
            self._metrics[series].increment(value)

    @classmethod
    def _family(cls, series: Series) -> Any:
        if series.family not in cls._families:
            family = pb_utils.MetricFamily
            cls._families[series.family] = family(
                name=series.family,
                description=series.help,
                kind=family.GAUGE if series.is_gauge else family.COUNTER,
            )
        return cls._families[series.family]


def _identity(request: Any) -> Identity:
    try:
        return read_identity(request.parameters(), request.request_id())
    except UnicodeDecodeError as error:
        # Over HTTP a header, and an id, may be any bytes.
        raise InvalidRequest(f"a header or the request's id is not UTF-8: {error.reason}") from None


def _quota(model_class: type[Model]) -> Quota | None:
    address = os.environ.get(ADDRESS_VARIABLE)
    if not (address and model_class.counts_audio):
        return None
    # Its import takes a tenth of a second, which no other model needs.
    from conch.stores.redis_quota import RedisQuota

    return RedisQuota(address)


def _refuse_another_policy(model_class: type[Model], config: dict[str, Any]) -> None:
    """Triton wants no answers back from a decoupled model, and else one a request: mixed up, no call would end."""
    found = bool(config.get("model_transaction_policy", {}).get("decoupled", False))
    if found != issubclass(model_class, StreamingModel):
        raise Internal(f"decoupled of config.pbtxt is {found}, {model_class.__name__} wants {not found}")


def _context(args: dict[str, str], config: dict[str, Any], counts: Counts) -> ModelContext:
    return ModelContext(
        folder=Path(args["model_repository"]) / args["model_version"],
        parameters={name: value["string_value"] for name, value in config.get("parameters", {}).items()},
        device="gpu" if args["model_instance_kind"] == "GPU" else "cpu",
        device_id=int(args["model_instance_device_id"]),
        version=args["model_version"],
        count=counts.add,
    )
