"""Cut text into the word pieces that BERT-like models read."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from conch.contracts.errors import Internal, InvalidRequest

Ids = npt.NDArray[np.int64]

FRAME = 2
"""[CLS] and [SEP], which stand around every text."""


class WordPiece:
    """A tokenizer.json as tokenizers writes it; its own truncation and padding are set aside."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, max_characters: int) -> None:
        tokenizer.no_padding()
        # A "[SEP]" that somebody wrote is text like any other.
        tokenizer.encode_special_tokens = True
        tokenizer.enable_truncation(max_tokens)
        self._tokenizer = tokenizer
        self._max_characters = max_characters

    @classmethod
    def open(cls, path: Path, max_tokens: int, max_characters: int) -> "WordPiece":
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises no narrower class
            raise Internal(f"{path.name} is not a tokenizer: {error}") from error
        return cls(tokenizer, max_tokens, max_characters)

    def ids(self, text: str) -> Ids:
        """[CLS] … [SEP], what is beyond `max_tokens` cut off; refuses what would take long to cut up."""
        if len(text) > self._max_characters:
            raise InvalidRequest(f"text has {len(text)} characters, the model takes at most {self._max_characters}")
        return np.array(self._tokenizer.encode(text).ids, dtype=np.int64)
