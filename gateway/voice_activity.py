"""How probable speech is, window by window, by the `vad` model: one stream of audio, its state carried along."""

import numpy as np
import numpy.typing as npt

from conch.clients.inference import Array, CallOptions, Inference
from conch.contracts.specs import VAD_WINDOW
from gateway.audio import Samples
from gateway.recognition import asked

Probabilities = npt.NDArray[np.float32]


class VoiceActivity:
    """Of one stream; its calls follow each other."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._state: dict[str, Array] = {}

    async def probabilities(self, pcm: Samples, call: CallOptions) -> Probabilities:
        """One for each VAD_WINDOW of `pcm`, whose length is a multiple of that."""
        scaled = pcm.astype(np.float32) / 32768.0
        answer = await asked(self._inference, "vad", {"pcm": scaled[np.newaxis], **self._state}, call)
        self._state = {"state": answer["next_state"], "context": answer["next_context"]}
        probabilities: Probabilities = answer["probabilities"][0]
        return probabilities


def in_windows(pcm: Samples) -> tuple[Samples, Samples]:
    """The whole windows, and what is left for the next call."""
    whole = len(pcm) - len(pcm) % VAD_WINDOW
    return pcm[:whole], pcm[whole:]


def padded(pcm: Samples) -> Samples:
    """With silence up to the next whole window."""
    return np.concatenate([pcm, np.zeros(-len(pcm) % VAD_WINDOW, np.int16)])
