"""Speak text with a Piper voice, one sentence an answer, so that the first is heard while the next is made.

piper-tts is GPL-3.0 and therefore an extra of its own: nothing but loading this model imports it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.specs import PIPER
from conch.models.base import Array, Arrays, ModelContext, Row, StreamingModel, scalar, strings
from conch.models.onnx import open_session

MAX_CHARACTERS = 4_000
SLOWEST, FASTEST = 4.0, 0.25
"""Bounds of length_scale, which multiplies the time a word takes."""

MAX_PHONEMES = 200
"""Of one synthesis, some 10 s of speech: a text without a full stop must not take memory by its length."""

_UNSPOKEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FULL_SCALE = 32_767.0


class Piper(StreamingModel):
    spec = PIPER

    def __init__(self, voice: Any, max_characters: int) -> None:
        self._voice = voice
        self._max_characters = max_characters

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        try:
            from piper import PiperVoice
            from piper.config import PiperConfig
        except ImportError as error:
            raise Internal("piper-tts is not installed in this environment: pip install 'conch[piper]'") from error
        # Triton's stub has no locale: without a name its text files are ASCII.
        config = PiperConfig.from_dict(json.loads(context.file("voice.onnx.json").read_text(encoding="utf-8")))
        voice = PiperVoice(session=open_session(context.file("voice.onnx"), context), config=config)
        model = cls(voice, context.integer("max_characters", MAX_CHARACTERS))
        for _ in model.stream(Row({"text": strings(["Ready."])})):
            pass
        return model

    def stream(self, row: Row) -> Iterator[Arrays]:
        text = self._checked(row.text("text"))
        length_scale = _length_scale(row)
        limit = int(MAX_PHONEMES / max(length_scale, 1.0))
        sentences = [piece for sentence in self._voice.phonemize(text) for piece in split_at_words(sentence, limit)]
        if not sentences:
            raise InvalidRequest(f"text has {len(text)} characters and not one that is spoken")
        for phonemes in sentences:
            yield {
                "pcm16": self._synthesize(phonemes, length_scale),
                "sample_rate": scalar(self._voice.config.sample_rate, np.int32),
            }

    def _checked(self, text: str) -> str:
        if not text.strip():
            raise InvalidRequest("text is empty, at least 1 word is needed")
        if len(text) > self._max_characters:
            raise InvalidRequest(
                f"text has {len(text)} characters, at most {self._max_characters} are spoken in a call"
            )
        # Piper takes what stands in [[ ]] for phonemes; here text is text.
        return _UNSPOKEN.sub(" ", text).replace("[[", "[ [")

    def _synthesize(self, phonemes: Sequence[str], length_scale: float) -> Array:
        from piper.config import SynthesisConfig

        ids = self._voice.phonemes_to_ids(list(phonemes))
        config = SynthesisConfig(length_scale=self._voice.config.length_scale * length_scale)
        audio = np.atleast_1d(self._voice.phoneme_ids_to_audio(ids, config))  # (samples,) in about [-1, 1]
        peak = max(float(np.abs(audio).max()), 1e-8)
        pcm16: Array = (audio * (_FULL_SCALE / peak)).astype(np.int16)
        return pcm16


def split_at_words(phonemes: Sequence[str], limit: int) -> Iterator[Sequence[str]]:
    """Pieces of at most `limit` phonemes, cut at the last space before it; none for punctuation alone."""
    start = 0
    while start < len(phonemes):
        end = min(start + limit, len(phonemes))
        if end < len(phonemes):
            end = next((index for index in range(end, start, -1) if phonemes[index] == " "), end)
        piece = phonemes[start:end]
        # Punctuation alone comes out as noise, scaled up to full loudness.
        if any(phoneme.isalpha() for phoneme in piece):
            yield piece
        start = end


def _length_scale(row: Row) -> float:
    if "length_scale" not in row:
        return 1.0
    length_scale = float(row["length_scale"].item())
    if not FASTEST <= length_scale <= SLOWEST:
        raise InvalidRequest(f"length_scale is {length_scale:g}, it must be between {FASTEST:g} and {SLOWEST:g}")
    return length_scale
