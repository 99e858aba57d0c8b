"""KServe v2 and Triton's own calls, sorted by who answers them and who may make them.

What is in none of the lists is an operator's: a call that a later Triton adds is closed until somebody opens it.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2

SERVICE = "inference.GRPCInferenceService"

HEALTH = ("ServerLive", "ServerReady", "ModelReady")
"""Answered by the gateway from inference probes: what Triton says of its own health may be wrong."""
READING = ("ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex")
"""Change nothing, so they may be tried again."""
INFER = "ModelInfer"
STREAM = "ModelStreamInfer"
LOAD = "RepositoryModelLoad"

NAMED_BY = {"ModelInfer": "model_name", "ModelMetadata": "name", "ModelConfig": "name", "ModelStatistics": "name"}
"""Where a request says its model."""
OUTPUT_PARAMETERS = "outputs.parameters"
_FIELD_NUMBERS = {"ModelInfer": 1, "ModelMetadata": 1, "ModelConfig": 1, "ModelStatistics": 1}

MODEL_PATH = r"/v2/models/{name}(/versions/[0-9]+)?"
MODEL_READING = "(/(config|stats))?"
MODEL_INFER = "/(infer|generate|generate_stream)"
ANY_MODEL = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""A name that needs escaping cannot be called over HTTP: two readers of a path might undo it differently."""


def path_of(method: str) -> str:
    return f"/{SERVICE}/{method}"


def extractions() -> Mapping[str, Any]:
    """What Envoy reads out of gRPC bodies: the model's name, parameters of outputs, and those of a load."""
    fields: dict[str, dict[str, Any]] = {method: {field: {}} for method, field in NAMED_BY.items()}
    fields[INFER][OUTPUT_PARAMETERS] = {}
    fields[LOAD] = {"parameters": {}}
    return {f"{SERVICE}.{method}": {"request_field_extractions": names} for method, names in fields.items()}


def descriptor() -> bytes:
    """Of just the fields that are read; protobuf passes over all others.

    A map travels as a repeated message, and that looks like a repeated string: `parameters` is declared as one, since
    what stands in an entry does not matter here.
    """
    file = descriptor_pb2.FileDescriptorProto(name="kserve.proto", package="inference", syntax="proto3")
    service = file.service.add(name="GRPCInferenceService")
    file.message_type.add(name="Reply")
    text = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    repeated = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
    for method, name in NAMED_BY.items():
        message = _add_method(file, service, method)
        message.field.add(
            name=name,
            number=_FIELD_NUMBERS[method],
            type=text,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
        if method == INFER:
            message.field.add(
                name="outputs",
                number=6,
                type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
                type_name=".inference.Output",
                label=repeated,
            )
    file.message_type.add(name="Output").field.add(name="parameters", number=2, type=text, label=repeated)
    _add_method(file, service, LOAD).field.add(name="parameters", number=3, type=text, label=repeated)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


def _add_method(
    file: descriptor_pb2.FileDescriptorProto, service: descriptor_pb2.ServiceDescriptorProto, method: str
) -> descriptor_pb2.DescriptorProto:
    message = file.message_type.add(name=f"{method}Request")
    service.method.add(name=method, input_type=f".inference.{message.name}", output_type=".inference.Reply")
    return message
