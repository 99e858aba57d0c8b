"""Speech of a text by the `piper` model, sentence by sentence as each is ready."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import numpy as np

from conch.clients.inference import Array, Inference, ModelNotFound, text_column
from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.voice import SpokenSentence
from gateway.calls import Call
from gateway.limits import Limits

PASSAGE_CHARACTERS = 1000
"""Text of one call of the model, whose own limit is higher. Others' calls get their turn between two passages."""

LENGTH_SCALES = (0.25, 4.0)

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+|\n\s*")  # noqa: RUF001 - ends of sentences in other scripts


class Speaking:
    def __init__(self, inference: Inference, limits: Limits) -> None:
        self._inference = inference
        self._limits = limits

    async def speak(self, text: str, length_scale: float | None, call: Call) -> AsyncIterator[SpokenSentence]:
        """`length_scale` None is the voice's own pace, 2.0 half as fast."""
        self._limits.check_speech(text)
        if length_scale is not None and not LENGTH_SCALES[0] <= length_scale <= LENGTH_SCALES[1]:
            raise InvalidRequest(f"length_scale is {length_scale}, {LENGTH_SCALES[0]} to {LENGTH_SCALES[1]} are taken")
        spoken = False
        for passage in passages(text, PASSAGE_CHARACTERS):
            inputs: dict[str, Array] = {"text": text_column(passage)}
            if length_scale is not None:
                inputs["length_scale"] = np.array([[length_scale]], np.float32)
            answers: Any = self._inference.stream("piper", inputs, call=call.asked_by_somebody())
            try:
                async with aclosing(answers):
                    async for answer in answers:
                        spoken = True
                        pcm = np.asarray(answer["pcm16"][0], "<i2")
                        yield SpokenSentence(pcm.tobytes(), int(answer["sample_rate"][0, 0]))
            except ModelNotFound as error:
                raise Unavailable(f"model piper is not served now: {error.message}") from None
        if not spoken:
            raise InvalidRequest("the text holds nothing that can be spoken")


def passages(text: str, most: int) -> Iterator[str]:
    """The text in order, cut at the ends of sentences, at white space where a sentence is longer than `most`."""
    passage = ""
    for sentence in _SENTENCE_END.split(text):
        for part in _parts(sentence.strip(), most):
            if passage and len(passage) + 1 + len(part) > most:
                yield passage
                passage = ""
            passage = f"{passage} {part}".strip()
    if passage:
        yield passage


def _parts(sentence: str, most: int) -> Iterator[str]:
    while len(sentence) > most:
        at = sentence.rfind(" ", 1, most)
        at = at if at > 0 else most
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    if sentence:
        yield sentence
