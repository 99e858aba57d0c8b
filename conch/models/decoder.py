"""CTranslate2's Whisper: mel windows in, tokens and their scores out. The one file that knows CTranslate2.

Measured on a CPU with int8 weights: encoding is cheapest row by row (a batch of 8 costs 1.4 times as much a row), and
decoding is cheapest together (a batch of 8 costs 0.4 times as much a row). Two threads on one decoder take twice the
CPU and longer than one; two encoders side by side share a batch's rows. So a CPU encodes rows apart and decodes
them as one; a GPU does both as one.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import ctranslate2
import numpy as np

from conch.contracts.errors import Internal
from conch.models.base import Array, ModelContext

POSITIONS = 448
"""Of Whisper's decoder: prompt and text together."""


@dataclass(frozen=True, slots=True)
class Decoded:
    ids: list[int]
    """Without the end of text."""
    avg_logprob: float
    """A token, the end of text among them."""
    no_speech_prob: float


@dataclass(frozen=True, slots=True)
class Detected:
    token: str
    """Such as "<|en|>"."""
    probability: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """Which tokens were heard when."""

    pairs: list[tuple[int, int]]
    """Token and encoder position of each step of the alignment, both rising."""
    probabilities: list[float]
    """Of each token."""


class Encoded:
    """What the encoder made of some rows."""

    def __init__(self, view: ctranslate2.StorageView) -> None:
        self.view = view

    def rows(self, indices: Sequence[int]) -> "Encoded":
        if list(indices) == list(range(self.view.shape[0])):
            return self
        array = np.array(self.view.to_device(ctranslate2.Device.cpu))[list(indices)]
        part = ctranslate2.StorageView.from_array(array)
        return Encoded(part.to_device(getattr(ctranslate2.Device, self.view.device)))


class Decoder:
    def __init__(self, model: ctranslate2.models.Whisper, encoders: int) -> None:
        self._model = model
        self._on_cpu = model.device == "cpu"
        self._encoders = ThreadPoolExecutor(encoders, thread_name_prefix="encoder")

    @classmethod
    def load(cls, context: ModelContext) -> "Decoder":
        on_gpu = context.device == "gpu"
        encoders = context.integer("inter_op_threads", 1)
        context.file("model.bin")
        try:
            model = ctranslate2.models.Whisper(
                str(context.folder),
                device="cuda" if on_gpu else "cpu",
                device_index=context.device_id if on_gpu else 0,
                compute_type=context.parameters.get("compute_type", "float16" if on_gpu else "int8"),
                intra_threads=context.integer("intra_op_threads", 1),
                inter_threads=1 if on_gpu else encoders,
            )
        except (RuntimeError, ValueError) as error:
            raise Internal(f"model.bin cannot be opened by CTranslate2: {error}") from error
        return cls(model, encoders)

    @property
    def bands(self) -> int:
        """Mel bands it was trained on."""
        return int(self._model.n_mels)

    @property
    def multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    def encode(self, windows: Sequence[Array]) -> Encoded:
        """Log-mel windows (bands, frames) of one length."""
        if not self._on_cpu:
            return Encoded(self._model.encode(_view(np.stack(windows))))
        if len(windows) == 1:
            return Encoded(self._model.encode(_view(windows[0][np.newaxis])))
        rows = list(self._encoders.map(lambda window: self._model.encode(_view(window[np.newaxis])), windows))
        return Encoded(_view(np.concatenate([np.array(row) for row in rows])))

    def detect(self, encoded: Encoded) -> list[Detected]:
        """The likeliest language of each row."""
        return [Detected(*likeliest[0]) for likeliest in self._model.detect_language(encoded.view)]

    def decode(self, encoded: Encoded, prompts: Sequence[list[int]], max_tokens: int) -> list[Decoded]:
        """Greedily. Prompts are of one length, as CTranslate2 wants <|startoftranscript|> in one place."""
        prompt = len(prompts[0])
        tokens = min(max_tokens, POSITIONS - prompt)
        results = self._model.generate(
            encoded.view,
            list(prompts),
            beam_size=1,
            # CTranslate2 keeps half of max_length for the prompt, or the prompt's length if that is more.
            max_length=tokens + max(tokens, prompt),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            _decoded(result.sequences_ids[0], float(result.scores[0]), float(result.no_speech_prob))
            for result in results
        ]

    def align(
        self, encoded: Encoded, start: list[int], texts: Sequence[list[int]], frames: Sequence[int]
    ) -> list[Aligned]:
        """Rows of one language; `frames` is how many mel frames of each row are audio."""
        return [
            Aligned(list(result.alignments), list(result.text_token_probs))
            for result in self._model.align(encoded.view, start, list(texts), list(frames))
        ]

    def close(self) -> None:
        self._encoders.shutdown()
        self._model.unload_model()


def _decoded(ids: list[int], score: float, no_speech: float) -> Decoded:
    # The score is a mean over the tokens of the text; the end of text has its share in the sum.
    return Decoded(ids, score * len(ids) / (len(ids) + 1), no_speech)


def _view(array: Array) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
