"""What each model is asked to show that it answers: of ours the least that it takes, of others their own example."""

import json
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from conch.clients.inference import Arrays, CallOptions, Inference, text_column
from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.any_model import AnyModel
from gateway.http.infer.rows import read_rows

Probe = Callable[[Inference, CallOptions], Awaitable[None]]
"""Raises ConchError where the model does not answer."""


async def by_example(model: str, inference: Inference, call: CallOptions) -> None:
    """Of any model: the parameter `example` of its config is sent to it. One that names none is not asked."""
    metadata = await inference.metadata(model, call.version)
    if not metadata.example:
        return
    any_model = AnyModel(inference)
    try:
        row = read_rows(json.loads(metadata.example), metadata, most_rows=1).rows[0]
    except ValueError as error:
        raise InvalidRequest(f"model {model}: its example is not JSON: {error}") from None
    if metadata.decoupled:
        async for _ in any_model.stream(metadata, row, None, call):
            pass
    else:
        await any_model.infer(metadata, [row], None, call)


async def _whisper(inference: Inference, call: CallOptions) -> None:
    await inference.infer("whisper", _silence(), call=call)


async def _voice_command(inference: Inference, call: CallOptions) -> None:
    await inference.infer("voice_command", _silence(), call=call)


async def _vad(inference: Inference, call: CallOptions) -> None:
    await inference.infer("vad", {"pcm": np.zeros((1, VAD_WINDOW), np.float32)}, call=call)


async def _intent(inference: Inference, call: CallOptions) -> None:
    await inference.infer("intent", {"text": text_column("ready")}, call=call)


async def _embedding(inference: Inference, call: CallOptions) -> None:
    await inference.infer("embedding", {"text": text_column("ready")}, call=call)


async def _recommend(inference: Inference, call: CallOptions) -> None:
    await inference.infer("recommend", {"user": text_column("")}, call=call)


async def _piper(inference: Inference, call: CallOptions) -> None:
    async for _ in inference.stream("piper", {"text": text_column("Yes.")}, call=call):
        pass


def _silence() -> Arrays:
    return {
        "pcm16": np.zeros((1, SPEECH_RATE // 2), np.int16),
        "sample_rate": np.array([[SPEECH_RATE]], np.int32),
    }


PROBES: Mapping[str, Probe] = {
    "whisper": _whisper,
    "voice_command": _voice_command,
    "vad": _vad,
    "intent": _intent,
    "embedding": _embedding,
    "piper": _piper,
    "recommend": _recommend,
}
