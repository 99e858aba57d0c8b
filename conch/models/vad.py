"""Voice activity: probabilities of speech for many windows of many streams, each stream's memory in and out."""

from typing import Self

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import SPEECH_RATE, VAD, VAD_MAX_S, VAD_WINDOW
from conch.models.base import Arrays, ModelContext, StackedModel
from conch.models.silero import START, Memory, Silero


class Vad(StackedModel):
    spec = VAD

    def __init__(self, silero: Silero) -> None:
        self._silero = silero

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        silero = Silero.load(context)
        silero.listen(np.zeros(VAD_WINDOW, np.float32))
        return cls(silero)

    def predict(self, inputs: Arrays) -> Arrays:
        pcm = inputs["pcm"]  # (batch, samples)
        rows, samples = pcm.shape
        if samples == 0 or samples % VAD_WINDOW:
            raise InvalidRequest(f"pcm has {samples} samples, the model takes a multiple of {VAD_WINDOW}")
        if samples > VAD_MAX_S * SPEECH_RATE:
            raise InvalidRequest(f"pcm is {samples / SPEECH_RATE:.2f} s, one call takes {VAD_MAX_S:.2f} s")
        states = inputs.get("state", np.repeat(START.state[np.newaxis], rows, axis=0))
        contexts = inputs.get("context", np.repeat(START.context[np.newaxis], rows, axis=0))
        heard = [
            self._silero.listen(row, Memory(state, context))
            for row, state, context in zip(pcm, states, contexts, strict=True)
        ]
        return {
            "probabilities": np.stack([one.probabilities for one in heard]),
            "next_state": np.stack([one.memory.state for one in heard]),
            "next_context": np.stack([one.memory.context for one in heard]),
        }
