"""Which models a call may reach."""

import numpy as np
import pytest

from conch.clients.inference import CallOptions, text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import PermissionDenied
from conch.contracts.identity import models_in, models_text
from conch.contracts.specs import VAD_WINDOW
from gateway.permitted import PermittedInference
from tests.gateway.conftest import intent, vad

TEXT = {"text": text_column("call john")}


def calling(*models: str) -> CallOptions:
    return CallOptions(tenant="acme", models=models_in(models_text(models)))


@pytest.fixture
def inference() -> PermittedInference:
    return PermittedInference(InProcessInference({"intent": intent}))


@pytest.mark.parametrize("call", [CallOptions(), calling("whisper", "intent")], ids=["without a list", "on the list"])
async def test_a_model_is_called_by_who_may(inference: PermittedInference, call: CallOptions) -> None:
    assert "intent" in await inference.infer("intent", TEXT, call=call)


@pytest.mark.parametrize("models", [("whisper",), ("inten",), ()], ids=["another", "a part of the name", "none"])
async def test_who_may_not_is_refused_before_anybody_is_asked(
    inference: PermittedInference, models: tuple[str, ...]
) -> None:
    with pytest.raises(PermissionDenied, match=r"^tenant acme may not call model intent$"):
        await inference.infer("intent", TEXT, call=calling(*models))
    with pytest.raises(PermissionDenied, match=r"^tenant acme may not call model piper$"):
        inference.stream("piper", TEXT, call=calling(*models))


async def test_the_voice_activity_that_transcribing_needs_comes_with_whisper() -> None:
    inference = PermittedInference(InProcessInference({"vad": vad}))
    window = {"pcm": np.zeros((1, VAD_WINDOW), np.float32)}
    assert "probabilities" in await inference.infer("vad", window, call=calling("whisper"))
    with pytest.raises(PermissionDenied):
        await inference.infer("vad", window, call=calling("intent"))
