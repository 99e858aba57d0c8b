"""Ask a real Triton over gRPC: the one file that knows tritonclient."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from conch.clients.inference import (
    DEFAULT_CALL,
    Array,
    Arrays,
    CallOptions,
    IndexedModel,
    Inference,
)
from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.clients.status import error_of
from conch.clients.triton_words import coded, error_in, without_request_id
from conch.contracts.errors import ConchError, DeadlineExceeded, Internal, InvalidRequest, Unavailable
from conch.contracts.identity import AUDIO_LIMIT_HEADER, REQUEST_ID_HEADER, TENANT_HEADER, TRACEPARENT_HEADER
from conch.contracts.specs import EXAMPLE_PARAMETER

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 2**20

READY_TIMEOUT_S = 5.0


class TritonInference(Inference):
    """One channel for all calls; opened by the first one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened: InferenceServerClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        request = _request(model, inputs, outputs, call)
        try:
            result = await self._client.infer(**request, client_timeout=call.deadline_s, headers=_headers(call))
        except InferenceServerException as error:
            raise _translated(model, error.status(), error.message()) from None
        return _arrays(result)

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        request = _request(model, inputs, outputs, call)
        answers = self._client.stream_infer(_once(request), stream_timeout=call.deadline_s, headers=_headers(call))
        try:
            async for result, error in answers:
                if error is not None:
                    code, text = coded(error.message())
                    raise _translated(model, code.name, text)
                yield _arrays(result)
        except grpc.RpcError as error:
            raise _translated(model, str(error.code()), error.details()) from None
        finally:
            answers.cancel()

    async def ready(self, model: str, version: str = "") -> bool:
        with contextlib.suppress(InferenceServerException):
            return bool(await self._client.is_model_ready(model, version, client_timeout=READY_TIMEOUT_S))
        return False

    async def index(self) -> Sequence[IndexedModel]:
        try:
            index = await self._client.get_model_repository_index(client_timeout=READY_TIMEOUT_S)
        except InferenceServerException as error:
            raise _translated("repository", error.status(), error.message()) from None
        return [IndexedModel(one.name, one.version, one.state == "READY", one.reason) for one in index.models]

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        told = self._client
        try:
            metadata, answer = await asyncio.gather(
                told.get_model_metadata(model, version, client_timeout=READY_TIMEOUT_S),
                told.get_model_config(model, version, client_timeout=READY_TIMEOUT_S),
            )
        except InferenceServerException as error:
            raise _translated(model, error.status(), error.message()) from None
        config = answer.config
        batched = config.max_batch_size > 0
        optional = {tensor.name for tensor in config.input if tensor.optional}
        return ModelMetadata(
            metadata.name,
            tuple(metadata.versions),
            tuple(_tensor_metadata(tensor, batched, tensor.name in optional) for tensor in metadata.inputs),
            tuple(_tensor_metadata(tensor, batched, optional=False) for tensor in metadata.outputs),
            config.max_batch_size,
            config.model_transaction_policy.decoupled,
            config.parameters[EXAMPLE_PARAMETER].string_value if EXAMPLE_PARAMETER in config.parameters else "",
        )

    @property
    def _client(self) -> InferenceServerClient:
        if self._opened is None:
            self._opened = InferenceServerClient(
                self._address,
                channel_args=[
                    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                    # A restarted server is found again within a second; gRPC's own backoff grows to two minutes.
                    ("grpc.initial_reconnect_backoff_ms", 100),
                    ("grpc.min_reconnect_backoff_ms", 100),
                    ("grpc.max_reconnect_backoff_ms", 1000),
                    # gRPC shares connections of equal channels in a process; this one's life is its own.
                    ("grpc.use_local_subchannel_pool", 1),
                ],
            )
        return self._opened


def _tensor_metadata(tensor: Any, batched: bool, optional: bool) -> TensorMetadata:
    return TensorMetadata(tensor.name, tensor.datatype, tuple(tensor.shape)[batched:], optional)


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _request(model: str, inputs: Arrays, outputs: Sequence[str] | None, call: CallOptions) -> dict[str, Any]:
    if call.deadline_s is not None and call.deadline_s <= 0:
        raise DeadlineExceeded(f"no time was left to ask model {model}")
    return {
        "model_name": model,
        "model_version": call.version,
        "inputs": [_input(name, array) for name, array in inputs.items()],
        "outputs": None if outputs is None else [InferRequestedOutput(name) for name in outputs],
        "request_id": call.request_id,
        "priority": call.priority,
        "timeout": None if call.deadline_s is None else max(1, int(call.deadline_s * 1e6)),
    }


def _input(name: str, array: Array) -> InferInput:
    if array.dtype.kind in "OU":
        array = _encoded(name, array)
    data_type = np_to_triton_dtype(array.dtype)
    if data_type is None:
        raise InvalidRequest(f"input {name} holds {array.dtype}, which Triton has no type for")
    # Triton reads little-endian rows in order; numpy may hold neither.
    array = np.ascontiguousarray(array)
    return InferInput(name, list(array.shape), data_type).set_data_from_numpy(array)


def _encoded(name: str, array: Array) -> Array:
    encoded = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        try:
            encoded[index] = value if isinstance(value, bytes) else str(value).encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"input {name} cannot be sent as UTF-8: {error.reason} at {error.start}") from None
    return encoded


def _headers(call: CallOptions) -> dict[str, str]:
    headers = {
        TENANT_HEADER: call.tenant,
        REQUEST_ID_HEADER: call.request_id,
        TRACEPARENT_HEADER: call.traceparent,
        AUDIO_LIMIT_HEADER: "" if call.audio_seconds_per_day is None else str(call.audio_seconds_per_day),
    }
    return {name: value for name, value in headers.items() if value}


def _arrays(result: Any) -> Arrays:
    return {output.name: _decoded(output, result.as_numpy(output.name)) for output in result.get_response().outputs}


def _decoded(output: Any, array: Array) -> Array:
    if output.datatype != "BYTES":
        return array
    decoded = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        try:
            decoded[index] = value.decode()
        except UnicodeDecodeError:
            decoded[index] = value
    return decoded


def _translated(model: str, status: str | None, message: str | None) -> ConchError:
    text = without_request_id(message or "no reason was given")
    if (said := error_in(text)) is not None:
        return said
    if status == "StatusCode.UNAVAILABLE" and not text.startswith("model "):
        # gRPC's words hold addresses, which are nobody's business but ours.
        logger.warning("model %s: no answer from Triton: %s", model, text)
        return Unavailable(f"model {model}: the inference server is away")
    code = grpc.StatusCode.__members__.get((status or "").removeprefix("StatusCode."), grpc.StatusCode.UNKNOWN)
    error = error_of(code, text)
    if isinstance(error, Internal):
        logger.error("model %s answered %s: %s", model, code.name, text)
        return Internal(f"model {model}: internal error")
    return error
