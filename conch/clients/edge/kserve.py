"""Operations of KServe v2, over gRPC: any model of the repository, ours or not."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import grpc

from conch.clients.edge.operations import Operation, built
from conch.clients.edge.results import Inferred
from conch.clients.edge.tensors import add_input, outputs_of
from conch.clients.inference import Arrays, IndexedModel
from conch.clients.status import error_of
from conch.clients.triton_words import coded, error_in, without_request_id
from conch.contracts.errors import ConchError
from conch.contracts.pb.kserve.v1 import health_pb2, inference_pb2

_SERVICE = "inference.GRPCInferenceService"

Parameters = Mapping[str, bool | int | str]
NO_PARAMETERS: Parameters = MappingProxyType({})


def infer(
    model: str, inputs: Arrays, outputs: Sequence[str], version: str, parameters: Parameters, idempotent: bool
) -> Operation[Inferred]:
    request = _request(model, inputs, outputs, version, parameters)
    reply = inference_pb2.ModelInferReply
    return Operation(f"/{_SERVICE}/ModelInfer", request, reply, _inferred, 60.0, idempotent, _triton_error)


def stream(
    model: str, inputs: Arrays, outputs: Sequence[str], version: str, parameters: Parameters, idempotent: bool
) -> Operation[Inferred]:
    """A stream of one request is, on the wire, a request with a stream of answers."""
    request = _request(model, inputs, outputs, version, parameters)
    reply = inference_pb2.ModelStreamInferReply
    return Operation(f"/{_SERVICE}/ModelStreamInfer", request, reply, _streamed, 600.0, idempotent, _triton_error)


def models() -> Operation[tuple[IndexedModel, ...]]:
    request, reply = inference_pb2.RepositoryIndexRequest(), inference_pb2.RepositoryIndexReply
    return Operation(f"/{_SERVICE}/RepositoryIndex", request, reply, _models, 10.0, error=_triton_error)


def model_ready(model: str, version: str) -> Operation[bool]:
    request = built(lambda: health_pb2.ModelReadyRequest(name=model, version=version))
    reply = health_pb2.ModelReadyReply
    # Asked again by whoever waits for it; a probe tells how things are now.
    return Operation(f"/{_SERVICE}/ModelReady", request, reply, _ready, 10.0, idempotent=False, error=_triton_error)


def _request(
    model: str, inputs: Arrays, outputs: Sequence[str], version: str, parameters: Parameters
) -> inference_pb2.ModelInferRequest:
    request = built(lambda: inference_pb2.ModelInferRequest(model_name=model, model_version=version))
    for name, array in inputs.items():
        add_input(request, name, array)
    for name in outputs:
        request.outputs.add(name=name)
    for name, value in parameters.items():
        if isinstance(value, bool):
            request.parameters[name].bool_param = value
        elif isinstance(value, int):
            request.parameters[name].int64_param = value
        else:
            request.parameters[name].string_param = value
    return request


def _inferred(reply: inference_pb2.ModelInferReply, request_id: str) -> Inferred:
    return Inferred(outputs_of(reply), reply.model_name, reply.model_version, request_id)


def _streamed(reply: inference_pb2.ModelStreamInferReply, request_id: str) -> Inferred:
    if reply.error_message:
        raise _triton_error(*coded(reply.error_message))
    return _inferred(reply.infer_response, request_id)


def _models(reply: inference_pb2.RepositoryIndexReply, _: str) -> tuple[IndexedModel, ...]:
    return tuple(IndexedModel(one.name, one.version, one.state == "READY", one.reason) for one in reply.models)


def _ready(reply: health_pb2.ModelReadyReply, _: str) -> bool:
    return reply.ready


def _triton_error(code: grpc.StatusCode, message: str, retry_after_s: float | None = None) -> ConchError:
    text = without_request_id(message)
    return error_in(text) or error_of(code, text, retry_after_s)
