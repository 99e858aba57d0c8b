"""Triton's ModelConfig: read from a config.pbtxt and written as one.

Its messages are imported when they are used: who lays out models without publishing any needs no tritonclient.
"""

from types import ModuleType
from typing import Any

from google.protobuf import text_format

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import DataType


def parse_config(text: str) -> Any:
    """A ModelConfig; an unknown field is an error, as it is to Triton."""
    try:
        return text_format.Parse(text, _messages().ModelConfig())
    except text_format.ParseError as error:
        raise InvalidRequest(f"the config is not one of Triton's: {error}") from None


def render_config(config: Any) -> str:
    return str(text_format.MessageToString(config))


def type_name(tensor: Any) -> str:
    """Of a config's tensor, in the specs' words."""
    name = str(_messages().DataType.Name(tensor.data_type)).removeprefix("TYPE_")
    return DataType.BYTES if name == "STRING" else name


def kind_name(group: Any) -> str:
    """Of an instance group: KIND_CPU…"""
    return str(_messages().ModelInstanceGroup.Kind.Name(group.kind))


def rejects(policy: Any) -> bool:
    """A queue policy that refuses what is late, rather than delay it."""
    return bool(policy.timeout_action == _messages().ModelQueuePolicy.REJECT)


def _messages() -> ModuleType:
    from tritonclient.grpc import model_config_pb2

    return model_config_pb2  # type: ignore[no-any-return]
