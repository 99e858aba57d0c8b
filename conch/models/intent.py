"""Tell what an utterance asks for: a team to come, a person to be rung, or anything else.

A BERT-Tiny of our own (training/intent.py). Its confidence is calibrated: of the texts it is 85 % sure of, 85 % are
right, as measured on texts it was not trained on. It reads the first 64 word pieces, about 50 words.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.specs import INTENT, INTENTS
from conch.models.base import Array, Arrays, ModelContext, RaggedModel, Row, scalar, strings
from conch.models.onnx import open_session
from conch.models.padding import pad
from conch.models.wordpiece import FRAME, Ids, WordPiece

MAX_CHARACTERS = 4_000
"""More than Whisper makes of 30 s of speech."""

CALL_COST = 16
"""What a call more costs on a CPU, in tokens."""


@dataclass(frozen=True, slots=True)
class IntentManifest:
    """What is known of a trained model, beside its weights in manifest.json."""

    labels: tuple[str, ...]
    """In the order of the logits."""
    temperature: float
    """The logits are divided by it before the softmax; fitted on held-back texts."""
    max_tokens: int

    @classmethod
    def read(cls, path: Path) -> "IntentManifest":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            manifest = cls(tuple(content["labels"]), float(content["temperature"]), int(content["max_tokens"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Internal(f"{path.name} is not the manifest of an intent model: {error!r}") from error
        if manifest.labels != INTENTS:
            raise Internal(f"{path.name} has the labels {manifest.labels}, the contract says {INTENTS}")
        if manifest.temperature <= 0:
            raise Internal(f"{path.name} has the temperature {manifest.temperature}, it must be above 0")
        return manifest


class Intent(RaggedModel):
    spec = INTENT

    def __init__(self, session: Any, words: WordPiece, temperature: float, call_cost: int) -> None:
        self._session = session
        self._words = words
        self._temperature = temperature
        self._call_cost = call_cost

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        manifest = IntentManifest.read(context.file("manifest.json"))
        words = WordPiece.open(
            context.file("tokenizer.json"), manifest.max_tokens, context.integer("max_characters", MAX_CHARACTERS)
        )
        session = open_session(context.file("model.onnx"), context)
        model = cls(session, words, manifest.temperature, context.integer("call_cost", CALL_COST))
        model._warm_up(context.integer("warm_up_rows", 1), manifest.max_tokens)
        return model

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        answers: list[Arrays | ConchError] = [NOTHING_SAID] * len(rows)
        sequences: list[Ids] = []
        owners: list[int] = []
        for index, row in enumerate(rows):
            try:
                ids = self._words.ids(row.text("text"))
            except InvalidRequest as error:
                answers[index] = error
                continue
            if len(ids) > FRAME:
                sequences.append(ids)
                owners.append(index)
        for batch in pad(sequences, self._call_cost):
            [logits] = self._session.run(["logits"], {"input_ids": batch.ids})  # (batch, intents)
            for position, one in zip(batch.rows, logits, strict=True):
                answers[owners[position]] = self._answer(one)
        return answers

    def _answer(self, logits: Array) -> Arrays:
        raised = np.exp((logits - logits.max()) / self._temperature)
        scores = raised / raised.sum()
        best = int(scores.argmax())
        return {
            "intent": strings([INTENTS[best]]),
            "confidence": scores[best : best + 1],
            "intent_scores": scores,
            "logits": logits,
        }

    def _warm_up(self, rows: int, max_tokens: int) -> None:
        """The shortest and the largest call to come: TensorRT builds its engine for the range it has seen."""
        for text, count in (("warm", 1), ("warm " * max_tokens, rows)):
            for answer in self.predict([Row({"text": strings([text])})] * count):
                if isinstance(answer, ConchError):
                    raise answer
                if answer["logits"].shape != (len(INTENTS),):
                    raise Internal(f"the weights give {answer['logits'].size} logits, the contract says {len(INTENTS)}")


NOTHING_SAID: Arrays = {
    "intent": strings([""]),
    "confidence": scalar(0.0, np.float32),
    "intent_scores": np.zeros(len(INTENTS), np.float32),
    "logits": np.zeros(len(INTENTS), np.float32),
}
"""The answer to a text without a word: no intent, and no confidence in any."""
