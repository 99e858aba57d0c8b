"""What each model is asked to show that it answers: the least that it takes."""

from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from conch.clients.inference import Arrays, CallOptions, Inference, text_column
from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW

Probe = Callable[[Inference, CallOptions], Awaitable[None]]
"""Raises ConchError where the model does not answer."""


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
}
