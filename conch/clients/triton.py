"""Ask a real Triton over gRPC, by the messages that tritonclient brings."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from conch.clients.inference import (
    DEFAULT_CALL,
    Arrays,
    CallOptions,
    IndexedModel,
    Inference,
)
from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.clients.status import error_of
from conch.clients.triton_tensors import arrays_of, request_of
from conch.clients.triton_words import coded, error_in, without_request_id
from conch.contracts.errors import ConchError, DeadlineExceeded, Internal, Unavailable
from conch.contracts.identity import AUDIO_LIMIT_HEADER, REQUEST_ID_HEADER, TENANT_HEADER, TRACEPARENT_HEADER
from conch.contracts.specs import EXAMPLE_PARAMETER

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 2**20

READY_TIMEOUT_S = 5.0


class TritonInference(Inference):
    """One channel for all calls; opened by the first one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened: tuple[grpc.aio.Channel, Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened[0].close()

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        request = _request(model, inputs, outputs, call)
        try:
            response = await self._triton.ModelInfer(request, timeout=call.deadline_s, metadata=_metadata(call))
        except grpc.RpcError as error:
            raise _translated(model, error.code(), error.details()) from None
        return arrays_of(response)

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        request = _request(model, inputs, outputs, call)
        answers = self._triton.ModelStreamInfer(_once(request), timeout=call.deadline_s, metadata=_metadata(call))
        try:
            async for answer in answers:
                if answer.error_message:
                    raise _translated(model, *coded(answer.error_message))
                yield arrays_of(answer.infer_response)
        except grpc.RpcError as error:
            raise _translated(model, error.code(), error.details()) from None
        finally:
            answers.cancel()

    async def ready(self, model: str, version: str = "") -> bool:
        request = pb.ModelReadyRequest(name=model, version=version)
        try:
            return bool((await self._triton.ModelReady(request, timeout=READY_TIMEOUT_S)).ready)
        except grpc.RpcError:
            return False

    async def index(self) -> Sequence[IndexedModel]:
        try:
            index = await self._triton.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=READY_TIMEOUT_S)
        except grpc.RpcError as error:
            raise _translated("repository", error.code(), error.details()) from None
        return [IndexedModel(one.name, one.version, one.state == "READY", one.reason) for one in index.models]

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        named = {"name": model, "version": version}
        try:
            metadata, answer = await asyncio.gather(
                self._triton.ModelMetadata(pb.ModelMetadataRequest(**named), timeout=READY_TIMEOUT_S),
                self._triton.ModelConfig(pb.ModelConfigRequest(**named), timeout=READY_TIMEOUT_S),
            )
        except grpc.RpcError as error:
            raise _translated(model, error.code(), error.details()) from None
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
    def _triton(self) -> Any:
        if self._opened is None:
            channel = grpc.aio.insecure_channel(
                self._address,
                options=[
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
            self._opened = channel, GRPCInferenceServiceStub(channel)
        return self._opened[1]


def _tensor_metadata(tensor: Any, batched: bool, optional: bool) -> TensorMetadata:
    return TensorMetadata(tensor.name, tensor.datatype, tuple(tensor.shape)[batched:], optional)


async def _once(request: pb.ModelInferRequest) -> AsyncIterator[pb.ModelInferRequest]:
    yield request


def _request(model: str, inputs: Arrays, outputs: Sequence[str] | None, call: CallOptions) -> pb.ModelInferRequest:
    if call.deadline_s is not None and call.deadline_s <= 0:
        raise DeadlineExceeded(f"no time was left to ask model {model}")
    parameters = {"priority": pb.InferParameter(uint64_param=call.priority)}
    if call.deadline_s is not None:
        parameters["timeout"] = pb.InferParameter(int64_param=max(1, int(call.deadline_s * 1e6)))
    return request_of(model, inputs, outputs, model_version=call.version, id=call.request_id, parameters=parameters)


def _metadata(call: CallOptions) -> Sequence[tuple[str, str]]:
    told = (
        (TENANT_HEADER, call.tenant),
        (REQUEST_ID_HEADER, call.request_id),
        (TRACEPARENT_HEADER, call.traceparent),
        (AUDIO_LIMIT_HEADER, "" if call.audio_seconds_per_day is None else str(call.audio_seconds_per_day)),
    )
    return [pair for pair in told if pair[1]]


def _translated(model: str, code: grpc.StatusCode, message: str | None) -> ConchError:
    text = without_request_id(message or "no reason was given")
    if (said := error_in(text)) is not None:
        return said
    if code is grpc.StatusCode.UNAVAILABLE and not text.startswith("model "):
        # gRPC's words hold addresses, which are nobody's business but ours.
        logger.warning("model %s: no answer from Triton: %s", model, text)
        return Unavailable(f"model {model}: the inference server is away")
    error = error_of(code, text)
    if isinstance(error, Internal):
        logger.error("model %s answered %s: %s", model, code.name, text)
        return Internal(f"model {model}: internal error")
    return error
