"""What Whisper answers for one row, and what it was asked to decode for it."""

from dataclasses import dataclass

import numpy as np

from conch.contracts.specs import SPEECH_RATE
from conch.models.base import Array, Arrays, scalar, strings
from conch.models.rejection import Rejected
from conch.models.speech import Speech
from conch.models.windows import window_for
from conch.models.words import Word

TOKENS_A_SECOND = 25
"""Vietnamese takes up to 20; at 8 a third of its words were cut off."""
MORE_TOKENS = 10


LONG_S = 8.0
"""Seconds of speech from which"""
FEWEST_TOKENS_A_SECOND = 1.0
"""tokens are counted; slow speech has two, a decoder that stopped after the first of many sentences a tenth."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row's speech, ready to be decoded."""

    row: int
    """Its index in the batch that Triton made."""
    audio: Array
    """float32 at 16 kHz, from the first word to the last."""
    speech: Speech
    """Where `audio` stands in what the caller sent."""
    language: str
    """Empty: to be detected."""
    prompt: str
    """Words to expect, and"""
    hints: list[int]
    """their tokens."""
    with_words: bool

    @property
    def window(self) -> int:
        return window_for(len(self.audio))

    @property
    def max_tokens(self) -> int:
        """More are not said in this time: the decoder ran away."""
        return round(len(self.audio) / SPEECH_RATE * TOKENS_A_SECOND) + MORE_TOKENS

    def left_out(self, tokens: int) -> bool:
        """Whether so few tokens cannot be all that was said."""
        return self.speech.speech_s >= LONG_S and tokens < self.speech.speech_s * FEWEST_TOKENS_A_SECOND


@dataclass(frozen=True, slots=True)
class Transcript:
    rejected: Rejected
    """Why `text` and `language` are empty."""
    text: str = ""
    language: str = ""
    language_probability: float = 0.0
    """1 for a language that the caller named."""
    avg_logprob: float = 0.0
    no_speech_prob: float = 1.0
    compression_ratio: float = 0.0
    """Of what was decoded, also where that is rejected."""
    speech_s: float = 0.0
    words: tuple[Word, ...] = ()

    def tensors(self) -> Arrays:
        return {
            "text": strings([self.text]),
            "language": strings([self.language]),
            "language_probability": scalar(self.language_probability, np.float32),
            "avg_logprob": scalar(self.avg_logprob, np.float32),
            "no_speech_prob": scalar(self.no_speech_prob, np.float32),
            "compression_ratio": scalar(self.compression_ratio, np.float32),
            "speech_s": scalar(self.speech_s, np.float32),
            "rejected": strings([self.rejected]),
            "words": strings([word.text for word in self.words]),
            "word_times": np.array([(word.start_s, word.end_s) for word in self.words], np.float32).reshape(-1, 2),
            "word_probabilities": np.array([word.probability for word in self.words], np.float32),
        }


SILENCE = Transcript(Rejected.SILENCE)
