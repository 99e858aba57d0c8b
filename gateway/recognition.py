"""Speech to text by the `whisper` model: one stretch of at most 30 seconds a call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conch.clients.inference import Array, Arrays, CallOptions, Inference, ModelNotFound, text_column
from conch.contracts.errors import Unavailable
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.voice import Scores, Word
from gateway.audio import Samples


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller knows of the speech beforehand."""

    language: str = ""
    """ISO 639-1; empty: detected."""
    prompt: str = ""
    """Words to expect: names, places, jargon."""
    with_words: bool = False


@dataclass(frozen=True, slots=True)
class Recognition:
    text: str
    """Empty where nothing was said, or what was heard is not to be trusted."""
    language: str
    scores: Scores
    words: tuple[Word, ...]
    """Times from the first sample of the stretch."""
    rejected: str = ""
    """Why the text is empty: silence, no_speech, low_confidence or loop."""


class Recogniser:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def recognise(self, pcm: Samples, expectation: Expectation, call: CallOptions) -> Recognition:
        inputs = {**speech_inputs(pcm, expectation), "with_words": np.array([[expectation.with_words]])}
        answer = await asked(self._inference, "whisper", inputs, call)
        return Recognition(
            text=str(answer["text"][0, 0]).strip(),
            language=str(answer["language"][0, 0]),
            scores=scores_of(answer),
            words=_words(answer),
            rejected=str(answer["rejected"][0, 0]),
        )


async def asked(
    inference: Inference, model: str, inputs: Arrays, call: CallOptions, outputs: Sequence[str] | None = None
) -> Arrays:
    """The model's answer, of all outputs or of those that are named. That the server lacks a model which we name is not
    the caller's mistake."""
    try:
        return await inference.infer(model, inputs, outputs=outputs, call=call)
    except ModelNotFound as error:
        raise Unavailable(f"model {model} is not served now: {error.message}") from None


def speech_inputs(pcm: Samples, expectation: Expectation) -> dict[str, Array]:
    """Every input on every call, empty ones too: requests with different sets of inputs are not batched together."""
    return {
        "pcm16": pcm[np.newaxis],
        "sample_rate": np.array([[SPEECH_RATE]], np.int32),
        "language": text_column(expectation.language),
        "prompt": text_column(expectation.prompt),
    }


def scores_of(answer: Arrays) -> Scores:
    return Scores(
        avg_logprob=float(answer["avg_logprob"][0, 0]),
        no_speech_prob=float(answer["no_speech_prob"][0, 0]),
        compression_ratio=float(answer["compression_ratio"][0, 0]),
        speech_s=float(answer["speech_s"][0, 0]),
        language_probability=float(answer["language_probability"][0, 0]),
    )


def _words(answer: Arrays) -> tuple[Word, ...]:
    rows = zip(answer["words"][0], answer["word_times"][0], answer["word_probabilities"][0], strict=True)
    return tuple(Word(str(word), float(start), float(end), float(sure)) for word, (start, end), sure in rows)
