"""Triton's ModelConfig: read from a config.pbtxt and written as one."""

from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import DataType

REJECT = model_config_pb2.ModelQueuePolicy.REJECT


def parse_config(text: str) -> Any:
    """A ModelConfig; an unknown field is an error, as it is to Triton."""
    try:
        return text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise InvalidRequest(f"the config is not one of Triton's: {error}") from None


def render_config(config: Any) -> str:
    return str(text_format.MessageToString(config))


def type_name(tensor: Any) -> str:
    """Of a config's tensor, in the specs' words."""
    name = str(model_config_pb2.DataType.Name(tensor.data_type)).removeprefix("TYPE_")
    return DataType.BYTES if name == "STRING" else name


def kind_name(group: Any) -> str:
    """Of an instance group: KIND_CPU…"""
    return str(model_config_pb2.ModelInstanceGroup.Kind.Name(group.kind))
