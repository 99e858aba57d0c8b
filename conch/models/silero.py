"""Silero's voice activity network: a probability of speech for every 32 ms, with its memory passed in and out.

The graph reads the 64 samples before each window again, and carries an LSTM's two states from window to window.
"""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from conch.contracts.specs import VAD_CONTEXT, VAD_STATE, VAD_WINDOW
from conch.models.base import Array, ModelContext
from conch.models.onnx import open_session

FILE = "silero_vad.onnx"


@dataclass(frozen=True, slots=True)
class Memory:
    """What the network knows of the samples before."""

    state: Array
    """float32 (2, 128): hidden and cell state."""
    context: Array
    """float32 (64): the last samples."""


@dataclass(frozen=True, slots=True)
class Heard:
    probabilities: Array
    """float32 (windows): of speech."""
    memory: Memory


START = Memory(np.zeros((2, VAD_STATE), np.float32), np.zeros(VAD_CONTEXT, np.float32))
"""At the first sample of a stream."""


class Silero:
    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session

    @classmethod
    def load(cls, context: ModelContext) -> "Silero":
        return cls(open_session(context.file(FILE), context))

    def listen(self, pcm: Array, memory: Memory = START) -> Heard:
        """`pcm` is float32 at 16 kHz in [-1, 1], one window or more; windows of one stream, in order.

        One stream a run: the graph's LSTM has a batch of one. A run of a single window costs 90 µs on a core, a
        window among many 60, so that a graph with a batch of streams would save no more than the difference.
        """
        windows = pcm.reshape(-1, VAD_WINDOW)
        before = np.concatenate([memory.context[np.newaxis], windows[:-1, -VAD_CONTEXT:]])
        probabilities, hidden, cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {
                "input": np.concatenate([before, windows], axis=1),
                "h": memory.state[0].reshape(1, 1, VAD_STATE),
                "c": memory.state[1].reshape(1, 1, VAD_STATE),
            },
        )
        state = np.concatenate([hidden, cell]).reshape(2, VAD_STATE)
        return Heard(probabilities, Memory(state, windows[-1, -VAD_CONTEXT:].copy()))
