"""Turn text into a vector of unit length, so that the dot product of two tells how near their meanings are.

A MiniLM sentence transformer: token vectors are averaged over the text and scaled to length 1. What is beyond 256
word pieces (about 190 English words) is not read: the weights were trained on no more.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.specs import EMBEDDING, EMBEDDING_WIDTH
from conch.models.base import Array, Arrays, ModelContext, RaggedModel, Row, strings
from conch.models.onnx import open_session
from conch.models.padding import Padded, pad
from conch.models.wordpiece import FRAME, Ids, WordPiece

MAX_TOKENS = 256
MAX_CHARACTERS = 20_000
"""Longer texts are refused: cutting up a megabyte takes a second, for 256 word pieces of it."""

CALL_COST = 8
"""What a call more costs on a CPU, in tokens."""


class Embedding(RaggedModel):
    spec = EMBEDDING

    def __init__(self, session: Any, words: WordPiece, call_cost: int, version: str) -> None:
        self._session = session
        self._words = words
        self._call_cost = call_cost
        self._version = strings([version])

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        words = WordPiece.open(
            context.file("tokenizer.json"), MAX_TOKENS, context.integer("max_characters", MAX_CHARACTERS)
        )
        session = open_session(context.file("model.onnx"), context)
        model = cls(session, words, context.integer("call_cost", CALL_COST), context.version)
        model._warm_up(context.integer("warm_up_rows", 1))
        return model

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        answers: list[Arrays | ConchError] = []
        sequences: list[Ids] = []
        owners: list[int] = []
        for index, row in enumerate(rows):
            try:
                sequences.append(self._read(row.text("text")))
                owners.append(index)
                answers.append({})
            except InvalidRequest as error:
                answers.append(error)
        for batch in pad(sequences, self._call_cost):
            for position, vector in zip(batch.rows, self._embed(batch), strict=True):
                tokens = np.array([len(sequences[position]) - FRAME], np.int32)
                answers[owners[position]] = {"embedding": vector, "tokens": tokens, "version": self._version}
        return answers

    def _warm_up(self, rows: int) -> None:
        """The shortest and the largest call to come: TensorRT builds its engine for the range it has seen."""
        for text, count in (("warm", 1), ("warm " * MAX_TOKENS, rows)):
            for answer in self.predict([Row({"text": strings([text])})] * count):
                if isinstance(answer, ConchError):
                    raise answer
                if answer["embedding"].shape != (EMBEDDING_WIDTH,):
                    width = answer["embedding"].size
                    raise Internal(f"the weights give {width} values, the contract says {EMBEDDING_WIDTH}")

    def _read(self, text: str) -> Ids:
        ids = self._words.ids(text)
        # The mean of nothing has no direction, and a caller who sends it has lost his text.
        if len(ids) <= FRAME:
            raise InvalidRequest(f"text has {len(text)} characters and not one word")
        return ids

    def _embed(self, batch: Padded) -> Array:
        inputs = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "token_type_ids": np.zeros_like(batch.ids),
        }
        [tokens] = self._session.run(["last_hidden_state"], inputs)  # (batch, tokens, width)
        weights = batch.mask[:, :, np.newaxis].astype(np.float32)
        sums: Array = (tokens * weights).sum(axis=1)
        # The mean's divisor goes with the length.
        vectors: Array = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors
