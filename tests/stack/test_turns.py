"""The gateway's turns and the models' instances agree."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from conch.stack.repository import checkout
from conch.stack.turns import MODELS_AT_ONCE, turns
from gateway.settings import Settings


def test_a_model_has_as_many_turns_as_instances() -> None:
    instances = {}
    for model in MODELS_AT_ONCE:
        text = (checkout() / "model_repository" / model / "config.pbtxt").read_text(encoding="utf-8")
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
        instances[model] = sum(group.count for group in config.instance_group)
    assert instances == MODELS_AT_ONCE


def test_a_gateway_reads_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in turns().items():
        monkeypatch.setenv(name, value)
    assert Settings().models_at_once == MODELS_AT_ONCE
